// SPDX-License-Identifier: Apache-2.0
// Sealing anew what is sealed under older data keys (`trefoil key rotate
// --reseal`). There is one way in which objects go, the collector's, and this
// only chooses for it: packs under an older key are emptied into new ones;
// then a checkpoint stands for the commits, which go when every target can do
// without them. Targets keep the checkpoint before the newest one, so another
// one follows when all of them have the first. What is left to do is seen from
// the objects' headers, so the work goes on after any crash; the file
// VOLUME/reseal asks for it and goes last.
// Thread rule: as the collector's.
#pragma once

#include <atomic>
#include <string>

#include "fs/index/records.h"
#include "fs/volume/core.h"

namespace trefoil {

// Asks for it, durably: what is sealed under keys before the newest one.
Status RequestReseal(Env& env, const std::string& volume_path,
                     const VolumeSecrets& secrets);

class Resealing {
 public:
  explicit Resealing(VolumeCore& core) : core_(core) {}

  // At the beginning of a pass: whether it is asked for.
  Result<bool> IsAsked();
  // Whether the object is sealed under an older key. Nothing when that can't be
  // told before it is healed: it is not on the primary, or its header is bad.
  Result<std::optional<bool>> IsOld(const std::string& key);
  // No pack is old any more: looks at commits and checkpoints, wants a
  // checkpoint, or ends it all. Every target has the checkpoints up to
  // `released`.
  Status Finish(CommitSeq released);
  // Finish was called before: new packs are sealed under the new key.
  [[nodiscard]] bool packs_are_done() const { return done_key_id_ == key_id_; }
  // A checkpoint was written. Any thread.
  void NoteCheckpoint() { wants_checkpoint_ = false; }
  // Any thread.
  [[nodiscard]] bool wants_checkpoint() const { return wants_checkpoint_; }

 private:
  Result<bool> AnyOld(std::string_view prefix);
  // Nothing on the primary is old; `newest` is its checkpoint.
  Status FinishOnTargets(CommitSeq newest, CommitSeq released);
  Status End();
  // A checkpoint equals a commit, so there has to be a new one.
  Status WantCheckpoint();

  VolumeCore& core_;
  uint32_t key_id_ = 0;       // what has a lower one is old; 0: nothing is
  uint32_t done_key_id_ = 0;  // `key_id_` when the packs were done
  // A checkpoint under the new key that every target has; 0: none yet.
  CommitSeq first_on_targets_;
  std::atomic<bool> wants_checkpoint_{false};
};

}  // namespace trefoil
