// SPDX-License-Identifier: Apache-2.0
// Goal: whenever the power goes off, everything that was synced is there, what
// is visible is a prefix of what was acknowledged, and the volume is whole
// (O1, O2, O3, O5).
// Method: the sweep of sweep.h over every scenario of the table. The number of
// points is printed; TREFOIL_CRASH_POINTS bounds those tried per scenario.
#include "tests/crash/sweep.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "fs/base/log.h"

namespace trefoil {
namespace {

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::vector<std::string> ScenarioNames() {
  std::vector<std::string> names;
  for (const Scenario& scenario : Scenarios()) names.push_back(scenario.name);
  return names;
}

class SweepTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void TearDownTestSuite() {
    fmt::print("crash points: {} in all, {} tried\n", points_, tried_);
  }
  void Run(SweepOptions options) const;

  static inline uint64_t points_ = 0;
  static inline uint64_t tried_ = 0;
};

void SweepTest::Run(SweepOptions options) const {
  options.seed = NumberFrom("TREFOIL_CRASH_SEED", 1);
  options.only_point = NumberFrom("TREFOIL_CRASH_POINT", 0);
  options.max_points = NumberFrom("TREFOIL_CRASH_POINTS", options.max_points);
  // A thousand openings have nothing to say; the one that is replayed has.
  if (options.only_point == 0) {
    ASSERT_TRUE(LogToFile("/dev/null", LogLevel::kError).ok());
  }
  const SweepResult result = Sweep(FindScenario(GetParam()), options);
  if (!options.unordered) points_ += result.points;
  tried_ += result.tried;
  fmt::print("{}: {} crash points, {} tried with seed {}\n", GetParam(),
             result.points, result.tried, options.seed);
  for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
}

// The hash of all operations of a scenario. RocksDB writes session ids of its
// own making into its files.
Result<uint64_t> TraceOf(const Scenario& scenario, uint64_t seed) {
  TREFOIL_ASSIGN(const auto machine, Machine::Format({.seed = seed}));
  machine->env().StartTrace(false, "/index");
  TREFOIL_TRY(machine->Open());
  for (const auto* steps : {&scenario.prepare, &scenario.steps}) {
    for (const Step& step : *steps) TREFOIL_TRY(step.run(*machine));
  }
  TREFOIL_TRY(machine->Close());
  return machine->env().trace_hash();
}

// So that a point is the same one when it is tried again.
TEST(MachineTest, OneSeedIsOneRun) {
  for (const char* name : {"checkpoint", "collect", "trim", "recovery"}) {
    const auto first = TraceOf(FindScenario(name), 1);
    const auto second = TraceOf(FindScenario(name), 1);
    const auto other = TraceOf(FindScenario(name), 2);
    ASSERT_TRUE(first.ok() && second.ok() && other.ok());
    EXPECT_EQ(*first, *second) << name;
    EXPECT_NE(*first, *other) << name;
  }
}

TEST_P(SweepTest, LosesNothing) { Run({}); }

// A few points each: it is the rarer case.
TEST_P(SweepTest, LosesNothingWhereNewEndsComeBeforeData) {
  Run({.max_points = kPointsPerScenario / 8, .unordered = true});
}

INSTANTIATE_TEST_SUITE_P(Scenarios, SweepTest,
                         ::testing::ValuesIn(ScenarioNames()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace trefoil
