// SPDX-License-Identifier: Apache-2.0
// Goal: what people write for a point in the past is understood as they mean
// it, and nothing else is taken for one.
// Method: a table.
#include "tools/point_in_time.h"

#include <gtest/gtest.h>

namespace trefoil {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// 2026-11-23 14:05:06 UTC
constexpr int64_t kThen = 1'795'442'706 * kSecond;

TEST(PointInTimeTest, ATimeMeansTheEndOfWhatItNames) {
  for (const char* text : {"2026-11-23 14:05:06", "2026-11-23T14:05:06Z",
                           "@GMT-2026.11.23-14.05.06"}) {
    const auto point = ParsePointInTime(text);
    ASSERT_TRUE(point.has_value()) << text;
    EXPECT_FALSE(point->commit.has_value());
    EXPECT_EQ(*point->wall_nanos, kThen + kSecond - 1) << text;
  }
  EXPECT_EQ(*ParsePointInTime("2026-11-23 14:05")->wall_nanos,
            kThen + 54 * kSecond - 1);
  EXPECT_EQ(*ParsePointInTime("2026-11-23")->wall_nanos,
            1'795'478'400 * kSecond - 1);
}

TEST(PointInTimeTest, ANumberIsACommit) {
  const auto point = ParsePointInTime("1234");
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(*point->commit, 1234U);
  EXPECT_FALSE(point->wall_nanos.has_value());
}

TEST(PointInTimeTest, NothingElseIsAPoint) {
  for (const char* text :
       {"", "0", "-1", "yesterday", "2026-11-23 ", "2026-13-01", "14:05",
        "99999999999999999999", "2026-11-23 14:05:06+01:00"}) {
    EXPECT_FALSE(ParsePointInTime(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace trefoil
