// SPDX-License-Identifier: Apache-2.0
// How the index uses RocksDB: every option that differs from RocksDB's
// default, and why. Memory is bounded by IndexOptions, threads by one flush
// and one compaction at a time.
// Thread rule: the functions are pure.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>
#include <rocksdb/write_buffer_manager.h>

#include <memory>

#include "fs/index/index.h"

namespace trefoil {

// What all families share.
struct SharedMemory {
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
};
SharedMemory MakeSharedMemory(const IndexOptions& options);

// Without env and listeners.
rocksdb::DBOptions MakeDbOptions(const SharedMemory& memory);
rocksdb::ColumnFamilyOptions MakeFamilyOptions(const IndexOptions& options,
                                               const SharedMemory& memory);

// Whether a cursor that ends at `upper` may skip files by their filters of key
// prefixes and still see every key. (RocksDB would skip a key shorter than the
// prefix that lies between the prefix and its successor `upper`; there is none
// unless `upper` ends with a zero byte.)
bool MaySkipByPrefix(std::string_view upper);

}  // namespace trefoil
