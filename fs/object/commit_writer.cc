// SPDX-License-Identifier: Apache-2.0
// CommitWriter; the grammar is in commit.h.
#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/object/commit.h"
#include "fs/object/commit_tags.h"

namespace trefoil {
namespace {

// Most that the lengths and numbers around a delta entry's bytes can take.
constexpr size_t kEntryOverheadBytes = 2 + 10 + 10;

void EncodePacks(const std::vector<PackRef>& packs, ByteWriter* writer) {
  writer->Varint(packs.size());
  for (const PackRef& pack : packs) {
    writer->U64(pack.pack_no.value);
    writer->Raw(pack.name.view());
    writer->U64(pack.size_bytes);
  }
}

std::string EncodeInfo(const CommitInfo& info) {
  std::string out;
  ByteWriter writer(&out);
  writer.U8(static_cast<uint8_t>(MetaTag::kInfo));
  writer.U64(info.seq.value);
  writer.U64(info.generation.value);
  writer.U64(info.epoch.value);
  writer.U64(info.cut.value);
  writer.U64(static_cast<uint64_t>(info.time_nanos));
  writer.U64(info.pack_no.value);
  writer.U8(0);  // flags
  EncodePacks(info.packs_added, &writer);
  EncodePacks(info.packs_retired, &writer);
  return out;
}

}  // namespace

CommitWriter::CommitWriter(std::unique_ptr<ObjectWriter> writer,
                           ObjectKind kind)
    : writer_(std::move(writer)), kind_(kind) {}

CommitWriter::~CommitWriter() = default;

Result<std::unique_ptr<CommitWriter>> CommitWriter::Create(
    Env& env, Random& random, const Keyring& keyring,
    const std::string& temporary_path, const ObjectHeader& header,
    const CommitInfo& info) {
  TREFOIL_CHECK(header.kind == ObjectKind::kCommit ||
                header.kind == ObjectKind::kCheckpoint);
  TREFOIL_CHECK(header.number == info.seq.value);
  TREFOIL_CHECK(header.generation == info.generation);
  TREFOIL_ASSIGN(
      std::unique_ptr<ObjectWriter> writer,
      ObjectWriter::Create(env, random, keyring, temporary_path, header));
  TREFOIL_TRY(writer->Append(FrameType::kMeta, EncodeInfo(info)).status());
  return std::unique_ptr<CommitWriter>(
      new CommitWriter(std::move(writer), header.kind));
}

Result<FrameLocation> CommitWriter::AppendBlock(std::string_view raw) {
  TREFOIL_CHECK(kind_ == ObjectKind::kCommit && !has_delta_);
  return writer_->Append(FrameType::kBlock, raw);
}

Status CommitWriter::AddDelta(uint8_t family, std::string_view key,
                              std::optional<std::string_view> value) {
  TREFOIL_CHECK(family < kDeltaFamilies);
  TREFOIL_CHECK(value.has_value() || kind_ == ObjectKind::kCommit);
  std::string sort_key(1, static_cast<char>(family));
  sort_key.append(key);
  TREFOIL_CHECK(!has_delta_ || last_key_ < sort_key);
  const size_t entry_bytes =
      kEntryOverheadBytes + key.size() + value.value_or("").size();
  if (entry_bytes >= kMaxFrameBytes) {
    return {StatusCode::kInvalidArgument, "a delta entry of " +
                                              std::to_string(entry_bytes) +
                                              " bytes fits no frame"};
  }
  if (pending_.size() + entry_bytes > kDeltaFrameBytes) {
    TREFOIL_TRY(FlushDelta());
  }
  has_delta_ = true;
  last_key_ = std::move(sort_key);
  ByteWriter writer(&pending_);
  if (pending_.empty()) writer.U8(static_cast<uint8_t>(MetaTag::kDelta));
  writer.U8(family);
  writer.U8(static_cast<uint8_t>(value ? DeltaOp::kPut : DeltaOp::kDelete));
  writer.Sized(key);
  if (value) writer.Sized(*value);
  return OkStatus();
}

Status CommitWriter::FlushDelta() {
  if (pending_.empty()) return OkStatus();
  TREFOIL_TRY(writer_->Append(FrameType::kMeta, pending_).status());
  pending_.clear();
  return OkStatus();
}

Result<FinishedObject> CommitWriter::Finish() {
  TREFOIL_TRY(FlushDelta());
  return writer_->Finish();
}

}  // namespace trefoil
