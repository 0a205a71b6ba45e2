// SPDX-License-Identifier: Apache-2.0
// Frames; the grammar is in object_format.h.
#include "fs/object/frame.h"

#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/object/seal.h"
#include "fs/object/zstd_codec.h"

namespace trefoil {
namespace {

struct FrameFields {
  uint32_t stored_length = 0;
  uint32_t raw_length = 0;
  uint8_t type = 0;
  uint8_t codec = 0;
  uint16_t reserved = 0;
  uint32_t frame_no = 0;
};
static_assert(4 + 4 + 1 + 1 + 2 + 4 == kFrameFieldBytes);

Status Damaged(std::string_view what) {
  return {StatusCode::kCorruption, std::string(what)};
}

void EncodeFields(const FrameFields& fields, std::string* frame) {
  std::string out;
  ByteWriter writer(&out);
  writer.U32(fields.stored_length);
  writer.U32(fields.raw_length);
  writer.U8(fields.type);
  writer.U8(fields.codec);
  writer.U16(fields.reserved);
  writer.U32(fields.frame_no);
  frame->replace(0, kFrameFieldBytes, out);
}

FrameFields DecodeFields(const Sealer& sealer, uint64_t offset,
                         std::string_view frame) {
  const FrameFieldBytes plain = sealer.Fields(offset, frame);
  ByteReader reader({plain.data(), plain.size()});
  FrameFields fields;
  fields.stored_length = reader.U32();
  fields.raw_length = reader.U32();
  fields.type = reader.U8();
  fields.codec = reader.U8();
  fields.reserved = reader.U16();
  fields.frame_no = reader.U32();
  TREFOIL_CHECK(reader.AtEnd());
  return fields;
}

// Bounds and enumerations; everything that memory is taken by.
Status CheckFields(const FrameFields& fields) {
  if (fields.stored_length > kMaxFrameBytes ||
      fields.raw_length > kMaxFrameBytes) {
    return Damaged("length is beyond the bound");
  }
  if (fields.type < static_cast<uint8_t>(FrameType::kBlock) ||
      fields.type > static_cast<uint8_t>(FrameType::kPadding)) {
    return Damaged("unknown type");
  }
  if (fields.reserved != 0) return Damaged("reserved bytes are set");
  switch (static_cast<Codec>(fields.codec)) {
    case Codec::kStored:
      if (fields.stored_length == fields.raw_length) return OkStatus();
      return Damaged("stored payload of another length than declared");
    case Codec::kZstd:
      if (fields.stored_length < fields.raw_length) return OkStatus();
      return Damaged("compressed payload is not shorter than its content");
  }
  return Damaged("unknown codec");
}

// A gain of less than 1/64 is not worth decompressing for.
size_t CompressedBytesAtMost(size_t raw_size) {
  return raw_size == 0 ? 0 : raw_size - 1 - raw_size / 64;
}

// The frame with its payload stored or compressed, whichever `fields` then
// says; the tag is still zero.
std::string BuildFrame(std::string_view raw, FrameFields fields) {
  std::string frame(kFrameHeaderBytes + raw.size(), '\0');
  const std::span<char> payload(frame.data() + kFrameHeaderBytes,
                                CompressedBytesAtMost(raw.size()));
  const size_t compressed =
      fields.type == static_cast<uint8_t>(FrameType::kPadding)
          ? 0
          : ZstdCompress(raw, payload);
  fields.raw_length = static_cast<uint32_t>(raw.size());
  if (compressed != 0) {
    fields.codec = static_cast<uint8_t>(Codec::kZstd);
    fields.stored_length = static_cast<uint32_t>(compressed);
    frame.resize(kFrameHeaderBytes + compressed);
  } else {
    fields.codec = static_cast<uint8_t>(Codec::kStored);
    fields.stored_length = fields.raw_length;
    frame.replace(kFrameHeaderBytes, raw.size(), raw);
  }
  EncodeFields(fields, &frame);
  return frame;
}

}  // namespace

Status AtFrame(const Status& status, uint32_t frame_no, uint64_t offset) {
  return status.WithContext("frame " + std::to_string(frame_no) + " at byte " +
                            std::to_string(offset));
}

Result<uint32_t> StoredFrameBytes(const Sealer& sealer, uint64_t offset,
                                  std::string_view frame_header) {
  const FrameFields fields = DecodeFields(sealer, offset, frame_header);
  TREFOIL_TRY(CheckFields(fields));
  return static_cast<uint32_t>(kFrameHeaderBytes) + fields.stored_length;
}

Result<std::string> SealFrame(const Sealer& sealer, uint64_t offset,
                              uint32_t frame_no, FrameType type,
                              std::string_view raw) {
  if (raw.size() > kMaxFrameBytes) {
    return Status(StatusCode::kInvalidArgument,
                  "a frame of " + std::to_string(raw.size()) +
                      " bytes is beyond the bound");
  }
  FrameFields fields;
  fields.type = static_cast<uint8_t>(type);
  fields.frame_no = frame_no;
  std::string frame = BuildFrame(raw, fields);
  sealer.Seal(offset, frame);
  return frame;
}

Result<OpenedFrame> OpenFrame(const Sealer& sealer, uint64_t offset,
                              std::string_view frame) {
  if (frame.size() < kFrameHeaderBytes) return Damaged("truncated");
  const FrameFields fields = DecodeFields(sealer, offset, frame);
  TREFOIL_TRY(CheckFields(fields));
  const size_t size = kFrameHeaderBytes + fields.stored_length;
  if (frame.size() < size) return Damaged("truncated");
  OpenedFrame opened;
  opened.type = static_cast<FrameType>(fields.type);
  opened.location = {offset, static_cast<uint32_t>(size), fields.raw_length,
                     fields.frame_no};
  opened.raw.resize(fields.raw_length);
  std::string scratch;
  const bool stored = static_cast<Codec>(fields.codec) == Codec::kStored;
  if (!stored) scratch.resize(fields.stored_length);
  TREFOIL_ASSIGN(const std::string_view payload,
                 sealer.Open(offset, frame.substr(0, size),
                             stored ? opened.raw : scratch));
  if (!stored) {
    if (!ZstdDecompress(payload, opened.raw)) {
      return Damaged("does not decompress to what it declares");
    }
  } else if (payload.data() != opened.raw.data()) {
    opened.raw.assign(payload);
  }
  return opened;
}

}  // namespace trefoil
