// SPDX-License-Identifier: Apache-2.0
// Goal: O7: one target alone gives back the tree of its watermark, or a clear
// error that names what is missing or damaged; an interrupted recovery can be
// continued and never opens half done; a recovered volume disturbs nobody
// until it takes over, and then fences the old owner.
// Method: real volumes shipped to real directories, recovered, and compared
// line by line; damage and faults on the target.
#include "replicator/recover.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fs/volume/hydration.h"
#include "replicator/chain.h"
#include "tests/replicator/recover_fixture.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecond = 1'000'000'000;

TEST_F(RecoverTest, TheTreeAndItsSnapshotsComeBack) {
  const std::string expected = DescribeAll(volume_);
  TestVolume other;
  other.Close();
  ASSERT_TRUE(Env::Posix().RemoveTree(other.path()).ok());
  uint64_t last_done = 0;
  uint64_t last_total = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_LE(last_done, done);
    last_done = done;
    last_total = total;
  };
  options_.secret = volume_.secret();
  const Status recovered =
      RecoverVolume(RealWorld(), *target_, settings_, other.path(), options_)
          .status();
  ASSERT_TRUE(recovered.ok()) << recovered.ToString();
  EXPECT_EQ(last_done, last_total);
  EXPECT_GT(last_total, 12'000'000U);
  other.Open();
  EXPECT_EQ(DescribeAll(other), expected);
  EXPECT_EQ(other->volume_id(), volume_->volume_id());
  EXPECT_GT(other->generation(), volume_->generation());
  const auto config = LoadConfig(Env::Posix(), other.path());
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->detached);
  ASSERT_EQ(config->targets.size(), 1U);
  EXPECT_EQ(config->targets[0].url, settings_.url);
}

TEST_F(RecoverTest, AMissingCommitIsNamed) {
  const std::string commit = Keys("commit/")[1];
  const auto parsed = ParseObjectKey(commit);
  ASSERT_TRUE(target_->Delete(commit).ok());
  const Status recovered = Recover();
  EXPECT_EQ(recovered.code(), StatusCode::kCorruption);
  EXPECT_THAT(recovered.message(), HasSubstr("commit 2"));
  EXPECT_THAT(recovered.message(), HasSubstr(parsed->name.ToHex()));
  EXPECT_FALSE(Env::Posix().Exists(Recovered()));
}

TEST_F(RecoverTest, AnInterruptedRecoveryIsContinued) {
  const std::string commit = Keys("commit/").front();
  Flip(commit);
  ASSERT_FALSE(Recover().ok());
  const auto opened = OpenRecovered();
  ASSERT_FALSE(opened.ok());
  EXPECT_THAT(opened.status().message(), HasSubstr("recover"));
  Flip(commit);
  // What is there already is not asked for again.
  TargetFaults faults;
  FaultStore store(
      std::make_unique<LocalTree>(Env::Posix(), dir_.Path("second")), faults);
  LocalTree partial(Env::Posix(), JoinPath(Recovered(), "objects"));
  std::vector<std::string> there;
  ASSERT_TRUE(partial
                  .List("", "",
                        [&](const ObjectInfo& info) {
                          there.push_back(info.key);
                          return true;
                        })
                  .ok());
  EXPECT_FALSE(there.empty());
  options_.secret = volume_.secret();
  const Status recovered =
      RecoverVolume(RealWorld(), store, settings_, Recovered(), options_)
          .status();
  ASSERT_TRUE(recovered.ok()) << recovered.ToString();
  for (const std::string& key : there) {
    if (key.starts_with("volume/")) continue;  // looked at before all else
    EXPECT_THAT(faults.done(), Not(::testing::Contains("GET " + key)));
  }
  EXPECT_TRUE(OpenRecovered().ok());
}

TEST_F(RecoverTest, AFullRecoveryLeavesNoPlanOfATryThatWasToFetchLess) {
  options_.fetch.stop = [] { return true; };
  ASSERT_FALSE(Recover().ok());
  ASSERT_TRUE(BeginHydration(Env::Posix(), Recovered(), {3, 3}).ok());
  options_.fetch.stop = nullptr;
  options_.full = true;
  ASSERT_TRUE(Recover().ok());
  EXPECT_FALSE(FindHydration(Env::Posix(), Recovered()).has_value());
}

TEST_F(RecoverTest, ATransferThatFailsNowAndThenIsRetried) {
  TargetFaults faults;
  std::atomic<int> calls{0};
  faults.before = [&](const std::string& operation, std::string_view key) {
    const bool fails =
        operation == "GET" && key.starts_with("pack/") && calls++ % 3 == 0;
    return fails ? Status(StatusCode::kUnavailable, "flaky") : OkStatus();
  };
  FaultStore store(
      std::make_unique<LocalTree>(Env::Posix(), dir_.Path("second")), faults);
  options_.fetch.attempts = 10;
  options_.fetch.pause_nanos = 1'000'000;
  options_.secret = volume_.secret();
  const Status recovered =
      RecoverVolume(RealWorld(), store, settings_, Recovered(), options_)
          .status();
  EXPECT_TRUE(recovered.ok()) << recovered.ToString();
}

TEST_F(RecoverTest, NothingIsOverwritten) {
  ASSERT_TRUE(Env::Posix().CreateDir(Recovered()).ok());
  ASSERT_TRUE(Env::Posix()
                  .WriteFileAtomically(JoinPath(Recovered(), "mine"), "x")
                  .ok());
  EXPECT_EQ(Recover().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(Env::Posix().List(Recovered())->size(), 1U);
}

TEST_F(RecoverTest, AnEmptyTargetMakesNoVolume) {
  for (const char* prefix : {"commit/", "pack/", "volume/", "owner/"}) {
    for (const std::string& key : Keys(prefix)) {
      ASSERT_TRUE(target_->Delete(key).ok());
    }
  }
  EXPECT_EQ(Recover().code(), StatusCode::kNotFound);
  EXPECT_FALSE(Env::Posix().Exists(Recovered()));
}

// The target was away while the primary wrote, deleted and let go of commits.
TEST_F(RecoverTest, ATargetThatWasRebasedGivesBackTheTree) {
  replicator_.reset();
  ASSERT_TRUE(volume_->Unlink(volume_.Find("docs"), "larger").ok());
  volume_.MakeFile("docs/new", RandomBytes(2'000'000, 3));
  LetGoOfThePast();
  volume_.MakeFile("docs/newest", "words");
  ASSERT_NO_FATAL_FAILURE(Ship());
  const std::string expected = DescribeAll(volume_);
  const auto chain = FindOwnedChain(*target_, volume_->keyring());
  ASSERT_TRUE(chain.ok()) << chain.status().ToString();
  EXPECT_EQ(chain->links.front().parsed.kind, ObjectKind::kCheckpoint);
  ExpectCleanTarget();

  ASSERT_TRUE(Recover().ok());
  ExpectCleanAt(Recovered());
  ExpectRecovered(expected);
  // It takes over from there, and goes on.
  replicator_.reset();
  ASSERT_TRUE(TakeOver(RealWorld(), Recovered()).ok());
  auto mine = OpenRecovered();
  ASSERT_TRUE(mine.ok()) << mine.status().ToString();
  ASSERT_TRUE((*mine)->MakeDirectory(kRootNode, "mine", 0755, {}).ok());
  const auto head = (*mine)->Commit();
  ASSERT_TRUE(head.ok());
  const auto config = LoadConfig(Env::Posix(), Recovered());
  ASSERT_TRUE(config.ok());
  auto shipping = Replicator::Create(RealWorld(), **mine, *config, {});
  ASSERT_TRUE(shipping.ok());
  (*shipping)->Start();
  const Status shipped = (*shipping)->WaitFor("all", head->seq, 20 * kSecond);
  EXPECT_TRUE(shipped.ok()) << shipped.ToString();
  shipping->reset();
  ExpectCleanTarget();
}

TEST_F(RecoverTest, ADamagedCheckpointCostsNothingWithTheOneBefore) {
  LetGoOfThePast();
  ASSERT_NO_FATAL_FAILURE(Ship());
  volume_.MakeFile("docs/between", "words");
  Ship();
  ASSERT_TRUE(volume_->Checkpoint().ok());
  volume_.MakeFile("docs/after", "words");
  Ship();
  ASSERT_TRUE(Eventually([&] { return Keys("checkpoint/").size() == 2; }));
  const std::string newest = Keys("checkpoint/").back();
  Flip(newest);
  ASSERT_TRUE(Recover().ok());
  ExpectRecovered(DescribeAll(volume_));
  ASSERT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());

  // Of the newest commit itself, too.
  options_.at_seq = CommitSeq(ParseObjectKey(newest)->number);
  ASSERT_TRUE(Recover().ok());
  options_.at_seq.reset();
  ASSERT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());

  ASSERT_TRUE(target_->Delete(Keys("checkpoint/").front()).ok());
  const Status recovered = Recover();
  EXPECT_EQ(recovered.code(), StatusCode::kCorruption);
  EXPECT_THAT(recovered.message(), HasSubstr(newest));
  EXPECT_FALSE(OpenRecovered().ok());
}

TEST_F(RecoverTest, TakingOverFencesTheOldOwner) {
  ASSERT_TRUE(Recover().ok());
  {
    // A trial: mounted, written to, and nobody is disturbed.
    auto trial = OpenRecovered();
    ASSERT_TRUE(trial.ok()) << trial.status().ToString();
    ASSERT_TRUE((*trial)->MakeDirectory(kRootNode, "trial", 0755, {}).ok());
    ASSERT_TRUE((*trial)->Commit().ok());
    std::ofstream(Recovered() + "/control.sock");
    EXPECT_EQ(TakeOver(RealWorld(), Recovered()).status().code(),
              StatusCode::kBusy);
    ASSERT_TRUE((*trial)->Close().ok());
  }
  replicator_.reset();
  volume_.Reopen();  // of the same generation as the trial was
  volume_.MakeFile("still-here", "x");
  Ship();
  replicator_.reset();

  // What it wrote meanwhile is given up only when somebody insists.
  const auto refused = TakeOver(RealWorld(), Recovered());
  EXPECT_EQ(refused.status().code(), StatusCode::kPreconditionFailed);
  EXPECT_THAT(
      refused.status().message(),
      HasSubstr(fmt::format("commit {} of", volume_->head().seq.value)));
  EXPECT_TRUE(LoadConfig(Env::Posix(), Recovered())->detached);
  EXPECT_EQ(Keys("owner/").size(), 2U);  // of its two openings
  const auto taken =
      TakeOver(RealWorld(), Recovered(), {.give_up_newer = true});
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  auto mine = OpenRecovered();
  ASSERT_TRUE(mine.ok()) << mine.status().ToString();
  const auto config = LoadConfig(Env::Posix(), Recovered());
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->detached);
  ASSERT_TRUE((*mine)->MakeDirectory(kRootNode, "new-owner", 0755, {}).ok());
  auto head = (*mine)->Commit();
  ASSERT_TRUE(head.ok());
  auto shipping = Replicator::Create(RealWorld(), **mine, *config, {});
  ASSERT_TRUE(shipping.ok());
  (*shipping)->Start();
  const Status shipped = (*shipping)->WaitFor("all", head->seq, 20 * kSecond);
  EXPECT_TRUE(shipped.ok()) << shipped.ToString();

  // The old owner, however often it is opened.
  for (int i = 0; i < 3; ++i) {
    volume_.Reopen();
    StartReplicator();
    EXPECT_TRUE(
        Eventually([&] { return replicator_->status()[0].state == "fenced"; }));
    replicator_.reset();
  }
  shipping->reset();

  // Readers follow the new owner, although the old one had shipped more.
  const auto chain = FindOwnedChain(*target_, volume_->keyring());
  ASSERT_TRUE(chain.ok()) << chain.status().ToString();
  EXPECT_EQ(chain->links.back().parsed.name, head->name);
}

TEST_F(RecoverTest, WithoutAReachableTargetNothingIsTakenOver) {
  ASSERT_TRUE(Recover().ok());
  replicator_.reset();
  ASSERT_TRUE(
      Env::Posix().Rename(dir_.Path("second"), dir_.Path("unplugged")).ok());
  EXPECT_EQ(TakeOver(RealWorld(), Recovered()).status().code(),
            StatusCode::kUnavailable);
  const auto config = LoadConfig(Env::Posix(), Recovered());
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->detached);
}

// Its old owner would go on shipping there, and nobody knew.
TEST_F(RecoverTest, ATargetThatCantBeTakenOverIsNamed) {
  ASSERT_TRUE(Recover().ok());
  replicator_.reset();
  ASSERT_TRUE(ChangeConfig(Env::Posix(), Recovered(), [](VolumeConfig* config) {
                config->targets.push_back({"bank", "dir:/not/there", {}});
                return OkStatus();
              }).ok());
  const auto taken = TakeOver(RealWorld(), Recovered());
  ASSERT_TRUE(taken.ok()) << taken.status().ToString();
  ASSERT_EQ(taken->left.size(), 1U);
  EXPECT_THAT(taken->left.front(), HasSubstr("bank: not there"));

  const std::string bytes = "sealed under a later key, for all that is known";
  MemorySource other(bytes);
  const std::string key =
      CommitKey(Generation(9), CommitSeq(99), Sha256::Of(bytes));
  ASSERT_TRUE(target_->Put(key, other, PutMode::kImmutable).ok());
  EXPECT_THAT(TakeOver(RealWorld(), Recovered()).status().message(),
              HasSubstr("no key for"));
}

// Its head, and what a trial wrote after it, are newer than what a target has.
TEST_F(RecoverTest, AVolumeThatIsAheadOfItsTargetsTakesOverAsItIs) {
  ASSERT_TRUE(Recover().ok());
  replicator_.reset();
  for (const bool checkpoint : {false, true}) {
    {
      auto trial = OpenRecovered();
      ASSERT_TRUE(trial.ok()) << trial.status().ToString();
      const char* const name = checkpoint ? "two" : "one";
      ASSERT_TRUE((*trial)->MakeDirectory(kRootNode, name, 0755, {}).ok());
      ASSERT_TRUE((*trial)->Commit().ok());
      ASSERT_TRUE(!checkpoint || (*trial)->Checkpoint().ok());
      ASSERT_TRUE((*trial)->Close().ok());
    }
    const auto taken = TakeOver(RealWorld(), Recovered());
    EXPECT_TRUE(taken.ok()) << taken.status().ToString();
  }
}

}  // namespace
}  // namespace trefoil::testing
