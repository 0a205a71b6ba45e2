// SPDX-License-Identifier: Apache-2.0
// Goal: operations wait for commit rounds only where those are far behind, and
// then so that what waits for them stays bounded.
// Method: the pace at some numbers of keys; a model of writers and rounds.
#include "fs/volume/commit_pace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trefoil {
namespace {

TEST(CommitPaceTest, NobodyWaitsWhereRoundsKeepUp) {
  EXPECT_EQ(CommitPaceNanos(0), 0);
  EXPECT_EQ(CommitPaceNanos(kManyChangedKeys), 0);
  EXPECT_EQ(CommitPaceNanos(kPaceFromKeys), 0);
}

TEST(CommitPaceTest, TheWaitGrowsSmoothlyUpToABound) {
  int64_t last = 0;
  for (size_t keys = kPaceFromKeys; keys <= 4 * kPaceFromKeys; keys += 1000) {
    const int64_t pace = CommitPaceNanos(keys);
    EXPECT_GE(pace, last);
    EXPECT_LE(pace - last, 2'000'000);
    last = pace;
  }
  EXPECT_EQ(last, 100'000'000);
}

// Sixteen writers, three keys an operation, 50 microseconds each; rounds that
// take four minutes for what a machine with time does in seconds.
TEST(CommitPaceTest, WhatWaitsIsBoundedByHoweverSlowRounds) {
  constexpr double kRoundSeconds = 240;
  constexpr int kWriters = 16;
  constexpr double kKeys = 3;
  double keys = 0;
  double highest = 0;
  for (int round = 0; round < 5; ++round) {
    keys = 0;  // the cut
    for (double left = kRoundSeconds; left > 0;) {
      const double step =
          50e-6 +
          static_cast<double>(CommitPaceNanos(static_cast<size_t>(keys))) / 1e9;
      keys += kWriters * kKeys;
      left -= step;
    }
    highest = std::max(highest, keys);
  }
  EXPECT_GT(highest, static_cast<double>(kPaceFromKeys));
  EXPECT_LT(highest, 600'000);
}

}  // namespace
}  // namespace trefoil
