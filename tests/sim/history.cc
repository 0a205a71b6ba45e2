// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/history.h"

#include <fmt/format.h>

namespace trefoil::sim {

Result<ShownState> Show(Volume& volume, bool rot) {
  ShownState shown;
  TREFOIL_ASSIGN(shown.tree, ShowVolume(volume, kRootNode, rot));
  TREFOIL_ASSIGN(const auto snapshots, volume.ListSnapshots());
  for (const SnapshotInfo& info : snapshots) {
    TREFOIL_ASSIGN(shown.snapshots[info.name],
                   ShowVolume(volume, NodeId::Make(info.id, kRootInode), rot));
  }
  return shown;
}

std::string DifferenceOf(const ModelState& expected, const ShownState& found) {
  std::string difference = FirstDifference(expected.tree.Show(), found.tree);
  if (!difference.empty()) return difference;
  for (const auto& [name, tree] : expected.snapshots) {
    const auto there = found.snapshots.find(name);
    if (there == found.snapshots.end()) {
      return "snapshot " + name + " is missing";
    }
    difference = FirstDifference(tree->Show(), there->second);
    if (!difference.empty()) return "snapshot " + name + ": " + difference;
  }
  for (const auto& [name, tree] : found.snapshots) {
    if (!expected.snapshots.contains(name)) {
      return "snapshot " + name + " should not be there";
    }
  }
  return {};
}

std::string History::Restart(const ShownState& found, bool power) {
  std::vector<const ModelState*> candidates;
  if (doubt_) candidates.push_back(&*doubt_);
  for (size_t i = states_.size(); i-- > (power ? 0 : states_.size() - 1);) {
    candidates.push_back(&states_[i]);
  }
  for (const ModelState* candidate : candidates) {
    if (!DifferenceOf(*candidate, found).empty()) continue;
    ModelState state = *candidate;
    states_.assign(1, std::move(state));
    doubt_.reset();
    return {};
  }
  return fmt::format(
      "none of {} states that may be seen is seen; from the newest: {}; from "
      "the oldest: {}",
      candidates.size(), DifferenceOf(states_.back(), found),
      DifferenceOf(*candidates.back(), found));
}

}  // namespace trefoil::sim
