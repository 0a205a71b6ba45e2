// SPDX-License-Identifier: Apache-2.0
// Goal: when the power goes, every fsync that was acknowledged is there, and
// every file has one of the states that it had from then on: O1 and O2 on a
// real filesystem. The same test must fail when the journal is not synced.
// Method: many writers on a share whose volume lies on an ext4 of its own,
// with commits, snapshots and index flushes under way all the time; ext4's
// shutdown drops what is not written out; the daemon dies; both are mounted
// again, and each writer compares what it finds with what it remembers. The
// number of cuts is TREFOIL_ROUNDS.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/mount/crash_load.h"
#include "tests/mount/mounted_test.h"
#include "tests/power/disk.h"

namespace trefoil::testing {
namespace {

constexpr uint64_t kDiskBytes = 1ULL << 30;
constexpr int kWriters = 6;
constexpr int kControlRounds = 2;
// What is written and never given back fills the disk in the long run.
constexpr int kRoundsPerDisk = 6;

class PowerCutTest : public ::testing::Test {
 protected:
  PowerCutTest() : disk_(kDiskBytes, kDiskBytes), random_(seed_) {}

  // Lets the load run, then cuts the power.
  void RunAndCut(CrashLoad& load) {
    load.Start();
    usleep(static_cast<useconds_t>(500'000 + random_() % 2'500'000));
    disk_.CutPower();
    load.Join();
  }

  const uint64_t seed_ = std::random_device{}();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__,
                                "seed " + std::to_string(seed_)};
  DiskShare disk_;
  std::mt19937_64 random_;
};

TEST_F(PowerCutTest, AcknowledgedFsyncsSurvive) {
  const int rounds = RoundsFromEnvironment(3);
  uint64_t operations = 0;
  uint64_t fsyncs = 0;
  for (int done = 0; done < rounds;) {
    disk_.Renew();
    ASSERT_FALSE(HasFatalFailure());
    CrashLoad load(disk_.share(), kWriters, random_());
    for (int i = 0; i < kRoundsPerDisk && done < rounds; ++i, ++done) {
      ASSERT_TRUE(disk_.MountShare());
      ASSERT_EQ(load.Check(Workload::Promise::kSynced), "") << done;
      RunAndCut(load);
      ASSERT_FALSE(HasFatalFailure());
    }
    ASSERT_TRUE(disk_.MountShare());
    ASSERT_EQ(load.Check(Workload::Promise::kSynced), "");
    disk_.share().Unmount();
    disk_.share().ExpectClean();
    operations += load.operations();
    fsyncs += load.fsyncs();
  }
  EXPECT_GT(fsyncs, static_cast<uint64_t>(rounds) * 10);
  std::cout << rounds << " power cuts, " << operations << " operations, "
            << fsyncs << " of them fsync\n";
}

// Nothing but the test knows of it: the daemon is the real one.
TEST_F(PowerCutTest, AJournalThatIsNotSyncedIsNoticed) {
  for (int round = 0; round < kControlRounds; ++round) {
    disk_.Renew();
    ASSERT_FALSE(HasFatalFailure());
    CrashLoad load(disk_.share(), kWriters, random_());
    setenv("LD_PRELOAD", TREFOIL_SYNC_STUB, 1);
    setenv("TREFOIL_SYNC_STUB", "skip", 1);
    const bool mounted = disk_.MountShare();
    unsetenv("LD_PRELOAD");
    unsetenv("TREFOIL_SYNC_STUB");
    ASSERT_TRUE(mounted);
    RunAndCut(load);
    EXPECT_GT(load.fsyncs(), 10U);
    const bool lost =
        !disk_.MountShare() || !load.Check(Workload::Promise::kSynced).empty();
    EXPECT_TRUE(lost) << "round " << round;
  }
}

}  // namespace
}  // namespace trefoil::testing
