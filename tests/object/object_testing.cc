// SPDX-License-Identifier: Apache-2.0
#include "tests/object/object_testing.h"

#include <cstdlib>

#include "fs/object/seal.h"
#include "fs/object/zstd_codec.h"

namespace trefoil {
namespace {

class FaultyFile final : public File {
 public:
  FaultyFile(const FaultyEnv& env, std::unique_ptr<File> base)
      : env_(env), base_(std::move(base)) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    return base_->ReadAt(offset, out);
  }
  Status WriteAt(uint64_t offset,
                 std::span<const std::string_view> parts) override {
    TREFOIL_TRY(env_.write_error);
    return base_->WriteAt(offset, parts);
  }
  Status Sync() override {
    TREFOIL_TRY(env_.sync_error);
    return base_->Sync();
  }
  void StartWriteback(uint64_t offset, uint64_t length) override {
    base_->StartWriteback(offset, length);
  }
  void DropCache(uint64_t offset, uint64_t length) override {
    base_->DropCache(offset, length);
  }
  Status Truncate(uint64_t size) override { return base_->Truncate(size); }
  Result<uint64_t> Size() override { return base_->Size(); }

 private:
  const FaultyEnv& env_;
  const std::unique_ptr<File> base_;
};

}  // namespace

Result<std::unique_ptr<File>> FaultyEnv::Open(const std::string& path,
                                              OpenMode mode) {
  ++opens;
  TREFOIL_ASSIGN(std::unique_ptr<File> file, base_.Open(path, mode));
  return std::unique_ptr<File>(
      std::make_unique<FaultyFile>(*this, std::move(file)));
}
Result<FileInfo> FaultyEnv::Stat(const std::string& path) {
  return base_.Stat(path);
}
Result<FileKind> FaultyEnv::KindOf(const std::string& path) {
  return base_.KindOf(path);
}
Result<std::vector<DirEntry>> FaultyEnv::List(const std::string& path) {
  return base_.List(path);
}
Status FaultyEnv::CreateDir(const std::string& path) {
  return base_.CreateDir(path);
}
Status FaultyEnv::Rename(const std::string& from, const std::string& to) {
  TREFOIL_TRY(rename_error);
  return base_.Rename(from, to);
}
Status FaultyEnv::Link(const std::string& from, const std::string& to) {
  TREFOIL_TRY(link_error);
  return base_.Link(from, to);
}
Status FaultyEnv::Remove(const std::string& path) { return base_.Remove(path); }
Status FaultyEnv::RemoveDir(const std::string& path) {
  return base_.RemoveDir(path);
}
Status FaultyEnv::SyncDir(const std::string& path) {
  ++dir_syncs;
  return base_.SyncDir(path);
}
Result<std::unique_ptr<FileLock>> FaultyEnv::Lock(const std::string& path) {
  return base_.Lock(path);
}
Result<SpaceInfo> FaultyEnv::Space(const std::string& path) {
  return base_.Space(path);
}

testing::AssertionResult IsOk(const Status& status) {
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status.ToString();
}

testing::AssertionResult HasCode(const Status& status, StatusCode code) {
  if (status.Is(code)) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << status.ToString() << " instead of " << StatusCodeName(code);
}

std::string Noise(uint64_t seed, size_t size) {
  return SeededRandom(seed).Bytes(size);
}

std::string Text(size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) {
    out += "line " + std::to_string(i) + " of a letter to the office\n";
  }
  out.resize(size);
  return out;
}

ScratchDir::ScratchDir() {
  path_ = testing::TempDir() + "trefoil-object.XXXXXX";
  TREFOIL_CHECK(mkdtemp(path_.data()) != nullptr);
}

ScratchDir::~ScratchDir() { static_cast<void>(Env::Posix().RemoveTree(path_)); }

Status MapStore::Put(std::string_view key, ObjectSource& source,
                     PutMode /*mode*/) {
  std::string bytes(source.size_bytes(), '\0');
  TREFOIL_TRY(source.ReadAt(0, bytes));
  objects[std::string(key)] = std::move(bytes);
  return OkStatus();
}

Result<std::string> MapStore::Get(std::string_view key, ByteRange range,
                                  uint64_t max_bytes) {
  const auto found = objects.find(key);
  if (found == objects.end()) return Status(StatusCode::kNotFound, "no object");
  const std::string& bytes = found->second;
  if (range.offset >= bytes.size()) return std::string();
  std::string out = bytes.substr(
      range.offset, range.length == 0 ? std::string::npos : range.length);
  if (out.size() > max_bytes) return Status(StatusCode::kCorruption, "long");
  return out;
}

Result<ObjectInfo> MapStore::Head(std::string_view key) {
  const auto found = objects.find(key);
  if (found == objects.end()) return Status(StatusCode::kNotFound, "no object");
  return ObjectInfo{found->first, found->second.size()};
}

Status MapStore::List(std::string_view prefix, std::string_view start_after,
                      const std::function<bool(const ObjectInfo&)>& visit) {
  for (const auto& [key, bytes] : objects) {
    if (!key.starts_with(prefix) || key <= start_after) continue;
    if (!visit({key, bytes.size()})) break;
  }
  return OkStatus();
}

Status MapStore::Delete(std::string_view key) {
  objects.erase(std::string(key));
  return OkStatus();
}

Sealer SealerOf(const ObjectHeader& header) {
  return Sealer::For(header, Keyring::Plain()).value();
}

ObjectHeader SampleHeader(ObjectKind kind) {
  SeededRandom random(7);
  ObjectHeader header;
  header.kind = kind;
  header.key_id = 0x01020304;
  random.Fill(header.salt);
  random.Fill(header.volume_id);
  header.generation = Generation(0x1122334455667788);
  header.number = kind == ObjectKind::kPack ? 0 : 0x99aabbccddeeff00;
  if (kind == ObjectKind::kCommit) header.previous = Sha256::Of("before");
  return header;
}

std::string KeyOf(const ObjectHeader& header, std::string_view bytes) {
  const Hash256 name = Sha256::Of(bytes);
  const CommitSeq seq(header.number);
  switch (header.kind) {
    case ObjectKind::kPack:
      return PackKey(name);
    case ObjectKind::kCommit:
      return CommitKey(header.generation, seq, name);
    case ObjectKind::kCheckpoint:
      return CheckpointKey(header.generation, seq, name);
    case ObjectKind::kVolume:
    case ObjectKind::kOwner:
      break;
  }
  return VolumeKey(header.number, name);
}

std::string BuildFrames(const ObjectHeader& header,
                        const std::vector<FrameSpec>& frames) {
  std::string out = EncodeObjectHeader(header);
  uint32_t frame_no = 0;
  for (const FrameSpec& frame : frames) {
    out += SealFrame(SealerOf(header), out.size(), frame_no++, frame.type,
                     frame.raw)
               .value();
  }
  return out;
}

std::string TrailerRaw(uint32_t frame_count, uint64_t size_before) {
  std::string out;
  ByteWriter writer(&out);
  writer.U32(frame_count);
  writer.U64(size_before);
  return out;
}

std::string BuildObject(const ObjectHeader& header,
                        const std::vector<FrameSpec>& frames) {
  std::string out = BuildFrames(header, frames);
  const auto count = static_cast<uint32_t>(frames.size());
  out += SealFrame(SealerOf(header), out.size(), count, FrameType::kTrailer,
                   TrailerRaw(count, out.size()))
             .value();
  return out;
}

std::string SealRaw(const ObjectHeader& header, uint64_t offset,
                    const RawFrame& frame) {
  std::string out;
  ByteWriter writer(&out);
  writer.U32(frame.stored_length);
  writer.U32(frame.raw_length);
  writer.U8(frame.type);
  writer.U8(frame.codec);
  writer.U16(frame.reserved);
  writer.U32(frame.frame_no);
  out.resize(kFrameHeaderBytes);
  out += frame.payload;
  SealerOf(header).Seal(offset, out);
  return out;
}

std::string Compressed(std::string_view raw) {
  std::string out(raw.size() + 1024, '\0');
  out.resize(ZstdCompress(raw, out));
  return out;
}

}  // namespace trefoil
