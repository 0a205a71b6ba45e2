// SPDX-License-Identifier: Apache-2.0
// Goal: many writers at once, reading back, trimming and recycling.
// Method: threads, and comparison with what was written.
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

using WriteTest = JournalTest;

TEST_F(WriteTest, DataAreReadFromAnyOffset) {
  ASSERT_TRUE(Open().ok());
  for (const size_t size : {1U, 4095U, 4096U, 4097U, 20'000U}) {
    const std::string data = Pattern(size, size);
    const JournalReservation place = Append("meta", data);
    for (const size_t offset :
         {size_t{0}, size / 3, size / 2, size - 1, size}) {
      for (const size_t length : {size_t{0}, size_t{1}, size - offset}) {
        if (offset + length > size) continue;
        JournalPosition at = place.position;
        at.data_offset = static_cast<uint32_t>(offset);
        EXPECT_EQ(Read(at, length).value(), data.substr(offset, length));
      }
    }
    JournalPosition beyond = place.position;
    beyond.data_offset = 1;
    EXPECT_FALSE(Read(beyond, size).ok());
  }
}

TEST_F(WriteTest, DamageIsConfinedToItsPiece) {
  ASSERT_TRUE(Open().ok());
  const std::string data = Pattern(20'000, 1);
  const JournalReservation place = Append("meta", data);
  const uint32_t offset = place.position.record_offset;
  std::string content = Content(1);
  content[offset + LayoutOf(offset, 4, 20'000).data_start + 9000] ^= 1;
  SetContent(1, content);
  for (uint32_t piece = 0; piece < 5; ++piece) {
    JournalPosition at = place.position;
    at.data_offset = piece * 4096;
    const size_t size = std::min<size_t>(4096, 20'000 - at.data_offset);
    const Result<std::string> got = Read(at, size);
    if (piece == 2) {
      EXPECT_TRUE(got.status().Is(StatusCode::kCorruption));
      EXPECT_NE(got.status().message().find("segment 1"), std::string::npos);
    } else {
      EXPECT_EQ(got.value(), data.substr(at.data_offset, size));
    }
  }
}

TEST_F(WriteTest, APositionThatHoldsNoRecordIsRefused) {
  ASSERT_TRUE(Open().ok());
  const JournalReservation place = Append("meta", "data");
  JournalPosition wrong = place.position;
  wrong.record_offset += 16;
  EXPECT_TRUE(Read(wrong, 1).status().Is(StatusCode::kCorruption));
  wrong.segment_no = 99;
  EXPECT_TRUE(Read(wrong, 1).status().Is(StatusCode::kNotFound));
}

TEST_F(WriteTest, WritesMayEndInAnyOrder) {
  ASSERT_TRUE(Open().ok());
  std::vector<JournalReservation> places;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(journal_->Admit(1, false).ok());
    places.push_back(journal_->Reserve(Epoch(1), 1, 0));
  }
  EXPECT_EQ(journal_->stats().reserved, Lsn(4));
  for (const size_t i : {3U, 1U, 2U}) {
    ASSERT_TRUE(journal_->Write(places[i], std::to_string(i), "").ok());
    EXPECT_EQ(journal_->stats().written, Lsn(0));
  }
  std::thread waiter([&] { EXPECT_TRUE(journal_->WaitWritten(Lsn(4)).ok()); });
  ASSERT_TRUE(journal_->Write(places[0], "0", "").ok());
  waiter.join();
  EXPECT_EQ(journal_->stats().written, Lsn(4));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "0,1,2,3");
}

TEST_F(WriteTest, ConcurrentWritersShareSyncs) {
  constexpr int kThreads = 8;
  constexpr int kRecords = 200;
  ASSERT_TRUE(Open().ok());
  const uint64_t syncs_before = env_.count(testing::FaultOp::kSync);
  std::mutex sequencer;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRecords; ++i) {
        const std::string meta = std::to_string(t) + ":" + std::to_string(i);
        ASSERT_TRUE(journal_->Admit(meta.size() + 64, false).ok());
        JournalReservation place;
        {
          const std::lock_guard<std::mutex> lock(sequencer);
          place = journal_->Reserve(Epoch(1),
                                    static_cast<uint32_t>(meta.size()), 64);
        }
        ASSERT_TRUE(journal_->Write(place, meta, Pattern(64, 1)).ok());
        ASSERT_TRUE(journal_->Sync(place.lsn).ok());
        ASSERT_GE(journal_->stats().durable, place.lsn);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const JournalStats stats = journal_->stats();
  EXPECT_EQ(stats.durable, Lsn(kThreads * kRecords));
  EXPECT_LT(stats.syncs, uint64_t{kThreads * kRecords} / 2);
  // One file, or two where the journal rolled meanwhile.
  EXPECT_LE(env_.count(testing::FaultOp::kSync) - syncs_before,
            stats.syncs + Names(".seg").size());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(replayed_.size(), size_t{kThreads * kRecords});
}

TEST_F(WriteTest, ReadersWritersAndTrimRunTogether) {
  constexpr int kThreads = 4;
  constexpr uint64_t kRecords = 300;
  ASSERT_TRUE(Open().ok());
  std::mutex sequencer;
  std::mutex done_mutex;
  std::set<uint64_t> done;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kRecords; ++i) {
        ASSERT_TRUE(journal_->Admit(3001, false).ok());
        JournalReservation place;
        {
          const std::lock_guard<std::mutex> lock(sequencer);
          place = journal_->Reserve(Epoch(1), 1, 3000);
        }
        const std::string data = Pattern(3000, place.lsn.value);
        ASSERT_TRUE(journal_->Write(place, "m", data).ok());
        ASSERT_EQ(Read(place.position, 3000).value(), data);
        uint64_t below = 0;
        {
          const std::lock_guard<std::mutex> lock(done_mutex);
          done.insert(place.lsn.value);
          // Everything up to here has been read by its writer.
          for (const uint64_t lsn : done) {
            if (lsn != below + 1) break;
            below = lsn;
          }
        }
        if (i % 10 == 9) {
          ASSERT_TRUE(journal_->Sync(place.lsn).ok());
          ASSERT_TRUE(journal_->Trim(Lsn(below)).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(Names("").size(),
            options_.capacity_bytes / options_.segment_size_bytes);
}

// The reader has found the segment; before it reads, the file is another's.
TEST_F(WriteTest, ASegmentRecycledUnderAReaderIsATrimmedOne) {
  ASSERT_TRUE(Open().ok());
  const JournalReservation place = Append("m", Pattern(3000, 1));
  bool recycled = false;
  env_.OnRead([&](const std::string&) {
    if (std::exchange(recycled, true)) return;
    // More rolls than there are spare segments.
    for (uint64_t i = 2; i <= 500; ++i) {
      Append("m", Pattern(3000, i));
      if (i % 20 != 0) continue;
      ASSERT_TRUE(journal_->SyncAll().ok());
      ASSERT_TRUE(journal_->Trim(Lsn(i)).ok());
    }
  });
  const Result<std::string> read = Read(place.position, 3000);
  EXPECT_TRUE(recycled);
  EXPECT_EQ(read.status().code(), StatusCode::kNotFound)
      << read.status().ToString();
}

TEST_F(WriteTest, TrimRecyclesOnlyWhatItPassed) {
  ASSERT_TRUE(Open().ok());
  std::vector<JournalReservation> places;
  for (uint64_t i = 1; i <= 100; ++i) {
    places.push_back(Append("m", Pattern(3000, i)));
  }
  ASSERT_TRUE(journal_->SyncAll().ok());
  const uint64_t before = journal_->stats().used_bytes;
  ASSERT_TRUE(journal_->Trim(Lsn(50)).ok());
  EXPECT_LT(journal_->stats().used_bytes, before);
  for (uint64_t i = 51; i <= 100; ++i) {
    EXPECT_EQ(Read(places[i - 1].position, 3000).value(), Pattern(3000, i));
  }
  ASSERT_TRUE(journal_->Trim(Lsn(100)).ok());
  EXPECT_EQ(Names(".seg").size(), 1U);
}

}  // namespace
}  // namespace trefoil::journal
