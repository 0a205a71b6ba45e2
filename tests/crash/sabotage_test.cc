// SPDX-License-Identifier: Apache-2.0
// Goal: the crash sweep can fail: it catches code that is broken on purpose.
// Method: the switches of fs/base/sabotage.h, one at a time, over scenarios,
// points and seed with which sweep_test.cc finds nothing in sound code.
#include "fs/base/sabotage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fs/base/log.h"
#include "tests/crash/sweep.h"

namespace trefoil {
namespace {

void ExpectCaught(Sabotage sabotage, const std::string& scenario) {
  ASSERT_TRUE(LogToFile("/dev/null", LogLevel::kError).ok());
  SweepOptions options;
  options.max_failures = 1;
  active_sabotage = sabotage;
  const SweepResult result = Sweep(FindScenario(scenario), options);
  active_sabotage = Sabotage::kNone;
  ASSERT_EQ(result.failures.size(), 1U) << scenario << ": nothing was noticed";
  EXPECT_GT(result.tried, 0U) << "noticed without a crash";
  fmt::print("{}: caught at crash {}: {}\n", scenario, result.tried,
             result.failures[0]);
}

TEST(SabotageTest, AJournalThatIsNotSyncedIsCaught) {
  ExpectCaught(Sabotage::kSkipJournalSync, "write");
  ExpectCaught(Sabotage::kSkipJournalSync, "rename over");
}

TEST(SabotageTest, AJournalThatIsTrimmedEarlyIsCaught) {
  ExpectCaught(Sabotage::kTrimEarly, "trim");
}

}  // namespace
}  // namespace trefoil
