// SPDX-License-Identifier: Apache-2.0
// Recovery: a new volume from one target alone (O7), and taking ownership of
// it afterwards (O9).
//
// Thread rule: free functions; `progress` is called by the calling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/object/object_store.h"
#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "replicator/fetch.h"

namespace trefoil {

struct RecoverOptions {
  // Fetch every object before returning; otherwise the packs come when the
  // volume is mounted.
  bool full = false;
  // The state of this commit, or of the newest that is not younger than this,
  // instead of the newest one of all.
  std::optional<CommitSeq> at_seq = {};
  std::optional<int64_t> at_nanos = {};
  // Commits and checkpoints of the target that are not this volume's (heads.h).
  std::set<std::string> strangers = {};
  // Other copies of the same volume, and what they are in its configuration.
  // What `from` lacks or has damaged is taken from them, now and later.
  ObjectCopies others = {};
  std::vector<TargetSettings> other_targets = {};
  // Opens an encrypted copy.
  Secret secret = {};
  // Keep the volume key in VOLUME/key, for mounts that nobody attends.
  bool keep_key_file = true;
  // Bytes fetched and to be fetched.
  std::function<void(uint64_t done, uint64_t total)> progress = nullptr;
  FetchOptions fetch = {};
};

struct Recovered {
  // With `full`: files of which no copy has all data good. What of them is
  // good by itself is there, and everything else.
  std::vector<LostFile> lost_files;
};

// Makes the volume `volume_path` (absent or an empty directory) with the tree
// of the target's watermark. It is detached: it ships nothing and owns nothing
// until TakeOver. `from_settings` becomes a target in its configuration.
//
// Without `full` only what the tree itself is made of is fetched. The volume
// can be used then: its reads get what is missing from the target (healer.h),
// and while it is mounted the rest is fetched (hydrator.h).
//
// When the target has nothing to recover, nothing is made at `volume_path`.
// When it fails later, what was fetched stays there under a marker file,
// `recovering`, with which no volume opens, and the same call continues.
Result<Recovered> RecoverVolume(World world, ObjectStore& from,
                                const TargetSettings& from_settings,
                                const std::string& volume_path,
                                const RecoverOptions& options);

struct TakeOverOptions {
  const Secret* secret = nullptr;     // as for UnlockPrimary
  std::string credentials_file = {};  // empty: the usual places
  // Even where a target holds what its owner wrote since this volume was
  // recovered. Readers pass that over from then on, and collection removes it.
  bool give_up_newer = false;
};
struct TakenOver {
  // Targets that did not answer, each with why: another owner goes on there
  // until the takeover is repeated.
  std::vector<std::string> left;
};

// Lets a volume own and ship to its targets from its next opening on: claims
// every target that answers with a generation above all claims there, so that
// any other owner is fenced. kUnavailable when none answers,
// kPreconditionFailed when one holds what is newer, kBusy when the volume is
// open: nothing is claimed then.
Result<TakenOver> TakeOver(World world, const std::string& volume_path,
                           const TakeOverOptions& options = {});

}  // namespace trefoil
