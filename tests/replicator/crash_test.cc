// SPDX-License-Identifier: Apache-2.0
// Goal: O3 at every point: wherever a target fails, loses an answer, or the
// shipper dies, no commit on the target lacks a pack or an earlier commit, no
// watermark is ahead of what is there, and a new shipper completes the copy.
// Method: a scenario is run once to count its operations on the target, then
// again and again with the target going away at the n-th of them, for all n.
#include <gtest/gtest.h>

#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

constexpr int kCommits = 6;

void AddScenario(TestSource* source) {
  for (int i = 0; i < kCommits; ++i) source->AddCommit(i % 3);
}

uint64_t CountOperations() {
  Shipping shipping;
  shipping.options.recheck_nanos = 3'600'000'000'000;
  AddScenario(&shipping.source);
  shipping.faults.GoDownAt(0, false);
  shipping.Start();
  EXPECT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  return shipping.faults.operations();
}

// The target goes away at operation `n`; the shipper dies, or lives on.
void RunWithFault(uint64_t n, bool done_first, bool dies) {
  SCOPED_TRACE("operation " + std::to_string(n) +
               (done_first ? ", answer lost" : ", not done") +
               (dies ? ", the shipper dies" : ""));
  Shipping shipping;
  shipping.options.recheck_nanos = 3'600'000'000'000;
  AddScenario(&shipping.source);
  shipping.faults.GoDownAt(n, done_first);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("unreachable"));
  EXPECT_EQ(shipping.Incomplete(shipping.status().watermark), "");
  if (dies) {
    shipping.Kill();
    shipping.source.NextGeneration();
    const auto state = LoadTargetState(Env::Posix(), shipping.state_path());
    if (state.ok()) {
      EXPECT_EQ(shipping.Incomplete(state->status.watermark), "");
    }
  }
  shipping.faults.SetDown(false);
  if (dies) shipping.Start();
  ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(kCommits)));
  EXPECT_EQ(shipping.Incomplete(CommitSeq(kCommits)), "");
  shipping.Stop();
}

TEST(ShipperCrashTest, EveryPointOfFailureKeepsTheOrder) {
  const uint64_t operations = CountOperations();
  ASSERT_GT(operations, static_cast<uint64_t>(2 * kCommits));
  for (uint64_t n = 1; n <= operations; ++n) {
    for (const bool done_first : {false, true}) {
      for (const bool dies : {false, true}) {
        RunWithFault(n, done_first, dies);
        if (HasFatalFailure()) return;
      }
    }
  }
  RecordProperty("points", static_cast<int>(operations * 4));
}

TEST(ShipperCrashTest, AFlakyTargetIsNeverAheadOfItself) {
  const uint64_t seed = Random::System().Next64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Shipping shipping;
  std::atomic<uint64_t> state{seed};
  const auto flaky = [&](const std::string&, std::string_view) {
    // SplitMix64; one operation in ten fails.
    uint64_t x = state.fetch_add(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    const bool fails = (x ^ (x >> 31)) % 10 == 0;
    return fails ? Status(StatusCode::kUnavailable, "flaky") : OkStatus();
  };
  shipping.faults.before = flaky;
  shipping.faults.after = flaky;
  shipping.options.backoff_max_nanos = 5'000'000;
  shipping.Start();
  for (int i = 0; i < 20; ++i) {
    shipping.Commit(i % 3);
    const CommitSeq watermark = shipping.status().watermark;
    EXPECT_EQ(shipping.Incomplete(watermark), "");
  }
  EXPECT_TRUE(shipping.WaitForWatermark(CommitSeq(20)));
  EXPECT_EQ(shipping.Incomplete(CommitSeq(20)), "");
}

}  // namespace
}  // namespace trefoil::testing
