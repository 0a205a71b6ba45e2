// SPDX-License-Identifier: Apache-2.0
// Goal: the journal keeps its bound: writers slow down smoothly, stop at the
// bound, go on after Trim; urgent callers are served from a reserve; a full
// disk is an answer, not a failure.
// Method: small journals filled up, a disk that fills up through FaultEnv.
#include "fs/journal/admission.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

using testing::Fault;
using testing::FaultOp;

// Time that passes only when somebody waits for it or a test says so.
class SteppingClock final : public Clock {
 public:
  int64_t WallNanos() override { return MonotonicNanos(); }
  // Every look moves it on, so that no wait is a long one.
  int64_t MonotonicNanos() override { return now_ += 50'000'000; }

 private:
  std::atomic<int64_t> now_ = 0;
};

class AdmissionTest : public JournalTest {
 protected:
  AdmissionTest() {
    env_.SkipSyncs();
    options_.capacity_bytes = 16 * kTestSegmentBytes;
  }

  Status OpenWithSteppingClock() {
    journal_.reset();
    TREFOIL_ASSIGN(
        journal_,
        Journal::Open(env_, clock_, Random::System(), path(), options_, Lsn(0),
                      [](const JournalRecord&) { return OkStatus(); }));
    return OkStatus();
  }
  void Put(uint32_t size) {
    const JournalReservation place = journal_->Reserve(Epoch(1), 0, size);
    ASSERT_TRUE(journal_->Write(place, "", std::string(size, 'x')).ok());
  }
  // What a writer thread does has come to the bound: nothing moves any more. A
  // thread that has not run for a while looks the same, early on.
  void WaitForBound() {
    JournalStats before;
    JournalStats now;
    do {
      before = journal_->stats();
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      now = journal_->stats();
    } while (now.reserved != before.reserved ||
             now.used_bytes <= options_.capacity_bytes / 2);
  }
  // Fills the journal with ordinary records until one has to wait; returns
  // how many there were. The one that waits is let go by Trim.
  uint64_t FillUp() {
    std::atomic<uint64_t> count = 0;
    std::atomic<bool> done = false;
    std::thread writer([&] {
      while (!done && journal_->Admit(6000, false).ok()) {
        if (done) break;
        Put(6000);
        ++count;
      }
    });
    WaitForBound();
    at_bound_ = journal_->stats();
    done = true;
    EXPECT_TRUE(journal_->Trim(Lsn(count)).ok());
    writer.join();
    return count;
  }

  SteppingClock clock_;
  JournalStats at_bound_;
};

TEST(Pace, GrowsSmoothlyFromNothing) {
  constexpr uint64_t kBound = 1'000'000;
  EXPECT_EQ(PaceNanosPerMiB(0, kBound), 0);
  EXPECT_EQ(PaceNanosPerMiB(600'000, kBound), 0);
  int64_t last = 0;
  for (uint64_t used = 600'000; used <= 1'100'000; used += 1000) {
    const int64_t pace = PaceNanosPerMiB(used, kBound);
    EXPECT_GE(pace, last);
    EXPECT_LE(pace - last, 3'000'000) << "a jump at " << used;
    last = pace;
  }
  EXPECT_EQ(last, 250'000'000);
}

TEST_F(AdmissionTest, WritersStopAtTheBoundUntilTrim) {
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  const uint64_t count = FillUp();
  // All but the reserve, and what segments leave unused at their ends.
  EXPECT_GT(count * 6000, options_.capacity_bytes / 2);
  EXPECT_LT(at_bound_.used_bytes, options_.capacity_bytes);
  EXPECT_EQ(at_bound_.capacity_bytes, options_.capacity_bytes);
  EXPECT_LE(Names("").size(), 16U);
  EXPECT_TRUE(journal_->Admit(6000, false).ok());
}

TEST_F(AdmissionTest, UrgentCallersAreServedAtTheBound) {
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  std::atomic<bool> stopped = false;
  uint64_t count = 0;
  std::thread writer([&] {
    while (journal_->Admit(6000, false).ok() && !stopped) Put(6000), ++count;
  });
  WaitForBound();
  uint64_t urgent = 0;
  Status refused;
  while (urgent < 1000) {
    refused = journal_->Admit(3000, true);
    if (!refused.ok()) break;
    Put(3000);
    ++urgent;
  }
  EXPECT_TRUE(refused.Is(StatusCode::kNoSpace)) << refused.ToString();
  // The reserve is a quarter of sixteen segments.
  EXPECT_GT(urgent * 3000, 3 * kTestSegmentBytes);
  stopped = true;
  ASSERT_TRUE(journal_->Trim(journal_->stats().reserved).ok());
  writer.join();
}

TEST_F(AdmissionTest, CancelGivesBack) {
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(journal_->Admit(20'000, false).ok());
    journal_->Cancel(20'000);
    ASSERT_TRUE(journal_->Admit(20'000, true).ok());
    journal_->Cancel(20'000);
  }
  EXPECT_EQ(journal_->stats().reserved, Lsn(0));
}

TEST_F(AdmissionTest, WhatIsAdmittedAlwaysFindsItsPlace) {
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  for (int round = 0; round < 30; ++round) {
    std::vector<uint32_t> sizes;
    for (uint32_t i = 0; i < 12; ++i) {
      sizes.push_back(i * 7919 % 9000);
      ASSERT_TRUE(journal_->Admit(sizes.back(), i % 5 == 0).ok());
    }
    for (const uint32_t size : sizes) Put(size);
    ASSERT_TRUE(journal_->Trim(journal_->stats().reserved).ok());
    ASSERT_LE(Names("").size(), 16U);
  }
}

TEST_F(AdmissionTest, ARecordThatNoSegmentHoldsIsRefused) {
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  EXPECT_TRUE(journal_->Admit(1 << 20, false).Is(StatusCode::kInvalidArgument));
}

TEST_F(AdmissionTest, AFullDiskIsAnAnswerAndPasses) {
  Fault fault;
  fault.op = FaultOp::kWrite;
  fault.nth = 6;  // the sixth new segment
  fault.error = ENOSPC;
  fault.path_part = "new-";
  env_.Arm(fault);
  ASSERT_TRUE(OpenWithSteppingClock().ok());
  uint64_t count = 0;
  Status refused;
  while (count < 1000) {
    refused = journal_->Admit(6000, false);
    if (!refused.ok()) break;
    Put(6000);
    ++count;
  }
  EXPECT_TRUE(refused.Is(StatusCode::kNoSpace)) << refused.ToString();
  // The journal is sound: urgent records pass, and all is synced.
  ASSERT_TRUE(journal_->Admit(6000, true).ok());
  Put(6000);
  ASSERT_TRUE(journal_->SyncAll().ok());
  env_.Disarm();
  // Later there is space again.
  for (int i = 0; i < 1000 && !refused.ok(); ++i) {
    refused = journal_->Admit(6000, false);
  }
  ASSERT_TRUE(refused.ok()) << refused.ToString();
  Put(6000);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(replayed_.size(), count + 2);
}

}  // namespace
}  // namespace trefoil::journal
