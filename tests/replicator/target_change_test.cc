// SPDX-License-Identifier: Apache-2.0
// Goal: targets come and go while a volume is in use: a new one gets
// everything that the volume retains and then follows; a removed one is let go
// at once and forgotten; what can't be a target is refused before anything
// changes; a crash leaves the configuration as it was or as it will be.
// Method: real volumes and `dir:` targets, a target whose uploads hang, power
// cuts on a simulated disk.
#include "replicator/target_change.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "fs/base/bytes.h"
#include "fs/volume/hydration.h"
#include "replicator/replicator.h"
#include "replicator/store/dir_store.h"
#include "replicator/target_state.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/s3_server.h"
#include "tests/support/sim_env.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;

class TargetChangeTest : public ::testing::Test {
 protected:
  TargetChangeTest() {
    EXPECT_TRUE(SaveConfig(Env::Posix(), volume_.path(), {}).ok());
    const auto can = AddToConfig("second");
    EXPECT_TRUE(can.ok()) << can.status().ToString();
  }
  [[nodiscard]] TargetOwner Owner() {
    return {RealWorld(), volume_.path(), volume_->volume_id(), ""};
  }
  TargetSettings Settings(const std::string& name) {
    return {name, "dir:" + dir_.Path(name), {}};
  }
  Result<std::string> AddToConfig(const std::string& name) {
    TargetSettings settings = Settings(name);
    return trefoil::AddToConfig(Owner(), false, &settings);
  }
  Status Refused(TargetSettings settings, bool later = false) {
    const VolumeConfig before = Config();
    const Status status =
        trefoil::AddToConfig(Owner(), later, &settings).status();
    EXPECT_EQ(Config().targets.size(), before.targets.size());
    return status;
  }
  VolumeConfig Config() {
    auto config = LoadConfig(Env::Posix(), volume_.path());
    EXPECT_TRUE(config.ok()) << config.status().ToString();
    return config.ok() ? *config : VolumeConfig();
  }
  void Start() {
    auto made = Replicator::Create(RealWorld(), *volume_, Config(), {});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  // As the daemon does.
  void Add(const std::string& name) {
    const auto can = AddToConfig(name);
    ASSERT_TRUE(can.ok()) << can.status().ToString();
    const Status added = replicator_->AddTarget(Config().targets.back());
    ASSERT_TRUE(added.ok()) << added.ToString();
  }
  void Remove(const std::string& name) {
    const auto removed = RemoveFromConfig(Owner(), name, false);
    ASSERT_TRUE(removed.ok()) << removed.status().ToString();
    const Status ended = replicator_->RemoveTarget(name);
    ASSERT_TRUE(ended.ok()) << ended.ToString();
  }
  CommitSeq Write(const std::string& name) {
    volume_.MakeFile(name, RandomBytes(300'000, ++seed_));
    const auto commit = volume_->Commit();
    EXPECT_TRUE(commit.ok()) << commit.status().ToString();
    return commit->seq;
  }
  Status Shipped(const std::string& target, CommitSeq seq) {
    return replicator_->WaitFor(target, seq, 60 * kSecond);
  }
  void ExpectCleanTarget(const std::string& name) {
    LocalTree target(Env::Posix(), dir_.Path(name));
    VerifyOptions options;
    options.read_data = true;
    options.scratch_directory = ::testing::TempDir();
    options.secret = std::make_shared<const Secret>(volume_.secret());
    const auto report = VerifyStore(RealWorld(), target, options);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  }
  // Until the first commits are gone from the primary.
  void LetGoOfThePast() {
    ASSERT_TRUE(volume_->CreateSnapshot("kept").ok());
    ASSERT_TRUE(volume_->Checkpoint().ok());
    for (int i = 0; i < 6; ++i) {
      volume_.Pass(60);
      ASSERT_TRUE(Shipped("all", Write("later" + std::to_string(i))).ok());
    }
    ASSERT_TRUE(Eventually([&] {
      volume_.Pass(60);
      EXPECT_TRUE(volume_->Commit().ok());
      return volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed);
    }));
  }

  TempDir dir_;
  TestVolume volume_;
  uint64_t seed_ = 0;
  std::unique_ptr<Replicator> replicator_;
};

TEST_F(TargetChangeTest, ATargetOfALiveVolumeGetsEverythingThenFollows) {
  Start();
  ASSERT_TRUE(Shipped("all", Write("first")).ok());
  LetGoOfThePast();
  Add("third");
  EXPECT_EQ(replicator_->status().size(), 2U);
  EXPECT_EQ(replicator_->copies().size(), 2U);
  EXPECT_EQ(replicator_->scrubs().size(), 3U);
  ASSERT_TRUE(Shipped("third", volume_->head().seq).ok());
  ASSERT_TRUE(Shipped("third", Write("more")).ok());
  replicator_->Stop();
  ExpectCleanTarget("third");
  ExpectCleanTarget("second");
}

TEST_F(TargetChangeTest, ARemovedTargetIsForgottenAndMayComeBack) {
  Start();
  Add("third");
  ASSERT_TRUE(Shipped("all", Write("first")).ok());
  const ObjectCopies before = replicator_->copies();
  Remove("third");
  EXPECT_EQ(Shipped("third", CommitSeq(1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(replicator_->status().size(), 1U);
  EXPECT_FALSE(Env::Posix().Exists(TargetStatePath(volume_.path(), "third")));
  // Whoever still has its store can do nothing with it.
  EXPECT_EQ(before.back().name, "third");
  EXPECT_TRUE(before.back()
                  .store->Head("volume/x")
                  .status()
                  .Is(StatusCode::kUnavailable));
  // Nothing is held for it.
  ASSERT_TRUE(Shipped("all", Write("while it is none")).ok());
  LetGoOfThePast();
  EXPECT_EQ(replicator_->RemoveTarget("third").code(), StatusCode::kNotFound);

  replicator_.reset();
  volume_.Reopen();  // of another generation
  Start();
  Add("third");
  ASSERT_TRUE(Shipped("third", Write("again")).ok());
  replicator_->Stop();
  ExpectCleanTarget("third");
}

TEST_F(TargetChangeTest, WhatCantBeATargetIsRefusedAndNothingChanges) {
  const auto refused = [&](const TargetSettings& settings, StatusCode code,
                           const char* why) {
    const Status status = Refused(settings);
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(why));
  };
  refused({"second", "dir:" + dir_.Path("x"), {}}, StatusCode::kAlreadyExists,
          "there is a target second already");
  refused({"third", "dir:" + dir_.Path("second") + "/", {}},
          StatusCode::kAlreadyExists, "is target second");
  std::filesystem::create_directory_symlink(dir_.Path("second"),
                                            dir_.Path("link"));
  refused(Settings("link"), StatusCode::kAlreadyExists, "is target second");
  refused({"Third", "dir:" + dir_.Path("x"), {}}, StatusCode::kInvalidArgument,
          "lower-case");
  refused({"all", "dir:" + dir_.Path("x"), {}}, StatusCode::kInvalidArgument,
          "can't be named");
  refused({"third", "dir:" + volume_.path() + "/x", {}},
          StatusCode::kInvalidArgument, "another medium");
  refused({"third", "dir:/nowhere/at/all", {}}, StatusCode::kNotFound,
          "/nowhere/at");
  refused({"third", "s3+http://store.example/bucket", {}},
          StatusCode::kInvalidArgument, "plain HTTP");
  // Nobody listens there, and there may be no credentials either.
  const std::string dead = "127.0.0.1:" + std::to_string(FreePort());
  EXPECT_TRUE(
      MayPassLater(Refused({"third", "s3+http://" + dead + "/bucket", {}})));
  EXPECT_FALSE(Env::Posix().Exists(dir_.Path("x")));
}

TEST_F(TargetChangeTest, ThePlaceOfAnotherVolumeIsRefusedByItsName) {
  TestVolume other;
  const VolumeId id = other->volume_id();
  const std::string hex = ToHex({id.data(), id.size()});
  ASSERT_TRUE(
      InitDirTarget(Env::Posix(), dir_.Path("third"), hex, Random::System())
          .ok());
  Status status = Refused(Settings("third"));
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), HasSubstr(hex));

  // Its objects, behind an id file of this volume.
  ASSERT_TRUE(AddToConfig("fourth").ok());
  ASSERT_TRUE(RemoveFromConfig(Owner(), "fourth", false).ok());
  std::filesystem::copy(other.path() + "/objects/volume",
                        dir_.Path("fourth/volume"),
                        std::filesystem::copy_options::recursive);
  status = Refused(Settings("fourth"));
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(hex));
}

TEST_F(TargetChangeTest, ATargetMayBeAddedForLater) {
  TargetSettings settings = {"third", "dir:" + dir_.Path("away/usb"), {}};
  ASSERT_TRUE(trefoil::AddToConfig(Owner(), true, &settings).ok());
  EXPECT_FALSE(Env::Posix().Exists(dir_.Path("away")));
  Start();
  ASSERT_TRUE(Shipped("second", Write("a")).ok());
  EXPECT_TRUE(Eventually(
      [&] { return replicator_->status().at(1).state == "not there"; }));
  ASSERT_TRUE(Env::Posix().CreateDir(dir_.Path("away")).ok());
  const VolumeId id = volume_->volume_id();
  ASSERT_TRUE(InitDirTarget(Env::Posix(), dir_.Path("away/usb"),
                            ToHex({id.data(), id.size()}), Random::System())
                  .ok());
  replicator_->Nudge();
  EXPECT_TRUE(Shipped("third", volume_->head().seq).ok());
}

TEST_F(TargetChangeTest, TheLastTargetStaysUnlessInsistedOn) {
  const auto refused = RemoveFromConfig(Owner(), "second", false);
  EXPECT_EQ(refused.status().code(), StatusCode::kPreconditionFailed);
  EXPECT_EQ(Config().targets.size(), 1U);
  EXPECT_EQ(RemoveFromConfig(Owner(), "third", true).status().code(),
            StatusCode::kNotFound);
  Start();
  const auto removed = RemoveFromConfig(Owner(), "second", true);
  ASSERT_TRUE(removed.ok());
  EXPECT_TRUE(removed->left.empty());
  EXPECT_TRUE(replicator_->RemoveTarget("second").ok());
  EXPECT_TRUE(Shipped("all", Write("alone")).ok());
}

TEST_F(TargetChangeTest, WhileDataAreMissingHereNoTargetGoesByItself) {
  ASSERT_TRUE(AddToConfig("third").ok());
  ASSERT_TRUE(
      BeginHydration(Env::Posix(), volume_.path(), {.objects = 1, .bytes = 100})
          .ok());
  const auto refused = RemoveFromConfig(Owner(), "third", false);
  EXPECT_EQ(refused.status().code(), StatusCode::kPreconditionFailed);
  EXPECT_THAT(refused.status().message(), HasSubstr("'trefoil status'"));
  EXPECT_EQ(Config().targets.size(), 2U);
  EXPECT_TRUE(RemoveFromConfig(Owner(), "third", true).ok());
  ASSERT_TRUE(AddToConfig("third").ok());
  ASSERT_TRUE(EndHydration(Env::Posix(), volume_.path()).ok());
  EXPECT_TRUE(RemoveFromConfig(Owner(), "third", false).ok());
}

TEST_F(TargetChangeTest, ATargetOfADetachedVolumeIsOnlyReadFrom) {
  ASSERT_TRUE(ChangeConfig(Env::Posix(), volume_.path(), [](auto* config) {
                config->detached = true;
                return OkStatus();
              }).ok());
  Start();
  Add("third");
  Write("a");
  EXPECT_EQ(replicator_->status().at(1).state, "detached");
  EXPECT_EQ(replicator_->copies().size(), 2U);
  Remove("third");
  EXPECT_EQ(replicator_->status().size(), 1U);
  EXPECT_TRUE(Env::Posix().List(dir_.Path("third/owner"))->empty());
}

TEST_F(TargetChangeTest, AnybodyMayLookWhileTargetsComeAndGo) {
  Start();
  std::atomic<bool> stop{false};
  std::thread looking([&] {
    while (!stop) {
      for (const TargetStatus& status : replicator_->status()) {
        EXPECT_FALSE(status.name.empty());
      }
      replicator_->Nudge();
      static_cast<void>(replicator_->WaitForScrub(
          replicator_->RequestScrub(true), 1'000'000));
      static_cast<void>(replicator_->WaitFor("third", CommitSeq(1), 1'000'000));
    }
  });
  for (int i = 0; i < 5; ++i) {
    Add("third");
    Write("file" + std::to_string(i));
    Remove("third");
  }
  stop = true;
  looking.join();
  EXPECT_TRUE(Shipped("all", volume_->head().seq).ok());
}

// At each operation that changes the disk, and with each outcome of it.
TEST(ConfigChangeTest, APowerCutLeavesTheOldConfigurationOrTheNew) {
  constexpr uint64_t kSeeds = 8;
  constexpr uint64_t kOperations = 12;  // more than a change has
  int done = 0;
  for (uint64_t at = 1; at <= kOperations; ++at) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(fmt::format("operation {} seed {}", at, seed));
      SimEnv env({.seed = seed});
      ASSERT_TRUE(env.CreateDir("/volume").ok());
      ASSERT_TRUE(env.SyncDir("/").ok());
      ASSERT_TRUE(SaveConfig(env, "/volume", {}).ok());
      env.CrashAt(at);
      const Status changed = ChangeConfig(env, "/volume", [](auto* config) {
        config->targets.push_back({"third", "dir:/third", {}});
        return OkStatus();
      });
      env.Crash();
      const auto config = LoadConfig(env, "/volume");
      ASSERT_TRUE(config.ok()) << config.status().ToString();
      // What was answered with OK is durable.
      EXPECT_LE(config->targets.size(), 1U);
      EXPECT_TRUE(!changed.ok() || config->targets.size() == 1U);
      done += changed.ok() ? 1 : 0;
    }
  }
  EXPECT_GT(done, 0);
}

}  // namespace
}  // namespace trefoil::testing
