// SPDX-License-Identifier: Apache-2.0
#include "fs/index/records.h"

#include <limits>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

Status Damaged(std::string_view kind) {
  return {StatusCode::kCorruption,
          "index: a record of kind " + std::string(kind) + " is malformed"};
}

void Time(ByteWriter* out, int64_t nanos) {
  out->U64(static_cast<uint64_t>(nanos));
}
int64_t Time(ByteReader* in) { return static_cast<int64_t>(in->U64()); }

// A varint that must fit 32 bits; anything larger makes `*ok` false.
uint32_t Small(ByteReader* in, bool* ok) {
  const uint64_t value = in->Varint();
  if (value > std::numeric_limits<uint32_t>::max()) *ok = false;
  return static_cast<uint32_t>(value);
}

Hash256 Hash(ByteReader* in) {
  const std::string_view raw = in->Raw(32);
  return in->ok() ? Hash256::FromBytes(raw) : Hash256{};
}

}  // namespace

std::string InodeRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(birth.value);
  out.Varint(mode);
  out.Varint(nlink);
  out.Varint(uid);
  out.Varint(gid);
  out.Varint(rdev);
  out.Varint(flags);
  out.Varint(size_bytes);
  out.Varint(parent.value);
  Time(&out, atime_nanos);
  Time(&out, mtime_nanos);
  Time(&out, ctime_nanos);
  Time(&out, btime_nanos);
  out.Sized(symlink_target);
  return bytes;
}

Result<InodeRecord> InodeRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  InodeRecord r;
  bool ok = true;
  r.birth = Epoch(in.Varint());
  r.mode = Small(&in, &ok);
  r.nlink = Small(&in, &ok);
  r.uid = Small(&in, &ok);
  r.gid = Small(&in, &ok);
  r.rdev = Small(&in, &ok);
  r.flags = Small(&in, &ok);
  r.size_bytes = in.Varint();
  r.parent = InodeId(in.Varint());
  r.atime_nanos = Time(&in);
  r.mtime_nanos = Time(&in);
  r.ctime_nanos = Time(&in);
  r.btime_nanos = Time(&in);
  r.symlink_target = in.Sized();
  if (!ok || !in.AtEnd()) return Damaged("inode");
  return r;
}

std::string DirentRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(birth.value);
  out.Varint(inode.value);
  out.U8(type);
  out.Raw(name);
  return bytes;
}

Result<DirentRecord> DirentRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  DirentRecord r;
  r.birth = Epoch(in.Varint());
  r.inode = InodeId(in.Varint());
  r.type = in.U8();
  r.name = in.Raw(in.remaining());
  if (!in.AtEnd() || r.name.empty()) return Damaged("directory entry");
  return r;
}

std::string XattrRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(birth.value);
  out.Raw(value);
  return bytes;
}

Result<XattrRecord> XattrRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  XattrRecord r;
  r.birth = Epoch(in.Varint());
  r.value = in.Raw(in.remaining());
  if (!in.AtEnd()) return Damaged("extended attribute");
  return r;
}

std::string ExtentRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(birth.value);
  out.Varint(length);
  out.Varint(block.value);
  out.Varint(block_offset);
  return bytes;
}

Result<ExtentRecord> ExtentRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  ExtentRecord r;
  r.birth = Epoch(in.Varint());
  r.length = in.Varint();
  r.block = BlockNo(in.Varint());
  r.block_offset = in.Varint();
  if (!in.AtEnd() || r.length == 0 || r.length > kMaxExtentBytes ||
      r.block_offset > kMaxFrameBytes) {
    return Damaged("extent");
  }
  return r;
}

std::string BlockRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(pack.value);
  out.Varint(location.offset);
  out.Varint(location.stored_bytes);
  out.Varint(location.raw_bytes);
  out.Varint(location.frame_no);
  out.Raw(id.view());
  return bytes;
}

Result<BlockRecord> BlockRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  BlockRecord r;
  bool ok = true;
  r.pack = PackNo(in.Varint());
  r.location.offset = in.Varint();
  r.location.stored_bytes = Small(&in, &ok);
  r.location.raw_bytes = Small(&in, &ok);
  r.location.frame_no = Small(&in, &ok);
  r.id = Hash(&in);
  if (!ok || !in.AtEnd()) return Damaged("block");
  return r;
}

std::string PackRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.U8(static_cast<uint8_t>(kind));
  out.Raw(name.view());
  out.Varint(size_bytes);
  out.Varint(generation.value);
  out.Varint(number);
  out.U8(retired ? 1 : 0);
  return bytes;
}

Result<PackRecord> PackRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  PackRecord r;
  r.kind = static_cast<ObjectKind>(in.U8());
  r.name = Hash(&in);
  r.size_bytes = in.Varint();
  r.generation = Generation(in.Varint());
  r.number = in.Varint();
  const uint8_t retired = in.U8();
  r.retired = retired == 1;
  if (!in.AtEnd() || retired > 1 ||
      (r.kind != ObjectKind::kPack && r.kind != ObjectKind::kCommit)) {
    return Damaged("pack");
  }
  return r;
}

std::string DeadRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(pack.value);
  out.Varint(stored_bytes);
  return bytes;
}

Result<DeadRecord> DeadRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  DeadRecord r;
  r.pack = PackNo(in.Varint());
  r.stored_bytes = in.Varint();
  if (!in.AtEnd()) return Damaged("dead block");
  return r;
}

std::string SnapshotRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(epoch.value);
  Time(&out, time_nanos);
  out.Sized(name);
  out.Sized(label);
  return bytes;
}

Result<SnapshotRecord> SnapshotRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  SnapshotRecord r;
  r.epoch = Epoch(in.Varint());
  r.time_nanos = Time(&in);
  r.name = in.Sized();
  r.label = in.Sized();
  if (!in.AtEnd() || r.name.empty()) return Damaged("snapshot");
  return r;
}

std::string CommitRecord::Encode() const {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Varint(generation.value);
  out.Raw(name.view());
  out.Varint(size_bytes);
  Time(&out, time_nanos);
  out.Varint(cut.value);
  out.Varint(epoch.value);
  out.Varint(pack.value);
  return bytes;
}

Result<CommitRecord> CommitRecord::Decode(std::string_view bytes) {
  ByteReader in(bytes);
  CommitRecord r;
  r.generation = Generation(in.Varint());
  r.name = Hash(&in);
  r.size_bytes = in.Varint();
  r.time_nanos = Time(&in);
  r.cut = Lsn(in.Varint());
  r.epoch = Epoch(in.Varint());
  r.pack = PackNo(in.Varint());
  if (!in.AtEnd()) return Damaged("commit");
  return r;
}

std::string EncodeNumber(uint64_t number) {
  std::string bytes;
  ByteWriter(&bytes).Varint(number);
  return bytes;
}

Result<uint64_t> DecodeNumber(std::string_view bytes) {
  ByteReader in(bytes);
  const uint64_t number = in.Varint();
  if (!in.AtEnd()) return Damaged("number");
  return number;
}

Result<Epoch> BirthOf(std::string_view versioned_value) {
  ByteReader in(versioned_value);
  const Epoch birth(in.Varint());
  if (!in.ok()) return Damaged("versioned value");
  return birth;
}

}  // namespace trefoil
