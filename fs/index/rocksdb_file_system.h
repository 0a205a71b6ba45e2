// SPDX-License-Identifier: Apache-2.0
// A rocksdb::FileSystem that does all its file I/O through an Env, so that
// whatever stands under the journal stands under RocksDB too.
//
// Keeps O2: `before_manifest`, when there is one, runs before any byte is
// appended to a MANIFEST, also while the index is being opened; its error is
// the append's error.
// Thread rule: as RocksDB's: the file system is thread-safe, a file for
// reading at a position too, other files belong to one thread at a time.
// `before_manifest` runs on RocksDB's threads and on those that flush.
#pragma once

#include <rocksdb/file_system.h>

#include <functional>
#include <memory>

#include "fs/base/env.h"
#include "fs/base/status.h"

namespace trefoil {

// Borrows `env` for the life of the file system.
std::shared_ptr<rocksdb::FileSystem> NewEnvFileSystem(
    Env& env, std::function<Status()> before_manifest);

}  // namespace trefoil
