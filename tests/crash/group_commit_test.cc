// SPDX-License-Identifier: Apache-2.0
// Goal: many writers share syncs, commits run beside them, and still the power
// may go off at any operation: what was synced is there, and nothing is there
// that was begun after something that is missing was acknowledged (O1, O2).
// Method: threads append to files of their own and note on one counter when
// each operation began and ended. Afterwards each file is a prefix of its
// records, and the prefixes are compared with the notes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "fs/base/log.h"
#include "tests/crash/machine.h"
#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int kPoints = 25;
constexpr int kWriters = 4;
constexpr uint64_t kRecords = 30;
constexpr uint64_t kRecordBytes = 700;
constexpr uint64_t kRecordsPerSync = 3;

std::string FileOf(int writer) { return "w" + std::to_string(writer); }
uint64_t SeedOf(int writer, uint64_t record) {
  return static_cast<uint64_t>(writer) * 1000 + record;
}

struct Interval {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// What one thread saw.
struct Notes {
  std::vector<Interval> writes;  // acknowledged, in order; then maybe one more
  uint64_t last_sync_begin = 0;  // of those that were acknowledged
};

class GroupCommitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(LogToFile("/dev/null", LogLevel::kError).ok());
    auto formatted = Machine::Format({.seed = kSeed, .threads = true});
    ASSERT_TRUE(formatted.ok()) << formatted.status().ToString();
    prepared_ = std::move(*formatted);
    ASSERT_TRUE(prepared_->Open().ok());
    for (int i = 0; i < kWriters; ++i) {
      ASSERT_TRUE(prepared_->MakeFile(FileOf(i)).ok());
    }
    ASSERT_TRUE(prepared_->Close().ok());
  }

  // Until all is written or the machine stops.
  void RunWriters(Machine& machine);
  void WriteFile(Machine& machine, int writer);
  // How many records of a file there are.
  static uint64_t CheckFile(Machine& machine, int writer);
  void CheckOrder(const std::vector<uint64_t>& found) const;
  void TryPoint(uint64_t point);

  std::unique_ptr<Machine> prepared_;
  std::atomic<uint64_t> time_ = 1;
  std::vector<Notes> notes_;
};

void GroupCommitTest::WriteFile(Machine& machine, int writer) {
  Notes& notes = notes_[static_cast<size_t>(writer)];
  for (uint64_t i = 0; i < kRecords; ++i) {
    notes.writes.push_back({time_++, ~0ULL});
    const Status written = machine.Write(FileOf(writer), i * kRecordBytes,
                                         kRecordBytes, SeedOf(writer, i));
    if (!written.ok()) return;
    notes.writes.back().end = time_++;
    if (i % kRecordsPerSync != 0) continue;
    const uint64_t begin = time_++;
    if (!machine.Sync().ok()) return;
    notes.last_sync_begin = begin;
  }
}

void GroupCommitTest::RunWriters(Machine& machine) {
  notes_.assign(kWriters, {});
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([this, &machine, i] { WriteFile(machine, i); });
  }
  for (int i = 0; i < 3 && machine.Commit().ok(); ++i) {
  }
  for (std::thread& thread : threads) thread.join();
}

uint64_t GroupCommitTest::CheckFile(Machine& machine, int writer) {
  const auto content = machine.Read(FileOf(writer));
  EXPECT_TRUE(content.ok()) << content.status().ToString();
  if (!content.ok()) return 0;
  EXPECT_EQ(content->size() % kRecordBytes, 0U) << "a write is there in part";
  const uint64_t records = content->size() / kRecordBytes;
  for (uint64_t i = 0; i < records; ++i) {
    EXPECT_EQ(content->substr(i * kRecordBytes, kRecordBytes),
              RandomBytes(kRecordBytes, SeedOf(writer, i)))
        << FileOf(writer) << " record " << i;
  }
  return records;
}

void GroupCommitTest::CheckOrder(const std::vector<uint64_t>& found) const {
  // The latest begin of anything that is there, or of an acknowledged sync:
  // what had ended before must be there, too.
  uint64_t latest = 0;
  for (size_t i = 0; i < notes_.size(); ++i) {
    latest = std::max(latest, notes_[i].last_sync_begin);
    ASSERT_LE(found[i], notes_[i].writes.size());
    if (found[i] == 0) continue;
    latest = std::max(latest, notes_[i].writes[found[i] - 1].begin);
  }
  for (size_t i = 0; i < notes_.size(); ++i) {
    if (found[i] == notes_[i].writes.size()) continue;
    EXPECT_GT(notes_[i].writes[found[i]].end, latest)
        << "record " << found[i] << " of file " << i << " is missing";
  }
}

void GroupCommitTest::TryPoint(uint64_t point) {
  SCOPED_TRACE(fmt::format("seed {}, point {}", kSeed, point));
  const auto machine = prepared_->Fork(kSeed + point);
  ASSERT_TRUE(machine->Open().ok());
  machine->env().CrashAt(point);
  RunWriters(*machine);
  machine->Drop();
  machine->env().Crash();
  const auto opened = machine->Open();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  std::vector<uint64_t> found;
  for (int i = 0; i < kWriters; ++i) found.push_back(CheckFile(*machine, i));
  CheckOrder(found);
  machine->Drop();
  const auto report = machine->Verify();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
}

TEST_F(GroupCommitTest, LosesNothingThatWasSyncedAndKeepsTheOrder) {
  uint64_t points = 0;
  {
    const auto machine = prepared_->Fork(kSeed);
    ASSERT_TRUE(machine->Open().ok());
    const uint64_t before = machine->env().changes();
    RunWriters(*machine);
    points = machine->env().changes() - before;
  }
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kPoints && !HasFailure(); ++i) {
    TryPoint(1 + random() % points);
  }
  fmt::print("many writers: about {} crash points, {} tried with seed {}\n",
             points, kPoints, kSeed);
}

}  // namespace
}  // namespace trefoil
