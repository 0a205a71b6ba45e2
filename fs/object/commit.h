// SPDX-License-Identifier: Apache-2.0
// What a commit (and a checkpoint) says, in kMeta frames:
//
//   commit      := info-frame (block-frame*) delta-frame*
//   info-frame  := kMeta: tag:u8=1 seq:u64 generation:u64 epoch:u64 cut:u64
//                  time_nanos:u64 pack_no:u64 flags:u8=0
//                  added:varint {pack_no:u64 name[32] size:u64}*
//                  retired:varint {pack_no:u64 name[32] size:u64}*
//   delta-frame := kMeta: tag:u8=2 {family:u8 op:u8 key:sized [value:sized]}*
//                  op 1 = put, 2 = delete; family < kDeltaFamilies; sorted
//                  by (family, key) over the whole commit, each key once
//
// A checkpoint has the same frames with no block frames and puts only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/object/object_reader.h"
#include "fs/object/object_writer.h"

namespace trefoil {

// Families that travel in objects: the live tree and the history. What is of
// one machine only is never shipped, nor taken from a commit.
inline constexpr uint8_t kDeltaFamilies = 2;
// A delta frame is closed when the next entry would take it beyond this.
inline constexpr size_t kDeltaFrameBytes = 1U << 20;

struct PackRef {
  PackNo pack_no;
  Hash256 name;
  uint64_t size_bytes = 0;
};

struct CommitInfo {
  CommitSeq seq;
  Generation generation;
  Epoch epoch;  // every record of an epoch up to this one is in
  Lsn cut;
  int64_t time_nanos = 0;  // wall clock at the cut
  PackNo pack_no;          // the commit's own number as a holder of blocks
  std::vector<PackRef> packs_added;  // all are durable before the commit (O3)
  std::vector<PackRef> packs_retired;
};

// One change of the index. `family` and the bytes are fs/index's business.
struct DeltaEntry {
  uint8_t family = 0;
  std::string key;
  std::optional<std::string> value;  // none: deleted
};

// Writes a commit or a checkpoint; call in this order: blocks, then delta in
// sorted order (checked), then Finish. Memory is bounded by one frame. Not
// thread-safe.
class CommitWriter {
 public:
  // `header.kind` is kCommit or kCheckpoint.
  static Result<std::unique_ptr<CommitWriter>> Create(
      Env& env, Random& random, const Keyring& keyring,
      const std::string& temporary_path, const ObjectHeader& header,
      const CommitInfo& info);
  ~CommitWriter();
  Result<FrameLocation> AppendBlock(std::string_view raw);
  // kInvalidArgument when the entry does not fit one frame (kMaxFrameBytes).
  Status AddDelta(uint8_t family, std::string_view key,
                  std::optional<std::string_view> value);
  Result<FinishedObject> Finish();

 private:
  CommitWriter(std::unique_ptr<ObjectWriter> writer, ObjectKind kind);
  Status FlushDelta();

  const std::unique_ptr<ObjectWriter> writer_;
  const ObjectKind kind_;

  std::string pending_;   // the delta frame being filled
  std::string last_key_;  // family and key of the last entry
  bool has_delta_ = false;
};

// The first frame's CommitInfo, by ranged reads; checked against the key.
// What it says is proven only by the object's hash: use ReadCommit or
// VerifyObjectHash before acting on it where the store may lie.
Result<CommitInfo> ReadCommitInfo(ObjectStore& store, const Keyring& keyring,
                                  std::string_view key);

// Reads and verifies the whole object. `on_info` first, `on_delta` for each
// entry in order; block frames are verified and passed over. As ReadObject:
// nothing seen may be used unless OK is returned.
Status ReadCommit(ObjectStore& store, const Keyring& keyring,
                  std::string_view key,
                  const std::function<Status(const ObjectHeader&,
                                             const CommitInfo&)>& on_info,
                  const std::function<Status(const DeltaEntry&)>& on_delta);

}  // namespace trefoil
