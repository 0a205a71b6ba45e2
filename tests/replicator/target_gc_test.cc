// SPDX-License-Identifier: Apache-2.0
// Goal: what nothing needs on a target goes after the grace, and nothing else
// ever does: not before the grace, not with another's claim on the target, not
// when the listing lacks what must be there (O5, O7, O9).
// Method: a chain whose packs and commits a test retires, shipped to a real
// directory; what is listed there is compared with what should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <set>

#include "replicator/chain.h"
#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kMillisecond = 1'000'000;

class TargetGcTest : public ::testing::Test {
 protected:
  TargetGcTest() {
    shipping_.options.gc_grace_nanos = 50 * kMillisecond;
    shipping_.options.recheck_nanos = 3'600'000'000'000;
  }
  TestSource& source() { return shipping_.source; }
  // The keys on the target but claims and volume objects.
  std::set<std::string> Keys() {
    std::set<std::string> keys;
    for (const char* prefix : {"pack/", "commit/", "checkpoint/"}) {
      EXPECT_TRUE(shipping_.target()
                      .List(prefix, "",
                            [&](const ObjectInfo& info) {
                              keys.insert(info.key);
                              return true;
                            })
                      .ok());
    }
    return keys;
  }
  std::string AddCheckpoint() {
    EXPECT_TRUE(source().Checkpoint().ok());
    const auto newest = source().NewestCheckpoint();
    EXPECT_TRUE(newest.ok() && newest->has_value());
    const std::string key = (*newest)->key;
    // The next commit makes the shipper look.
    shipping_.Commit(0);
    EXPECT_TRUE(Eventually([&] { return shipping_.target().Head(key).ok(); }));
    return key;
  }
  void StartUpToDate() {
    shipping_.Start();
    ASSERT_TRUE(shipping_.WaitForState("up to date"));
  }
  void ExpectNoDelete() {
    EXPECT_THAT(shipping_.faults.done(), Each(Not(StartsWith("DELETE"))));
  }

  Shipping shipping_;
};

TEST_F(TargetGcTest, WhatNothingNeedsGoesAndNothingElse) {
  source().AddCommits(3, 2);
  const CommitRef holder = source().AddHolder();
  StartUpToDate();
  const std::string oldest = AddCheckpoint();    // of 4
  const std::string previous = AddCheckpoint();  // of 5
  const std::string newest = AddCheckpoint();    // of 6
  source().Retire(source().Packs(source().commits()[0]));
  shipping_.Commit(1);
  source().LetGoOfRetired();

  std::set<std::string> expected = source().Holders(source().head().seq);
  expected.insert({previous, newest});
  // The chain since the older of both, and the commit that holds blocks.
  for (const CommitRef& commit : source().commits()) {
    if (commit.seq > CommitSeq(5)) expected.insert(KeyOf(commit));
  }
  EXPECT_TRUE(expected.contains(KeyOf(holder)));
  EXPECT_TRUE(Eventually([&] { return Keys() == expected; }));
  EXPECT_EQ(Keys(), expected);
  EXPECT_EQ(WhyNotRecoverable(shipping_.target(), source(),
                              shipping_.status().watermark),
            "");
  EXPECT_TRUE(Eventually([&] {  // and a volume object
    return shipping_.status().objects_held == expected.size() + 1;
  }));

  source().RetireHolder(holder);
  shipping_.Commit(0);
  EXPECT_TRUE(Eventually([&] { return !Keys().contains(KeyOf(holder)); }));
}

TEST_F(TargetGcTest, NothingGoesBeforeTheGrace) {
  shipping_.options.gc_grace_nanos = 3'600'000'000'000;
  source().AddCommits(3, 2);
  StartUpToDate();
  AddCheckpoint();
  AddCheckpoint();
  source().Retire(source().Packs(source().commits()[0]));
  shipping_.Commit(0);
  ASSERT_TRUE(shipping_.WaitForWatermark(source().head().seq));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  ExpectNoDelete();
}

TEST_F(TargetGcTest, TheStateOfALaggingWatermarkKeepsItsPacks) {
  source().AddCommits(2, 2);
  StartUpToDate();
  const CommitSeq before = source().head().seq;
  const std::set<std::string> needed = source().Holders(before);
  shipping_.faults.before = [](const std::string& operation,
                               std::string_view key) {
    const bool fails = operation == "PUT" && key.starts_with("commit/");
    return fails ? Status(StatusCode::kNoSpace, "full") : OkStatus();
  };
  source().Retire(source().Packs(source().commits()[0]));
  shipping_.Commit(1);
  ASSERT_TRUE(shipping_.WaitForState("full"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (const std::string& key : needed) EXPECT_TRUE(Keys().contains(key));
  EXPECT_EQ(shipping_.status().watermark, before);
}

TEST_F(TargetGcTest, AFullTargetIsRelievedOfItsGarbage) {
  source().AddCommits(2, 2);
  shipping_.options.gc_grace_nanos = 500 * kMillisecond;
  StartUpToDate();
  const auto packs = source().Packs(source().commits()[0]);
  const std::string garbage = PackKey(packs[0].name);
  source().Retire(packs);
  shipping_.Commit(0);
  ASSERT_TRUE(shipping_.WaitForWatermark(CommitSeq(3)));
  // Room comes when the garbage goes.
  std::atomic<bool> was_full{false};
  const auto is_there = [this, garbage] {
    return shipping_.target().Head(garbage).ok();
  };
  shipping_.faults.before = [&](const std::string& operation,
                                std::string_view key) {
    const bool fails =
        operation == "PUT" && key.starts_with("pack/") && is_there();
    if (fails) was_full = true;
    return fails ? Status(StatusCode::kNoSpace, "full") : OkStatus();
  };
  shipping_.Commit(1);
  // On a machine that slept, it went before.
  ASSERT_TRUE(Eventually([&] { return was_full || !is_there(); }));
  EXPECT_TRUE(shipping_.WaitForWatermark(CommitSeq(4)));
  EXPECT_EQ(WhyNotRecoverable(shipping_.target(), source(), CommitSeq(4)), "");
}

TEST_F(TargetGcTest, WhoeverWasTakenOverDeletesNothing) {
  // Only the look before the deletion can notice it.
  shipping_.options.recheck_nanos = 3'600'000'000'000;
  source().AddCommits(3, 2);
  StartUpToDate();
  OwnerClaim claim;
  claim.volume_id = source().volume_id();
  claim.name = {Generation(7), NewInstance(Random::System())};
  claim.base_seq = source().head().seq;
  const auto bytes = EncodeClaim(claim, source().keyring(), Random::System());
  ASSERT_TRUE(bytes.ok());
  shipping_.faults.before = [&](const std::string& operation,
                                std::string_view key) {
    if (operation != "LIST" || key != "pack/") return OkStatus();
    // Whoever takes over does so while garbage is looked for.
    MemorySource body(*bytes);
    return shipping_.target().Put(ClaimKey(claim.name), body,
                                  PutMode::kReplace);
  };
  source().Retire(source().Packs(source().commits()[0]));
  shipping_.Commit(0);
  ASSERT_TRUE(shipping_.WaitForState("fenced"));
  ExpectNoDelete();
}

TEST_F(TargetGcTest, WhatTheTargetLostIsNoticedAndShippedAgain) {
  source().AddCommits(3, 2);
  StartUpToDate();
  const std::string checkpoint = AddCheckpoint();
  shipping_.Commit(1);
  ASSERT_TRUE(shipping_.WaitForState("up to date"));
  for (const std::string& lost :
       {*source().Holders(CommitSeq(2)).begin(), KeyOf(source().commits()[3]),
        checkpoint, KeyOf(source().head())}) {
    ASSERT_TRUE(shipping_.target().Delete(lost).ok());
    EXPECT_TRUE(Eventually([&] { return Keys().contains(lost); })) << lost;
    EXPECT_TRUE(shipping_.WaitForState("up to date"));
  }
  EXPECT_EQ(WhyNotRecoverable(shipping_.target(), source(), CommitSeq(5)), "");
  ExpectNoDelete();
}

// Else one damaged object, the newest checkpoint, would cost the copy.
TEST_F(TargetGcTest, ADisownedCheckpointIsNoneToFallBackOn) {
  shipping_.options.settle_nanos = 0;
  source().AddCommits(2, 2);
  StartUpToDate();
  const std::string previous = AddCheckpoint();  // of 2
  shipping_.Stop();
  // Somebody who was taken over did not know it yet.
  const std::string disowned =
      CheckpointKey(Generation(1), CommitSeq(5), Sha256::Of("disowned"));
  std::filesystem::copy_file(shipping_.target_path() + "/" + previous,
                             shipping_.target_path() + "/" + disowned);
  source().NextGeneration();  // continues commit 3
  StartUpToDate();
  for (int i = 0; i < 3; ++i) shipping_.Commit(0);
  const std::string newest = AddCheckpoint();  // of 6
  const auto packs = source().Packs(source().commits()[0]);
  source().Retire(packs);
  shipping_.Commit(0);
  // Checkpoints go first.
  EXPECT_TRUE(Eventually([&] {
    return !Keys().contains(PackKey(packs[0].name)) &&
           !Keys().contains(PackKey(packs[1].name));
  }));
  EXPECT_TRUE(Keys().contains(previous));
  EXPECT_TRUE(Keys().contains(newest));
}

TEST_F(TargetGcTest, ClaimsThatDisownNothingGo) {
  shipping_.options.settle_nanos = 0;
  source().AddCommits(3, 1);
  StartUpToDate();
  shipping_.Stop();
  source().NextGeneration();  // 2, which continues commit 3
  StartUpToDate();
  shipping_.Stop();
  // Somebody who was taken over did not know it yet.
  const CommitRef head = source().head();
  const std::string stale =
      CommitKey(Generation(1), CommitSeq(4), Sha256::Of("stale"));
  std::filesystem::copy_file(shipping_.target_path() + "/" + KeyOf(head),
                             shipping_.target_path() + "/" + stale);
  source().NextGeneration();
  StartUpToDate();
  const auto generations = [this] {
    std::set<uint64_t> found;
    const auto claims = ListClaims(shipping_.target());
    EXPECT_TRUE(claims.ok());
    for (const ClaimName& claim : *claims) found.insert(claim.generation.value);
    return found;
  };
  EXPECT_TRUE(Eventually([&] {
    return generations() == std::set<uint64_t>{2, 3};
  }));
  ASSERT_TRUE(shipping_.target().Delete(stale).ok());
  EXPECT_TRUE(
      Eventually([&] { return generations() == std::set<uint64_t>{3}; }));
  EXPECT_EQ(WhyNotRecoverable(shipping_.target(), source(), head.seq), "");
}

TEST_F(TargetGcTest, AnotherPlaceInItsPlaceLosesNothing) {
  const std::string path = shipping_.target_path();
  std::filesystem::rename(path, path + "-ours");
  std::filesystem::create_directory_symlink(path + "-ours", path);
  source().AddCommits(3, 2);
  StartUpToDate();
  Shipping other;
  other.source.AddCommits(3, 2);
  other.Start();
  ASSERT_TRUE(other.WaitForState("up to date"));
  other.Stop();
  // From one look to the next there is another volume's copy.
  std::filesystem::create_directory_symlink(other.target_path(),
                                            path + "-theirs");
  std::filesystem::rename(path + "-theirs", path);
  const std::set<std::string> theirs = Keys();
  ASSERT_TRUE(shipping_.WaitForState("failing"));
  EXPECT_THAT(shipping_.status().last_error, HasSubstr("another volume"));
  EXPECT_EQ(Keys(), theirs);
  ExpectNoDelete();
  shipping_.Stop();
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace trefoil::testing
