// SPDX-License-Identifier: Apache-2.0
// Goal: a target that lacks what the primary has let go of catches up through
// a checkpoint; at no moment does the watermark run ahead, is anything deleted
// before, or does the target alone give back nothing (O3, O7).
// Method: a chain whose commits and packs a test lets go of, shipped to a real
// directory that fails at any operation; the target is read as recovery does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "replicator/backlog.h"
#include "replicator/chain.h"
#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string KeyOfCheckpoint(TestSource& source) {
  const auto newest = source.NewestCheckpoint();
  EXPECT_TRUE(newest.ok() && newest->has_value());
  return (*newest)->key;
}

size_t Position(const std::vector<std::string>& done, const std::string& what) {
  const auto at = std::find(done.begin(), done.end(), what);
  EXPECT_NE(at, done.end()) << what;
  return static_cast<size_t>(at - done.begin());
}

// Packs of the first commits are retired, and a checkpoint stands for all but
// the last two.
void LetGoOfThePast(Shipping* shipping) {
  TestSource& source = shipping->source;
  shipping->Commit(2);
  shipping->Commit(2);
  source.Retire(source.Packs(source.commits()[0]));
  source.Retire(source.Packs(source.commits()[3]));
  const CommitRef last = shipping->Commit(1);
  ASSERT_TRUE(source.Checkpoint().ok());
  source.TrimCommits(last.seq);
  source.LetGoOfRetired();
  shipping->Commit(1);
  shipping->Commit(0);
}

class RebaseTest : public ::testing::Test {
 protected:
  // Commits 1 to 3 are on the target, which then goes away.
  void BeAway() {
    source().AddCommits(3, 1);
    shipping_.Start();
    ASSERT_TRUE(shipping_.WaitForState("up to date"));
    shipping_.faults.SetDown(true);
  }
  TestSource& source() { return shipping_.source; }
  void ExpectRecoverable() {
    EXPECT_EQ(WhyNotRecoverable(shipping_.target(), source(),
                                shipping_.status().watermark),
              "");
  }

  Shipping shipping_;
};

TEST_F(RebaseTest, APackThatTwoItemsTellOfHoldsTheSecondUpForNothing) {
  const CommitRef first = source().AddCommit(0);
  const CommitRef second = source().AddCommit(1);
  const ObjectItem pack = ItemOf(source().Packs(second)[0]);
  Backlog::Item item;
  item.ref = first;
  item.last = {KeyOf(first), first.name, first.size_bytes};
  item.first = {pack};
  Backlog backlog(source());
  backlog.Rebase(item, {});
  ASSERT_TRUE(backlog.Scan(10).ok());
  while (const auto upload = backlog.NextUpload()) backlog.UploadDone(*upload);
  ASSERT_TRUE(backlog.FrontReady());
  backlog.FrontDone();
  EXPECT_TRUE(backlog.FrontReady());
  EXPECT_EQ(backlog.front()->ref.seq, second.seq);
}

TEST_F(RebaseTest, APackThatIsGoneBehindTheCheckpointAsksForANewerOne) {
  shipping_.options.uploads = 0;  // the pack is tried before the checkpoint
  source().AddCommits(2, 1);
  ASSERT_TRUE(source().Checkpoint().ok());
  source().TrimCommits(CommitSeq(2));
  const CommitRef later = shipping_.Commit(1);
  source().Retire(source().Packs(later));
  shipping_.Commit(0);
  source().LetGoOfRetired();
  shipping_.Start();
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  ExpectRecoverable();
}

TEST_F(RebaseTest, ATargetThatWasAwayCatchesUpThroughACheckpoint) {
  BeAway();
  LetGoOfThePast(&shipping_);
  const std::string checkpoint = KeyOfCheckpoint(source());
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  ASSERT_TRUE(shipping_.WaitForState("up to date"));
  ExpectRecoverable();
  const auto chain = FindOwnedChain(shipping_.target(), source().keyring());
  ASSERT_TRUE(chain.ok());
  EXPECT_EQ(chain->links.front().key, checkpoint);
  EXPECT_EQ(chain->links.size(), 3U);
  const TargetStatus status = shipping_.status();
  EXPECT_EQ(status.objects_waiting, 0U);
  EXPECT_EQ(status.bytes_waiting, 0U);
  EXPECT_EQ(status.watermark_time_nanos, source().head().time_nanos);

  shipping_.Stop();
  const auto done = shipping_.faults.done();
  const size_t at = Position(done, "PUT " + checkpoint);
  for (const std::string& key : source().Holders(CommitSeq(6))) {
    EXPECT_LT(Position(done, "PUT " + key), at);
  }
  EXPECT_GT(Position(done, "PUT " + KeyOf(source().head())), at);
  EXPECT_THAT(done, Each(Not(StartsWith("DELETE"))));
}

TEST_F(RebaseTest, TheWatermarkWaitsForTheCheckpoint) {
  BeAway();
  LetGoOfThePast(&shipping_);
  std::atomic<bool> refuse{true};
  shipping_.faults.before = [&](const std::string& operation,
                                std::string_view key) {
    const bool fails =
        refuse && operation == "PUT" && key.starts_with("checkpoint/");
    return fails ? Status(StatusCode::kUnavailable, "not now") : OkStatus();
  };
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(shipping_.WaitForState("re-basing"));
  ASSERT_TRUE(
      Eventually([&] { return shipping_.status().objects_waiting <= 5; }));
  ASSERT_TRUE(shipping_.WaitForState("unreachable"));
  EXPECT_EQ(shipping_.status().watermark, CommitSeq(3));
  ExpectRecoverable();
  EXPECT_EQ(
      FindOwnedChain(shipping_.target(), source().keyring())->links.size(), 3U);
  refuse = false;
  EXPECT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  ExpectRecoverable();
}

TEST_F(RebaseTest, WhatIsThereIsNotSentAgain) {
  BeAway();
  LetGoOfThePast(&shipping_);
  std::atomic<int> puts{0};
  shipping_.faults.before = [&](const std::string& operation,
                                std::string_view key) {
    const bool fails =
        operation == "PUT" && key.starts_with("pack/") && puts++ % 2 == 1;
    return fails ? Status(StatusCode::kUnavailable, "flaky") : OkStatus();
  };
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  shipping_.Stop();
  auto done = shipping_.faults.done();
  std::erase_if(done,
                [](const auto& what) { return !what.starts_with("PUT"); });
  std::sort(done.begin(), done.end());
  EXPECT_EQ(std::adjacent_find(done.begin(), done.end()), done.end());
}

TEST_F(RebaseTest, ANewTargetOfAnOldVolumeBeginsWithACheckpoint) {
  source().AddCommits(3, 1);
  LetGoOfThePast(&shipping_);
  shipping_.Start();
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  ExpectRecoverable();
  EXPECT_EQ(source().checkpoints_made(), 1);
}

TEST_F(RebaseTest, APackRetiredInTheMiddleOfShippingIsDoneWithout) {
  BeAway();
  const CommitRef commit = shipping_.Commit(3);
  const std::vector<PackRef> packs = source().Packs(commit);
  std::atomic<bool> held{true};
  shipping_.faults.before = [&, key = PackKey(packs[1].name)](
                                const std::string& operation,
                                std::string_view what) {
    const bool fails = held && operation == "PUT" && what == key;
    return fails ? Status(StatusCode::kUnavailable, "slow") : OkStatus();
  };
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(Eventually(
      [&] { return shipping_.target().Head(PackKey(packs[2].name)).ok(); }));
  source().Retire({packs[1]});
  shipping_.Commit(1);
  source().LetGoOfRetired();
  held = false;
  ASSERT_TRUE(shipping_.WaitForWatermark(CommitSeq(5)));
  EXPECT_EQ(source().checkpoints_made(), 1);
  EXPECT_FALSE(shipping_.target().Head(KeyOf(commit)).ok());
  ExpectRecoverable();
}

TEST_F(RebaseTest, ACheckpointThatNeedsWhatIsGoneIsMadeAnew) {
  BeAway();
  const CommitRef commit = shipping_.Commit(2);
  ASSERT_TRUE(source().Checkpoint().ok());
  source().Retire(source().Packs(commit));
  shipping_.Commit(1);
  source().TrimCommits(commit.seq);
  source().LetGoOfRetired();
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(shipping_.WaitForWatermark(CommitSeq(5)));
  EXPECT_EQ(source().checkpoints_made(), 2);
  ExpectRecoverable();
}

TEST_F(RebaseTest, WhatThePrimaryLostIsNamedAndNoCheckpointHelps) {
  source().AddCommits(3, 1);
  // The checkpoint needs it: for one behind it another would be made first.
  const std::string lost =
      PackKey(source().Packs(source().commits()[1])[0].name);
  LetGoOfThePast(&shipping_);
  ASSERT_TRUE(source().objects().Delete(lost).ok());
  shipping_.Start();
  ASSERT_TRUE(shipping_.WaitForState("failing"));
  EXPECT_THAT(shipping_.status().last_error, HasSubstr(lost));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(source().checkpoints_made(), 1);
  EXPECT_EQ(shipping_.status().watermark, CommitSeq(0));
}

TEST_F(RebaseTest, CommitsThatHoldBlocksComeLast) {
  BeAway();
  shipping_.Stop();  // it sees nothing of this before it is let go
  source().NextGeneration();
  const CommitRef holder = source().AddHolder();
  LetGoOfThePast(&shipping_);
  shipping_.faults.SetDown(false);
  shipping_.Start();
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  ExpectRecoverable();
  shipping_.Stop();
  const auto done = shipping_.faults.done();
  const size_t at = Position(done, "PUT " + KeyOf(holder));
  const auto chain = FindOwnedChain(shipping_.target(), source().keyring());
  ASSERT_TRUE(chain.ok());
  EXPECT_LT(at, Position(done, "PUT " + chain->links.front().key));
  const CommitSeq base(chain->links.front().parsed.number);
  for (const std::string& key : source().Holders(base)) {
    if (!key.starts_with("pack/")) continue;
    EXPECT_LT(Position(done, "PUT " + key), at);
  }
}

TEST_F(RebaseTest, ARestartFindsARebasedTargetUpToDate) {
  BeAway();
  LetGoOfThePast(&shipping_);
  shipping_.faults.SetDown(false);
  ASSERT_TRUE(shipping_.WaitForState("up to date"));
  shipping_.Stop();
  for (const bool state_is_lost : {true, false}) {
    source().NextGeneration();
    if (state_is_lost) {
      ASSERT_TRUE(Env::Posix().Remove(shipping_.state_path()).ok());
    }
    shipping_.faults.before = [](const std::string& operation,
                                 std::string_view key) {
      const bool fails = operation == "PUT" && !key.starts_with("owner/");
      return fails ? Status(StatusCode::kIoError, "nothing to ship")
                   : OkStatus();
    };
    shipping_.Start();
    EXPECT_TRUE(shipping_.WaitForState("up to date"));
    EXPECT_EQ(shipping_.status().watermark, source().head().seq);
    EXPECT_EQ(shipping_.shipper().released(), CommitSeq(6));
    shipping_.Stop();
  }
}

// The target goes away at operation `n` of its catching up.
void RunWithFault(uint64_t n, bool done_first, bool dies) {
  SCOPED_TRACE("operation " + std::to_string(n) +
               (done_first ? ", answer lost" : ", not done") +
               (dies ? ", the shipper dies" : ""));
  Shipping shipping;
  shipping.options.recheck_nanos = 3'600'000'000'000;
  shipping.source.AddCommits(3, 1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  LetGoOfThePast(&shipping);
  shipping.source.NextGeneration();
  shipping.faults.GoDownAt(n, done_first);
  shipping.Start();
  ASSERT_TRUE(Eventually([&] {
    const std::string state = shipping.status().state;
    return state == "unreachable" || state == "up to date";
  }));
  EXPECT_EQ(WhyNotRecoverable(shipping.target(), shipping.source,
                              shipping.status().watermark),
            "");
  if (dies) {
    shipping.Kill();
    shipping.source.NextGeneration();
    const auto state = LoadTargetState(Env::Posix(), shipping.state_path());
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(WhyNotRecoverable(shipping.target(), shipping.source,
                                state->status.watermark),
              "");
  }
  shipping.faults.SetDown(false);
  if (dies) shipping.Start();
  const CommitSeq head = shipping.source.head().seq;
  ASSERT_TRUE(shipping.WaitForWatermark(head));
  EXPECT_EQ(WhyNotRecoverable(shipping.target(), shipping.source, head), "");
  shipping.Stop();
}

TEST(RebaseCrashTest, EveryPointOfFailureLeavesARecoverableTarget) {
  uint64_t operations = 0;
  {
    Shipping shipping;
    shipping.options.recheck_nanos = 3'600'000'000'000;
    shipping.source.AddCommits(3, 1);
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    shipping.Stop();
    LetGoOfThePast(&shipping);
    shipping.source.NextGeneration();
    shipping.faults.GoDownAt(0, false);
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    shipping.Stop();
    operations = shipping.faults.operations();
  }
  ASSERT_GT(operations, 10U);
  for (uint64_t n = 1; n <= operations; ++n) {
    for (const bool done_first : {false, true}) {
      for (const bool dies : {false, true}) {
        RunWithFault(n, done_first, dies);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace trefoil::testing
