// SPDX-License-Identifier: Apache-2.0
// Goal: the replicator as its users see it: every target has a watermark of
// its own, waiting is honest, an unplugged disk is 'not there' and nothing is
// made in its place, a detached volume ships nothing.
// Method: real volumes and `dir:` targets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/bytes.h"
#include "fs/volume/key_change.h"
#include "replicator/replicator_impl.h"
#include "replicator/store/dir_store.h"
#include "tests/replicator/shipping.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

constexpr int64_t kSecond = 1'000'000'000;

std::string VolumeIdHex(Volume& volume) {
  const VolumeId id = volume.volume_id();
  return ToHex({id.data(), id.size()});
}

// A volume with two `dir:` targets.
class ReplicatorTest : public ::testing::Test {
 protected:
  ReplicatorTest() {
    for (const char* name : {"second", "offsite"}) {
      config_.targets.push_back({name, "dir:" + dir_.Path(name), {}});
      MakeTarget(name);
    }
  }
  void MakeTarget(const std::string& name) {
    const auto made = InitDirTarget(Env::Posix(), dir_.Path(name),
                                    VolumeIdHex(*volume_), Random::System());
    EXPECT_TRUE(made.ok()) << made.status().ToString();
  }
  void Start() {
    auto made = Replicator::Create(RealWorld(), *volume_, config_, {});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  void OpenAgain() {
    replicator_.reset();
    volume_.Reopen();
    Start();
  }
  // Packs and commits; the rest is not what a watermark stands for.
  std::vector<std::string> ObjectsOf(const std::string& name) {
    LocalTree tree(Env::Posix(), dir_.Path(name));
    std::vector<std::string> keys;
    for (const char* kind : {"commit/", "pack/"}) {
      EXPECT_TRUE(tree.List(kind, "",
                            [&](const ObjectInfo& info) {
                              keys.push_back(info.key);
                              return true;
                            })
                      .ok());
    }
    return keys;
  }
  CommitSeq WriteAndCommit(const std::string& name) {
    volume_.MakeFile(name, RandomBytes(200'000, ++seed_));
    const auto commit = volume_->Commit();
    EXPECT_TRUE(commit.ok()) << commit.status().ToString();
    return commit->seq;
  }
  TargetStatus StatusOf(const std::string& name) {
    for (const TargetStatus& status : replicator_->status()) {
      if (status.name == name) return status;
    }
    ADD_FAILURE() << "no target " << name;
    return {};
  }
  bool WaitForState(const std::string& name, const std::string& state) {
    return Eventually([&] { return StatusOf(name).state == state; });
  }

  TempDir dir_;
  TestVolume volume_;
  VolumeConfig config_;
  uint64_t seed_ = 0;
  std::unique_ptr<Replicator> replicator_;
};

TEST_F(ReplicatorTest, EveryTargetGetsEverything) {
  Start();
  const CommitSeq seq = WriteAndCommit("file");
  EXPECT_TRUE(replicator_->WaitFor("second", seq, 20 * kSecond).ok());
  EXPECT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
  ASSERT_TRUE(WaitForState("offsite", "up to date"));
  const TargetStatus second = StatusOf("second");
  const TargetStatus offsite = StatusOf("offsite");
  EXPECT_EQ(second.watermark, volume_->head().seq);
  EXPECT_EQ(second.objects_held, offsite.objects_held);
  EXPECT_EQ(second.bytes_held, offsite.bytes_held);
  EXPECT_GT(second.bytes_held, 200'000U);
}

TEST_F(ReplicatorTest, WhatABrokenOffWriteLeftIsClearedAway) {
  const std::string left = dir_.Path("second/tmp/left-over");
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(left, "half an object").ok());
  Start();
  EXPECT_TRUE(
      replicator_->WaitFor("all", WriteAndCommit("a"), 20 * kSecond).ok());
  EXPECT_FALSE(Env::Posix().Exists(left));
}

TEST_F(ReplicatorTest, WaitingForANameThatIsNoTargetIsAnError) {
  Start();
  const Status status = replicator_->WaitFor("third", CommitSeq(1), kSecond);
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("third"));
}

TEST_F(ReplicatorTest, AnUnpluggedDiskIsNotThereAndNothingIsMadeInItsPlace) {
  Start();
  ASSERT_TRUE(
      replicator_->WaitFor("all", WriteAndCommit("a"), 20 * kSecond).ok());
  const std::string place = dir_.Path("second");
  ASSERT_TRUE(Env::Posix().Rename(place, dir_.Path("unplugged")).ok());
  ASSERT_TRUE(Env::Posix().CreateDir(place).ok());  // the bare mountpoint
  const CommitSeq seq = WriteAndCommit("b");
  EXPECT_TRUE(replicator_->WaitFor("offsite", seq, 20 * kSecond).ok());
  ASSERT_TRUE(WaitForState("second", "not there"));
  const Status waited = replicator_->WaitFor("all", seq, kSecond / 10);
  EXPECT_EQ(waited.code(), StatusCode::kTimedOut);
  EXPECT_THAT(waited.message(), HasSubstr("target second is not there"));
  EXPECT_TRUE(Env::Posix().List(place)->empty());

  ASSERT_TRUE(Env::Posix().RemoveDir(place).ok());
  ASSERT_TRUE(Env::Posix().Rename(dir_.Path("unplugged"), place).ok());
  replicator_->Nudge();
  EXPECT_TRUE(replicator_->WaitFor("second", seq, 20 * kSecond).ok());
}

TEST_F(ReplicatorTest, WhatIsNotThereIsWaitedForThoughItHeldEverything) {
  Start();
  const CommitSeq seq = WriteAndCommit("a");
  ASSERT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
  const std::string place = dir_.Path("second");
  ASSERT_TRUE(Env::Posix().Rename(place, dir_.Path("unplugged")).ok());
  replicator_->Nudge();
  const Status mounted = replicator_->WaitFor("second", seq, kSecond / 10);
  EXPECT_EQ(mounted.code(), StatusCode::kTimedOut);
  OpenAgain();
  const Status again = replicator_->WaitFor("second", seq, kSecond / 10);
  EXPECT_EQ(again.code(), StatusCode::kTimedOut);
  ASSERT_TRUE(Env::Posix().Rename(dir_.Path("unplugged"), place).ok());
  replicator_->Nudge();
  EXPECT_TRUE(replicator_->WaitFor("second", seq, 20 * kSecond).ok());
}

TEST_F(ReplicatorTest, WaitingEndsOnlyWhenAnEmptiedTargetIsFullAgain) {
  for (const bool while_mounted : {true, false}) {
    SCOPED_TRACE(while_mounted);
    OpenAgain();
    const CommitSeq seq = WriteAndCommit(while_mounted ? "a" : "b");
    ASSERT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
    const std::vector<std::string> held = ObjectsOf("second");
    if (!while_mounted) replicator_->Stop();
    LocalTree second(Env::Posix(), dir_.Path("second"));
    for (const std::string& key : held) ASSERT_TRUE(second.Delete(key).ok());
    if (!while_mounted) OpenAgain();
    replicator_->Nudge();
    ASSERT_TRUE(replicator_->WaitFor("second", seq, 20 * kSecond).ok());
    EXPECT_THAT(ObjectsOf("second"), IsSupersetOf(held));
    EXPECT_THAT(StatusOf("second").notice, HasSubstr("emptied"));
  }
}

TEST_F(ReplicatorTest, WaitingEndsWhenTheNewKeysAreThere) {
  Start();
  const CommitSeq seq = WriteAndCommit("a");
  ASSERT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
  const std::string place = dir_.Path("second");
  ASSERT_TRUE(Env::Posix().Rename(place, dir_.Path("unplugged")).ok());
  auto change = KeyChange::Begin(volume_.world(), volume_.path(), nullptr);
  ASSERT_TRUE(change.ok()) << change.status().ToString();
  ASSERT_TRUE((*change)->Finish().ok());
  replicator_->Nudge();
  EXPECT_TRUE(replicator_->WaitFor("offsite", seq, 20 * kSecond).ok());
  const Status waited = replicator_->WaitFor("second", seq, kSecond / 10);
  EXPECT_EQ(waited.code(), StatusCode::kTimedOut);
  ASSERT_TRUE(Env::Posix().Rename(dir_.Path("unplugged"), place).ok());
  replicator_->Nudge();
  EXPECT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
  LocalTree second(Env::Posix(), place);
  const auto object = ReadVolumeObject(second);
  ASSERT_TRUE(object.ok()) << object.status().ToString();
  EXPECT_EQ(object->number, 2U);
}

TEST_F(ReplicatorTest, ADetachedVolumeTouchesNoTarget) {
  config_.detached = true;
  Start();
  const CommitSeq seq = WriteAndCommit("a");
  EXPECT_EQ(StatusOf("second").state, "detached");
  EXPECT_EQ(StatusOf("offsite").state, "detached");
  EXPECT_EQ(replicator_->WaitFor("all", seq, 20 * kSecond).code(),
            StatusCode::kFenced);
  replicator_->Stop();
  LocalTree second(Env::Posix(), dir_.Path("second"));
  int objects = 0;
  ASSERT_TRUE(second
                  .List("", "",
                        [&](const ObjectInfo& info) {
                          if (info.key != kTargetIdFile) ++objects;
                          return true;
                        })
                  .ok());
  EXPECT_EQ(objects, 0);
}

TEST_F(ReplicatorTest, TheLastStatusCanBeReadWithoutAMount) {
  auto never = LoadTargetStatus(Env::Posix(), volume_.path(), config_);
  ASSERT_TRUE(never.ok());
  EXPECT_EQ((*never)[0].state, "unknown");
  EXPECT_EQ((*never)[1].name, "offsite");
  Start();
  ASSERT_TRUE(
      replicator_->WaitFor("all", WriteAndCommit("a"), 20 * kSecond).ok());
  ASSERT_TRUE(WaitForState("second", "up to date"));
  const TargetStatus last = StatusOf("second");
  replicator_->Stop();
  auto loaded = LoadTargetStatus(Env::Posix(), volume_.path(), config_);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ((*loaded)[0].state, "up to date");
  EXPECT_EQ((*loaded)[0].watermark, last.watermark);
  EXPECT_EQ((*loaded)[0].watermark_time_nanos, last.watermark_time_nanos);
  EXPECT_EQ((*loaded)[0].objects_held, last.objects_held);
}

TEST_F(ReplicatorTest, AVolumeThatIsOpenedAgainShipsOn) {
  for (int i = 0; i < 3; ++i) {
    Start();
    const CommitSeq seq = WriteAndCommit("file" + std::to_string(i));
    EXPECT_TRUE(replicator_->WaitFor("all", seq, 20 * kSecond).ok());
    replicator_.reset();
    volume_.CrashAndReopen();
  }
}

TEST_F(ReplicatorTest, StopIsPromptWhileATargetIsAway) {
  config_.targets[1].url = "s3+http://127.0.0.1:1/bucket";
  config_.targets[1].options["region"] = "us-east-1";
  Start();
  WriteAndCommit("a");
  const int64_t begin = Clock::Real().MonotonicNanos();
  replicator_->Stop();
  EXPECT_LT(Clock::Real().MonotonicNanos() - begin, 5 * kSecond);
}

}  // namespace
}  // namespace trefoil::testing
