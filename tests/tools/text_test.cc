// SPDX-License-Identifier: Apache-2.0
// Goal: durations, sizes, progress and failures read as the manual says.
// Method: tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/status_text.h"

namespace trefoil {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(DurationTest, UnitsAreUnderstood) {
  EXPECT_EQ(ParseDuration("90s"), 90);
  EXPECT_EQ(ParseDuration("90"), 90);
  EXPECT_EQ(ParseDuration("5m"), 300);
  EXPECT_EQ(ParseDuration("2h"), 7200);
  EXPECT_EQ(ParseDuration("1d"), 86400);
  EXPECT_EQ(ParseDuration("0s"), 0);
}

TEST(DurationTest, AnythingElseIsRefused) {
  for (const char* text : {"", "s", "-1s", "+1s", " 1s", "1 s", "1w", "1.5h",
                           "1h30m", "1H", "4294967296", "99999999d", "0x10"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(DurationTest, PrintedInTheTwoLargestUnits) {
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(59), "59s");
  EXPECT_EQ(FormatDuration(303), "5m 3s");
  EXPECT_EQ(FormatDuration(7800), "2h 10m");
  EXPECT_EQ(FormatDuration(3 * 86400 + 4 * 3600), "3d 4h");
}

TEST(BytesTest, PrintedInBinaryUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(4ULL << 30), "4.0 GiB");
  EXPECT_EQ(FormatBytes(~0ULL), "16.0 EiB");
}

TEST(ProgressTest, TheTimeLeftFollowsTheRateOfLate) {
  ProgressRate rate;
  EXPECT_FALSE(rate.SecondsLeft(0, 1000).has_value());
  for (int second = 1; second <= 10; ++second) {
    rate.Add(second, static_cast<uint64_t>(second) * 100);
  }
  EXPECT_NEAR(rate.per_second(), 100, 0.1);
  EXPECT_EQ(rate.SecondsLeft(1000, 3000), 20);
  EXPECT_EQ(rate.SecondsLeft(3000, 3000), 0);
  // Ten times slower for some minutes.
  for (int second = 1; second <= 300; ++second) {
    rate.Add(10 + second, 1000 + static_cast<uint64_t>(second) * 10);
  }
  EXPECT_NEAR(rate.per_second(), 10, 0.1);
}

TEST(ProgressTest, TheBarFillsAndStaysOnOneLine) {
  EXPECT_EQ(ProgressBar(0, 2, "a"), "[........................]   0% a");
  EXPECT_EQ(ProgressBar(1, 2, "a"), "[############............]  50% a");
  EXPECT_EQ(ProgressBar(3, 2, "a"), "[########################] 100% a");
  EXPECT_EQ(ProgressBar(0, 0, "a\nb"),
            "[########################] 100% a\\x0ab");
}

TEST(ReportTest, AFailureIsOneLineWithAdvice) {
  const Status error(StatusCode::kNewerFormat, "/x/config.toml:1: format 2");
  EXPECT_EQ(FailureLine("mount", error, ""),
            "trefoil: mount: /x/config.toml:1: format 2: install a newer "
            "trefoil");
  EXPECT_EQ(FailureLine("mount", error, "do this"),
            "trefoil: mount: /x/config.toml:1: format 2: do this");
  const Status hostile(StatusCode::kIoError, "a\x1b[2Jb\nc");
  EXPECT_EQ(FailureLine("fsck", hostile, ""),
            "trefoil: fsck: a\\x1b[2Jb\\x0ac");
}

TEST(ReportTest, AShellReadsAWordAsItIs) {
  EXPECT_EQ(ShellWord("s3+https://h:1/b/p-1"), "s3+https://h:1/b/p-1");
  EXPECT_EQ(ShellWord("dir:/mnt/my disk"), "'dir:/mnt/my disk'");
  EXPECT_EQ(ShellWord("it's $(x)"), "'it'\\''s $(x)'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST(TargetsTextTest, DisksThatTakeTurnsAreNamedAndTheOldestIsTold) {
  Json red = {{"id", std::string(32, 'a')},
              {"label", "red"},
              {"in", true},
              {"complete_time", 200}};
  Json blue = {{"id", std::string(32, 'b')},
               {"label", ""},
               {"in", false},
               {"complete_time", 100}};
  Json copy = {{"name", "second"}, {"url", "dir:/usb"}};
  copy["disks"] = Json::array({red, blue});
  Json status = Json::object();
  status["copies"] = Json::array({copy});
  EXPECT_THAT(TargetsText(status),
              AllOf(HasSubstr("second: dir:/usb\n"),
                    HasSubstr("  disk aaaaaaaa (red): in, last up to date "
                              "1970-01-01T00:03:20Z\n"),
                    HasSubstr("  disk bbbbbbbb: away, last up to date "
                              "1970-01-01T00:01:40Z (the oldest)\n")));
  // In one second: what holds less.
  status["copies"][0]["disks"][0].update(
      {{"complete_time", 100}, {"watermark", 7}});
  status["copies"][0]["disks"][1]["watermark"] = 8;
  EXPECT_THAT(TargetsText(status), HasSubstr("00:01:40Z (the oldest)\n  disk "
                                             "bbbbbbbb"));
  // One disk that nobody named is no news.
  status["copies"][0]["disks"] = Json::array({blue});
  EXPECT_THAT(TargetsText(status), Not(HasSubstr("disk")));
  EXPECT_EQ(TargetsText(Json::object()), "no targets\n");
}

TEST(JsonFieldsTest, WhatHasAnotherTypeReadsAsEmpty) {
  const Json json = Json::parse(
      R"({"t":"text","n":-5,"c":18446744073709551615,"b":true,"o":{"x":1}})");
  EXPECT_EQ(TextField(json, "t"), "text");
  EXPECT_EQ(TextField(json, "n"), "");
  EXPECT_EQ(NumberField(json, "n"), -5);
  EXPECT_EQ(NumberField(json, "c"), INT64_MAX);
  EXPECT_EQ(NumberField(json, "t"), 0);
  EXPECT_EQ(CountField(json, "c"), UINT64_MAX);
  EXPECT_EQ(CountField(json, "n"), 0U);
  EXPECT_TRUE(FlagField(json, "b"));
  EXPECT_FALSE(FlagField(json, "t"));
  EXPECT_EQ(CountField(NestedField(json, "o"), "x"), 1U);
  EXPECT_TRUE(NestedField(json, "t").empty());
  EXPECT_TRUE(NestedField(Json(7), "o").empty());
}

}  // namespace
}  // namespace trefoil
