// SPDX-License-Identifier: Apache-2.0
// What may be seen after a crash: the states of the model after each
// acknowledged operation since the last one that is sure to be durable (O2),
// and the one after an operation whose answer was an error.
// Thread rule: none.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/model_tree.h"

namespace trefoil::sim {

struct ModelState {
  ModelTree tree;
  std::map<std::string, std::shared_ptr<const ModelTree>> snapshots;
};

// All that a volume shows: the live tree and each snapshot by name.
struct ShownState {
  ShownTree tree;
  std::map<std::string, ShownTree> snapshots;
};

Result<ShownState> Show(Volume& volume, bool rot);
// What differs first; empty when nothing does.
std::string DifferenceOf(const ModelState& expected, const ShownState& found);

class History {
 public:
  explicit History(ModelState first) { states_.push_back(std::move(first)); }

  [[nodiscard]] const ModelState& now() const { return states_.back(); }
  // States that a power cut may go back to.
  [[nodiscard]] size_t undurable() const { return states_.size() - 1; }

  void Acknowledge(ModelState state) { states_.push_back(std::move(state)); }
  void Doubt(ModelState state) { doubt_ = std::move(state); }
  // Everything acknowledged is on stable storage (O1).
  void Durable() { states_.erase(states_.begin(), states_.end() - 1); }
  // After a restart the volume shows `found`: one of the states that it may
  // show, from which things go on. Empty, or what is wrong. `power`: what was
  // not durable may be gone.
  std::string Restart(const ShownState& found, bool power);

 private:
  std::vector<ModelState> states_;  // the first one is durable
  std::optional<ModelState> doubt_;
};

}  // namespace trefoil::sim
