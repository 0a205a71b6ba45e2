// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/keyless_check.h"

#include "fs/base/bytes.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

constexpr std::string_view kClaimPrefix = "owner/";
constexpr size_t kGenerationDigits = 16;
constexpr uint64_t kMaxClaimBytes = 4096;

// As the generation in a key is written.
std::string GenerationHex(Generation generation) {
  std::string big_endian;
  AppendBe64(&big_endian, generation.value);
  return ToHex(big_endian);
}

}  // namespace

Status KeylessCheck::CheckChain(const std::vector<ChainLink>& chain) {
  for (const ChainLink& link : chain) {
    if (ListedObject* const listed = table_.Find(link.parsed)) {
      listed->named = true;
    }
  }
  std::vector<ListedObject*> all;
  for (ListedObject& object : table_.objects()) {
    if (IsInChain(object.parsed.kind)) all.push_back(&object);
  }
  return HashObjectsOf(
      store_, all, readers_,
      [this](const HashedObject& result) { return Judge(result); });
}

Status KeylessCheck::Judge(const HashedObject& result) {
  ListedObject& object = *result.object;
  const std::string key = object.Key();
  Status status = result.hashed.ok() ? result.header : result.hashed;
  if (status.ok() && result.volume_id != volume_id_) {
    status = {StatusCode::kCorruption, key + ": belongs to another volume"};
  } else if (status.ok() && result.cipher == Cipher::kNone) {
    status = {StatusCode::kCorruption,
              key + ": is not encrypted, as every object of this volume is"};
  }
  object.bad = !status.ok();
  const bool is_checkpoint = object.parsed.kind == ObjectKind::kCheckpoint;
  if (object.bad) {
    TREFOIL_TRY(findings_.ErrorOf(
        is_checkpoint ? "damaged-checkpoint" : "damaged-commit", key, status));
  }
  return progress_.Object(object.size_bytes);
}

Status KeylessCheck::CheckClaims() {
  std::vector<ObjectInfo> claims;
  TREFOIL_TRY(store_.List(kClaimPrefix, "", [&](const ObjectInfo& info) {
    claims.push_back(info);
    return true;
  }));
  for (const ObjectInfo& info : claims) TREFOIL_TRY(CheckClaim(info));
  return OkStatus();
}

Status KeylessCheck::CheckClaim(const ObjectInfo& info) {
  const auto bytes = store_.Get(info.key, {}, kMaxClaimBytes);
  if (!bytes.ok()) {
    return findings_.ErrorOf("bad-claim", info.key, bytes.status());
  }
  const auto header = DecodeObjectHeader(*bytes);
  if (!header.ok()) {
    return findings_.ErrorOf("bad-claim", info.key, header.status());
  }
  const std::string_view name =
      std::string_view(info.key).substr(kClaimPrefix.size());
  if (header->kind != ObjectKind::kOwner ||
      name.substr(0, kGenerationDigits) != GenerationHex(header->generation) ||
      header->volume_id != volume_id_ || header->cipher == Cipher::kNone) {
    findings_.Error("bad-claim", info.key,
                    "is no owner claim of this volume and generation");
    return OkStatus();
  }
  CheckBase(info.key, *header);
  return OkStatus();
}

// The commit that a claimant continues may be gone, or still to come; but where
// others have its number, their chain is not the claimant's.
void KeylessCheck::CheckBase(const std::string& key,
                             const ObjectHeader& header) {
  bool others = false;
  for (const ListedObject& object : table_.objects()) {
    if (object.parsed.kind != ObjectKind::kCommit ||
        object.parsed.number != header.number) {
      continue;
    }
    if (object.parsed.name == header.previous) return;
    others = true;
  }
  if (!others) return;
  findings_.Warning("other-base", key,
                    "continues commit " + std::to_string(header.number) +
                        " (hash " + header.previous.ToHex() +
                        "), and another commit of that number is here");
}

void KeylessCheck::Conclude() {
  findings_.Info("no-key", store_.Describe(),
                 "the copy is encrypted, and without a secret only names, "
                 "sizes, hashes and the order of commits were checked: not "
                 "who wrote the objects, what is in them, or whether all "
                 "packs that the tree needs are here");
}

}  // namespace trefoil
