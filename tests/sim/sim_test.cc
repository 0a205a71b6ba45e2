// SPDX-License-Identifier: Apache-2.0
// Goal: whatever happens to machine and targets, nothing acknowledged is lost,
// and in the end every copy alone gives the tree back; one seed is one run; and
// a volume that is broken on purpose is noticed.
// Method: many seeds of the simulation, divided among the processors; a
// failing one prints the command that replays it. Some run twice. Some run
// with a switch that breaks the code.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "fs/base/log.h"
#include "fs/base/sabotage.h"
#include "tests/sim/simulation.h"

namespace trefoil::sim {
namespace {

constexpr uint64_t kSeeds = 200;
constexpr uint64_t kTwiceSeeds = 6;
constexpr uint64_t kBrokenSeeds = 40;

class SimulationTest : public ::testing::Test {
 protected:
  // What the volume logs of its troubles is as expected.
  SimulationTest() {
    EXPECT_TRUE(LogToFile("/dev/null", LogLevel::kError).ok());
  }
  ~SimulationTest() override { active_sabotage = Sabotage::kNone; }

  static SimulationResult Run(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    return Simulate(options);
  }
};

// Other seeds each day would make failures that nobody can blame on a change:
// CI runs the same ones, `tools/sim --minutes` goes on with others.
TEST_F(SimulationTest, NothingAcknowledgedIsLost) {
  const auto start = std::chrono::steady_clock::now();
  std::atomic<uint64_t> next{1};
  std::atomic<uint64_t> restarts{0};
  std::atomic<uint64_t> operations{0};
  const auto work = [&] {
    for (uint64_t seed = next++; seed <= kSeeds; seed = next++) {
      const SimulationResult result = Run(seed);
      restarts += result.restarts;
      operations += result.operations;
      EXPECT_TRUE(result.status.ok())
          << result.status.ToString() << "\nreplay it: tools/sim --seed "
          << seed;
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    workers.emplace_back(work);
  }
  for (std::thread& worker : workers) worker.join();
  const double minutes = std::chrono::duration<double, std::ratio<60>>(
                             std::chrono::steady_clock::now() - start)
                             .count();
  fmt::print("{} seeds, {:.0f} seeds per minute; {} operations, {} restarts\n",
             kSeeds, static_cast<double>(kSeeds) / minutes, operations.load(),
             restarts.load());
}

TEST_F(SimulationTest, OneSeedIsOneRun) {
  for (uint64_t seed = 1; seed <= kTwiceSeeds; ++seed) {
    const SimulationResult once = Run(seed);
    const SimulationResult again = Run(seed);
    EXPECT_EQ(once.trace_hash, again.trace_hash) << "seed " << seed;
    EXPECT_EQ(once.tree_hash, again.tree_hash) << "seed " << seed;
    EXPECT_EQ(once.operations, again.operations) << "seed " << seed;
  }
}

class BrokenTest : public SimulationTest,
                   public ::testing::WithParamInterface<Sabotage> {};

TEST_P(BrokenTest, IsNoticed) {
  active_sabotage = GetParam();
  for (uint64_t seed = 1; seed <= kBrokenSeeds; ++seed) {
    const SimulationResult result = Run(seed);
    if (result.status.ok()) continue;
    fmt::print("noticed by seed {}: {}\n", seed, result.status.ToString());
    return;
  }
  ADD_FAILURE() << "not noticed in " << kBrokenSeeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(All, BrokenTest,
                         ::testing::Values(Sabotage::kSkipJournalSync,
                                           Sabotage::kTrimEarly,
                                           Sabotage::kMoveWatermarkEarly));

}  // namespace
}  // namespace trefoil::sim
