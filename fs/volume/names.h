// SPDX-License-Identifier: Apache-2.0
// Names of directory entries: validity, case folding, and the keyed hash that
// gives an entry its position. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/status.h"
#include "fs/index/keys.h"

namespace trefoil {

// Unicode full case folding (utf8proc: NFKC_Casefold's fold without
// compatibility mapping) of valid UTF-8; anything else folds to itself.
std::string FoldName(std::string_view name);

// Whether a client that ignores case takes `a` and `b` for one name: they
// differ in nothing but the case of letters, one for one, as Windows and Samba
// compare. Equal names fold equally; not every two that fold equally are equal:
// `straße` and `strasse` are two files to a client, and so are the two ways of
// writing é.
bool EqualIgnoringCase(std::string_view a, std::string_view b);

// The first position of the 65,536 that names folding like `name` share.
// `name_key` is the volume's.
DirPosition FirstPosition(std::string_view name_key, std::string_view name);
inline constexpr uint64_t kPositionsPerHash = 1ULL << 16;

// OK, ENAMETOOLONG, ENOENT (empty), EINVAL ('/' or NUL inside), EEXIST for `.`
// and `..`.
Status CheckName(std::string_view name);

}  // namespace trefoil
