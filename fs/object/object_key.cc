// SPDX-License-Identifier: Apache-2.0
// Names of objects:
//
//   pack/HH/HASH              HH = the first two digits of HASH
//   commit/GENERATION-NUMBER-HASH
//   checkpoint/GENERATION-NUMBER-HASH
//   volume/NUMBER-HASH
//
// HASH is 64, GENERATION and NUMBER are 16 lower-case hexadecimal digits: one
// key has one spelling, and byte order is numeric order.
#include <array>

#include "fs/base/bytes.h"
#include "fs/object/object_format.h"

namespace trefoil {
namespace {

constexpr std::string_view kPackPrefix = "pack/";
constexpr std::string_view kCommitPrefix = "commit/";
constexpr std::string_view kCheckpointPrefix = "checkpoint/";
constexpr std::string_view kVolumePrefix = "volume/";
constexpr size_t kNumberDigits = 16;

std::string NumberHex(uint64_t number) {
  std::string raw;
  AppendBe64(&raw, number);
  return ToHex(raw);
}

// Takes pieces off the front of a key.
class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : rest_(key) {}

  bool Literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool Number(uint64_t* out) {
    std::string raw;
    if (rest_.size() < kNumberDigits ||
        !FromHex(rest_.substr(0, kNumberDigits), &raw)) {
      return false;
    }
    *out = 0;
    for (const char c : raw) *out = *out << 8 | static_cast<unsigned char>(c);
    rest_.remove_prefix(kNumberDigits);
    return true;
  }
  // The rest of the key.
  bool Hash(Hash256* out) { return Hash256::FromHex(rest_, out); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

bool ParsePack(KeyReader reader, ParsedKey* out) {
  const std::string_view shard = reader.rest().substr(0, 3);
  return reader.Literal(shard) && reader.Hash(&out->name) &&
         shard == out->name.ToHex().substr(0, 2) + "/";
}

bool ParseInChain(KeyReader reader, ParsedKey* out) {
  return reader.Number(&out->generation.value) && reader.Literal("-") &&
         reader.Number(&out->number) && reader.Literal("-") &&
         reader.Hash(&out->name);
}

bool ParseVolume(KeyReader reader, ParsedKey* out) {
  return reader.Number(&out->number) && reader.Literal("-") &&
         reader.Hash(&out->name);
}

std::string ChainKey(std::string_view prefix, Generation generation,
                     CommitSeq seq, const Hash256& name) {
  return std::string(prefix) + NumberHex(generation.value) + "-" +
         NumberHex(seq.value) + "-" + name.ToHex();
}

struct KindOfKey {
  ObjectKind kind;
  std::string_view prefix;
  bool (*parse)(KeyReader, ParsedKey*);
};
constexpr std::array<KindOfKey, 4> kKindsOfKeys{{
    {ObjectKind::kPack, kPackPrefix, ParsePack},
    {ObjectKind::kCommit, kCommitPrefix, ParseInChain},
    {ObjectKind::kCheckpoint, kCheckpointPrefix, ParseInChain},
    {ObjectKind::kVolume, kVolumePrefix, ParseVolume},
}};

}  // namespace

std::string PackKey(const Hash256& name) {
  const std::string hex = name.ToHex();
  return std::string(kPackPrefix) + hex.substr(0, 2) + "/" + hex;
}

std::string CommitKey(Generation generation, CommitSeq seq,
                      const Hash256& name) {
  return ChainKey(kCommitPrefix, generation, seq, name);
}

std::string CheckpointKey(Generation generation, CommitSeq seq,
                          const Hash256& name) {
  return ChainKey(kCheckpointPrefix, generation, seq, name);
}

std::string VolumeKey(uint64_t number, const Hash256& name) {
  return std::string(kVolumePrefix) + NumberHex(number) + "-" + name.ToHex();
}

Result<ParsedKey> ParseObjectKey(std::string_view key) {
  KeyReader reader(key);
  for (const KindOfKey& candidate : kKindsOfKeys) {
    if (!reader.Literal(candidate.prefix)) continue;
    ParsedKey parsed;
    parsed.kind = candidate.kind;
    if (candidate.parse(reader, &parsed)) return parsed;
    break;
  }
  return Status(StatusCode::kInvalidArgument, "not the key of an object");
}

Status CheckHeaderAgainstKey(const ObjectHeader& header, const ParsedKey& key) {
  const bool in_chain =
      key.kind == ObjectKind::kCommit || key.kind == ObjectKind::kCheckpoint;
  if (header.kind != key.kind || header.number != key.number ||
      (in_chain && header.generation != key.generation)) {
    return {StatusCode::kCorruption,
            "the header belongs to another object than the key"};
  }
  return OkStatus();
}

}  // namespace trefoil
