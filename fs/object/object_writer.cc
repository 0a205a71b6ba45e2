// SPDX-License-Identifier: Apache-2.0
#include "fs/object/object_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/base/log.h"
#include "fs/object/seal.h"

namespace trefoil {
namespace {

// Small frames are gathered into writes of at most this size; frames of at
// least kDirectBytes are written from where they lie.
constexpr size_t kWriteBufferBytes = 1U << 20;
constexpr size_t kDirectBytes = 64U << 10;
// The disk begins to work on what was written each time this has gathered.
constexpr uint64_t kWritebackBytes = 1U << 20;

constexpr uint64_t kTrailerFrameBytes = kFrameHeaderBytes + 4 + 8;
constexpr uint64_t kMinGranule = 512;
constexpr uint64_t kMaxGranule = 64U << 10;
constexpr uint64_t kMaxPaddingBytes = kMaxGranule + kFrameHeaderBytes;

// The padding frame's bytes, its header included, for an object that would
// have `size` bytes without it.
uint64_t PaddingBytes(uint64_t size) {
  const uint64_t granule =
      std::clamp(std::bit_floor(size / 16), kMinGranule, kMaxGranule);
  const uint64_t least = size + kFrameHeaderBytes;
  return (least + granule - 1) / granule * granule - size;
}

bool IsBounded(ObjectKind kind) { return kind != ObjectKind::kCheckpoint; }

class FileObjectWriter final : public ObjectWriter {
 public:
  FileObjectWriter(Env& env, std::string path, Sealer sealer,
                   std::unique_ptr<File> file)
      : env_(env),
        path_(std::move(path)),
        sealer_(std::move(sealer)),
        file_(std::move(file)) {}
  ~FileObjectWriter() override;

  Status Begin();
  Result<FrameLocation> Append(FrameType type, std::string_view raw) override;
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] uint32_t frame_count() const override { return frame_count_; }
  Result<FinishedObject> Finish() override;

 private:
  // Remembers the first error: after it the file's content is unknown.
  Status Keep(Status status);
  Status Write(std::string_view bytes);
  // Writes what is buffered and `more` behind it.
  Status Flush(std::string_view more);
  Status Pad();
  Status FinishFile();
  Result<FrameLocation> AppendFrame(FrameType type, std::string_view raw);

  Env& env_;
  const std::string path_;
  const Sealer sealer_;

  std::unique_ptr<File> file_;
  Sha256 sha256_;
  std::string buffer_;  // what follows written_bytes_ in the file
  uint64_t written_bytes_ = 0;
  uint64_t writeback_bytes_ = 0;  // of these the disk was told
  uint64_t size_bytes_ = 0;
  uint32_t frame_count_ = 0;
  bool finished_ = false;
  Status error_;
};

FileObjectWriter::~FileObjectWriter() {
  if (finished_) return;
  file_.reset();
  const Status removed = env_.Remove(path_);
  if (!removed.ok() && !removed.Is(StatusCode::kNotFound)) {
    LogWarning("object", "a temporary file stays behind: {}",
               removed.ToString());
  }
}

Status FileObjectWriter::Keep(Status status) {
  if (error_.ok()) error_ = status;
  return status;
}

Status FileObjectWriter::Begin() {
  TREFOIL_TRY(file_->Truncate(0));
  return Write(EncodeObjectHeader(sealer_.header()));
}

Status FileObjectWriter::Write(std::string_view bytes) {
  sha256_.Update(bytes);
  size_bytes_ += bytes.size();
  if (bytes.size() >= kDirectBytes) return Flush(bytes);
  buffer_.append(bytes);
  return buffer_.size() < kWriteBufferBytes ? OkStatus() : Flush("");
}

Status FileObjectWriter::Flush(std::string_view more) {
  const std::array<std::string_view, 2> parts{buffer_, more};
  TREFOIL_TRY(file_->WriteAt(written_bytes_, parts));
  written_bytes_ += buffer_.size() + more.size();
  buffer_.clear();
  if (written_bytes_ - writeback_bytes_ >= kWritebackBytes) {
    file_->StartWriteback(writeback_bytes_, written_bytes_ - writeback_bytes_);
    writeback_bytes_ = written_bytes_;
  }
  return OkStatus();
}

Result<FrameLocation> FileObjectWriter::Append(FrameType type,
                                               std::string_view raw) {
  TREFOIL_CHECK(!finished_ &&
                (type == FrameType::kBlock || type == FrameType::kMeta));
  if (!error_.ok()) return error_;
  if (raw.size() > kMaxFrameBytes ||
      (IsBounded(sealer_.header().kind) &&
       size_bytes_ + kFrameHeaderBytes + raw.size() + kTrailerFrameBytes +
               kMaxPaddingBytes >
           kMaxObjectBytes)) {
    return Status(StatusCode::kInvalidArgument,
                  path_ + ": a frame or object would grow beyond its bound");
  }
  return AppendFrame(type, raw);
}

Result<FrameLocation> FileObjectWriter::AppendFrame(FrameType type,
                                                    std::string_view raw) {
  TREFOIL_ASSIGN(const std::string frame,
                 SealFrame(sealer_, size_bytes_, frame_count_, type, raw));
  const FrameLocation location{size_bytes_, static_cast<uint32_t>(frame.size()),
                               static_cast<uint32_t>(raw.size()), frame_count_};
  TREFOIL_TRY(Keep(Write(frame)));
  ++frame_count_;
  return location;
}

Status FileObjectWriter::Pad() {
  if (sealer_.header().cipher == Cipher::kNone) return OkStatus();
  const uint64_t size = PaddingBytes(size_bytes_ + kTrailerFrameBytes);
  const std::string zeros(size - kFrameHeaderBytes, '\0');
  return AppendFrame(FrameType::kPadding, zeros).status();
}

Status FileObjectWriter::FinishFile() {
  TREFOIL_TRY(Pad());
  std::string trailer;
  ByteWriter writer(&trailer);
  writer.U32(frame_count_);
  writer.U64(size_bytes_);
  TREFOIL_ASSIGN(const FrameLocation location,
                 AppendFrame(FrameType::kTrailer, trailer));
  TREFOIL_CHECK(location.offset + location.stored_bytes == size_bytes_);
  TREFOIL_TRY(Flush(""));
  return file_->Sync();
}

Result<FinishedObject> FileObjectWriter::Finish() {
  TREFOIL_CHECK(!finished_);
  if (!error_.ok()) return error_;
  TREFOIL_TRY(Keep(FinishFile()));
  finished_ = true;
  file_.reset();
  return FinishedObject{path_, sha256_.Finish(), size_bytes_};
}

}  // namespace

Result<std::unique_ptr<ObjectWriter>> ObjectWriter::Create(
    Env& env, Random& random, const Keyring& keyring,
    const std::string& temporary_path, ObjectHeader header) {
  random.Fill(header.salt);
  header.cipher = CipherOf(header.kind, keyring);
  header.key_id = header.cipher == Cipher::kNone ? 0 : keyring.current();
  TREFOIL_ASSIGN(Sealer sealer, Sealer::For(header, keyring));
  TREFOIL_ASSIGN(std::unique_ptr<File> file,
                 env.Open(temporary_path, OpenMode::kCreate));
  auto writer = std::make_unique<FileObjectWriter>(
      env, temporary_path, std::move(sealer), std::move(file));
  TREFOIL_TRY(writer->Begin());
  return std::unique_ptr<ObjectWriter>(std::move(writer));
}

}  // namespace trefoil
