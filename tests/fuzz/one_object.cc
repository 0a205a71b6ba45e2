// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/one_object.h"

#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/check.h"
#include "fs/object/seal.h"

namespace trefoil::fuzz {
namespace {

Sealer SealerOf(const ObjectHeader& header, const Keyring& keyring) {
  Result<Sealer> sealer = Sealer::For(header, keyring);
  TREFOIL_CHECK(sealer.ok());
  return std::move(*sealer);
}

}  // namespace

Result<std::string> OneObject::Get(std::string_view, ByteRange range,
                                   uint64_t max_bytes) {
  if (range.offset >= bytes_.size()) return std::string();
  const uint64_t left = bytes_.size() - range.offset;
  const uint64_t size =
      range.length == 0 ? left : std::min<uint64_t>(range.length, left);
  if (size > max_bytes) return Status(StatusCode::kCorruption, "too large");
  return bytes_.substr(static_cast<size_t>(range.offset),
                       static_cast<size_t>(size));
}

const Keyring& FixedKeyring() {
  static const Keyring* const keyring = [] {
    auto* made = new Keyring(Keyring::Mode::kSealed);
    made->Add(1, SecretBytes(std::string(kKeyBytes, 'k')));
    return made;
  }();
  return *keyring;
}

ObjectHeader DrawHeader(FuzzInput* input, ObjectKind kind,
                        const Keyring& keyring) {
  ObjectHeader header;
  header.kind = kind;
  header.cipher = CipherOf(kind, keyring);
  header.key_id = header.cipher == Cipher::kNone ? 0 : keyring.current();
  header.salt.fill(static_cast<char>(input->Byte()));
  header.volume_id.fill('v');
  if (kind == ObjectKind::kCommit || kind == ObjectKind::kCheckpoint) {
    header.generation = Generation(input->Byte());
    header.number = input->Byte();
  }
  if (kind == ObjectKind::kVolume) header.number = input->Byte();
  return header;
}

std::string KeyOf(const ObjectHeader& header, std::string_view bytes) {
  const Hash256 name = Sha256::Of(bytes);
  switch (header.kind) {
    case ObjectKind::kPack:
      return PackKey(name);
    case ObjectKind::kCommit:
      return CommitKey(header.generation, CommitSeq(header.number), name);
    case ObjectKind::kCheckpoint:
      return CheckpointKey(header.generation, CommitSeq(header.number), name);
    default:
      return VolumeKey(header.number, name);
  }
}

ObjectBuilder::ObjectBuilder(const ObjectHeader& header, const Keyring& keyring)
    : header_(header), keyring_(keyring), bytes_(EncodeObjectHeader(header)) {}

void ObjectBuilder::Append(FrameType type, std::string_view raw) {
  const Result<std::string> frame =
      SealFrame(SealerOf(header_, keyring_), bytes_.size(), frames_, type, raw);
  TREFOIL_CHECK(frame.ok());
  bytes_ += *frame;
  ++frames_;
}

void ObjectBuilder::AppendRaw(std::string_view fields,
                              std::string_view payload) {
  std::string frame(fields.substr(0, kFrameFieldBytes));
  frame.resize(kFrameHeaderBytes);
  frame += payload;
  SealerOf(header_, keyring_).Seal(bytes_.size(), frame);
  bytes_ += frame;
  ++frames_;
}

void ObjectBuilder::Close() {
  std::string trailer;
  ByteWriter writer(&trailer);
  writer.U32(frames_);
  writer.U64(bytes_.size());
  Append(FrameType::kTrailer, trailer);
}

}  // namespace trefoil::fuzz
