// SPDX-License-Identifier: Apache-2.0
// A rocksdb::FileSystem that does all its file I/O through an Env, so that
// whatever stands under the journal stands under RocksDB too.
//
// Keeps O2: `before_manifest`, when there is one, runs before any byte is
// appended to a MANIFEST, also while the index is being opened; its error is
// the append's error.
// Keeps O8: what a flush writes waits for room on a full disk instead of
// failing, see FullDisk.
// Thread rule: as RocksDB's: the file system is thread-safe, a file for
// reading at a position too, other files belong to one thread at a time.
// `before_manifest` runs on RocksDB's threads and on those that flush.
#pragma once

#include <rocksdb/file_system.h>

#include <functional>
#include <memory>
#include <string>

#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "fs/base/status.h"

namespace trefoil {

// Where a flush waits while the disk is full. RocksDB 7.8 does not get over a
// flush that fails without losing track of the memory to flush, so no flush
// fails for that reason. A compaction does: it removes what it wrote, gives
// the room back, and is tried again later by RocksDB.
// Thread-safe.
class FullDisk {
 public:
  // Until Start and after Stop nothing waits.
  void Start();
  void Stop();
  // OK when nothing waits. Otherwise what waits tries once more, now, and the
  // answer is its error when there is still no room.
  Status TryNow();

  // For the file system: runs `write` again and again while it finds no room.
  Status Run(const std::function<Status()>& write);
  // The table file that the flush writes next; there is one flush at a time.
  void SetFlushFile(const std::string& path);
  bool IsFlushFile(const std::string& path);

 private:
  Mutex mu_;  // a leaf: not held while `write` runs
  CondVar changed_;
  bool waits_ GUARDED_BY(mu_) = false;
  int waiting_ GUARDED_BY(mu_) = 0;        // writes that found no room
  uint64_t failures_ GUARDED_BY(mu_) = 0;  // attempts that found none
  uint64_t wanted_ GUARDED_BY(mu_) = 0;    // failures_ when TryNow was called
  Status error_ GUARDED_BY(mu_);           // of the last failure
  std::string flush_file_ GUARDED_BY(mu_);
};

// Borrows `env` for the life of the file system.
std::shared_ptr<rocksdb::FileSystem> NewEnvFileSystem(
    Env& env, std::shared_ptr<FullDisk> full_disk,
    std::function<Status()> before_manifest);

}  // namespace trefoil
