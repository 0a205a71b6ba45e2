// SPDX-License-Identifier: Apache-2.0
#include "replicator/owner.h"

#include <fmt/format.h>

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/object/object_reader.h"
#include "fs/object/seal.h"

namespace trefoil {

namespace {

constexpr std::string_view kPrefix = "owner/";
constexpr uint8_t kClaimVersion = 1;
constexpr uint64_t kMaxClaimBytes = 4096;
constexpr size_t kGenerationDigits = 16;
constexpr size_t kInstanceDigits = 32;

Status Fenced(std::string_view why) {
  return Status(StatusCode::kFenced,
                fmt::format("another owner holds this target ({}); this volume "
                            "ships nothing to it until `trefoil takeover`",
                            why));
}

std::string Shown(const ClaimName& name) {
  return fmt::format("generation {}, instance {}", name.generation.value,
                     InstanceHex(name.instance));
}

// Which claim object of our generation speaks for us, or who stands above us.
// `claims` are those on the target, ours among them.
Result<ClaimName> Judge(ObjectStore& store, const Keyring& keyring,
                        const std::vector<ClaimName>& claims,
                        const ClaimName& ours) {
  if (!claims.empty() && claims.back().generation > ours.generation) {
    return Fenced(Shown(claims.back()));
  }
  for (const ClaimName& claim : claims) {  // the seat sorts first
    if (claim.generation != ours.generation) continue;
    if (claim.instance == ours.instance) return claim;
    if (claim.instance != kSeat) return Fenced(Shown(claim));
    TREFOIL_ASSIGN(const OwnerClaim holder, ReadClaim(store, keyring, claim));
    if (holder.name == ours) return claim;
    return Fenced(Shown(holder.name));
  }
  return Status(StatusCode::kUnavailable,
                store.Describe() + " does not list the owner claim just put");
}

// Somebody else who claimed our generation.
std::optional<ClaimName> Rival(const std::vector<ClaimName>& claims,
                               const ClaimName& ours) {
  for (const ClaimName& claim : claims) {
    if (claim.generation == ours.generation && claim != ours) return claim;
  }
  return std::nullopt;
}

// Whether our own claim object or seat is there already.
Result<bool> Claimed(ObjectStore& store, const Keyring& keyring,
                     const std::vector<ClaimName>& claims,
                     const ClaimName& ours) {
  for (const ClaimName& claim : claims) {
    if (claim == ours) return true;
    if (claim.generation != ours.generation || claim.instance != kSeat) {
      continue;
    }
    TREFOIL_ASSIGN(const OwnerClaim holder, ReadClaim(store, keyring, claim));
    if (holder.name == ours) return true;
  }
  return false;
}

// What the trailer of a claim with `size` bytes before it says.
std::string TrailerOf(uint64_t size) {
  std::string trailer;
  ByteWriter writer(&trailer);
  writer.U32(1);
  writer.U64(size);
  return trailer;
}

// After the frame `last` comes the trailer, and nothing else.
Status CheckEnd(const Sealer& sealer, const FrameLocation& last,
                std::string_view bytes) {
  const uint64_t end = last.offset + last.stored_bytes;
  TREFOIL_ASSIGN(const OpenedFrame trailer,
                 OpenFrame(sealer, end, bytes.substr(end)));
  if (trailer.type == FrameType::kTrailer && trailer.location.frame_no == 1 &&
      trailer.raw == TrailerOf(end) &&
      end + trailer.location.stored_bytes == bytes.size()) {
    return OkStatus();
  }
  return {StatusCode::kCorruption, "the owner claim is damaged"};
}

}  // namespace

InstanceId NewInstance(Random& random) {
  InstanceId instance{};
  while (instance == kSeat) random.Fill(instance);
  return instance;
}

std::string InstanceHex(const InstanceId& instance) {
  return ToHex({instance.data(), instance.size()});
}

std::string ClaimKey(const ClaimName& name) {
  return fmt::format("{}{:016x}-{}", kPrefix, name.generation.value,
                     InstanceHex(name.instance));
}

std::optional<ClaimName> ParseClaimKey(std::string_view key) {
  if (key.size() != kPrefix.size() + kGenerationDigits + 1 + kInstanceDigits ||
      !key.starts_with(kPrefix) ||
      key[kPrefix.size() + kGenerationDigits] != '-') {
    return std::nullopt;
  }
  std::string generation;
  std::string instance;
  if (!FromHex(key.substr(kPrefix.size(), kGenerationDigits), &generation) ||
      !FromHex(key.substr(key.size() - kInstanceDigits), &instance)) {
    return std::nullopt;
  }
  ClaimName name;
  uint64_t big_endian = 0;
  std::memcpy(&big_endian, generation.data(), sizeof(big_endian));
  name.generation = Generation(__builtin_bswap64(big_endian));
  std::copy(instance.begin(), instance.end(), name.instance.begin());
  return name;
}

Result<std::string> EncodeClaim(const OwnerClaim& claim, const Keyring& keyring,
                                Random& random) {
  ObjectHeader header;
  header.kind = ObjectKind::kOwner;
  header.volume_id = claim.volume_id;
  header.generation = claim.name.generation;
  header.number = claim.base_seq.value;
  header.previous = claim.base_name;
  random.Fill(header.salt);
  header.cipher = CipherOf(header.kind, keyring);
  header.key_id = header.cipher == Cipher::kNone ? 0 : keyring.current();
  TREFOIL_ASSIGN(const Sealer sealer, Sealer::For(header, keyring));

  std::string body;
  ByteWriter writer(&body);
  writer.U8(kClaimVersion);
  writer.Raw({claim.name.instance.data(), claim.name.instance.size()});
  writer.U64(claim.base_generation.value);
  writer.U64(static_cast<uint64_t>(claim.time_nanos));

  std::string out = EncodeObjectHeader(header);
  TREFOIL_ASSIGN(const std::string frame,
                 SealFrame(sealer, out.size(), 0, FrameType::kMeta, body));
  out += frame;
  TREFOIL_ASSIGN(const std::string end,
                 SealFrame(sealer, out.size(), 1, FrameType::kTrailer,
                           TrailerOf(out.size())));
  return out + end;
}

Result<OwnerClaim> DecodeClaim(std::string_view bytes, const Keyring& keyring) {
  const Status damaged(StatusCode::kCorruption, "the owner claim is damaged");
  if (bytes.size() < kHeaderBytes) return damaged;
  TREFOIL_ASSIGN(const ObjectHeader header,
                 DecodeObjectHeader(bytes.substr(0, kHeaderBytes)));
  if (header.kind != ObjectKind::kOwner) return damaged;
  TREFOIL_ASSIGN(const Sealer sealer, Sealer::For(header, keyring));
  TREFOIL_ASSIGN(const OpenedFrame frame,
                 OpenFrame(sealer, kHeaderBytes, bytes.substr(kHeaderBytes)));
  if (frame.type != FrameType::kMeta || frame.location.frame_no != 0) {
    return damaged;
  }
  TREFOIL_TRY(CheckEnd(sealer, frame.location, bytes));
  ByteReader reader(frame.raw);
  OwnerClaim claim;
  const uint8_t version = reader.U8();
  const std::string_view instance = reader.Raw(claim.name.instance.size());
  claim.base_generation = Generation(reader.U64());
  claim.time_nanos = static_cast<int64_t>(reader.U64());
  if (version != kClaimVersion || !reader.AtEnd()) return damaged;
  std::copy(instance.begin(), instance.end(), claim.name.instance.begin());
  claim.volume_id = header.volume_id;
  claim.name.generation = header.generation;
  claim.base_seq = CommitSeq(header.number);
  claim.base_name = header.previous;
  return claim;
}

Result<std::vector<ClaimName>> ListClaims(ObjectStore& store) {
  std::vector<ClaimName> claims;
  TREFOIL_TRY(store.List(kPrefix, "", [&](const ObjectInfo& info) {
    if (auto name = ParseClaimKey(info.key)) claims.push_back(*name);
    return true;
  }));
  std::sort(claims.begin(), claims.end());
  return claims;
}

Result<OwnerClaim> ReadClaim(ObjectStore& store, const Keyring& keyring,
                             const ClaimName& name) {
  const std::string key = ClaimKey(name);
  TREFOIL_ASSIGN(const std::string bytes, store.Get(key, {}, kMaxClaimBytes));
  auto claim = DecodeClaim(bytes, keyring);
  const std::string where = key + " at " + store.Describe();
  if (!claim.ok()) return claim.status().WithContext(where);
  const bool fits =
      claim->name.generation == name.generation &&
      (name.instance == kSeat || claim->name.instance == name.instance);
  if (fits) return claim;
  return Status(StatusCode::kCorruption, where + ": it is another claim");
}

Status CheckClaimable(ObjectStore& store, const Keyring& keyring,
                      const ClaimName& claim, const ClaimHistory& history) {
  TREFOIL_ASSIGN(const std::vector<ClaimName> claims, ListClaims(store));
  if (claims.empty()) return OkStatus();
  TREFOIL_ASSIGN(const bool claimed, Claimed(store, keyring, claims, claim));
  if (claimed) return OkStatus();
  ClaimName highest = claims.back();
  for (const ClaimName& other : claims) {  // of its generation, the owner
    if (other.generation != highest.generation) continue;
    highest = other;
    break;
  }
  if (highest.generation >= claim.generation) return Fenced(Shown(highest));
  if (highest.generation <= history.superseded) return OkStatus();
  if (highest.instance == kSeat) {
    TREFOIL_ASSIGN(const OwnerClaim holder, ReadClaim(store, keyring, highest));
    highest = holder.name;
  }
  const auto& ours = history.ours;
  if (std::find(ours.begin(), ours.end(), highest) != ours.end()) {
    return OkStatus();
  }
  if (history.is_ours) {
    TREFOIL_ASSIGN(const bool mine, history.is_ours(highest));
    if (mine) return OkStatus();
  }
  return Fenced(Shown(highest));
}

Result<ClaimName> TakeOwnership(ObjectStore& store, const Keyring& keyring,
                                const OwnerClaim& claim,
                                const ClaimOptions& options, Random& random) {
  const auto now = [&] { return options.now ? options.now() : 0; };
  const int64_t begin = now();
  TREFOIL_ASSIGN(std::vector<ClaimName> claims, ListClaims(store));
  TREFOIL_ASSIGN(const bool claimed,
                 Claimed(store, keyring, claims, claim.name));
  if (!claimed) {
    TREFOIL_ASSIGN(const std::string bytes,
                   EncodeClaim(claim, keyring, random));
    MemorySource source(bytes);
    Status put(StatusCode::kNotSupported, "claims settle by waiting");
    if (options.store_decides) {
      const ClaimName seat{claim.name.generation, kSeat};
      put = store.Put(ClaimKey(seat), source, PutMode::kIfAbsent);
    }
    if (put.Is(StatusCode::kNotSupported)) {
      put = store.Put(ClaimKey(claim.name), source, PutMode::kImmutable);
    }
    if (!put.ok() && !put.Is(StatusCode::kAlreadyExists)) return put;
    TREFOIL_ASSIGN(claims, ListClaims(store));
  }
  TREFOIL_ASSIGN(const ClaimName held,
                 Judge(store, keyring, claims, claim.name));
  if (held.instance == kSeat) return held;
  // Of one that was there already nobody knows how long it took.
  const bool late = claimed || now() - begin > options.settle_nanos / 2;
  if (options.sleep && !options.sleep(options.settle_nanos)) {
    return Status(StatusCode::kUnavailable, "shutting down");
  }
  TREFOIL_ASSIGN(claims, ListClaims(store));
  const auto rival = Rival(claims, claim.name);
  if (late && rival) return Fenced(Shown(*rival));
  return Judge(store, keyring, claims, claim.name);
}

Status CheckStillOwner(ObjectStore& store, const ClaimName& held) {
  // Everything from the held generation on: a lower instance of it counts too.
  const std::string start =
      fmt::format("{}{:016x}", kPrefix, held.generation.value);
  bool seen = false;
  std::optional<ClaimName> above;
  TREFOIL_TRY(store.List(kPrefix, start, [&](const ObjectInfo& info) {
    const auto name = ParseClaimKey(info.key);
    if (!name) return true;
    seen = seen || *name == held;
    const bool is_above =
        name->generation > held.generation || (!seen && *name < held);
    if (is_above) above = *name;
    return !is_above;
  }));
  if (above) return Fenced(Shown(*above));
  if (seen) return OkStatus();
  return Status(StatusCode::kNotFound,
                "the owner claim of this volume is gone from the target");
}

}  // namespace trefoil
