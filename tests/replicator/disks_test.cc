// SPDX-License-Identifier: Apache-2.0
// Goal: disks that take turns at one path are told apart: each has a watermark
// and a state of its own and catches up from that, however long it was away;
// an empty directory and the disk of another volume are never written to.
// Method: a real volume whose `dir:` target's directory is renamed in turn, as
// disks that are plugged in and out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/bytes.h"
#include "fs/verify/verify.h"
#include "replicator/copy_store.h"
#include "replicator/replicator.h"
#include "replicator/store/dir_store.h"
#include "replicator/target_state.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

TEST(TargetDisksTest, EachDiskKeepsItsOwnState) {
  TempDir dir;
  const std::string path = dir.Path("targets/second.json");
  TargetState state;
  state.status.name = "second";
  EXPECT_FALSE(state.UseDisk({"a", "red"}));  // the first one
  state.status.watermark = CommitSeq(7);
  state.status.complete_nanos = 70;
  state.AddClaim({Generation(1), {}});
  state.claims_known = true;
  EXPECT_TRUE(state.UseDisk({"b", ""}));
  EXPECT_EQ(state.status.watermark, CommitSeq(0));
  EXPECT_FALSE(state.claims_known);
  EXPECT_EQ(state.claims.size(), 1U);  // ours, wherever we made it
  state.status.watermark = CommitSeq(9);
  ASSERT_TRUE(SaveTargetState(Env::Posix(), path, state).ok());

  auto loaded = LoadTargetState(Env::Posix(), path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  const auto disks = loaded->Disks(true);
  ASSERT_EQ(disks.size(), 2U);
  EXPECT_EQ(disks[0].disk.id, "b");
  EXPECT_TRUE(disks[0].is_in);
  EXPECT_EQ(disks[1].disk.label, "red");
  EXPECT_EQ(disks[1].watermark, CommitSeq(7));
  EXPECT_EQ(disks[1].complete_nanos, 70);
  EXPECT_TRUE(loaded->UseDisk({"a", "blue"}));
  EXPECT_EQ(loaded->status.watermark, CommitSeq(7));
  EXPECT_TRUE(loaded->claims_known);
  EXPECT_EQ(loaded->disk.label, "blue");
  EXPECT_FALSE(loaded->UseDisk({"a", "blue"}));
  EXPECT_EQ(loaded->shelf.size(), 1U);
}

class DisksTest : public ::testing::Test {
 protected:
  DisksTest() {
    config_.targets.push_back({"second", "dir:" + place_, {}});
    for (const char* disk : {"a", "b"}) {
      const VolumeId id = volume_->volume_id();
      EXPECT_TRUE(InitDirTarget(Env::Posix(), dir_.Path(disk),
                                ToHex({id.data(), id.size()}), Random::System(),
                                std::string("disk ") + disk)
                      .ok());
    }
  }
  void Start() {
    auto made = Replicator::Create(RealWorld(), *volume_, config_, {});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  void PlugIn(const std::string& disk) {
    ASSERT_TRUE(Env::Posix().Rename(dir_.Path(disk), place_).ok());
    in_ = disk;
    if (replicator_) replicator_->Nudge();
  }
  void Unplug() {
    ASSERT_TRUE(Env::Posix().Rename(place_, dir_.Path(in_)).ok());
  }
  CommitSeq Write(const std::string& name) {
    volume_.MakeFile(name, RandomBytes(100'000, ++seed_));
    const auto commit = volume_->Commit();
    EXPECT_TRUE(commit.ok()) << commit.status().ToString();
    return commit->seq;
  }
  TargetStatus Status() { return replicator_->status().at(0); }
  // Everything written so far gets to the disk that is in.
  void Ship(CommitSeq seq) {
    // The end of a session that met another disk begins a backoff.
    ASSERT_TRUE(Eventually([&] {
      replicator_->Nudge();
      return replicator_->WaitFor("second", seq, kSecond / 10).ok();
    })) << Status().state
        << Status().last_error;
  }
  void ExpectCleanDisk(const std::string& path) {
    LocalTree disk(Env::Posix(), path);
    VerifyOptions options;
    options.read_data = true;
    options.scratch_directory = ::testing::TempDir();
    options.secret = std::make_shared<const Secret>(volume_.secret());
    const auto report = VerifyStore(RealWorld(), disk, options);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  }
  // Until what came before is gone from the primary.
  void LetGoOfThePast() {
    replicator_.reset();
    volume_.Reopen();
    ASSERT_TRUE(volume_->Checkpoint().ok());
    volume_->ReleaseCommits(CommitSeq(1'000'000));
    for (int i = 0; i < 6; ++i) {
      volume_.Pass(60);
      Write("later" + std::to_string(i));
    }
    ASSERT_TRUE(
        volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed));
  }

  TempDir dir_;
  const std::string place_ = dir_.Path("usb");
  TestVolume volume_;
  VolumeConfig config_;
  std::string in_;
  uint64_t seed_ = 0;
  std::unique_ptr<Replicator> replicator_;
};

TEST_F(DisksTest, EachDiskCatchesUpFromItsOwnWatermark) {
  PlugIn("a");
  Start();
  const CommitSeq first = Write("1");
  Ship(first);
  Unplug();
  PlugIn("b");
  const CommitSeq second = Write("2");
  Ship(second);
  ASSERT_TRUE(Eventually([&] { return Status().disks.at(0).is_in; }));
  TargetStatus status = Status();
  ASSERT_EQ(status.disks.size(), 2U);
  EXPECT_EQ(status.disks[0].disk.label, "disk b");
  EXPECT_EQ(status.disks[0].watermark, second);
  EXPECT_EQ(status.disks[1].disk.label, "disk a");
  EXPECT_FALSE(status.disks[1].is_in);
  EXPECT_EQ(status.disks[1].watermark, first);
  // Neither was emptied or rolled back.
  EXPECT_THAT(status.notice, IsEmpty());

  Unplug();
  PlugIn("a");
  const CommitSeq third = Write("3");
  Ship(third);
  status = Status();
  EXPECT_EQ(status.disks[0].disk.label, "disk a");
  EXPECT_EQ(status.disks[0].watermark, third);
  EXPECT_EQ(status.disks[1].watermark, second);
  EXPECT_THAT(status.notice, IsEmpty());
  replicator_->Stop();
  ExpectCleanDisk(place_);
  ExpectCleanDisk(dir_.Path("b"));
}

TEST_F(DisksTest, ADiskThatWasAwayForLongGetsTheLatestStateWhole) {
  PlugIn("a");
  Start();
  Ship(Write("1"));
  Unplug();
  PlugIn("b");
  Ship(Write("2"));
  Unplug();
  LetGoOfThePast();
  PlugIn("a");
  Start();
  Ship(volume_->head().seq);
  EXPECT_EQ(Status().disks.size(), 2U);
  EXPECT_THAT(Status().notice, IsEmpty());
  replicator_->Stop();
  ExpectCleanDisk(place_);
  ExpectCleanDisk(dir_.Path("b"));  // of its own, older watermark
}

// Claims are bounded; those made on the other disk must not push out its own.
TEST_F(DisksTest, ADiskIsOursAfterAnyNumberOfMountsWithAnother) {
  PlugIn("a");
  Start();
  Ship(Write("1"));
  Unplug();
  PlugIn("b");
  Ship(Write("2"));
  replicator_.reset();
  const std::string path = TargetStatePath(volume_.path(), "second");
  auto state = LoadTargetState(Env::Posix(), path);
  ASSERT_TRUE(state.ok());
  for (uint64_t i = 0; i < TargetState::kMaxClaims; ++i) {
    state->AddClaim({Generation(100 + i), NewInstance(Random::System())});
  }
  ASSERT_TRUE(SaveTargetState(Env::Posix(), path, *state).ok());
  Unplug();
  volume_.Reopen();
  PlugIn("a");
  Start();
  Ship(Write("3"));
}

TEST_F(DisksTest, NothingElseAtItsPlaceIsEverWrittenTo) {
  PlugIn("a");
  Start();
  Ship(Write("1"));
  Unplug();
  ASSERT_TRUE(Env::Posix().CreateDir(place_).ok());  // the bare mountpoint
  Write("2");
  ASSERT_TRUE(Eventually([&] {
    replicator_->Nudge();
    return Status().state == "not there";
  }));
  EXPECT_FALSE(Status().disks.at(0).is_in);
  EXPECT_TRUE(Env::Posix().List(place_)->empty());

  ASSERT_TRUE(Env::Posix().RemoveDir(place_).ok());
  ASSERT_TRUE(InitDirTarget(Env::Posix(), dir_.Path("strange"),
                            std::string(32, 'e'), Random::System())
                  .ok());
  PlugIn("strange");
  ASSERT_TRUE(Eventually([&] {
    replicator_->Nudge();
    return Status().last_error.find("another volume") != std::string::npos;
  }));
  LocalTree strange(Env::Posix(), place_);
  int objects = 0;
  ASSERT_TRUE(strange
                  .List("", "",
                        [&](const ObjectInfo& info) {
                          if (info.key != kTargetIdFile) ++objects;
                          return true;
                        })
                  .ok());
  EXPECT_EQ(objects, 0);
  Unplug();
  PlugIn("a");
  Ship(volume_->head().seq);
}

// Whoever reads a copy while disks take turns reads the one that is in.
TEST_F(DisksTest, ACopyIsReadFromTheDiskThatIsInNow) {
  const auto copy = OpenCopy({RealWorld(), volume_->volume_id(), ""},
                             config_.targets[0], nullptr);
  const auto list = [&copy] {
    return copy->List("pack/", "", [](const ObjectInfo&) { return true; });
  };
  PlugIn("a");
  EXPECT_TRUE(list().ok());
  Unplug();
  PlugIn("b");
  EXPECT_TRUE(list().ok()) << list().ToString();
  Unplug();
  EXPECT_EQ(list().code(), StatusCode::kUnavailable);
}

TEST_F(DisksTest, ADiskThatWasForgottenIsNamedNoMoreAndNeedsToBeAdopted) {
  PlugIn("a");
  Start();
  Ship(Write("1"));
  Unplug();
  PlugIn("b");
  Ship(Write("2"));
  const std::string b = Status().disks.at(0).disk.id;
  const std::string a = Status().disks.at(1).disk.id;
  ASSERT_EQ(Status().disks.at(1).disk.label, "disk a");

  EXPECT_EQ(replicator_->ForgetDisk("second", "disk b").status().code(),
            StatusCode::kPreconditionFailed);
  EXPECT_EQ(replicator_->ForgetDisk("second", "none").status().code(),
            StatusCode::kNotFound);
  const auto gone = replicator_->ForgetDisk("second", a.substr(0, 8));
  ASSERT_TRUE(gone.ok()) << gone.status().ToString();
  EXPECT_EQ(gone->label, "disk a");
  Ship(Write("3"));
  EXPECT_EQ(Status().disks.size(), 1U);

  // The last one, too; and it is told apart after a mount.
  Unplug();
  ASSERT_TRUE(
      Eventually([&] { return Status().state.find("not there") == 0; }));
  ASSERT_TRUE(replicator_->ForgetDisk("second", b).ok());
  EXPECT_TRUE(Status().disks.empty());
  replicator_.reset();
  volume_.Reopen();  // an opening claims a target once
  PlugIn("a");
  Start();
  Write("4");
  ASSERT_TRUE(Eventually([&] {
    replicator_->Nudge();
    return Status().last_error.find("was forgotten") != std::string::npos;
  })) << Status().last_error;
  EXPECT_TRUE(Status().disks.empty());
  EXPECT_FALSE(replicator_->copies()[0].store->Head("pack/aa").ok());

  // Adopted it is another disk, with what it holds.
  const VolumeId id = volume_->volume_id();
  const auto adopted = InitDirTarget(
      Env::Posix(), place_, ToHex({id.data(), id.size()}), Random::System(), "",
      ForgottenDisks(Env::Posix(), volume_->path(), "second"));
  ASSERT_TRUE(adopted.ok()) << adopted.status().ToString();
  EXPECT_NE(adopted->target_id, a);
  EXPECT_EQ(adopted->label, "disk a");
  Ship(volume_->head().seq);
  EXPECT_EQ(Status().disks.at(0).disk.id, adopted->target_id);
  replicator_.reset();
  ExpectCleanDisk(place_);
}

// A disk that somebody else took over stops nothing but itself.
TEST_F(DisksTest, AfterAFencedDiskTheNextOneIsShippedTo) {
  PlugIn("a");
  Start();
  Ship(Write("1"));
  const std::string claim =
      ClaimKey({Generation(1000), NewInstance(Random::System())});
  const std::string file = JoinPath(place_, claim);
  ASSERT_TRUE(Env::Posix().CreateDirs(DirName(file)).ok());
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(file, "a stranger's").ok());
  Unplug();
  PlugIn("b");
  Ship(Write("2"));
  Unplug();
  PlugIn("a");
  Write("3");
  ASSERT_TRUE(Eventually([&] {
    replicator_->Nudge();
    return Status().state == "fenced";
  })) << Status().state;
  Unplug();
  PlugIn("b");
  Ship(volume_->head().seq);
}

}  // namespace
}  // namespace trefoil::testing
