// SPDX-License-Identifier: Apache-2.0
// Goal: a drill's comparison sees every way in which a file can differ,
// forgives what was changed since the copy's state and nothing else, draws
// samples fairly and repeatably, and concludes and reports what it saw. Method:
// a snapshot of a real volume stands for the copy and its live tree, changed in
// one way at a time, for what should be there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "fs/control/handlers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_volume.h"
#include "tools/drill_live.h"
#include "tools/drill_report.h"
#include "tools/json_fields.h"
#include "tools/status_text.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;

class DrillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeDir("d");
    file_ = volume_.MakeFile("d/file", RandomBytes(100'000, 1));
    const auto link =
        volume_->MakeSymlink(volume_.Find("d"), "link", "file", {});
    ASSERT_TRUE(link.ok());
    Snapshot();
  }
  void Snapshot() {
    const auto snapshot = volume_->CreateSnapshot("");
    ASSERT_TRUE(snapshot.ok());
    auto copy = OpenVolumeTree(*volume_, snapshot->name);
    auto live = OpenVolumeTree(*volume_, "");
    ASSERT_TRUE(copy.ok() && live.ok());
    copy_ = std::move(*copy);
    live_ = std::move(*live);
  }
  DrillFile Compare(const std::string& path, bool same_state = true) {
    return CompareFile(*copy_, *live_, Clock::Real(),
                       {.same_state = same_state, .stop = {}, .on_byte = {}},
                       path);
  }
  void ExpectDifferent(const std::string& what,
                       const std::string& path = "d/file") {
    const DrillFile file = Compare(path);
    EXPECT_EQ(file.verdict, FileVerdict::kDifferent) << what;
    EXPECT_THAT(file.text, HasSubstr(what));
    EXPECT_EQ(Compare(path, false).verdict, FileVerdict::kChangedSince) << what;
  }
  void Change(const AttrChange& change) {
    ASSERT_TRUE(volume_->SetAttr(file_, change).ok());
  }

  TestVolume volume_;
  NodeId file_;
  std::unique_ptr<TreeView> copy_;
  std::unique_ptr<TreeView> live_;
};

TEST_F(DrillTest, WhatIsTheSameIsTheSame) {
  for (const char* path : {"", "d", "d/file", "d/link"}) {
    for (const bool same_state : {true, false}) {
      const DrillFile file = Compare(path, same_state);
      EXPECT_EQ(file.verdict, FileVerdict::kSame) << path << ": " << file.text;
    }
  }
  EXPECT_EQ(Compare("d/file").sha256, Sha256::Of(RandomBytes(100'000, 1)));
  EXPECT_EQ(Compare("d/link").sha256, Sha256::Of("file"));
  EXPECT_EQ(Compare("d/file").size_bytes, 100'000U);
}

TEST_F(DrillTest, AChangedByteIsSeen) {
  volume_.WriteAt(file_, 50'000, "x");
  ExpectDifferent("content");
}

TEST_F(DrillTest, EveryAttributeIsSeen) {
  AttrChange change;
  change.mode = 0751;
  Change(change);
  ExpectDifferent("mode");
  change = {};
  change.uid = 77;
  change.gid = 78;
  Change(change);
  ExpectDifferent("owner");
  ExpectDifferent("group");
  change = {};
  change.mtime_nanos = 5;
  change.atime_nanos = 6;
  Change(change);
  ExpectDifferent("mtime 1");
  ExpectDifferent("atime 1");
  change = {};
  change.size_bytes = 3;
  Change(change);
  ExpectDifferent("size 100000 instead of 3");
}

TEST_F(DrillTest, XattrsAreSeen) {
  ASSERT_TRUE(volume_->SetXattr(file_, "user.a", "1", {}).ok());
  ExpectDifferent("xattrs none instead of user.a");
  Snapshot();
  EXPECT_EQ(Compare("d/file").verdict, FileVerdict::kSame);
  ASSERT_TRUE(volume_->SetXattr(file_, "user.a", "2", {}).ok());
  ExpectDifferent("xattrs of other values");
}

TEST_F(DrillTest, LinksAreSeen) {
  ASSERT_TRUE(volume_->Link(file_, volume_.Find("d"), "second").ok());
  ExpectDifferent("links 1 instead of 2");
  ExpectDifferent("content", "d");  // its names
  // Equal in all else, but another file.
  Snapshot();
  ASSERT_TRUE(volume_->Unlink(volume_.Find("d"), "second").ok());
  volume_.MakeFile("d/second", RandomBytes(100'000, 1));
  ExpectDifferent("inode", "d/second");
}

TEST_F(DrillTest, WhatIsGoneIsMissingOrChanged) {
  ASSERT_TRUE(volume_->Unlink(volume_.Find("d"), "link").ok());
  ExpectDifferent("not in the live tree", "d/link");
  volume_.MakeFile("new", "new");
  const DrillFile file = Compare("new");
  EXPECT_EQ(file.verdict, FileVerdict::kMissing);
  EXPECT_EQ(Compare("d/none/of").verdict, FileVerdict::kMissing);
}

TEST_F(DrillTest, WhatCanNotBeReadIsSaidSo) {
  volume_.MakeFile("large", RandomBytes(9'000'000, 2));
  ASSERT_TRUE(volume_->Commit().ok());
  volume_.Close();
  ASSERT_TRUE(Env::Posix().RemoveTree(volume_.path() + "/objects/pack").ok());
  volume_.Open();
  copy_ = std::move(*OpenVolumeTree(*volume_, ""));
  const DrillFile file = Compare("large");
  EXPECT_EQ(file.verdict, FileVerdict::kUnreadable);
  EXPECT_THAT(file.text, HasSubstr("pack/"));
}

TEST_F(DrillTest, ASampleIsFairAndRepeatable) {
  for (int i = 0; i < 18; ++i) {
    volume_.MakeFile("d/more" + std::to_string(i), "");
  }
  const auto never = [] { return false; };
  std::map<std::string, int> drawn;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Sample sample = DrawSample(*live_, 5, seed, never);
    EXPECT_EQ(sample.of, 20U);
    EXPECT_EQ(sample.paths.size(), 5U);
    EXPECT_EQ(sample.paths, DrawSample(*live_, 5, seed, never).paths);
    for (const std::string& path : sample.paths) ++drawn[path];
  }
  // Each is expected 125 times; 6 standard deviations are 58.
  EXPECT_EQ(drawn.size(), 20U);
  for (const auto& [path, count] : drawn) EXPECT_NEAR(count, 125, 58) << path;
  EXPECT_EQ(DrawSample(*live_, 100, 1, never).paths.size(), 20U);
}

class NoTargets final : public ControlTargets {
 public:
  [[nodiscard]] std::vector<CopyStatus> Copies() const override { return {}; }
  Status WaitFor(const std::string&, CommitSeq, int64_t) override {
    return OkStatus();
  }
  void Nudge() override {}
};

// The server closes connections that are silent for long.
TEST(LiveSideTest, ItsSnapshotGoesThoughNoConnectionLastsThatLong) {
  TestVolume volume;
  const testing::TempDir mountpoint;
  NoTargets targets;
  ControlIdentity identity;
  identity.mountpoint = mountpoint.path();
  ControlHandlers handlers =
      VolumeHandlers(*volume, targets, Clock::Real(), identity);
  handlers["snapshot-create"] = [&](ControlCall&) -> Result<Json> {
    TREFOIL_ASSIGN(const SnapshotInfo made, volume->CreateSnapshot(""));
    const std::string shown =
        JoinPath(mountpoint.Path(kSnapshotsName), made.name);
    TREFOIL_TRY(Env::Posix().CreateDirs(shown));
    return SnapshotToJson(made);
  };
  auto server = ControlServer::Start(volume.path(), handlers);
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  LiveOptions options;
  options.location = {volume.path(), mountpoint.path()};
  auto live = OpenLiveSide(options);
  ASSERT_TRUE(live.ok()) << live.status().ToString();
  ASSERT_EQ(volume->ListSnapshots()->size(), 1U);
  server->reset();
  server = ControlServer::Start(volume.path(), handlers);
  ASSERT_TRUE(server.ok()) << server.status().ToString();
  live->reset();
  EXPECT_TRUE(volume->ListSnapshots()->empty());
}

DrillFile FileOf(FileVerdict verdict) {
  DrillFile file;
  file.path = "a \"name\"\n\xff";
  file.verdict = verdict;
  return file;
}

TEST(DrillReportTest, TheVerdictIsWhatWasSeen) {
  DrillReport report;
  report.target = "second";
  EXPECT_EQ(Judge(report), DrillVerdict::kPassed);
  report.files = {FileOf(FileVerdict::kChangedSince)};
  EXPECT_EQ(Judge(report), DrillVerdict::kNotDone);
  report.files.push_back(FileOf(FileVerdict::kSame));
  EXPECT_EQ(Judge(report), DrillVerdict::kPassed);
  EXPECT_THAT(Conclusion(report), HasSubstr("0 errors: 2 files"));
  report.error = {StatusCode::kUnavailable, "away"};
  EXPECT_EQ(Judge(report), DrillVerdict::kNotDone);
  EXPECT_THAT(Conclusion(report), HasSubstr("away"));
  for (const FileVerdict bad :
       {FileVerdict::kDifferent, FileVerdict::kMissing,
        FileVerdict::kUnreadable, FileVerdict::kNotCompared}) {
    DrillReport failed = report;
    failed.files.push_back(FileOf(bad));
    EXPECT_EQ(Judge(failed), DrillVerdict::kFailed);
    EXPECT_THAT(Conclusion(failed), HasSubstr("1 of 3 files from second"));
  }
  report.problem = "It was rolled back.";
  EXPECT_EQ(Judge(report), DrillVerdict::kFailed);
}

TEST(DrillReportTest, IsJsonWhateverTheNames) {
  DrillReport report;
  report.files = {FileOf(FileVerdict::kSame), FileOf(FileVerdict::kMissing)};
  const Json json = Json::parse(ReportJson(report), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["files"].size(), 2U);
  EXPECT_EQ(json["figures"]["errors"], 1);
  EXPECT_EQ(json["verdict"], "failed");
  report.files.clear();
  EXPECT_FALSE(Json::parse(ReportJson(report), nullptr, false).is_discarded());
  // One line a file, whatever its name.
  EXPECT_THAT(ReportText(report), ::testing::EndsWith("PATH\n"));
}

TEST(DrillReportTest, TheLastOneIsInTheStatus) {
  TestVolume volume;
  DrillReport report;
  report.volume = volume.path();
  report.target = "second";
  report.url = "dir:/mnt/usb";
  report.begin_nanos = report.end_nanos = 1'700'000'000'000'000'000;
  report.problem = "It was rolled back.";
  const auto written =
      WriteReport(Env::Posix(), report, DrillsPath(volume.path()));
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_TRUE(Env::Posix().Exists(*written));
  std::vector<CopyStatus> copies(3);
  copies[0].name = "second";
  copies[0].url = "dir:/mnt/usb";
  copies[1].name = "offsite";
  copies[2].name = "second";  // removed, and added at another place
  copies[2].url = "dir:/mnt/other";
  AddDrills(Env::Posix(), volume.path(), &copies);
  const Json status = StatusToJson(*volume, copies, {});
  EXPECT_EQ(status["copies"][0]["drill"]["verdict"], "failed");
  EXPECT_EQ(status["copies"][0]["drill"]["time"], 1'700'000'000);
  EXPECT_FALSE(status["copies"][1].contains("drill"));
  EXPECT_FALSE(status["copies"][2].contains("drill"));
  EXPECT_THAT(StatusText(status), HasSubstr("failed: It was rolled back."));
  const StatusVerdict verdict = JudgeStatus(status, 3600);
  EXPECT_EQ(verdict.level, 2);
  EXPECT_THAT(verdict.line, HasSubstr("second failed its last drill"));
}

}  // namespace
}  // namespace trefoil
