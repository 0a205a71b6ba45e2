// SPDX-License-Identifier: Apache-2.0
// VOLUME/targets/NAME.json: what a shipper last knew of its target, for
// `trefoil status` of a volume that is not mounted, and the owner claims that
// this volume made there (O9). Nothing in it is trusted about the target: a
// shipper compares it with what the target lists before it believes a
// watermark. A lost file costs that look and no more, except that a claim on
// the target must then be recognised by its commits.
//
//   { "format": 1, "name", "url", "state",
//     "watermark": {"seq", "generation", "name": 64 hex, "time_nanos"},
//     "objects_held", "bytes_held", "objects_waiting", "bytes_waiting",
//     "bytes_per_second", "last_error", "last_error_time_nanos",
//     "claims": [{"generation", "instance": 32 hex}], "claims_known",
//     "superseded", "complete_time_nanos", "disk", "label",
//     "shelf": [the same for each other disk that takes turns at its place],
//     "forgotten": [id of each disk that is none of the target's any more] }
//
// Thread rule: values; one writer per file.
#pragma once

#include <string>
#include <vector>

#include "fs/base/env.h"
#include "replicator/owner.h"
#include "replicator/replicator.h"

namespace trefoil {

struct TargetState {
  TargetStatus status;  // without `disks`
  TargetDisk disk;      // whose state this is
  // Names the watermark's commit; the rest of it is in `status`.
  Generation watermark_generation;
  Hash256 watermark_name;
  std::vector<ClaimName> claims;  // oldest first, at most kMaxClaims
  // `claims` has all that matter; false after the file was lost.
  bool claims_known = false;
  Generation superseded;

  // Of the other disks, the last one that left first; without shelves.
  std::vector<TargetState> shelf;
  // Ids of disks that are not to be used again as they are, oldest first.
  std::vector<std::string> forgotten;

  static constexpr size_t kMaxForgotten = 256;
  static constexpr size_t kMaxClaims = 64;
  static constexpr size_t kMaxShelf = 32;
  // Appends, dropping the oldest beyond the bound.
  void AddClaim(const ClaimName& claim);
  // `other` is in: what is known of it takes the place of what is known of the
  // disk before, which goes to the shelf. False when that is this disk.
  bool UseDisk(const TargetDisk& other);
  [[nodiscard]] std::vector<DiskStatus> Disks(bool is_in) const;
  // Nothing is known any more of a disk, by its id, the first digits of it, or
  // its label, but that it is none of the target's. kNotFound, kInvalidArgument
  // when several are meant, kPreconditionFailed for `id_in`, the one that is
  // in.
  Result<TargetDisk> Forget(const std::string& name, const std::string& id_in);
  [[nodiscard]] bool IsForgotten(const std::string& id) const;

 private:
  // This disk's state, or that of one on the shelf.
  void Drop(TargetState* one);
};

std::string TargetStatePath(const std::string& volume_path,
                            const std::string& target_name);
// kNotFound when there is none, kCorruption when it can't be read.
Result<TargetState> LoadTargetState(Env& env, const std::string& path);
// TargetState::Forget in the file of a target that nobody ships to now, and of
// what was verified on the disk. Durable when OK.
Result<TargetDisk> ForgetDisk(Env& env, const std::string& volume_path,
                              const std::string& target_name,
                              const std::string& disk,
                              const std::string& id_in);
// The ids of a target's disks that were forgotten; none where nothing is known.
std::vector<std::string> ForgottenDisks(Env& env,
                                        const std::string& volume_path,
                                        const std::string& target_name);
// Durable when OK; makes the directory when needed.
Status SaveTargetState(Env& env, const std::string& path,
                       const TargetState& state);

}  // namespace trefoil
