// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/commit_pace.h"

#include <algorithm>

namespace trefoil {

int64_t CommitPaceNanos(size_t keys) {
  constexpr size_t kSlowestKeys = 500'000;
  constexpr double kSlowestNanos = 100e6;
  if (keys <= kPaceFromKeys) return 0;
  const double x =
      static_cast<double>(std::min(keys, kSlowestKeys) - kPaceFromKeys) /
      double{kSlowestKeys - kPaceFromKeys};
  return static_cast<int64_t>(kSlowestNanos * x * x * x);
}

}  // namespace trefoil
