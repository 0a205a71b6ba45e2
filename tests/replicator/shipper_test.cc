// SPDX-License-Identifier: Apache-2.0
// Goal: a target's copy becomes and stays complete, in the order of O3,
// whatever the target does in between; and the status tells the truth.
// Method: real commits in a real local tree, shipped to a real directory
// behind a store that notes and fails operations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

size_t Position(const std::vector<std::string>& done, const std::string& what) {
  return static_cast<size_t>(std::find(done.begin(), done.end(), what) -
                             done.begin());
}

TEST(ShipperTest, PacksComeBeforeTheirCommitAndCommitsInOrder) {
  Shipping shipping;
  for (int i = 0; i < 10; ++i) shipping.source.AddCommit(i % 4);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(10)));
  shipping.Stop();
  const auto done = shipping.faults.done();
  size_t last_commit = 0;
  for (const CommitRef& commit : shipping.source.commits()) {
    const size_t at = Position(done, "PUT " + KeyOf(commit));
    ASSERT_LT(at, done.size());
    EXPECT_GT(at, last_commit);
    last_commit = at;
    for (const PackRef& pack : shipping.source.Packs(commit)) {
      EXPECT_LT(Position(done, "PUT " + PackKey(pack.name)), at);
    }
  }
  EXPECT_EQ(shipping.Incomplete(CommitSeq(10)), "");
}

TEST(ShipperTest, ACommitWithoutPacksCostsOneRequest) {
  Shipping shipping;
  shipping.options.recheck_nanos = 3'600'000'000'000;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  const size_t before = shipping.faults.done().size();
  const CommitRef commit = shipping.Commit(0);
  ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(2)));
  auto done = shipping.faults.done();
  done.erase(done.begin(), done.begin() + static_cast<ptrdiff_t>(before));
  // The first look for garbage may come before it or after.
  std::erase_if(done, [](const std::string& operation) {
    return operation.starts_with("LIST") || operation.starts_with("GET owner/");
  });
  EXPECT_THAT(done, ElementsAre("PUT " + KeyOf(commit)));
}

TEST(ShipperTest, NothingIsPutTwice) {
  Shipping shipping;
  shipping.source.AddCommits(5, 3);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  shipping.source.NextGeneration();
  shipping.source.AddCommits(2, 1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  auto done = shipping.faults.done();
  std::erase_if(
      done, [](const std::string& what) { return !what.starts_with("PUT "); });
  std::sort(done.begin(), done.end());
  EXPECT_EQ(std::adjacent_find(done.begin(), done.end()), done.end());
}

TEST(ShipperTest, ATargetThatWasDownCatchesUpByItself) {
  Shipping shipping;
  shipping.source.AddCommits(3, 1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.faults.SetDown(true);
  for (int i = 0; i < 5; ++i) shipping.Commit(2);
  ASSERT_TRUE(shipping.WaitForState("unreachable"));
  ASSERT_TRUE(
      Eventually([&] { return shipping.status().objects_waiting == 5U * 3; }));
  TargetStatus status = shipping.status();
  EXPECT_EQ(status.watermark, CommitSeq(3));
  EXPECT_THAT(status.last_error, HasSubstr("the target is down"));
  EXPECT_GT(status.bytes_waiting, 5U * 2 * 3000);
  shipping.faults.SetDown(false);
  ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(8)));
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  status = shipping.status();
  EXPECT_EQ(status.last_error, "");
  EXPECT_EQ(status.objects_waiting, 0U);
  EXPECT_EQ(status.bytes_waiting, 0U);
  EXPECT_EQ(status.watermark_time_nanos, shipping.source.head().time_nanos);
  EXPECT_EQ(shipping.Incomplete(CommitSeq(8)), "");
}

TEST(ShipperTest, ANudgeEndsABackoff) {
  Shipping shipping;
  shipping.options.backoff_min_nanos = 3'600'000'000'000;
  shipping.options.backoff_max_nanos = 3'600'000'000'000;
  shipping.source.AddCommit(1);
  shipping.faults.SetDown(true);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("unreachable"));
  shipping.faults.SetDown(false);
  shipping.shipper().Nudge();
  EXPECT_TRUE(shipping.WaitForWatermark(CommitSeq(1)));
}

TEST(ShipperTest, StatesSayWhatIsWrong) {
  const std::pair<StatusCode, const char*> kCases[] = {
      {StatusCode::kUnavailable, "unreachable"},
      {StatusCode::kNoSpace, "full"},
      {StatusCode::kPermissionDenied, "refused"},
      {StatusCode::kIoError, "failing"},
  };
  for (const auto& [code, state] : kCases) {
    Shipping shipping;
    shipping.faults.before = [code = code](const std::string& operation,
                                           std::string_view key) {
      const bool fails = operation == "PUT" && key.starts_with("pack/");
      return fails ? Status(code, "no") : OkStatus();
    };
    shipping.source.AddCommit(1);
    shipping.Start();
    EXPECT_TRUE(shipping.WaitForState(state)) << state;
    EXPECT_EQ(shipping.status().watermark, CommitSeq(0));
    shipping.Stop();
  }
}

TEST(ShipperTest, AnEmptiedTargetIsFilledAgainAtTheNextStart) {
  Shipping shipping;
  shipping.source.AddCommits(6, 2);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  shipping.EmptyTarget();
  shipping.source.NextGeneration();
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  EXPECT_EQ(shipping.status().watermark, CommitSeq(6));
  EXPECT_EQ(shipping.Incomplete(CommitSeq(6)), "");
}

TEST(ShipperTest, ATargetEmptiedWhileInUseIsFilledAgain) {
  Shipping shipping;
  shipping.source.AddCommits(6, 2);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.EmptyTarget();
  EXPECT_TRUE(
      Eventually([&] { return shipping.Incomplete(CommitSeq(6)).empty(); }));
  EXPECT_TRUE(shipping.WaitForState("up to date"));
}

// What was sent again in the middle of it goes with the rest.
TEST(ShipperTest, ATargetThatIsStillBeingEmptiedIsFilledInTheEnd) {
  Shipping shipping;
  shipping.source.AddCommits(6, 2);
  const CommitRef early = shipping.source.commits()[3];
  const std::string pack = PackKey(shipping.source.Packs(early)[1].name);
  const std::string last = KeyOf(shipping.source.head());
  std::atomic<bool> emptying{false};
  shipping.faults.before = [&](const std::string&, std::string_view key) {
    if (key == last && emptying && shipping.target().Head(pack).ok()) {
      emptying = false;
      EXPECT_TRUE(shipping.target().Delete(pack).ok());
    }
    return OkStatus();
  };
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  emptying = true;
  shipping.EmptyTarget();
  EXPECT_TRUE(Eventually(
      [&] { return !emptying && shipping.Incomplete(CommitSeq(6)).empty(); }));
  EXPECT_TRUE(shipping.WaitForState("up to date"));
}

TEST(ShipperTest, WhatAnOldDiskLacksIsShippedAgain) {
  for (const bool lose_pack : {false, true}) {
    Shipping shipping;
    shipping.source.AddCommits(6, 2);
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    shipping.Stop();
    const CommitRef lost = shipping.source.commits()[2];
    const std::string key =
        lose_pack ? PackKey(shipping.source.Packs(lost)[1].name) : KeyOf(lost);
    ASSERT_TRUE(shipping.target().Delete(key).ok());
    shipping.source.NextGeneration();
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    EXPECT_EQ(shipping.Incomplete(CommitSeq(6)), "");
  }
}

TEST(ShipperTest, ATruncatedObjectOnTheTargetIsReplaced) {
  Shipping shipping;
  shipping.source.AddCommits(3, 1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  const PackRef pack = shipping.source.Packs(shipping.source.commits()[1])[0];
  std::filesystem::resize_file(
      JoinPath(shipping.target_path(), PackKey(pack.name)), 100);
  shipping.source.NextGeneration();
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  EXPECT_EQ(shipping.target().Head(PackKey(pack.name))->size_bytes,
            pack.size_bytes);
}

// The claim is on it, too: only what came after is not.
TEST(ShipperTest, AnOlderCopyOfTheMediumInItsPlaceIsFilledUp) {
  for (const bool quickly : {false, true}) {
    Shipping shipping;
    const std::string path = shipping.target_path();
    shipping.options.removable = true;
    if (quickly) shipping.options.recheck_nanos = 3'600'000'000'000;
    std::filesystem::rename(path, path + "-new");
    std::filesystem::create_directory_symlink(path + "-new", path);
    shipping.source.AddCommits(3, 1);
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    std::filesystem::copy(path + "-new", path + "-old",
                          std::filesystem::copy_options::recursive);
    shipping.Commit(1);
    shipping.Commit(1);
    ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(5)));
    std::filesystem::create_directory_symlink(path + "-old", path + "-swap");
    std::filesystem::rename(path + "-swap", path);
    if (quickly) shipping.Commit(0);
    const CommitSeq head = shipping.source.head().seq;
    EXPECT_TRUE(Eventually([&] { return shipping.Incomplete(head).empty(); }));
    EXPECT_EQ(shipping.Incomplete(head), "");
    shipping.Stop();
  }
}

TEST(ShipperTest, ALostStateFileIsFoundAgainOnTheTarget) {
  Shipping shipping;
  shipping.source.AddCommits(6, 2);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  const TargetStatus before = shipping.status();
  ASSERT_TRUE(Env::Posix().Remove(shipping.state_path()).ok());
  shipping.source.NextGeneration();
  shipping.faults.before = [](const std::string& operation,
                              std::string_view key) {
    const bool fails = operation == "PUT" && !key.starts_with("owner/");
    return fails ? Status(StatusCode::kIoError, "nothing to ship") : OkStatus();
  };
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  EXPECT_EQ(shipping.status().watermark, before.watermark);
  EXPECT_EQ(shipping.status().objects_held, before.objects_held);
  EXPECT_EQ(shipping.status().bytes_held, before.bytes_held);
}

TEST(ShipperTest, TheStateFileOutlivesTheShipper) {
  Shipping shipping;
  shipping.source.AddCommits(3, 2);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  const auto state = LoadTargetState(Env::Posix(), shipping.state_path());
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->status.state, "up to date");
  EXPECT_EQ(state->status.watermark, CommitSeq(3));
  EXPECT_EQ(state->watermark_name, shipping.source.head().name);
  EXPECT_EQ(state->status.objects_held, 3U + 6 + 1);
}

TEST(ShipperTest, ADamagedLocalPackIsNeverShipped) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  const CommitRef bad = shipping.source.AddCommit(3);
  const PackRef pack = shipping.source.Packs(bad)[1];
  auto bytes = shipping.source.objects().Get(PackKey(pack.name), {}, 1U << 20);
  ASSERT_TRUE(bytes.ok());
  const std::string good = *bytes;
  (*bytes)[bytes->size() / 2] ^= 1;
  const std::string path =
      shipping.source.objects().Describe();  // dir:... or the path
  const std::string root = path.starts_with("dir:") ? path.substr(4) : path;
  auto file = Env::Posix().Open(JoinPath(root, PackKey(pack.name)),
                                OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  ASSERT_TRUE((*file)->WriteAt(0, *bytes).ok());

  shipping.Start();
  EXPECT_TRUE(shipping.WaitForWatermark(CommitSeq(1)));
  ASSERT_TRUE(shipping.WaitForState("failing"));
  EXPECT_THAT(shipping.status().last_error,
              HasSubstr("the primary's copy is damaged, not shipped"));
  EXPECT_EQ(shipping.status().watermark, CommitSeq(1));
  EXPECT_FALSE(shipping.target().Head(PackKey(pack.name)).ok());
  EXPECT_FALSE(shipping.target().Head(KeyOf(bad)).ok());

  ASSERT_TRUE((*file)->WriteAt(0, good).ok());
  EXPECT_TRUE(shipping.WaitForWatermark(CommitSeq(2)));
}

TEST(ShipperTest, ATargetOfAnotherVolumeIsLeftAlone) {
  Shipping other;
  other.source.AddCommit(1);
  other.Start();
  ASSERT_TRUE(other.WaitForState("up to date"));
  other.Stop();
  const auto before = other.faults.done().size();

  TempDir dir;
  TestSource source(dir.Path("objects"));
  source.AddCommit(1);
  ShipperOptions options = other.options;
  options.state_path = dir.Path("state.json");
  Shipper shipper(RealWorld(), source, NewInstance(Random::System()), options,
                  [] {});
  shipper.Start();
  EXPECT_TRUE(Eventually([&] { return shipper.status().state == "failing"; }));
  EXPECT_THAT(shipper.status().last_error, HasSubstr("holds another volume"));
  shipper.RequestStop();
  shipper.Join();
  for (size_t i = before; i < other.faults.done().size(); ++i) {
    EXPECT_THAT(other.faults.done()[i], ::testing::Not(HasSubstr("PUT")));
  }
}

TEST(ShipperTest, AnEndInTheMiddleOfTransfersIsPrompt) {
  Shipping shipping;
  std::atomic<bool> stopped{false};
  shipping.faults.before = [&](const std::string& operation, std::string_view) {
    if (operation == "PUT") {
      Eventually([&] { return stopped.load(); }, 2);
    }
    return OkStatus();
  };
  shipping.source.AddCommits(20, 4);
  shipping.Start();
  std::thread ender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stopped = true;
  });
  shipping.Stop();
  ender.join();
  EXPECT_LT(shipping.status().watermark, CommitSeq(20));
}

TEST(ShipperTest, AStateThatCantBeReadIsNotTakenForLost) {
  Shipping shipping;
  shipping.source.AddCommit(0);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  // An opening that claims the target and commits nothing: only the state file
  // can tell whose claim it is.
  shipping.source.NextGeneration();
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  shipping.source.NextGeneration();
  Fault fault;
  fault.op = FaultOp::kRead;
  fault.path_part = "second.json";
  shipping.env.Arm(fault);
  shipping.Start();
  const CommitRef commit = shipping.Commit(0);
  EXPECT_TRUE(shipping.WaitForWatermark(commit.seq));
}

TEST(ShipperTest, ManyCommitsWaitInBoundedMemoryAndAllArrive) {
  Shipping shipping;
  shipping.source.AddCommits(150, 0);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForWatermark(CommitSeq(150)));
  EXPECT_EQ(shipping.Incomplete(CommitSeq(150)), "");
}

}  // namespace
}  // namespace trefoil::testing
