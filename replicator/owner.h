// SPDX-License-Identifier: Apache-2.0
// Owner claims (O9): who may write commits to a target.
//
//   owner/GGGGGGGGGGGGGGGG-IIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII
//     generation (16 hex digits) and instance (32 hex digits) of the claimant.
//     Instance 0 is the generation's seat: there can be only one, put where
//     the store decides atomically who was first; the body names its holder.
//   claim := header frame trailer-frame     (fs/object/object_format.h), sealed
//     as all objects of the volume are: nobody without a data key can make one
//     header: kind kOwner, the volume's id, the generation; `number` and
//     `previous` are sequence number and name of the commit that the claimant
//     continues (0 and zeroes: none)
//     frame: kMeta: version:u8=1 instance[16] base_generation:u64
//     time_nanos:u64
//
// The highest generation owns the target; in one generation the holder of the
// seat, else the lowest instance. A claim says where the chains of older
// generations end: at its base. Claims are never overwritten.
// Thread rule: values and functions over an ObjectStore; as thread-safe as it.
#pragma once

#include <array>
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/clock.h"
#include "fs/object/keyring.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "fs/volume/types.h"

namespace trefoil {

// One opening of a volume, drawn at random.
using InstanceId = std::array<char, 16>;
inline constexpr InstanceId kSeat{};

InstanceId NewInstance(Random& random);
std::string InstanceHex(const InstanceId& instance);

// Generation and instance: a claim as its key shows it.
struct ClaimName {
  Generation generation;
  InstanceId instance{};
  bool operator==(const ClaimName&) const = default;
  // As their keys are listed: instances are bytes without a sign.
  std::strong_ordering operator<=>(const ClaimName& other) const {
    if (generation != other.generation) return generation <=> other.generation;
    return std::string_view(instance.data(), instance.size()) <=>
           std::string_view(other.instance.data(), other.instance.size());
  }
};

std::string ClaimKey(const ClaimName& name);
std::optional<ClaimName> ParseClaimKey(std::string_view key);

struct OwnerClaim {
  VolumeId volume_id{};
  ClaimName name;  // the holder's, also in the body of a seat
  CommitSeq base_seq;
  Generation base_generation;
  Hash256 base_name;
  int64_t time_nanos = 0;
};

// Whether a commit, or a checkpoint of that number, may be none of the owner's:
// it was written by an older generation, beyond the base of `claim`. Whoever
// took a target back wrote such, too, so this is no reason to pass one over.
inline bool Disowns(const OwnerClaim& claim, Generation generation,
                    uint64_t number) {
  return generation < claim.name.generation && number > claim.base_seq.value;
}

Result<std::string> EncodeClaim(const OwnerClaim& claim, const Keyring& keyring,
                                Random& random);
// kCorruption, or kNewerFormat.
Result<OwnerClaim> DecodeClaim(std::string_view bytes, const Keyring& keyring);

// All claims on a target, lowest generation first.
Result<std::vector<ClaimName>> ListClaims(ObjectStore& store);
Result<OwnerClaim> ReadClaim(ObjectStore& store, const Keyring& keyring,
                             const ClaimName& name);

// What the claimant knows of its own past.
struct ClaimHistory {
  // Claims that it made, or may have made, on this target.
  std::vector<ClaimName> ours;
  // Others' claims up to this generation were knowingly taken over.
  Generation superseded;
  // Decides about the highest claim when `ours` was lost: whether its
  // generation is part of our own chain.
  std::function<Result<bool>(const ClaimName&)> is_ours;
};

struct ClaimOptions {
  // The store is known to enforce PutMode::kIfAbsent.
  bool store_decides = false;
  // Where the store can't decide who was first, claimants wait so long before
  // they count who is there.
  int64_t settle_nanos = 2'000'000'000;
  // Waits; false when it was cut short by a shutdown.
  std::function<bool(int64_t nanos)> sleep;
  // Monotonic time. A claim that took long to arrive may come when another one
  // has settled already: it then gives way to whoever claimed beside it.
  std::function<int64_t()> now;
};

// Whether `claim` may be made on the target: kFenced with the reason when
// somebody else owns it.
Status CheckClaimable(ObjectStore& store, const Keyring& keyring,
                      const ClaimName& claim, const ClaimHistory& history);
// Makes `claim` the owner of the target. Returns the name of the claim object
// that says so (the seat or the claim's own); kFenced when another one is the
// owner. May be repeated after any error.
Result<ClaimName> TakeOwnership(ObjectStore& store, const Keyring& keyring,
                                const OwnerClaim& claim,
                                const ClaimOptions& options, Random& random);
// Looks for claims above `held` (as TakeOwnership returned it): kFenced when
// there is one, kNotFound when `held` itself is gone.
Status CheckStillOwner(ObjectStore& store, const ClaimName& held);

}  // namespace trefoil
