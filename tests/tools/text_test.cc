// SPDX-License-Identifier: Apache-2.0
// Goal: durations, sizes, progress and failures read as the manual says.
// Method: tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/sim_world.h"
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

constexpr int64_t kSecond = 1'000'000'000;

// Something that goes on as it is told to, on a clock that only moves so.
class Work {
 public:
  explicit Work(uint64_t total) : total_(total) { Show(); }
  // In `steps` equal ones.
  void Pass(int64_t seconds, uint64_t units, int steps) {
    for (int i = 0; i < steps; ++i) {
      clock_.Advance(seconds * kSecond / steps);
      done_ += units / static_cast<uint64_t>(steps);
      Show();
    }
  }
  void Begin(uint64_t done) {
    done_ = done;
    rate_.Restart();
    Show();
  }
  ProgressRate& rate() { return rate_; }
  std::optional<int64_t> left() { return rate_.SecondsLeft(); }

 private:
  void Show() { rate_.Add(done_, total_); }

  const uint64_t total_;
  SimClock clock_;
  ProgressRate rate_{clock_};
  uint64_t done_ = 0;
};

TEST(ProgressTest, TheTimeLeftFollowsTheRateOfLate) {
  Work work(10'000);
  work.Pass(10, 1000, 100);
  EXPECT_NEAR(work.rate().per_second(), 100, 0.1);
  EXPECT_EQ(work.left(), 90);
  // Ten times slower for some minutes.
  work.Pass(300, 3000, 300);
  EXPECT_NEAR(work.rate().per_second(), 10, 0.1);
  EXPECT_NEAR(static_cast<double>(work.left().value_or(0)), 600, 6);
  work.Pass(100, 6000, 100);
  EXPECT_EQ(work.left(), 0);
}

TEST(ProgressTest, NoTimeLeftIsToldBeforeEnoughWasMeasured) {
  Work work(1'000'000);
  EXPECT_EQ(work.left(), std::nullopt);
  // Fast or slow, for a moment.
  work.Pass(4, 900'000, 400);
  EXPECT_EQ(work.left(), std::nullopt);
  work.Pass(2, 10, 10);
  EXPECT_TRUE(work.left().has_value());

  // Too few steps: the first of eight readers is done long before the others.
  Work pieces(1'000'000);
  pieces.Pass(50, 90'000, 9);
  EXPECT_EQ(pieces.left(), std::nullopt);

  // Too small a part, until a minute has passed.
  Work slow(1'000'000);
  slow.Pass(55, 550, 55);
  EXPECT_EQ(slow.left(), std::nullopt);
  slow.Pass(10, 100, 10);
  EXPECT_NEAR(static_cast<double>(slow.left().value_or(0)), 99'935, 2);
}

TEST(ProgressTest, WhatComesInWavesIsMeasuredOverSeveral) {
  // Eight pieces at once every two minutes: 100 a second.
  Work work(1'000'000);
  for (int wave = 1; wave <= 40; ++wave) {
    work.Pass(119, 0, 1);
    work.Pass(1, 12'000, 8);
    if (wave < 4) continue;
    EXPECT_NEAR(work.rate().per_second(), 100, 40) << "wave " << wave;
  }
}

TEST(ProgressTest, APhaseOfAnotherKindDoesNotCount) {
  // Small things, one round trip after the other, and then large ones.
  Work work(100'000'000'000);
  work.Pass(30, 30'000, 300);
  EXPECT_EQ(work.left(), std::nullopt);
  work.Begin(30'000);
  EXPECT_EQ(work.left(), std::nullopt);
  work.Pass(20, 2'000'000'000, 200);
  EXPECT_NEAR(static_cast<double>(work.left().value_or(0)), 980, 1);
  // As when a repair checks again.
  work.Begin(0);
  EXPECT_EQ(work.rate().per_second(), 0);
  EXPECT_EQ(work.left(), std::nullopt);
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
