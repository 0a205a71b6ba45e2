// SPDX-License-Identifier: Apache-2.0
// The crash sweep: a scenario is run once to count the operations that change
// the disk, then again and again, with the power going off at each of them.
// What is found afterwards must be a state that the scenario went through: at
// least the one that was last on stable storage, at most the one that the
// operation under way leads to (O2). And the verifier must find nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/crash/scenarios.h"

namespace trefoil {

// What every test run has time for.
inline constexpr uint64_t kPointsPerScenario = 40;

struct SweepOptions {
  uint64_t seed = 1;
  // More points than this are sampled, by the seed.
  uint64_t max_points = kPointsPerScenario;
  // A cut may leave a file's new end without the data below it. The index's
  // own files suffer that badly: then it is rebuilt, and nothing is lost.
  bool unordered = false;
  // 0: all; otherwise this point alone.
  uint64_t only_point = 0;
  // Enough to know that it fails.
  uint64_t max_failures = 3;
};

struct SweepResult {
  uint64_t points = 0;  // that there are
  uint64_t tried = 0;
  std::vector<std::string> failures;  // with what replays them
};

SweepResult Sweep(const Scenario& scenario, const SweepOptions& options);

}  // namespace trefoil
