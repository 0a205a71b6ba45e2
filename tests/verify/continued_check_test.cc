// SPDX-License-Identifier: Apache-2.0
// Goal: a check that was interrupted goes on where it was, and believes of the
// state that it finds no more than that says; several readers find what one
// does; an object that collection takes away meanwhile is no damage.
// Method: a copy of a real volume behind a store that fails at a chosen pack
// and notes what is read.
#include <gmock/gmock.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>

#include "fs/base/mutex.h"
#include "tests/support/fault_store.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

namespace stdfs = std::filesystem;

constexpr int kPacks = 10;
constexpr int64_t kDay = 24 * 3600;

class ContinuedCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < kPacks; ++i) {
      volume_.MakeFile("file" + std::to_string(i),
                       RandomBytes(530'000, 5U + i));
      ASSERT_TRUE(volume_->Commit().ok());
    }
    volume_.Close();
    stdfs::copy(volume_.path() + "/objects", Copy(),
                stdfs::copy_options::recursive);
    packs_ = ObjectKeys(volume_.path(), "pack/");
    ASSERT_EQ(packs_.size(), size_t{kPacks});
  }
  [[nodiscard]] std::string Copy() const { return volume_.path() + "-copy"; }
  [[nodiscard]] std::string StateFile() const {
    return volume_.path() + "-state/file";
  }
  VerifyOptions Options() {
    VerifyOptions options;
    options.read_data = true;
    options.readers = 1;
    options.scratch_directory = ::testing::TempDir();
    options.state_file = StateFile();
    options.secret = std::make_shared<const Secret>(volume_.secret());
    return options;
  }
  Result<VerifyReport> Check(const VerifyOptions& options) {
    testing::FaultStore store(std::make_unique<LocalTree>(Env::Posix(), Copy()),
                              faults_);
    return VerifyStore(volume_.world(), store, options);
  }
  VerifyReport CheckAll(const VerifyOptions& options) {
    auto report = Check(options);
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? *report : VerifyReport();
  }
  // The copy goes away before pack number `count` of those to be read.
  void InterruptAfter(size_t count) {
    std::set<std::string> seen;
    faults_.before = [count, seen](const std::string& operation,
                                   std::string_view key) mutable -> Status {
      if (operation != "GET" || !key.starts_with("pack/")) return OkStatus();
      seen.emplace(key);
      if (seen.size() <= count) return OkStatus();
      return {StatusCode::kUnavailable, "away"};
    };
    EXPECT_EQ(Check(Options()).status().code(), StatusCode::kUnavailable);
    faults_.before = nullptr;
  }
  // Packs that were read since the last call.
  std::set<std::string> PacksRead() {
    std::set<std::string> keys;
    const auto done = faults_.done();
    for (size_t i = seen_; i < done.size(); ++i) {
      if (done[i].starts_with("GET pack/")) keys.insert(done[i].substr(4));
    }
    seen_ = done.size();
    return keys;
  }

  TestVolume volume_;
  testing::TargetFaults faults_;
  std::vector<std::string> packs_;
  size_t seen_ = 0;
};

TEST_F(ContinuedCheckTest, OnlyTheRestIsRead) {
  InterruptAfter(4);
  const std::set<std::string> first = PacksRead();
  ASSERT_EQ(first.size(), 4U);
  uint64_t total = 0;
  VerifyOptions options = Options();
  options.progress = [&](const CheckProgress& progress) {
    total = progress.total_bytes;
  };
  const VerifyReport report = CheckAll(options);
  EXPECT_TRUE(report.clean()) << DescribeFindings(report);
  ExpectFinding(report, "continued", "4 objects");
  const std::set<std::string> rest = PacksRead();
  EXPECT_EQ(rest.size(), kPacks - 4U);
  for (const std::string& key : first) EXPECT_FALSE(rest.contains(key));
  EXPECT_LT(total, report.bytes);  // the progress is of the rest
}

TEST_F(ContinuedCheckTest, AStopLeavesAStateToContinueFrom) {
  VerifyOptions options = Options();
  bool stop = false;
  options.progress = [&](const CheckProgress&) { stop = !PacksRead().empty(); };
  options.stop = [&stop] { return stop; };
  EXPECT_EQ(Check(options).status().code(), StatusCode::kUnavailable);
  ExpectFinding(CheckAll(Options()), "continued", "1 objects");
}

TEST_F(ContinuedCheckTest, WhatWasFoundBadIsLookedAtAgain) {
  for (const std::string& key : packs_) FlipBit(Copy() + "/" + key, 5000);
  InterruptAfter(6);
  const VerifyReport report = CheckAll(Options());
  EXPECT_EQ(report.bad_objects.size(), size_t{kPacks});
}

TEST_F(ContinuedCheckTest, WhatHasAnotherSizeNowWasNotVerified) {
  InterruptAfter(4);
  const std::string known = *PacksRead().begin();
  Truncate(Copy() + "/" + known, 5000);
  const VerifyReport report = CheckAll(Options());
  EXPECT_TRUE(PacksRead().contains(known));
  ExpectFinding(report, "wrong-size", known);
  ExpectFinding(report, "bad-hash", known);
}

TEST_F(ContinuedCheckTest, AStateOfLongAgoSaysNothing) {
  InterruptAfter(4);
  PacksRead();
  volume_.Pass(8 * kDay);
  CheckAll(Options());
  EXPECT_EQ(PacksRead().size(), size_t{kPacks});
}

TEST_F(ContinuedCheckTest, AStateOfAnotherPlaceSaysNothing) {
  InterruptAfter(4);
  PacksRead();
  stdfs::rename(Copy(), Copy() + "-moved");
  stdfs::create_directory_symlink(Copy() + "-moved", Copy());
  testing::FaultStore elsewhere(
      std::make_unique<LocalTree>(Env::Posix(), Copy() + "-moved"), faults_);
  ASSERT_TRUE(VerifyStore(volume_.world(), elsewhere, Options()).ok());
  EXPECT_EQ(PacksRead().size(), size_t{kPacks});
}

// Disks may take turns at a path, with the same objects on them.
TEST_F(ContinuedCheckTest, AStateOfAnotherDiskSaysNothing) {
  InterruptAfter(4);
  PacksRead();
  VerifyOptions options = Options();
  options.place_id = "another disk";
  ExpectFinding(CheckAll(options), "state-ignored", "is of another copy");
  EXPECT_EQ(PacksRead().size(), size_t{kPacks});
}

TEST_F(ContinuedCheckTest, AStateOfAnotherVolumeSaysNothing) {
  InterruptAfter(4);
  PacksRead();
  TestVolume other;
  other.MakeFile("file", RandomBytes(530'000, 99));
  ASSERT_TRUE(other->Commit().ok());
  other.Close();
  stdfs::remove_all(Copy());
  stdfs::copy(other.path() + "/objects", Copy(),
              stdfs::copy_options::recursive);
  VerifyOptions options = Options();
  options.secret = std::make_shared<const Secret>(other.secret());
  ExpectFinding(CheckAll(options), "state-ignored", "is of another copy");
  EXPECT_EQ(PacksRead().size(), 1U);
}

TEST_F(ContinuedCheckTest, ADamagedStateSaysNothing) {
  const auto damage = [this](int how) {
    if (how == 0) FlipBit(StateFile(), 60);
    if (how == 1) Truncate(StateFile(), 100);
    if (how == 2) Truncate(StateFile(), 0);
    if (how == 3) std::ofstream(StateFile()) << std::string(500, 'x');
  };
  for (int how = 0; how < 4; ++how) {
    stdfs::remove(StateFile());
    InterruptAfter(4);
    PacksRead();
    damage(how);
    ExpectFinding(CheckAll(Options()), "state-ignored", "is damaged");
    EXPECT_EQ(PacksRead().size(), size_t{kPacks});
  }
}

TEST_F(ContinuedCheckTest, SeveralReadersFindWhatOneFinds) {
  FlipBit(Copy() + "/" + packs_[2], 5000);
  Truncate(Copy() + "/" + packs_[5], 9000);
  VerifyOptions options = Options();
  options.state_file.clear();
  const VerifyReport one = CheckAll(options);
  options.readers = 8;
  uint64_t last = 0;
  CheckPhase phase = CheckPhase::kCommits;
  options.progress = [&](const CheckProgress& progress) {
    EXPECT_GE(progress.phase, phase);
    EXPECT_GE(progress.done_bytes, last);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    phase = progress.phase;
    last = progress.done_bytes;
  };
  const VerifyReport several = CheckAll(options);
  EXPECT_EQ(phase, CheckPhase::kTree);
  EXPECT_EQ(last, several.bytes);
  EXPECT_EQ(one.bad_objects, several.bad_objects);
  EXPECT_EQ(several.bad_objects.size(), 2U);
  EXPECT_EQ(one.findings.size(), several.findings.size());
}

TEST_F(ContinuedCheckTest, SeveralReadersStopWhenTheCopyGoesAway) {
  faults_.before = [](const std::string& operation,
                      std::string_view key) -> Status {
    if (operation != "GET" || !key.starts_with("pack/")) return OkStatus();
    return {StatusCode::kUnavailable, "away"};
  };
  VerifyOptions options = Options();
  options.readers = 8;
  EXPECT_EQ(Check(options).status().code(), StatusCode::kUnavailable);
}

// Of headers, and then of whole commits: nobody gets an answer before four have
// asked.
TEST_F(ContinuedCheckTest, CommitsAreAskedForSeveralAtATime) {
  constexpr int kAtATime = 4;
  Mutex mu;
  CondVar changed;
  std::map<std::string, int, std::less<>> asked;  // how often
  std::array<int, 2> waiting{};
  faults_.before = [&](const std::string& operation,
                       std::string_view key) -> Status {
    if (operation != "GET" || !key.starts_with("commit/")) return OkStatus();
    const MutexLock lock(mu);
    const int times = asked[std::string(key)]++;
    if (times > 1) return OkStatus();
    int& here = waiting.at(static_cast<size_t>(times));
    ++here;
    changed.SignalAll();
    while (here < kAtATime) {
      if (!changed.WaitFor(mu, std::chrono::seconds(60))) {
        return {StatusCode::kUnavailable, "one after the other"};
      }
    }
    return OkStatus();
  };
  for (const bool with_key : {true, false}) {
    asked.clear();
    waiting = {};
    VerifyOptions options = Options();
    options.state_file.clear();
    options.readers = 8;
    if (!with_key) options.secret = nullptr;
    const VerifyReport report = CheckAll(options);
    EXPECT_GE(report.commits, size_t{kPacks}) << DescribeFindings(report);
    EXPECT_TRUE(report.bad_objects.empty());
  }
}

// Collection on a copy that is in use is no damage, and a loss is one.
TEST_F(ContinuedCheckTest, WhatGoesMeanwhileIsMissedOnlyWhereItIsNeeded) {
  const std::string spare = PackKey(Sha256::Of("a pack that nothing needs"));
  stdfs::create_directories(stdfs::path(Copy() + "/" + spare).parent_path());
  std::ofstream(Copy() + "/" + spare) << "whatever";
  const auto remove_when_read = [this](const std::string& gone) {
    faults_.before = [this, gone](const std::string& operation,
                                  std::string_view key) {
      if (operation == "GET" && key == gone) {
        stdfs::remove(Copy() + "/" + gone);
      }
      return OkStatus();
    };
    VerifyOptions options = Options();
    options.state_file.clear();
    return CheckAll(options);
  };
  const VerifyReport unneeded = remove_when_read(spare);
  EXPECT_TRUE(unneeded.clean()) << DescribeFindings(unneeded);
  const VerifyReport lost = remove_when_read(packs_[3]);
  ExpectFinding(lost, "missing-pack", packs_[3]);
  ExpectFinding(lost, "lost-data", "/file");
}

}  // namespace
}  // namespace trefoil
