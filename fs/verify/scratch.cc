// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/scratch.h"

namespace trefoil {
namespace {

constexpr uint64_t kScratchCacheBytes = 32ULL << 20;
constexpr uint64_t kScratchBufferBytes = 24ULL << 20;
constexpr size_t kBatchBytes = 2U << 20;
// Scratch contents have no place in a journal.
constexpr Lsn kScratchLsn{1};

}  // namespace

IndexOptions ScratchOptions() {
  IndexOptions options;
  options.block_cache_bytes = kScratchCacheBytes;
  options.write_buffer_bytes = kScratchBufferBytes;
  return options;
}

Result<std::unique_ptr<ScratchIndex>> ScratchIndex::Create(World world,
                                                           std::string parent) {
  if (parent.empty()) parent = ScratchParent(world.env);
  auto directory = ScratchDirectory::Create(world.env, world.random, parent,
                                            "trefoil-verify-");
  TREFOIL_TRY(directory.status().WithContext("scratch space for checking"));
  std::unique_ptr<ScratchIndex> scratch(
      new ScratchIndex(std::move(*directory)));
  TREFOIL_ASSIGN(scratch->index_,
                 Index::Open(world.env, scratch->directory_->Path("index"),
                             ScratchOptions()));
  return scratch;
}

Status BatchWriter::Put(Family family, std::string key, std::string value) {
  const size_t added = key.size() + value.size();
  batch_.Put(family, std::move(key), std::move(value));
  return FlushWhenFull(added);
}

Status BatchWriter::Delete(Family family, std::string key) {
  const size_t added = key.size();
  batch_.Delete(family, std::move(key));
  return FlushWhenFull(added);
}

Status BatchWriter::FlushWhenFull(size_t added_bytes) {
  constexpr size_t kOverheadBytes = 64;
  bytes_ += added_bytes + kOverheadBytes;
  return bytes_ < kBatchBytes ? OkStatus() : Flush();
}

Status BatchWriter::Flush() {
  if (batch_.empty()) return OkStatus();
  TREFOIL_TRY(index_.Apply(batch_, kScratchLsn));
  batch_.Clear();
  bytes_ = 0;
  return OkStatus();
}

}  // namespace trefoil
