// SPDX-License-Identifier: Apache-2.0
// The object header; the grammar is in object_format.h.
#include "fs/object/object_format.h"

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr std::string_view kMagic = "TREFOIL1";
constexpr size_t kCheckBytes = 8;
constexpr size_t kCheckedBytes = kHeaderBytes - kCheckBytes;
static_assert(8 + 2 + 1 + 1 + 4 + 32 + 16 + 8 + 8 + 32 + 8 + kCheckBytes ==
              kHeaderBytes);

template <size_t kSize>
std::string_view View(const std::array<char, kSize>& bytes) {
  return {bytes.data(), bytes.size()};
}

template <size_t kSize>
void ReadInto(ByteReader* reader, std::array<char, kSize>* out) {
  const std::string_view raw = reader->Raw(kSize);
  std::copy(raw.begin(), raw.end(), out->begin());
}

bool IsKnownKind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(ObjectKind::kPack) &&
         kind <= static_cast<uint8_t>(ObjectKind::kOwner);
}

bool IsKnownCipher(uint8_t cipher) {
  return cipher <= static_cast<uint8_t>(Cipher::kAes256Gcm);
}

Status Damaged(std::string_view what) {
  return {StatusCode::kCorruption, "object header: " + std::string(what)};
}

// Magic, checksum and version: what every version has at the same place.
Status CheckEnvelope(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return Damaged("truncated");
  if (!bytes.starts_with(kMagic)) return Damaged("not a Trefoil object");
  if (bytes.substr(kCheckedBytes, kCheckBytes) !=
      Sha256::Of(bytes.substr(0, kCheckedBytes))
          .view()
          .substr(0, kCheckBytes)) {
    return Damaged("fails its checksum");
  }
  const uint16_t version = ByteReader(bytes.substr(kMagic.size())).U16();
  if (version > kObjectFormatVersion) {
    return {StatusCode::kNewerFormat, "object format " +
                                          std::to_string(version) +
                                          " was written by a newer Trefoil"};
  }
  if (version == 0) return Damaged("format version 0");
  return OkStatus();
}

}  // namespace

std::string EncodeObjectHeader(const ObjectHeader& header) {
  std::string out;
  out.reserve(kHeaderBytes);
  ByteWriter writer(&out);
  writer.Raw(kMagic);
  writer.U16(header.version);
  writer.U8(static_cast<uint8_t>(header.kind));
  writer.U8(static_cast<uint8_t>(header.cipher));
  writer.U32(header.key_id);
  writer.Raw(View(header.salt));
  writer.Raw(View(header.volume_id));
  writer.U64(header.generation.value);
  writer.U64(header.number);
  writer.Raw(header.previous.view());
  writer.U64(0);  // reserved
  writer.Raw(Sha256::Of(out).view().substr(0, kCheckBytes));
  TREFOIL_CHECK(out.size() == kHeaderBytes);
  return out;
}

Result<ObjectHeader> DecodeObjectHeader(std::string_view bytes) {
  TREFOIL_TRY(CheckEnvelope(bytes));
  ByteReader reader(bytes.substr(0, kCheckedBytes));
  reader.Raw(kMagic.size());
  ObjectHeader header;
  header.version = reader.U16();
  const uint8_t kind = reader.U8();
  if (!IsKnownKind(kind)) return Damaged("unknown kind");
  header.kind = static_cast<ObjectKind>(kind);
  const uint8_t cipher = reader.U8();
  if (!IsKnownCipher(cipher)) return Damaged("unknown cipher");
  header.cipher = static_cast<Cipher>(cipher);
  header.key_id = reader.U32();
  ReadInto(&reader, &header.salt);
  ReadInto(&reader, &header.volume_id);
  header.generation = Generation(reader.U64());
  header.number = reader.U64();
  ReadInto(&reader, &header.previous.bytes);
  if (reader.U64() != 0) return Damaged("reserved bytes are set");
  TREFOIL_CHECK(reader.AtEnd());
  return header;
}

}  // namespace trefoil
