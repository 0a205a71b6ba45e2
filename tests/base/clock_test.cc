// SPDX-License-Identifier: Apache-2.0
// Goal: the real clock and generator do what their interfaces say.
// Method: known dates; two readings.
#include "fs/base/clock.h"

#include <gtest/gtest.h>

namespace trefoil {
namespace {

TEST(Clock, FormatsUtc) {
  EXPECT_EQ(FormatUtc(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatUtc(1'795'426'200'999'999'999), "2026-11-23T09:30:00Z");
  EXPECT_EQ(FormatUtc(-1), "1969-12-31T23:59:59Z");
}

TEST(Clock, MonotonicDoesNotGoBack) {
  const int64_t before = Clock::Real().MonotonicNanos();
  EXPECT_LE(before, Clock::Real().MonotonicNanos());
  EXPECT_GT(Clock::Real().WallNanos(), 1'600'000'000'000'000'000);
}

TEST(Random, BytesDiffer) {
  EXPECT_NE(Random::System().Bytes(32), Random::System().Bytes(32));
  EXPECT_NE(Random::System().Next64(), Random::System().Next64());
}

}  // namespace
}  // namespace trefoil
