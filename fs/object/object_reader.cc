// SPDX-License-Identifier: Apache-2.0
#include "fs/object/object_reader.h"

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/object/frame.h"
#include "fs/object/seal.h"

namespace trefoil {
namespace {

// At most two pieces are needed to have a frame whole.
constexpr uint64_t kPieceBytes = kObjectPieceBytes;
static_assert(kPieceBytes > kMaxStoredFrameBytes);

constexpr std::string_view kTruncated = "the object is truncated";

Status Damaged(std::string_view what) {
  return {StatusCode::kCorruption, std::string(what)};
}

// The object's bytes in order, hashed on the way, and a window on them.
class ObjectStream {
 public:
  ObjectStream(ObjectStore& store, std::string_view key)
      : store_(store), key_(key) {}

  // Reads the first piece and learns the size, by a request of its own only
  // when the object is larger than a piece.
  Status Begin(uint64_t max_bytes);
  // Makes the next `size` bytes available to Peek; fewer at the object's end.
  Status Fill(size_t size);
  [[nodiscard]] std::string_view Peek() const {
    return std::string_view(buffer_).substr(taken_);
  }
  void Take(size_t size) {
    taken_ += size;
    offset_ += size;
  }
  // Of the next byte that Peek shows.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  [[nodiscard]] bool AtEnd() const { return offset_ == size_bytes_; }
  // Of everything read; called once, at the end.
  Hash256 Finish() { return sha256_.Finish(); }

 private:
  Status ReadPiece();

  ObjectStore& store_;
  const std::string key_;

  Sha256 sha256_;
  std::string buffer_;
  size_t taken_ = 0;         // of buffer_
  uint64_t offset_ = 0;      // of buffer_[taken_] in the object
  uint64_t read_bytes_ = 0;  // of the object
  uint64_t size_bytes_ = 0;  // of the object
};

Status ObjectStream::Begin(uint64_t max_bytes) {
  TREFOIL_ASSIGN(buffer_, store_.Get(key_, {0, kPieceBytes}, kPieceBytes));
  if (buffer_.size() > kPieceBytes) return Damaged("more bytes than asked for");
  size_bytes_ = read_bytes_ = buffer_.size();
  if (read_bytes_ == kPieceBytes) {
    TREFOIL_ASSIGN(const ObjectInfo info, store_.Head(key_));
    size_bytes_ = info.size_bytes;
    if (size_bytes_ < read_bytes_) return Damaged(kTruncated);
  }
  if (size_bytes_ > max_bytes) {
    return Damaged("has " + std::to_string(size_bytes_) +
                   " bytes, more than the bound of " +
                   std::to_string(max_bytes));
  }
  sha256_.Update(buffer_);
  return OkStatus();
}

Status ObjectStream::Fill(size_t size) {
  TREFOIL_CHECK(size <= kPieceBytes);
  while (buffer_.size() - taken_ < size && read_bytes_ < size_bytes_) {
    TREFOIL_TRY(ReadPiece());
  }
  return OkStatus();
}

Status ObjectStream::ReadPiece() {
  const uint64_t want = std::min(kPieceBytes, size_bytes_ - read_bytes_);
  TREFOIL_ASSIGN(const std::string piece,
                 store_.Get(key_, {read_bytes_, want}, want));
  if (piece.size() != want) return Damaged(kTruncated);
  sha256_.Update(piece);
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(piece);
  read_bytes_ += piece.size();
  return OkStatus();
}

Result<ObjectHeader> TakeHeader(ObjectStream* stream, const ParsedKey& parsed) {
  TREFOIL_TRY(stream->Fill(kHeaderBytes));
  TREFOIL_ASSIGN(const ObjectHeader header, DecodeObjectHeader(stream->Peek()));
  TREFOIL_TRY(CheckHeaderAgainstKey(header, parsed));
  stream->Take(kHeaderBytes);
  return header;
}

Result<OpenedFrame> OpenNextFrame(ObjectStream* stream, const Sealer& sealer,
                                  uint32_t frame_no) {
  TREFOIL_TRY(stream->Fill(kFrameHeaderBytes));
  if (stream->Peek().size() < kFrameHeaderBytes) return Damaged(kTruncated);
  TREFOIL_ASSIGN(const uint32_t size,
                 StoredFrameBytes(sealer, stream->offset(), stream->Peek()));
  TREFOIL_TRY(stream->Fill(size));
  TREFOIL_ASSIGN(OpenedFrame frame,
                 OpenFrame(sealer, stream->offset(), stream->Peek()));
  if (frame.location.frame_no != frame_no) {
    return Damaged("has number " + std::to_string(frame.location.frame_no));
  }
  stream->Take(size);
  return frame;
}

Result<OpenedFrame> TakeFrame(ObjectStream* stream, const Sealer& sealer,
                              uint32_t frame_no) {
  const uint64_t offset = stream->offset();
  Result<OpenedFrame> frame = OpenNextFrame(stream, sealer, frame_no);
  if (!frame.ok()) return AtFrame(frame.status(), frame_no, offset);
  return frame;
}

Status CheckTrailer(const OpenedFrame& trailer) {
  ByteReader reader(trailer.raw);
  const uint32_t frame_count = reader.U32();
  const uint64_t size_before = reader.U64();
  if (!reader.AtEnd() || frame_count != trailer.location.frame_no ||
      size_before != trailer.location.offset) {
    return Damaged("the trailer does not fit the object");
  }
  return OkStatus();
}

// Every frame up to and with the trailer. `*visitor_stopped` tells the
// visitor's errors, which are not about this object's bytes, from ours.
Status WalkFrames(
    ObjectStream* stream, const Sealer& sealer,
    const std::function<Status(const ObjectHeader&, const OpenedFrame&)>& visit,
    bool* visitor_stopped) {
  for (uint32_t frame_no = 0;; ++frame_no) {
    TREFOIL_ASSIGN(const OpenedFrame frame,
                   TakeFrame(stream, sealer, frame_no));
    if (frame.type == FrameType::kTrailer) return CheckTrailer(frame);
    if (frame.type == FrameType::kPadding) continue;
    Status visited = visit(sealer.header(), frame);
    if (!visited.ok()) {
      *visitor_stopped = true;
      return visited;
    }
  }
}

Status ReadWhole(
    ObjectStore& store, const Keyring& keyring, std::string_view key,
    uint64_t max_bytes,
    const std::function<Status(const ObjectHeader&, const OpenedFrame&)>& visit,
    bool* visitor_stopped) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  ObjectStream stream(store, key);
  TREFOIL_TRY(stream.Begin(max_bytes));
  TREFOIL_ASSIGN(const ObjectHeader header, TakeHeader(&stream, parsed));
  TREFOIL_ASSIGN(const Sealer sealer, Sealer::For(header, keyring));
  TREFOIL_TRY(WalkFrames(&stream, sealer, visit, visitor_stopped));
  if (!stream.AtEnd()) return Damaged("bytes follow the trailer");
  if (stream.Finish() != parsed.name) {
    return Damaged("the bytes do not hash to the object's name");
  }
  return OkStatus();
}

Result<ObjectHeader> ReadHeader(ObjectStore& store, std::string_view key) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  TREFOIL_ASSIGN(const std::string bytes,
                 store.Get(key, {0, kHeaderBytes}, kHeaderBytes));
  TREFOIL_ASSIGN(const ObjectHeader header, DecodeObjectHeader(bytes));
  TREFOIL_TRY(CheckHeaderAgainstKey(header, parsed));
  return header;
}

Result<OpenedFrame> OpenFrameAt(std::string_view object, const Keyring& keyring,
                                const FrameLocation& location) {
  TREFOIL_ASSIGN(const ObjectHeader header,
                 DecodeObjectHeader(object.substr(0, kHeaderBytes)));
  if (location.offset > object.size()) return Damaged(kTruncated);
  const std::string_view bytes =
      object.substr(location.offset, location.stored_bytes);
  TREFOIL_ASSIGN(const Sealer sealer, Sealer::For(header, keyring));
  TREFOIL_ASSIGN(OpenedFrame frame, OpenFrame(sealer, location.offset, bytes));
  if (frame.location != location) {
    return Damaged("not the frame that was looked for");
  }
  return frame;
}

Status CheckObjectHash(ObjectStore& store, std::string_view key,
                       uint64_t size_bytes) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  // A file of any size costs whoever made it nothing.
  if (size_bytes > kMaxObjectBytes && parsed.kind != ObjectKind::kCheckpoint) {
    return Damaged("no object has " + std::to_string(size_bytes) + " bytes");
  }
  TREFOIL_ASSIGN(const Hash256 hash, HashObject(store, key, size_bytes));
  if (hash == parsed.name) return OkStatus();
  return Damaged("the bytes do not hash to the object's name");
}

}  // namespace

Result<Hash256> HashObject(ObjectStore& store, std::string_view key,
                           uint64_t size_bytes) {
  Sha256 sha256;
  uint64_t done = 0;
  do {
    // One byte more is asked for at the end, to see that it is the end.
    const uint64_t expected = std::min(kPieceBytes, size_bytes - done);
    const uint64_t want =
        done + expected == size_bytes ? expected + 1 : expected;
    TREFOIL_ASSIGN(const std::string piece, store.Get(key, {done, want}, want));
    if (piece.size() != expected) {
      return Damaged("does not have " + std::to_string(size_bytes) + " bytes");
    }
    sha256.Update(piece);
    done += piece.size();
  } while (done < size_bytes);
  return sha256.Finish();
}

Result<ObjectHeader> ReadObjectHeader(ObjectStore& store,
                                      std::string_view key) {
  Result<ObjectHeader> header = ReadHeader(store, key);
  if (!header.ok()) return header.status().WithContext(key);
  return header;
}

Status ReadObject(ObjectStore& store, const Keyring& keyring,
                  std::string_view key, uint64_t max_bytes,
                  const std::function<Status(const ObjectHeader&,
                                             const OpenedFrame&)>& visit) {
  bool visitor_stopped = false;
  const Status status =
      ReadWhole(store, keyring, key, max_bytes, visit, &visitor_stopped);
  return visitor_stopped ? status : status.WithContext(key);
}

Result<OpenedFrame> OpenFrameOf(std::string_view object, const Keyring& keyring,
                                std::string_view key,
                                const FrameLocation& location) {
  Result<OpenedFrame> frame = OpenFrameAt(object, keyring, location);
  if (frame.ok()) return frame;
  return AtFrame(frame.status(), location.frame_no, location.offset)
      .WithContext(key);
}

Status VerifyObjectHash(ObjectStore& store, std::string_view key,
                        uint64_t size_bytes) {
  return CheckObjectHash(store, key, size_bytes).WithContext(key);
}

Status VerifyOnMedium(ObjectStore& store, std::string_view key,
                      uint64_t size_bytes) {
  store.DropCache(key);
  Status verified = VerifyObjectHash(store, key, size_bytes);
  store.DropCache(key);
  return verified;
}

}  // namespace trefoil
