// SPDX-License-Identifier: Apache-2.0
// Goal: what was written is replayed, in order, from any LSN, through any
// number of openings; LSNs go on without a gap.
// Method: write, close, open, compare.
#include <gtest/gtest.h>

#include <random>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

using ReopenTest = JournalTest;

TEST_F(ReopenTest, ANewJournalIsEmptyAndStartsAfterFrom) {
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(replayed_.empty());
  EXPECT_EQ(Append("a").lsn, Lsn(1));
  Wipe();
  ASSERT_TRUE(Open(41).ok());
  EXPECT_EQ(Append("a").lsn, Lsn(42));
}

TEST_F(ReopenTest, RecordsComeBackInOrderWithAllTheyHad) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 200; ++i) {
    const size_t size = i * 37 % 9000;
    Append("meta" + std::to_string(i), Pattern(size, i), i / 10 + 1);
  }
  ASSERT_TRUE(Open().ok());
  ASSERT_EQ(replayed_.size(), 200U);
  EXPECT_GT(Names(".seg").size(), 3U);
  for (uint64_t i = 1; i <= 200; ++i) {
    const Replayed& record = replayed_[i - 1];
    EXPECT_EQ(record.lsn, i);
    EXPECT_EQ(record.epoch, i / 10 + 1);
    EXPECT_EQ(record.meta, "meta" + std::to_string(i));
    EXPECT_EQ(Read(record.data, record.data_length).value(),
              Pattern(i * 37 % 9000, i));
  }
}

TEST_F(ReopenTest, ReplayBeginsAfterFrom) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 100; ++i) {
    Append(std::to_string(i), Pattern(3000, i));
  }
  for (const uint64_t from : {0U, 1U, 17U, 50U, 99U, 100U}) {
    ASSERT_TRUE(Open(from).ok());
    ASSERT_EQ(replayed_.size(), 100 - from);
    if (!replayed_.empty()) {
      EXPECT_EQ(replayed_.front().lsn, from + 1);
    }
  }
}

TEST_F(ReopenTest, ManyOpeningsFormOneJournal) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  // Each opening starts a segment, and nothing is trimmed.
  options_.capacity_bytes = 64 * kTestSegmentBytes;
  std::vector<std::string> expected;
  for (int opening = 0; opening < 30; ++opening) {
    ASSERT_TRUE(Open().ok());
    ASSERT_EQ(replayed_.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(replayed_[i].meta, expected[i]);
    }
    for (unsigned i = random() % 4; i > 0; --i) {
      expected.push_back(Pattern(random() % 500, random()));
      EXPECT_EQ(Append(expected.back(), Pattern(random() % 5000, 1)).lsn,
                Lsn(expected.size()));
      if (random() % 2 == 0) {
        ASSERT_TRUE(journal_->SyncAll().ok());
      }
    }
  }
}

TEST_F(ReopenTest, OpeningsWithoutRecordsLeaveNoSegments) {
  ASSERT_TRUE(Open().ok());
  Append("a");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Names(".seg").size(), 2U);
  EXPECT_EQ(ReplayedMetas(), "a");
}

TEST_F(ReopenTest, AJournalWhollyBelowFromGoesOnAfterFrom) {
  ASSERT_TRUE(Open().ok());
  Append("a");
  Append("b");
  ASSERT_TRUE(Open(10).ok());
  EXPECT_TRUE(replayed_.empty());
  EXPECT_EQ(Append("c").lsn, Lsn(11));
  ASSERT_TRUE(Open(10).ok());
  EXPECT_EQ(ReplayedMetas(), "c");
  // The records between are not there.
  EXPECT_TRUE(Open(1).Is(StatusCode::kCorruption));
  EXPECT_TRUE(Open(0).Is(StatusCode::kCorruption));
  EXPECT_TRUE(Open(9).Is(StatusCode::kCorruption));
  EXPECT_TRUE(Open(11).ok());
}

TEST_F(ReopenTest, ATrimmedJournalIsRefusedBelowItsStart) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 100; ++i) {
    Append(std::to_string(i), Pattern(3000, i));
  }
  ASSERT_TRUE(journal_->SyncAll().ok());
  ASSERT_TRUE(journal_->Trim(Lsn(70)).ok());
  ASSERT_TRUE(Open(70).ok());
  EXPECT_EQ(replayed_.size(), 30U);
  EXPECT_TRUE(Open(1).Is(StatusCode::kCorruption));
  EXPECT_TRUE(Open(0).Is(StatusCode::kCorruption));
  ASSERT_TRUE(Open(99).ok());
  EXPECT_EQ(ReplayedMetas(), "100");
}

TEST_F(ReopenTest, AMissingSegmentIsCorruption) {
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 1; i <= 100; ++i) {
    Append(std::to_string(i), Pattern(3000, i));
    ASSERT_TRUE(journal_->SyncAll().ok());
  }
  journal_.reset();
  ASSERT_TRUE(Env::Posix().Remove(SegmentPath(3)).ok());
  EXPECT_TRUE(Open().Is(StatusCode::kCorruption));
  ASSERT_TRUE(Open(99).ok());
}

TEST_F(ReopenTest, AnErrorOfTheCallbackEndsTheOpening) {
  ASSERT_TRUE(Open().ok());
  Append("a");
  journal_.reset();
  const Result<std::unique_ptr<Journal>> opened =
      Journal::Open(env_, Clock::Real(), Random::System(), path(), options_,
                    Lsn(0), [](const JournalRecord&) {
                      return Status(StatusCode::kNewerFormat, "unknown");
                    });
  EXPECT_TRUE(opened.status().Is(StatusCode::kNewerFormat));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "a");
}

TEST_F(ReopenTest, AnotherSegmentSizeIsNoHindrance) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 20; ++i) Append("a", Pattern(9000, 1));
  options_ = {2 * kTestSegmentBytes, 64 * kTestSegmentBytes};
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(replayed_.size(), 20U);
  for (int i = 0; i < 20; ++i) Append("b", Pattern(50'000, 1));
  ASSERT_TRUE(journal_->Trim(Lsn(39)).ok());
  ASSERT_TRUE(Open(39).ok());
  EXPECT_EQ(ReplayedMetas(), "b");
  for (const std::string& name : Names("spare-")) {
    EXPECT_EQ(Env::Posix().Stat(JoinPath(path(), name))->size_bytes,
              2 * kTestSegmentBytes);
  }
}

TEST_F(ReopenTest, OptionsThatMakeNoSenseAreRefused) {
  options_ = {4096, 1 << 20};
  EXPECT_TRUE(Open().Is(StatusCode::kInvalidArgument));
  options_ = {64 << 10, 128 << 10};
  EXPECT_TRUE(Open().Is(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trefoil::journal
