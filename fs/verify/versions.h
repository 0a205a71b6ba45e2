// SPDX-License-Identifier: Apache-2.0
// Walks the versions of versioned records, live and of history, in the order
// of their keys and, of one key, of their epochs. Malformed keys are passed
// over: the check of records reports them. Not thread-safe.
#pragma once

#include <memory>
#include <string>

#include "fs/index/history.h"

namespace trefoil {

struct Version {
  std::string key;  // of the live record
  Epoch birth;
  Epoch last;  // kLiveEpoch for the live value
  std::string value;
  // Begins before the version before it of the same key has ended.
  bool overlaps = false;

  [[nodiscard]] InodeId inode() const { return InodeId(NumberInKey(key)); }
  // The second number of the keys of entries and extents.
  [[nodiscard]] uint64_t second() const { return NumberInKey(key, 9); }
};

class VersionCursor {
 public:
  // The table 'D', 'E', 'I' or 'X' of `index`, which outlives this.
  VersionCursor(IndexView& index, char table);

  // To the first version, then on; false at the end and on error.
  bool Next();
  // Valid after Next returned true, until it is called again.
  [[nodiscard]] const Version& version() const { return version_; }
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  // Takes the version at the cursor with the smaller key; false when it is
  // malformed.
  bool Take();
  void Fill(std::string_view key, Epoch last, std::string_view value);

  std::unique_ptr<IndexCursor> live_;
  std::unique_ptr<IndexCursor> history_;
  bool valid_ = false;
  Version version_;
  Status status_;
};

}  // namespace trefoil
