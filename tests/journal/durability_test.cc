// SPDX-License-Identifier: Apache-2.0
// Goal: a sync that returns OK was one (O1): what it must reach is reached,
// and after any failure no later call claims success.
// Method: count and fail operations through FaultEnv.
#include <gtest/gtest.h>

#include <thread>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

using testing::Fault;
using testing::FaultOp;

class DurabilityTest : public JournalTest {
 protected:
  static Fault Fail(FaultOp op, uint64_t nth = 1) {
    Fault fault;
    fault.op = op;
    fault.nth = nth;
    fault.path_part = ".seg";
    return fault;
  }
  void ExpectPoisoned() {
    EXPECT_FALSE(journal_->SyncAll().ok());
    EXPECT_FALSE(journal_->Sync(Lsn(1)).ok());
    EXPECT_FALSE(journal_->Admit(1, false).ok());
    EXPECT_FALSE(journal_->Admit(1, true).ok());
    const JournalReservation place = journal_->Reserve(Epoch(1), 1, 0);
    EXPECT_FALSE(journal_->Write(place, "x", "").ok());
    EXPECT_FALSE(journal_->WaitWritten(place.lsn).ok());
    EXPECT_FALSE(journal_->Sync(place.lsn).ok());
  }
};

TEST_F(DurabilityTest, ASyncReachesTheFileOnceForAll) {
  ASSERT_TRUE(Open().ok());
  const uint64_t before = env_.count(FaultOp::kSync);
  for (int i = 0; i < 10; ++i) Append("m");
  ASSERT_TRUE(journal_->SyncAll().ok());
  EXPECT_EQ(env_.count(FaultOp::kSync), before + 1);
  ASSERT_TRUE(journal_->SyncAll().ok());
  ASSERT_TRUE(journal_->Sync(Lsn(5)).ok());
  EXPECT_EQ(env_.count(FaultOp::kSync), before + 1);
  EXPECT_EQ(journal_->stats().durable, Lsn(10));
}

TEST_F(DurabilityTest, ASyncReachesEverySegmentTouchedAndTheDirectory) {
  ASSERT_TRUE(Open().ok());
  const uint64_t syncs = env_.count(FaultOp::kSync);
  const uint64_t dir_syncs = env_.count(FaultOp::kSyncDir);
  while (Names(".seg").size() < 3) Append("m", Pattern(3000, 1));
  ASSERT_TRUE(journal_->SyncAll().ok());
  EXPECT_EQ(env_.count(FaultOp::kSync), syncs + 3);
  EXPECT_EQ(env_.count(FaultOp::kSyncDir), dir_syncs + 1);
  Append("m");
  ASSERT_TRUE(journal_->SyncAll().ok());
  EXPECT_EQ(env_.count(FaultOp::kSync), syncs + 4);
  EXPECT_EQ(env_.count(FaultOp::kSyncDir), dir_syncs + 1);
}

TEST_F(DurabilityTest, AFailedSyncIsNeverForgotten) {
  ASSERT_TRUE(Open().ok());
  const std::string data = Pattern(100, 1);
  const JournalReservation place = Append("m", data);
  env_.Arm(Fail(FaultOp::kSync));
  const Status failed = journal_->SyncAll();
  EXPECT_TRUE(failed.Is(StatusCode::kIoError));
  env_.Disarm();
  EXPECT_EQ(journal_->stats().durable, Lsn(0));
  ExpectPoisoned();
  // Reads go on.
  EXPECT_EQ(Read(place.position, 100).value(), data);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "m");
}

TEST_F(DurabilityTest, AFailedDirectorySyncIsNeverForgotten) {
  ASSERT_TRUE(Open().ok());
  while (Names(".seg").size() < 2) Append("m", Pattern(3000, 1));
  Fault fault = Fail(FaultOp::kSyncDir);
  fault.path_part = "";
  env_.Arm(fault);
  EXPECT_FALSE(journal_->SyncAll().ok());
  env_.Disarm();
  ExpectPoisoned();
}

TEST_F(DurabilityTest, AFailedWriteStopsWhatComesAfterIt) {
  for (const size_t torn_bytes : {size_t{0}, size_t{50}, size_t{3000}}) {
    Wipe();
    ASSERT_TRUE(Open().ok());
    Append("good");
    ASSERT_TRUE(journal_->Admit(6000, false).ok());
    const JournalReservation bad = journal_->Reserve(Epoch(1), 3, 5000);
    ASSERT_TRUE(journal_->Admit(5, false).ok());
    const JournalReservation next = journal_->Reserve(Epoch(1), 5, 0);
    // The later one is written first, and waits in vain.
    ASSERT_TRUE(journal_->Write(next, "later", "").ok());
    std::thread waiter([&] { EXPECT_FALSE(journal_->Sync(next.lsn).ok()); });
    Fault fault = Fail(FaultOp::kWrite);
    fault.torn_bytes = torn_bytes;
    env_.Arm(fault);
    EXPECT_FALSE(journal_->Write(bad, "bad", Pattern(5000, 1)).ok());
    env_.Disarm();
    waiter.join();
    EXPECT_TRUE(journal_->WaitWritten(Lsn(1)).ok());
    EXPECT_FALSE(journal_->WaitWritten(next.lsn).ok());
    ExpectPoisoned();
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(ReplayedMetas(), "good");
  }
}

TEST_F(DurabilityTest, AFailedRollIsAFailedWrite) {
  for (const FaultOp op : {FaultOp::kRename, FaultOp::kWrite}) {
    Wipe();
    ASSERT_TRUE(Open().ok());
    Append("good");
    Fault fault = Fail(op);
    fault.path_part = SegmentName(2);
    while (journal_->stats().used_bytes < kTestSegmentBytes - 4000) {
      Append("good", Pattern(3000, 1));
    }
    ASSERT_TRUE(journal_->Admit(3004, false).ok());
    env_.Arm(fault);
    const JournalReservation place = journal_->Reserve(Epoch(1), 4, 5000);
    ASSERT_EQ(place.position.segment_no, 2U);
    EXPECT_FALSE(journal_->Write(place, "lost", Pattern(5000, 1)).ok());
    EXPECT_TRUE(env_.struck());
    env_.Disarm();
    ExpectPoisoned();
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(replayed_.back().lsn, place.lsn.value - 1);
  }
}

TEST_F(DurabilityTest, AnOpeningThatFailsAnywhereLosesNothing) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 30; ++i) Append("m", Pattern(3000, 1));
  for (uint64_t nth = 1;; ++nth) {
    Fault fault;
    fault.op = FaultOp::kAnyChange;
    fault.nth = nth;
    fault.sticky = true;
    fault.torn_bytes = 60;
    env_.Arm(fault);
    const Status opened = Open();
    const bool struck = env_.struck();
    journal_.reset();
    env_.Disarm();
    if (opened.ok()) break;
    ASSERT_TRUE(struck) << opened.ToString();
    ASSERT_TRUE(Open().ok());
    ASSERT_EQ(replayed_.size(), 30U);
    ASSERT_LT(nth, 1000U);
  }
}

TEST_F(DurabilityTest, ACrashAtAnyOperationKeepsEveryAcknowledgedRecord) {
  for (uint64_t nth = 1; nth < 120; nth += 3) {
    Wipe();
    ASSERT_TRUE(Open().ok());
    Fault fault;
    fault.op = FaultOp::kAnyChange;
    fault.nth = nth;
    fault.sticky = true;
    fault.torn_bytes = nth * 13 % 500;
    env_.Arm(fault);
    uint64_t written = 0;
    for (uint64_t i = 1; i <= 60; ++i) {
      if (!journal_->Admit(3001, false).ok()) break;
      const JournalReservation place = journal_->Reserve(Epoch(1), 1, 3000);
      if (!journal_->Write(place, "m", Pattern(3000, i)).ok()) break;
      written = i;
      if (i % 3 == 0 && !journal_->SyncAll().ok()) break;
    }
    journal_.reset();
    env_.Disarm();
    ASSERT_TRUE(Open().ok());
    ASSERT_EQ(replayed_.size(), written) << nth;
    for (const Replayed& record : replayed_) {
      ASSERT_EQ(Read(record.data, 3000).value(), Pattern(3000, record.lsn));
    }
  }
}

}  // namespace
}  // namespace trefoil::journal
