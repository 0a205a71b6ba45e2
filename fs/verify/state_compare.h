// SPDX-License-Identifier: Apache-2.0
// Compares a state that is read entry by entry, in order, as checkpoints have
// it, with what an index says of the live tree and its history. Not
// thread-safe.
#pragma once

#include <memory>
#include <string>

#include "fs/index/index.h"
#include "fs/object/commit.h"

namespace trefoil {

class StateCompare {
 public:
  // `index` outlives this and does not change meanwhile.
  explicit StateCompare(IndexView& index);

  Status Next(const DeltaEntry& entry);
  // After the last entry.
  Status Finish();
  // The first record in which they differ, and how; empty: none.
  [[nodiscard]] const std::string& difference() const { return difference_; }

 private:
  void Begin(Family family);
  // Ends the present family and begins the next one.
  Status NextFamily();
  void Differ(std::string_view key, const char* how);

  IndexView& index_;
  Family family_ = Family::kLive;
  std::unique_ptr<IndexCursor> cursor_;
  std::string difference_;
};

}  // namespace trefoil
