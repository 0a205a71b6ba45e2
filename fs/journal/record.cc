// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/record.h"

#include <fmt/format.h>

#include <charconv>

#include "fs/base/hash.h"

namespace trefoil::journal {
namespace {

constexpr size_t kCheckBytes = 8;
constexpr std::string_view kSegmentSuffix = ".seg";

constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

void PutLe64(std::string* out, size_t at, uint64_t value) {
  std::memcpy(out->data() + at, &value, sizeof(value));
}

// The fields of a record's header that LayoutOf implies.
struct RawRecordHeader {
  uint64_t check = 0;
  uint32_t magic = 0;
  uint32_t length = 0;
  uint16_t type = 0;
  uint16_t zero = 0;
  uint32_t data_start = 0;
  RecordHeader header;
};

RawRecordHeader ReadRawHeader(std::string_view bytes) {
  RawRecordHeader raw;
  ByteReader in(bytes);
  raw.check = in.U64();
  raw.magic = in.U32();
  raw.length = in.U32();
  raw.type = in.U16();
  raw.zero = in.U16();
  raw.header.meta_length = in.U32();
  raw.header.data_length = in.U32();
  raw.data_start = in.U32();
  raw.header.lsn = Lsn(in.U64());
  raw.header.epoch = Epoch(in.U64());
  raw.header.incarnation = in.U64();
  raw.header.durable = Lsn(in.U64());
  raw.header.meta_check = in.U64();
  return raw;
}

bool LooksLikeRecord(const RawRecordHeader& raw) {
  return raw.magic == kRecordMagic && raw.zero == 0 &&
         raw.header.meta_length <= kMaxRecordMetaBytes &&
         raw.header.data_length <= kMaxRecordDataBytes;
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string raw;
  raw.reserve(kSegmentHeaderBytes);
  ByteWriter out(&raw);
  out.U64(0);
  out.U64(kSegmentMagic);
  out.U32(kSegmentVersion);
  out.U32(kSegmentHeaderBytes);
  out.U64(header.number);
  out.U64(header.size_bytes);
  out.U64(header.incarnation);
  out.U64(header.first_lsn.value);
  out.U64(header.durable.value);
  out.U64(header.previous_number);
  out.U64(header.previous_incarnation);
  out.U64(header.previous_end.value);
  TREFOIL_CHECK(raw.size() == kSegmentHeaderUsedBytes);
  PutLe64(&raw, 0, Xxh3(std::string_view(raw).substr(kCheckBytes)));
  raw.resize(kSegmentHeaderBytes, '\0');
  return raw;
}

Result<SegmentHeader> DecodeSegmentHeader(std::string_view raw,
                                          uint64_t number) {
  ByteReader in(raw);
  SegmentHeader header;
  const uint64_t check = in.U64();
  const uint64_t magic = in.U64();
  const uint32_t version = in.U32();
  const uint32_t header_bytes = in.U32();
  header.number = in.U64();
  header.size_bytes = in.U64();
  header.incarnation = in.U64();
  header.first_lsn = Lsn(in.U64());
  header.durable = Lsn(in.U64());
  header.previous_number = in.U64();
  header.previous_incarnation = in.U64();
  header.previous_end = Lsn(in.U64());
  const Status bad(StatusCode::kCorruption,
                   fmt::format("journal segment {}: no valid header", number));
  if (!in.ok() || magic != kSegmentMagic) return bad;
  if (check !=
      Xxh3(raw.substr(kCheckBytes, kSegmentHeaderUsedBytes - kCheckBytes))) {
    return bad;
  }
  if (version > kSegmentVersion) {
    return Status(
        StatusCode::kNewerFormat,
        fmt::format("journal segment {}: format version {}", number, version));
  }
  if (header.number != number || header_bytes != kSegmentHeaderBytes) {
    return bad;
  }
  return header;
}

RecordLayout LayoutOf(uint64_t offset, uint32_t meta_length,
                      uint32_t data_length) {
  RecordLayout layout;
  layout.check_count =
      (data_length + kJournalCheckBytes - 1) / kJournalCheckBytes;
  layout.meta_start = kRecordHeaderBytes + layout.check_count * 8;
  uint64_t data_start = layout.meta_start + meta_length;
  if (data_length >= kPageAlignFrom) {
    data_start = AlignUp(offset + data_start, kPageBytes) - offset;
  }
  layout.data_start = static_cast<uint32_t>(data_start);
  layout.length = static_cast<uint32_t>(
      AlignUp(data_start + data_length, kRecordAlignment));
  return layout;
}

uint64_t RecordLengthBound(uint64_t payload) {
  return kRecordHeaderBytes + kRecordAlignment +
         (payload / kJournalCheckBytes + 1) * 8 + payload +
         (payload >= kPageAlignFrom ? kPageBytes : 0);
}

uint64_t PlaceSeed(RecordPlace place) {
  const uint64_t raw[2] = {place.segment_no, place.offset};
  return Xxh3({reinterpret_cast<const char*>(raw), sizeof(raw)});
}

void EncodeRecordHead(RecordPlace place, RecordHeader header,
                      std::string_view meta, std::string_view data,
                      std::string* out) {
  TREFOIL_CHECK(meta.size() == header.meta_length);
  TREFOIL_CHECK(data.size() == header.data_length);
  const RecordLayout layout =
      LayoutOf(place.offset, header.meta_length, header.data_length);
  const size_t start = out->size();
  ByteWriter writer(out);
  writer.U64(0);
  writer.U32(kRecordMagic);
  writer.U32(layout.length);
  writer.U16(static_cast<uint16_t>(header.type));
  writer.U16(0);
  writer.U32(header.meta_length);
  writer.U32(header.data_length);
  writer.U32(layout.data_start);
  writer.U64(header.lsn.value);
  writer.U64(header.epoch.value);
  writer.U64(header.incarnation);
  writer.U64(header.durable.value);
  writer.U64(Xxh3(meta));
  for (; !data.empty();
       data.remove_prefix(std::min<size_t>(data.size(), kJournalCheckBytes))) {
    writer.U64(Xxh3(data.substr(0, kJournalCheckBytes)));
  }
  TREFOIL_CHECK(out->size() - start == layout.meta_start);
  PutLe64(out, start,
          Xxh3(std::string_view(*out).substr(start + kCheckBytes),
               PlaceSeed(place)));
}

std::optional<uint32_t> PeekHeadBytes(std::string_view raw) {
  if (raw.size() < kRecordHeaderBytes) return std::nullopt;
  const RawRecordHeader header = ReadRawHeader(raw);
  if (!LooksLikeRecord(header)) return std::nullopt;
  return kRecordHeaderBytes + header.header.CheckCount() * 8;
}

std::optional<RecordHead> DecodeRecordHead(std::string_view raw,
                                           RecordPlace place,
                                           uint64_t segment_size) {
  const std::optional<uint32_t> head_bytes = PeekHeadBytes(raw);
  if (!head_bytes || raw.size() < *head_bytes) return std::nullopt;
  const RawRecordHeader found = ReadRawHeader(raw);
  const std::string_view covered =
      raw.substr(kCheckBytes, *head_bytes - kCheckBytes);
  if (found.check != Xxh3(covered, PlaceSeed(place))) return std::nullopt;
  RecordHead head;
  head.header = found.header;
  head.header.type = static_cast<RecordType>(found.type);
  head.layout = LayoutOf(place.offset, found.header.meta_length,
                         found.header.data_length);
  head.checks =
      raw.substr(kRecordHeaderBytes, *head_bytes - kRecordHeaderBytes);
  if (found.length != head.layout.length ||
      found.data_start != head.layout.data_start ||
      place.offset + uint64_t{found.length} > segment_size) {
    return std::nullopt;
  }
  return head;
}

bool MetaIsValid(const RecordHeader& header, std::string_view meta) {
  return meta.size() == header.meta_length && Xxh3(meta) == header.meta_check;
}

std::optional<uint32_t> FindBadData(const RecordHead& head, uint32_t first,
                                    std::string_view data) {
  for (uint32_t i = first; !data.empty(); ++i) {
    const std::string_view piece = data.substr(0, kJournalCheckBytes);
    if (i >= head.header.CheckCount() || Xxh3(piece) != head.DataCheck(i)) {
      return i;
    }
    data.remove_prefix(piece.size());
  }
  return std::nullopt;
}

std::string SegmentName(uint64_t number) {
  return fmt::format("{:016x}{}", number, kSegmentSuffix);
}

std::optional<uint64_t> ParseSegmentName(std::string_view name) {
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number, 16);
  if (error != std::errc() || number == 0 || SegmentName(number) != name) {
    return std::nullopt;
  }
  return number;
}

}  // namespace trefoil::journal
