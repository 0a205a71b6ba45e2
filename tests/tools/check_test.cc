// SPDX-License-Identifier: Apache-2.0
// Goal: `status --check` gives the right level and one line; `status` shows
// all copies, whatever a daemon of another version may send.
// Method: status JSON made by hand, one thing wrong at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/status_text.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;

Json Copy(const std::string& name, const std::string& state, int age) {
  Json copy = Json::object();
  copy["name"] = name;
  copy["url"] = "dir:/mnt/" + name;
  copy["state"] = state;
  copy["age_seconds"] = age;
  copy["watermark"] = 41;
  return copy;
}

Json Healthy() {
  Json status = Json::object();
  status["mounted"] = true;
  status["mountpoint"] = "/mnt/share";
  status["volume"] = "/srv/volume";
  status["pid"] = 12;
  status["state"] = "ok";
  status["primary"]["head"] = 42;
  status["primary"]["state"] = "ok";
  status["disk"]["total_bytes"] = 1000U;
  status["disk"]["available_bytes"] = 500U;
  status["copies"] = Json::array();
  status["copies"].push_back(Copy("second", "up to date", 0));
  status["copies"].push_back(Copy("offsite", "catching up", 30));
  status["snapshots"]["count"] = 0;
  return status;
}

void ExpectVerdict(const Json& status, int level, const std::string& text) {
  const StatusVerdict verdict = JudgeStatus(status, 3600);
  EXPECT_EQ(verdict.level, level) << verdict.line;
  EXPECT_THAT(verdict.line, HasSubstr(text));
  EXPECT_EQ(verdict.line.find('\n'), std::string::npos);
}

TEST(CheckTest, AllIsWell) {
  EXPECT_EQ(JudgeStatus(Healthy(), 3600).line,
            "TREFOIL OK - second 0s behind, offsite 30s behind | "
            "second_age=0s;;3600 offsite_age=30s;;3600");
}

TEST(CheckTest, AnOldCopyIsCritical) {
  Json status = Healthy();
  status["copies"][1] = Copy("offsite", "unreachable", 3601);
  ExpectVerdict(status, 2, "CRITICAL - offsite unreachable, 1h 0m behind");
  EXPECT_EQ(JudgeStatus(status, 3601).level, 1);
}

TEST(CheckTest, ACopyInTroubleIsAWarningWhileItIsYoung) {
  for (const char* state : {"unreachable", "not there", "full", "refused",
                            "failing", "detached", ""}) {
    Json status = Healthy();
    status["copies"][0] = Copy("second", state, 5);
    ExpectVerdict(status, 1, "WARNING - second");
  }
}

TEST(CheckTest, AFencedCopyIsCritical) {
  Json status = Healthy();
  status["copies"][0] = Copy("second", "fenced", 0);
  ExpectVerdict(status, 2, "second fenced");
}

TEST(CheckTest, AVolumeThatTakesNoWritesIsCritical) {
  Json status = Healthy();
  status["state"] = "read-only";
  status["reason"] = "the journal\nfailed | here";
  ExpectVerdict(status, 2, "volume read-only: the journal\\x0afailed / here");
}

TEST(CheckTest, TheWorstDecidesAndAllIsNamed) {
  Json status = Healthy();
  status["detached"] = true;
  status["copies"][0] = Copy("second", "fenced", 0);
  ExpectVerdict(status, 2, "detached: ships nothing; second fenced");
}

TEST(CheckTest, NoCopiesIsAWarning) {
  Json status = Healthy();
  status["copies"] = Json::array();
  ExpectVerdict(status, 1, "no copy");
}

TEST(CheckTest, ANearlyFullDiskIsAWarningAndAFullOneCritical) {
  constexpr uint64_t kMiB = 1U << 20;
  Json status = Healthy();
  Json& disk = status["disk"];
  // What is kept from writers is not free to them.
  disk["total_bytes"] = 1000 * kMiB;
  disk["available_bytes"] = 100 * kMiB;
  disk["usable_bytes"] = 50 * kMiB;
  ExpectVerdict(status, 0, "OK");
  disk["usable_bytes"] = 50 * kMiB - 1;
  ExpectVerdict(status, 1, "primary disk nearly full: 50.0 MiB left");
  disk["usable_bytes"] = kMiB - 1;
  ExpectVerdict(status, 2, "primary disk full: it takes no more data");
  // A daemon that does not say so.
  disk.erase("usable_bytes");
  ExpectVerdict(status, 0, "OK");
  disk["available_bytes"] = 49 * kMiB;
  ExpectVerdict(status, 1, "primary disk nearly full: 49.0 MiB left");
}

TEST(CheckTest, ANearlyFullTargetIsAWarning) {
  Json status = Healthy();
  Json& copy = status["copies"][0];
  copy["space"] = {{"total_bytes", 1000U}, {"available_bytes", 50U}};
  ExpectVerdict(status, 0, "OK");
  copy["space"]["available_bytes"] = 49U;
  ExpectVerdict(status, 1, "WARNING - second nearly full: 49 B left");
  copy["state"] = "full";
  ExpectVerdict(status, 1, "WARNING - second full, 0s behind");
  EXPECT_EQ(JudgeStatus(status, 3600).line.find("nearly"), std::string::npos);
}

TEST(CheckTest, ChangesInAJournalAtRestAreAWarning) {
  Json status = Healthy();
  status["mounted"] = false;
  ExpectVerdict(status, 0, "OK - not mounted; second 0s behind");
  status["primary"]["waiting_bytes"] = 1U;
  ExpectVerdict(status, 1, "the journal holds changes");
}

TEST(CheckTest, AnotherVersionsStatusIsSurvived) {
  for (
      const char* text :
      {"null", "7", "[]", "{}", R"({"copies":7})", R"({"copies":[7,null]})",
       R"({"copies":{"a":1},"primary":[],"disk":"x","snapshots":[1]})",
       R"({"disk":[1],"copies":[{"space":7},{"space":{"total_bytes":-1}}]})"}) {
    const Json status = Json::parse(text);
    EXPECT_GE(JudgeStatus(status, 60).level, 1) << text;
    EXPECT_FALSE(StatusText(status).empty());
  }
}

TEST(StatusTextTest, ShowsTheCopiesSideBySide) {
  Json status = Healthy();
  status["copies"][1]["last_error"] = "connection\nrefused";
  const std::string text = StatusText(status);
  EXPECT_THAT(text, HasSubstr("/srv/volume"));
  EXPECT_THAT(text, HasSubstr("mounted at /mnt/share (pid 12)"));
  EXPECT_THAT(text, ::testing::ContainsRegex("primary +ok +42 "));
  EXPECT_THAT(text, ::testing::ContainsRegex("second +up to date +41 "));
  EXPECT_THAT(text, ::testing::ContainsRegex("offsite +catching up +41 "));
  EXPECT_THAT(text, HasSubstr("connection\\x0arefused"));
}

}  // namespace
}  // namespace trefoil
