// SPDX-License-Identifier: Apache-2.0
#include "fs/index/rocksdb_options.h"

#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <cstdarg>

#include "fs/index/keys.h"

namespace trefoil {
namespace {

constexpr size_t kBlockBytes = 8 << 10;
constexpr int kBlockCacheShardBits = 2;
constexpr double kFilterBitsPerKey = 10;
constexpr uint64_t kTableFileBytes = 16ULL << 20;
constexpr uint64_t kLevelBaseBytes = 64ULL << 20;
constexpr int kMaxOpenFiles = 256;
constexpr size_t kCompactionReadBytes = 512 << 10;
constexpr uint64_t kWritebackBytes = 1 << 20;
// A file is compacted early when so many of so many neighbours are deletions.
constexpr size_t kDeletionWindow = 1024;
constexpr size_t kDeletionTrigger = 512;

constexpr size_t kRecordPrefixBytes = 1 + 8;      // table, inode
constexpr size_t kDirentPrefixBytes = 1 + 8 + 6;  // table, directory, name hash

// The part of a versioned key that scans have in common: the inode's, and for
// directory entries those with the same hash of the name, so that looking for
// a name that is not there reads no block.
class ScanPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "trefoil.ScanPrefix.1"; }

  bool InDomain(const rocksdb::Slice& key) const override {
    return IsVersioned(key.ToStringView()) && key.size() >= PrefixBytes(key);
  }

  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), PrefixBytes(key)};
  }

  // RocksDB uses it to see that [prefix, upper) has one prefix only, where
  // `upper` is the next one of this length.
  bool FullLengthEnabled(size_t* length) const override {
    *length = kRecordPrefixBytes;
    return true;
  }

 private:
  static size_t PrefixBytes(const rocksdb::Slice& key) {
    return key[0] == 'D' ? kDirentPrefixBytes : kRecordPrefixBytes;
  }
};

// RocksDB's own messages go nowhere: what matters comes as a status.
class NoLogger final : public rocksdb::Logger {
 public:
  NoLogger() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::CompressionType Supported(rocksdb::CompressionType wanted) {
  const std::vector<rocksdb::CompressionType> all =
      rocksdb::GetSupportedCompressions();
  return std::find(all.begin(), all.end(), wanted) != all.end()
             ? wanted
             : rocksdb::kNoCompression;
}

std::shared_ptr<rocksdb::TableFactory> MakeTableFactory(
    const SharedMemory& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.block_cache;
  table.block_size = kBlockBytes;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  table.whole_key_filtering = true;
  // Indexes and filters count as cached blocks, so that the cache's size is
  // the bound of all that is kept of files.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.data_block_index_type =
      rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  return std::shared_ptr<rocksdb::TableFactory>(
      rocksdb::NewBlockBasedTableFactory(table));
}

}  // namespace

SharedMemory MakeSharedMemory(const IndexOptions& options) {
  SharedMemory memory;
  // A shard holds the filter of a whole table file, about 1 MiB, many times.
  memory.block_cache =
      rocksdb::NewLRUCache(options.block_cache_bytes, kBlockCacheShardBits);
  // A flush starts at 7/8 of the manager's size, so that a third of the bound
  // is there for what is written meanwhile.
  memory.write_buffers = std::make_shared<rocksdb::WriteBufferManager>(
      options.write_buffer_bytes / 3 * 2);
  return memory;
}

rocksdb::DBOptions MakeDbOptions(const SharedMemory& memory) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  db.write_buffer_manager = memory.write_buffers;

  // The journal is the log. All families become durable at one point.
  db.atomic_flush = true;
  db.avoid_flush_during_shutdown = true;

  // One thread applies: nothing is paid for concurrent writers.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  db.enable_pipelined_write = false;

  db.max_background_jobs = 2;
  db.max_subcompactions = 1;
  db.max_open_files = kMaxOpenFiles;
  db.max_file_opening_threads = 1;
  db.skip_stats_update_on_db_open = true;
  db.compaction_readahead_size = kCompactionReadBytes;
  db.bytes_per_sync = kWritebackBytes;

  // Nothing wakes up or writes without need.
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.max_bgerror_resume_count = 0;
  db.info_log = std::make_shared<NoLogger>();
  db.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
  return db;
}

rocksdb::ColumnFamilyOptions MakeFamilyOptions(const IndexOptions& options,
                                               const SharedMemory& memory) {
  rocksdb::ColumnFamilyOptions family;
  family.table_factory = MakeTableFactory(memory);
  family.prefix_extractor = std::make_shared<ScanPrefix>();

  family.write_buffer_size = options.write_buffer_bytes / 2;
  // Apply runs under the volume's sequencer, before the journal has the bytes
  // of its record, and a flush waits for the journal: so Apply must never wait
  // for a flush or a compaction. Writers wait before, in WaitForRoom.
  family.max_write_buffer_number = 1 << 20;
  family.level0_slowdown_writes_trigger = 1 << 20;
  family.level0_stop_writes_trigger = 1 << 20;
  family.soft_pending_compaction_bytes_limit = 0;
  family.hard_pending_compaction_bytes_limit = 0;

  family.level_compaction_dynamic_level_bytes = true;
  family.target_file_size_base = kTableFileBytes;
  family.max_bytes_for_level_base = kLevelBaseBytes;
  family.compression = Supported(rocksdb::kLZ4Compression);
  family.bottommost_compression = Supported(rocksdb::kZSTD);
  family.ttl = 0;
  family.periodic_compaction_seconds = 0;
  family.force_consistency_checks = true;
  // A scan over what was just removed (a queue, a deleted tree) would read
  // the deletions again and again.
  family.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kDeletionWindow,
                                                    kDeletionTrigger));
  return family;
}

bool MaySkipByPrefix(std::string_view upper) {
  return !upper.empty() &&
         !(upper.size() == kRecordPrefixBytes && upper.back() == '\0');
}

}  // namespace trefoil
