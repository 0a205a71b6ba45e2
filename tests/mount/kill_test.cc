// SPDX-License-Identifier: Apache-2.0
// Goal: kill -9 of the daemon loses no acknowledged write, and the share comes
// back by mounting it again (O1, O2).
// Method: many writers change files in every way until the mount dies under
// them, while commits and snapshots are made; after a new mount each finds the
// state of its last acknowledged operation, or the one in flight too. The
// number of rounds is TREFOIL_ROUNDS.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/mount/crash_load.h"
#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

constexpr int kWriters = 8;

TEST(KillTest, AcknowledgedOperationsSurvive) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const int rounds = RoundsFromEnvironment(10);
  Share share;
  share.Init();
  CrashLoad load(share, kWriters, seed);
  for (int round = 0; round < rounds; ++round) {
    share.Mount({"-o", "commit_interval=1s"});
    ASSERT_EQ(load.Check(Workload::Promise::kAcknowledged), "") << round;
    load.Start();
    usleep(static_cast<useconds_t>(50'000 + random() % 1'200'000));
    share.KillDaemon();
    load.Join();
  }
  share.Mount();
  EXPECT_EQ(load.Check(Workload::Promise::kAcknowledged), "");
  share.Unmount();
  share.ExpectClean();
  EXPECT_GT(load.operations(), static_cast<uint64_t>(rounds) * 10);
  std::cout << rounds << " kills, " << load.operations() << " operations, "
            << load.fsyncs() << " of them fsync\n";
}

}  // namespace
}  // namespace trefoil::testing
