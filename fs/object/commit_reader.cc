// SPDX-License-Identifier: Apache-2.0
// ReadCommitInfo and ReadCommit; the grammar is in commit.h.
#include <limits>

#include "fs/base/bytes.h"
#include "fs/object/commit.h"
#include "fs/object/commit_tags.h"
#include "fs/object/frame.h"
#include "fs/object/seal.h"

namespace trefoil {
namespace {

constexpr size_t kPackRefBytes = 8 + 32 + 8;
// Enough for the header and most info frames: one request.
constexpr uint64_t kFirstReadBytes = 64ULL << 10;

Status Damaged(std::string_view what) {
  return {StatusCode::kCorruption, std::string(what)};
}

bool DecodePacks(ByteReader* reader, std::vector<PackRef>* packs) {
  const uint64_t count = reader->Varint();
  if (count > reader->remaining() / kPackRefBytes) return false;
  packs->resize(static_cast<size_t>(count));
  for (PackRef& pack : *packs) {
    pack.pack_no = PackNo(reader->U64());
    pack.name = Hash256::FromBytes(reader->Raw(kPackRefBytes - 8 - 8));
    pack.size_bytes = reader->U64();
  }
  return true;
}

Result<CommitInfo> DecodeInfo(const OpenedFrame& frame) {
  ByteReader reader(frame.raw);
  if (frame.type != FrameType::kMeta ||
      reader.U8() != static_cast<uint8_t>(MetaTag::kInfo)) {
    return Damaged("does not begin with a commit's description");
  }
  CommitInfo info;
  info.seq = CommitSeq(reader.U64());
  info.generation = Generation(reader.U64());
  info.epoch = Epoch(reader.U64());
  info.cut = Lsn(reader.U64());
  info.time_nanos = static_cast<int64_t>(reader.U64());
  info.pack_no = PackNo(reader.U64());
  const uint8_t flags = reader.U8();
  if (!DecodePacks(&reader, &info.packs_added) ||
      !DecodePacks(&reader, &info.packs_retired) || !reader.AtEnd() ||
      flags != 0) {
    return Damaged("the commit's description is malformed");
  }
  return info;
}

Status CheckInfo(const ObjectHeader& header, const CommitInfo& info) {
  if (info.seq.value != header.number || info.generation != header.generation) {
    return Damaged("the commit's description belongs to another commit");
  }
  return OkStatus();
}

Status RequireCommitKey(const ParsedKey& parsed) {
  if (parsed.kind == ObjectKind::kCommit ||
      parsed.kind == ObjectKind::kCheckpoint) {
    return OkStatus();
  }
  return {StatusCode::kInvalidArgument, "not the key of a commit"};
}

// Where the first frame lies, made whole by a second read when needed.
Result<std::string> ReadFirstFrame(ObjectStore& store, std::string_view key,
                                   const Sealer& sealer,
                                   std::string_view first_read) {
  const std::string_view so_far = first_read.substr(kHeaderBytes);
  if (so_far.size() < kFrameHeaderBytes) return Damaged("truncated");
  TREFOIL_ASSIGN(const uint32_t size,
                 StoredFrameBytes(sealer, kHeaderBytes, so_far));
  if (so_far.size() >= size) return std::string(so_far.substr(0, size));
  return store.Get(key, {kHeaderBytes, size}, size);
}

Result<CommitInfo> ReadInfo(ObjectStore& store, const Keyring& keyring,
                            std::string_view key) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  TREFOIL_TRY(RequireCommitKey(parsed));
  TREFOIL_ASSIGN(const std::string first_read,
                 store.Get(key, {0, kFirstReadBytes}, kFirstReadBytes));
  TREFOIL_ASSIGN(const ObjectHeader header, DecodeObjectHeader(first_read));
  TREFOIL_TRY(CheckHeaderAgainstKey(header, parsed));
  TREFOIL_ASSIGN(const Sealer sealer, Sealer::For(header, keyring));
  TREFOIL_ASSIGN(const std::string bytes,
                 ReadFirstFrame(store, key, sealer, first_read));
  TREFOIL_ASSIGN(const OpenedFrame frame,
                 OpenFrame(sealer, kHeaderBytes, bytes));
  if (frame.location.frame_no != 0) return Damaged("the first frame is not 0");
  TREFOIL_ASSIGN(CommitInfo info, DecodeInfo(frame));
  TREFOIL_TRY(CheckInfo(header, info));
  return info;
}

// The order of frames and entries that the grammar asks for.
class CommitParser {
 public:
  CommitParser(std::string_view key,
               const std::function<Status(const ObjectHeader&,
                                          const CommitInfo&)>& on_info,
               const std::function<Status(const DeltaEntry&)>& on_delta)
      : key_(key), on_info_(on_info), on_delta_(on_delta) {}

  Status Frame(const ObjectHeader& header, const OpenedFrame& frame) {
    if (!has_info_) return InfoFrame(header, frame);
    if (frame.type == FrameType::kBlock) return BlockFrame(header, frame);
    return DeltaFrame(header, frame);
  }
  // The trailer was met.
  [[nodiscard]] Status End() const {
    return has_info_ ? OkStatus() : Fail("has no description");
  }

 private:
  // The visitor's errors pass through ReadObject without the key.
  [[nodiscard]] Status Fail(std::string_view what) const {
    return Damaged(what).WithContext(key_);
  }
  [[nodiscard]] Status FailAt(const OpenedFrame& frame,
                              std::string_view what) const {
    return AtFrame(Damaged(what), frame.location.frame_no,
                   frame.location.offset)
        .WithContext(key_);
  }

  Status InfoFrame(const ObjectHeader& header, const OpenedFrame& frame) {
    const Result<CommitInfo> info = DecodeInfo(frame);
    if (!info.ok()) return info.status().WithContext(key_);
    TREFOIL_TRY(CheckInfo(header, *info).WithContext(key_));
    has_info_ = true;
    return on_info_(header, *info);
  }

  [[nodiscard]] Status BlockFrame(const ObjectHeader& header,
                                  const OpenedFrame& frame) const {
    if (header.kind == ObjectKind::kCheckpoint || has_delta_) {
      return FailAt(frame, "a block where none may be");
    }
    return OkStatus();
  }

  Status DeltaFrame(const ObjectHeader& header, const OpenedFrame& frame) {
    ByteReader reader(frame.raw);
    if (reader.U8() != static_cast<uint8_t>(MetaTag::kDelta) ||
        reader.remaining() == 0) {
      return FailAt(frame, "not a delta");
    }
    has_delta_ = true;
    while (!reader.AtEnd()) {
      if (!ReadEntry(header, &reader)) return FailAt(frame, "malformed delta");
      if (!Advance()) return FailAt(frame, "delta entries are out of order");
      TREFOIL_TRY(on_delta_(entry_));
    }
    return OkStatus();
  }

  bool ReadEntry(const ObjectHeader& header, ByteReader* reader) {
    entry_.family = reader->U8();
    const uint8_t op = reader->U8();
    entry_.key.assign(reader->Sized());
    if (op == static_cast<uint8_t>(DeltaOp::kPut)) {
      if (!entry_.value) entry_.value.emplace();
      entry_.value->assign(reader->Sized());
    } else if (op == static_cast<uint8_t>(DeltaOp::kDelete) &&
               header.kind == ObjectKind::kCommit) {
      entry_.value.reset();
    } else {
      return false;
    }
    return reader->ok() && entry_.family < kDeltaFamilies;
  }

  // False unless the entry's key is above the one before.
  bool Advance() {
    const bool above =
        !has_entry_ || entry_.family > last_family_ ||
        (entry_.family == last_family_ && last_key_.compare(entry_.key) < 0);
    has_entry_ = true;
    last_family_ = entry_.family;
    last_key_ = entry_.key;
    return above;
  }

  const std::string_view key_;
  const std::function<Status(const ObjectHeader&, const CommitInfo&)>& on_info_;
  const std::function<Status(const DeltaEntry&)>& on_delta_;

  bool has_info_ = false;
  bool has_delta_ = false;
  bool has_entry_ = false;
  uint8_t last_family_ = 0;
  std::string last_key_;
  DeltaEntry entry_;  // its memory is used again for each entry
};

uint64_t MaxBytes(ObjectKind kind) {
  return kind == ObjectKind::kCheckpoint ? std::numeric_limits<uint64_t>::max()
                                         : kMaxObjectBytes;
}

}  // namespace

Result<CommitInfo> ReadCommitInfo(ObjectStore& store, const Keyring& keyring,
                                  std::string_view key) {
  Result<CommitInfo> info = ReadInfo(store, keyring, key);
  if (!info.ok()) return info.status().WithContext(key);
  return info;
}

Status ReadCommit(ObjectStore& store, const Keyring& keyring,
                  std::string_view key,
                  const std::function<Status(const ObjectHeader&,
                                             const CommitInfo&)>& on_info,
                  const std::function<Status(const DeltaEntry&)>& on_delta) {
  const Result<ParsedKey> parsed = ParseObjectKey(key);
  if (!parsed.ok()) return parsed.status().WithContext(key);
  TREFOIL_TRY(RequireCommitKey(*parsed).WithContext(key));
  CommitParser parser(key, on_info, on_delta);
  TREFOIL_TRY(
      ReadObject(store, keyring, key, MaxBytes(parsed->kind),
                 [&](const ObjectHeader& header, const OpenedFrame& frame) {
                   return parser.Frame(header, frame);
                 }));
  return parser.End();
}

}  // namespace trefoil
