// SPDX-License-Identifier: Apache-2.0
// What a drill compares a copy with: the volume itself, as it is in use, in a
// state that does not change while the drill runs. Of a mounted volume that is
// a snapshot, its own or one that was named; it waits until the copy has it.
// Thread rule: one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tools/open_volume.h"
#include "tools/tree_view.h"
#include "tools/volume_path.h"

namespace trefoil {

struct LiveOptions {
  VolumeLocation location;
  SecretArguments secret;
  std::string target;
  std::string snapshot;  // empty: the live tree
  // How long a mounted volume's copy may take to catch up; 0: it need not.
  int64_t wait_seconds = 0;
  std::function<bool()> stop;
};

class LiveSide {
 public:
  virtual ~LiveSide() = default;
  virtual TreeView& tree() = 0;
  // What it is, for people.
  [[nodiscard]] virtual std::string description() const = 0;
  // The snapshot of the tree, empty: it is none.
  [[nodiscard]] virtual std::string snapshot() const = 0;
  // Whether `copy` shows the same state, in that snapshot or in its live tree.
  virtual Result<bool> IsStateOf(Volume& copy) = 0;
  // The newest commit, by number and time.
  [[nodiscard]] virtual CommitRef head() const = 0;
  // What the target is believed to hold.
  [[nodiscard]] virtual CommitSeq believed() const = 0;
};

// The caller has the volume's drills to itself: a snapshot that a drill which
// was killed left behind is deleted.
Result<std::unique_ptr<LiveSide>> OpenLiveSide(const LiveOptions& options);

}  // namespace trefoil
