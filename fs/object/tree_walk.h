// SPDX-License-Identifier: Apache-2.0
// Lists the objects of a directory tree. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "fs/base/env.h"
#include "fs/object/object_store.h"

namespace trefoil {

// Below the root; what is being written. Never listed.
inline constexpr std::string_view kTemporaryDir = "tmp";

// As ObjectStore::List, over the files below `root`. Memory is bounded by the
// entries of one directory and of those above it.
Status WalkTree(Env& env, const std::string& root, std::string_view prefix,
                std::string_view start_after,
                const std::function<bool(const ObjectInfo&)>& visit);

}  // namespace trefoil
