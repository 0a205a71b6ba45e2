// SPDX-License-Identifier: Apache-2.0
// Goal: when the primary disk fails a write, a rename or a sync of journal or
// index, the volume is read-only from there on and says why; no later fsync
// claims success, reads go on, and the next opening has everything that was
// synced (O1, O2). A failure among the objects only costs the round.
// Method: one operation fails through FaultEnv, and the disk works again at
// once: whoever tried again would be told a lie.
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/expect_clean.h"
#include "tests/support/fault_env.h"

namespace trefoil {
namespace {

using testing::Fault;
using testing::FaultEnv;
using testing::FaultOp;

constexpr Caller kCaller{1000, 1000, 022};

class FailureTest : public ::testing::Test {
 protected:
  FailureTest() : volume_(env_) {
    kept_ = volume_.MakeFile("kept", kContent);
    EXPECT_TRUE(volume_->Sync().ok());
    EXPECT_TRUE(volume_->Commit().ok());
    synced_ = volume_.MakeFile("synced", RandomBytes(300'000, 1));
    EXPECT_TRUE(volume_->Sync().ok());
  }

  void Arm(FaultOp op, const std::string& path_part) {
    Fault fault;
    fault.op = op;
    fault.path_part = path_part;
    env_.Arm(fault);
  }
  Status Create(const std::string& name) {
    return volume_->MakeNode(kRootNode, name, S_IFREG | 0644, 0, kCaller)
        .status();
  }
  void ExpectReadsGoOn() {
    EXPECT_EQ(volume_.Content(kept_), kContent);
    EXPECT_TRUE(volume_.Content(synced_) == RandomBytes(300'000, 1));
    EXPECT_TRUE(volume_->ListSnapshots().ok());
    EXPECT_TRUE(volume_->Space().ok());
  }
  // The fault has struck, and what follows meets a disk that works.
  void ExpectReadOnly(const std::string& reason) {
    EXPECT_TRUE(env_.struck());
    env_.Disarm();
    const VolumeStatus status = volume_->status();
    EXPECT_EQ(status.state, "read-only");
    EXPECT_NE(status.reason.find(reason), std::string::npos) << status.reason;
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(volume_->Sync().ok());
      EXPECT_EQ(Create("refused").posix_errno(), EROFS);
      EXPECT_EQ(volume_->Write(kept_, 0, "x", {}).posix_errno(), EROFS);
      EXPECT_FALSE(volume_->Commit().ok());
      EXPECT_FALSE(volume_->CreateSnapshot("").ok());
    }
    ExpectReadsGoOn();
  }
  void ExpectRecovers() {
    EXPECT_FALSE(volume_->Close().ok());
    volume_.Crash();
    volume_.Open();
    ASSERT_EQ(volume_->status().state, "ok");
    EXPECT_EQ(volume_.Content("kept"), kContent);
    EXPECT_TRUE(volume_.Content("synced") == RandomBytes(300'000, 1));
    EXPECT_TRUE(Create("after").ok());
    EXPECT_TRUE(volume_->Sync().ok());
    EXPECT_TRUE(volume_->Commit().ok());
    ExpectClean(volume_);
  }
  // Enough for a new segment of the journal, or until it fails.
  Status FillSegment() {
    const NodeId file = volume_.MakeFile("filler", "");
    Status written;
    for (uint64_t i = 0; written.ok() && i < 5; ++i) {
      written = volume_->Write(file, i << 20, RandomBytes(1 << 20, i), {});
    }
    return written;
  }

  static constexpr char kContent[] = "was here before";
  FaultEnv env_{Env::Posix()};
  TestVolume volume_;
  NodeId kept_;
  NodeId synced_;
};

TEST_F(FailureTest, OfAnFsyncOfTheJournal) {
  ASSERT_TRUE(Create("unsynced").ok());
  Arm(FaultOp::kSync, "/journal/");
  EXPECT_FALSE(volume_->Sync().ok());
  ExpectReadOnly("journal");
  ExpectRecovers();
}

TEST_F(FailureTest, OfAWriteToTheJournal) {
  Arm(FaultOp::kWrite, "/journal/");
  EXPECT_EQ(Create("lost").posix_errno(), EIO);
  ExpectReadOnly("journal");
  ExpectRecovers();
}

TEST_F(FailureTest, OfATornWriteToTheJournal) {
  Fault fault;
  fault.op = FaultOp::kWrite;
  fault.path_part = "/journal/";
  fault.torn_bytes = 70'000;
  env_.Arm(fault);
  EXPECT_EQ(
      volume_->Write(synced_, 0, RandomBytes(200'000, 2), {}).posix_errno(),
      EIO);
  ExpectReadOnly("journal");
  ExpectRecovers();
}

TEST_F(FailureTest, OfTheRenameOfASegment) {
  Arm(FaultOp::kRename, ".seg");
  EXPECT_EQ(FillSegment().posix_errno(), EIO);
  ExpectReadOnly("journal");
  ExpectRecovers();
}

TEST_F(FailureTest, OfTheFirstWriteToASegment) {
  ASSERT_TRUE(volume_->Sync().ok());
  Arm(FaultOp::kSyncDir, "/journal");
  // The index may be the first to sync it.
  static_cast<void>(FillSegment());
  EXPECT_FALSE(volume_->Sync().ok());
  ExpectReadOnly("journal");
  ExpectRecovers();
}

// The journal is synced for the sake of something else.
TEST_F(FailureTest, OfTheSyncThatACommitBeginsWith) {
  ASSERT_TRUE(Create("unsynced").ok());
  Arm(FaultOp::kSync, "/journal/");
  EXPECT_FALSE(volume_->Commit().ok());
  ExpectReadOnly("journal");
  ExpectRecovers();
}

TEST_F(FailureTest, OfAnOrdinaryWriterWhoWaitedForAnother) {
  Arm(FaultOp::kWrite, "/journal/");
  std::vector<std::thread> writers;
  std::atomic<int> refused{0};
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k) {
        const Status made =
            Create("w" + std::to_string(i) + "-" + std::to_string(k));
        if (made.ok()) continue;
        EXPECT_TRUE(made.posix_errno() == EIO || made.posix_errno() == EROFS);
        ++refused;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(refused.load(), 0);
  ExpectReadOnly("journal");
  ExpectRecovers();
}

// Closing flushes the index, which writes a table and then the manifest.
class IndexFailureTest
    : public FailureTest,
      public ::testing::WithParamInterface<std::pair<FaultOp, const char*>> {};

TEST_P(IndexFailureTest, EndsChangesToo) {
  ASSERT_TRUE(Create("unsynced").ok());
  Arm(GetParam().first, GetParam().second);
  EXPECT_FALSE(volume_->Close().ok());
  ExpectReadOnly("index");
  ExpectRecovers();
}

INSTANTIATE_TEST_SUITE_P(
    All, IndexFailureTest,
    ::testing::Values(std::pair(FaultOp::kWrite, ".sst"),
                      std::pair(FaultOp::kSync, ".sst"),
                      std::pair(FaultOp::kWrite, "MANIFEST"),
                      std::pair(FaultOp::kSync, "MANIFEST")));

TEST_F(FailureTest, OfAnObjectCostsTheRoundOnly) {
  for (const FaultOp op :
       {FaultOp::kWrite, FaultOp::kSync, FaultOp::kRename, FaultOp::kSyncDir}) {
    const std::string name = "file" + std::to_string(static_cast<int>(op));
    const std::string content = RandomBytes(3 << 20, 7);
    volume_.MakeFile(name, content);
    Arm(op, "/objects/");
    EXPECT_FALSE(volume_->Commit().ok());
    EXPECT_TRUE(env_.struck());
    env_.Disarm();
    EXPECT_EQ(volume_->status().state, "ok");
    EXPECT_NE(volume_->status().last_error, "");
    EXPECT_TRUE(volume_.Content(name) == content);
    EXPECT_TRUE(volume_->Commit().ok());
    EXPECT_TRUE(volume_.Content(name) == content);
  }
  ExpectClean(volume_);
}

// Garbage collection goes on while commits fail, and its files wait for one.
TEST_F(FailureTest, OfCommitsKeepsWhatOnlyACommitLetsGo) {
  const auto pack_bytes = [this] {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             volume_.path() + "/objects/pack")) {
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
    return bytes;
  };
  // In a pack of its own, so that nothing has to be moved.
  ASSERT_TRUE(volume_->Commit().ok());
  volume_.MakeFile("garbage", RandomBytes(3 << 20, 9));
  ASSERT_TRUE(volume_->Commit().ok());
  const uint64_t before = pack_bytes();
  ASSERT_GT(before, 3U << 20);
  ASSERT_TRUE(volume_->Unlink(kRootNode, "garbage").ok());
  for (int i = 0; i < 3; ++i) {
    volume_.Pass(60);
    Arm(FaultOp::kWrite, "/objects/");
    EXPECT_FALSE(volume_->Commit().ok());
    EXPECT_TRUE(env_.struck());
    env_.Disarm();
  }
  EXPECT_EQ(pack_bytes(), before);
  volume_.Crash();
  std::filesystem::remove_all(volume_.path() + "/index");
  volume_.Open();
  for (int i = 0; i < 4; ++i) {
    volume_.Pass(60);
    EXPECT_TRUE(volume_->Commit().ok());
  }
  EXPECT_LT(pack_bytes(), 1U << 20);
  ExpectClean(volume_);
}

// The rounds that failed left commits of the number of the one that went well.
TEST_F(FailureTest, OfSeveralRoundsConfusesNoRebuild) {
  for (uint64_t i = 0; i < 5; ++i) {
    volume_.WriteAt(synced_, i * 1000, "changed");
    Arm(FaultOp::kSyncDir, "/objects/commit");
    EXPECT_FALSE(volume_->Commit().ok());
    EXPECT_TRUE(env_.struck());
    env_.Disarm();
  }
  // Enough for the journal to be trimmed to the cut.
  volume_.MakeFile("large", RandomBytes(20 << 20, 3));
  ASSERT_TRUE(volume_->Commit().ok());
  const std::string before = volume_.Describe();
  volume_.Close();
  std::filesystem::remove_all(volume_.path() + "/index");
  volume_.Open();
  EXPECT_EQ(volume_.Describe(), before);
  ExpectClean(volume_);
}

// Nobody asks for a sync: the volume syncs by itself, and notices.
TEST_F(FailureTest, OfTheSyncOfEverySecond) {
  volume_.options.background = true;
  volume_.Reopen();
  kept_ = volume_.Find("kept");
  synced_ = volume_.Find("synced");
  Arm(FaultOp::kSync, "/journal/");
  ASSERT_TRUE(Create("unsynced").ok());
  for (int i = 0; i < 1200 && volume_->status().state == "ok"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ExpectReadOnly("journal");
  ExpectRecovers();
}

}  // namespace
}  // namespace trefoil
