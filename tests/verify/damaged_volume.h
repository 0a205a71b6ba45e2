// SPDX-License-Identifier: Apache-2.0
// Damages a closed volume's files, its index, or its chain of commits, and
// looks at what the verifier says. Paths are of the volume's directory.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/index/index.h"
#include "fs/object/commit.h"
#include "tests/support/expect_clean.h"

namespace trefoil {

World TestWorld();

// Keys of the objects below `prefix`, in order.
std::vector<std::string> ObjectKeys(const std::string& volume,
                                    const std::string& prefix);
std::string ObjectPath(const std::string& volume, const std::string& key);
// The objects as a store of their own, as a target has them.
std::unique_ptr<LocalTree> Objects(const std::string& volume);

// What the objects of the volume are sealed under.
std::shared_ptr<const Keyring> KeyringOf(const std::string& volume);

// Changes one bit of a file.
void FlipBit(const std::string& path, uint64_t offset);
void Truncate(const std::string& path, uint64_t size);

// Changes the index of a closed volume.
void ChangeIndex(const std::string& volume,
                 const std::function<void(Index&, IndexBatch*)>& change);
// The value of a key that is there.
std::string ValueOf(Index& index, Family family, std::string_view key);

// Adds a well-formed commit with these entries (sorted by family and key)
// after the newest of the chain. `edit` may change what it says of itself.
void AddCommit(
    const std::string& volume, const std::vector<DeltaEntry>& entries,
    const std::function<void(ObjectHeader*, CommitInfo*)>& edit = nullptr);

// Verifies the volume, or its objects alone.
VerifyReport Verify(const std::string& volume, bool read_data);
VerifyReport VerifyObjects(const std::string& volume, bool read_data);

// The first finding of this code; nothing when there is none.
std::optional<Finding> Find(const VerifyReport& report,
                            const std::string& code);
// Expects that there is one, that says `text` in its place or its text.
void ExpectFinding(const VerifyReport& report, const std::string& code,
                   const std::string& text);

}  // namespace trefoil
