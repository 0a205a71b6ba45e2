// SPDX-License-Identifier: Apache-2.0
// Versions of a record. A versioned record (IsVersioned) lives in the live
// family with the epoch it was born in; the first change of it in a later
// epoch that a snapshot could notice moves the old value to the history family
// under (key, last epoch). A snapshot is an epoch: of a key it sees the live
// value when that was born by then, else the history entry whose
// [birth, last] contains the epoch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/index/index.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"

namespace trefoil {

// The newest state: an epoch above every other.
inline constexpr Epoch kLiveEpoch{~0ULL};

// The epochs that snapshots hold, in order. A value type.
class RetainedEpochs {
 public:
  void Add(Epoch epoch);
  void Remove(Epoch epoch);  // one of possibly several holders
  // Whether some retained epoch lies in [first, last].
  [[nodiscard]] bool AnyIn(Epoch first, Epoch last) const;
  [[nodiscard]] bool empty() const { return epochs_.empty(); }

 private:
  std::vector<Epoch> epochs_;  // sorted
};

// The value of a versioned key as `epoch` sees it.
Result<std::optional<std::string>> GetAt(IndexView& view, std::string_view key,
                                         Epoch epoch);

// Calls `visit(key, value)` for each versioned key in [lower, upper) as
// `epoch` sees it, in key order, until it returns false.
Status VisitAt(IndexView& view, std::string_view lower, std::string_view upper,
               Epoch epoch,
               const std::function<bool(std::string_view key,
                                        std::string_view value)>& visit);

}  // namespace trefoil
