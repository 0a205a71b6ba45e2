// SPDX-License-Identifier: Apache-2.0
// Goal: the simulated disk keeps what was synced, may lose anything else, and
// fails as it is told.
// Method: each property is shown once; what may be lost is looked for over
// many seeds, until both outcomes were seen.
#include "tests/support/sim_env.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/sim_world.h"

namespace trefoil {
namespace {

constexpr uint64_t kSeeds = 256;

Status Put(Env& env, const std::string& path, const std::string& data,
           bool sync = false) {
  TREFOIL_ASSIGN(const auto file, env.Open(path, OpenMode::kCreate));
  TREFOIL_TRY(file->WriteAt(0, data));
  return sync ? file->Sync() : OkStatus();
}

std::string Get(Env& env, const std::string& path) {
  const auto content = env.ReadFile(path, 1 << 20);
  return content.ok() ? *content : "(none)";
}

// What `prepare` leaves of what `look` sees, over many cuts.
template <class Prepare, class Look>
auto Outcomes(const Prepare& prepare, const Look& look) {
  std::set<decltype(look(std::declval<SimEnv&>()))> outcomes;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimEnv env({.seed = seed});
    prepare(env);
    env.Crash();
    outcomes.insert(look(env));
  }
  return outcomes;
}

TEST(SimEnv, SyncedDataUnderASyncedNameStay) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/f", "data", true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
      },
      [](SimEnv& env) { return Get(env, "/f"); });
  EXPECT_EQ(seen, std::set<std::string>{"data"});
}

TEST(SimEnv, ANameThatWasNotSyncedMayBeLostWithItsData) {
  const auto seen = Outcomes(
      [](SimEnv& env) { EXPECT_TRUE(Put(env, "/f", "data", true).ok()); },
      [](SimEnv& env) { return Get(env, "/f"); });
  EXPECT_EQ(seen, (std::set<std::string>{"(none)", "data"}));
}

TEST(SimEnv, UnsyncedSectorsAreLostOneByOne) {
  const std::string old_data(4096, 'o');
  const auto seen = Outcomes(
      [&](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/f", old_data, true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        EXPECT_TRUE(Put(env, "/f", std::string(1100, 'n')).ok());
      },
      [](SimEnv& env) {
        const std::string now = Get(env, "/f");
        EXPECT_EQ(now.substr(1536), std::string(4096 - 1536, 'o'));
        // The sectors are whole: the third had old bytes beside new ones.
        EXPECT_EQ(now.substr(0, 512), std::string(512, now[0]));
        EXPECT_EQ(now.substr(512, 512), std::string(512, now[512]));
        return std::string{now[0], now[512], now[1024]};
      });
  EXPECT_EQ(seen.size(), 8U);  // every combination
}

TEST(SimEnv, AnUnsyncedSizeIsAnyThatItHad) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/f", std::string(100, 'a'), true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        const auto file = *env.Open("/f", OpenMode::kReadWrite);
        EXPECT_TRUE(file->Truncate(10).ok());
        EXPECT_TRUE(file->Truncate(0).ok());
        EXPECT_TRUE(file->WriteAt(0, std::string(50, 'b')).ok());
      },
      [](SimEnv& env) { return env.Stat("/f")->size_bytes; });
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 10, 50, 100}));
}

TEST(SimEnv, DataBelowANewEndAreThereUnlessUnordered) {
  for (const bool unordered : {false, true}) {
    std::set<std::string> seen;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SimEnv env({.seed = seed, .unordered = unordered});
      EXPECT_TRUE(Put(env, "/f", "old", true).ok());
      EXPECT_TRUE(env.SyncDir("/").ok());
      const auto file = *env.Open("/f", OpenMode::kReadWrite);
      EXPECT_TRUE(file->WriteAt(3, std::string(1000, 'n')).ok());
      env.Crash();
      const std::string now = Get(env, "/f");
      seen.insert(now.substr(0, 4) + (now.size() > 999 ? now.substr(999) : ""));
    }
    EXPECT_TRUE(seen.contains("old"));
    EXPECT_TRUE(seen.contains("oldnnnnn"));
    EXPECT_EQ(seen.size() > 2, unordered);
  }
}

TEST(SimEnv, ARenameIsThereOrNotButNeverHalf) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/a", "new", true).ok());
        EXPECT_TRUE(Put(env, "/b", "old", true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        EXPECT_TRUE(env.Rename("/a", "/b").ok());
      },
      [](SimEnv& env) { return Get(env, "/a") + "," + Get(env, "/b"); });
  EXPECT_EQ(seen, (std::set<std::string>{"(none),new", "new,old"}));
}

TEST(SimEnv, RemovalsAndLinksMayBeUndone) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/a", "data", true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        EXPECT_TRUE(env.Link("/a", "/b").ok());
        EXPECT_TRUE(env.Remove("/a").ok());
      },
      [](SimEnv& env) { return Get(env, "/a") + "," + Get(env, "/b"); });
  // Without both names the file is gone: inodes don't keep themselves.
  EXPECT_EQ(seen, (std::set<std::string>{"(none),(none)", "(none),data",
                                         "data,(none)", "data,data"}));
}

TEST(SimEnv, ADirectoryIsSyncedByItsParent) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(env.CreateDir("/d").ok());
        EXPECT_TRUE(Put(env, "/d/f", "data", true).ok());
        EXPECT_TRUE(env.SyncDir("/d").ok());
      },
      [](SimEnv& env) { return Get(env, "/d/f"); });
  EXPECT_EQ(seen, (std::set<std::string>{"(none)", "data"}));
}

TEST(SimEnv, WhatWasOpenBeforeACutAnswersErrors) {
  SimEnv env;
  ASSERT_TRUE(Put(env, "/f", "data", true).ok());
  ASSERT_TRUE(env.SyncDir("/").ok());
  auto file = *env.Open("/f", OpenMode::kReadWrite);
  auto lock = *env.Lock("/f");
  EXPECT_TRUE(env.Lock("/f").status().Is(StatusCode::kBusy));
  env.Crash();
  EXPECT_FALSE(file->WriteAt(0, "late").ok());
  EXPECT_FALSE(file->Sync().ok());
  auto fresh = env.Lock("/f");
  EXPECT_TRUE(fresh.ok());
  lock.reset();  // takes nothing from the new holder
  EXPECT_TRUE(env.Lock("/f").status().Is(StatusCode::kBusy));
  EXPECT_EQ(Get(env, "/f"), "data");
}

TEST(SimEnv, AKilledProcessLeavesAllThatItWrote) {
  SimEnv env;
  ASSERT_TRUE(Put(env, "/f", "data").ok());
  env.Kill();
  EXPECT_EQ(Get(env, "/f"), "data");
}

TEST(SimEnv, StopsAtTheNthChange) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimEnv env({.seed = seed});
    env.CrashAt(2);
    EXPECT_TRUE(env.CreateDir("/first").ok());
    EXPECT_TRUE(env.Stat("/first").ok());  // no change: not counted
    EXPECT_FALSE(env.CreateDir("/second").ok());
    EXPECT_TRUE(env.crashed());
    EXPECT_FALSE(env.CreateDir("/third").ok());
    EXPECT_FALSE(env.Stat("/first").ok());
    env.Kill();
    EXPECT_TRUE(env.Exists("/first"));
    EXPECT_FALSE(env.Exists("/third"));
    seen.insert(env.Exists("/second") ? "done" : "not done");
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST(SimEnv, FailsByOrdinalAndPath) {
  SimEnv env;
  SimFault fault;
  fault.op = SimOp::kWrite;
  fault.path_part = "bad";
  fault.skip = 1;
  env.Inject(fault);
  EXPECT_TRUE(Put(env, "/good", "1").ok());
  EXPECT_TRUE(Put(env, "/bad", "1").ok());
  EXPECT_TRUE(Put(env, "/bad", "2").Is(StatusCode::kIoError));
  EXPECT_TRUE(Put(env, "/bad", "3").ok());
  EXPECT_EQ(env.struck(), 1U);
}

TEST(SimEnv, FailsByPredicateUntilCleared) {
  SimEnv env;
  SimFault fault;
  fault.matches = [](const SimOperation& operation) {
    return operation.op == SimOp::kRead && operation.offset == 0;
  };
  fault.times = ~0ULL;
  env.Inject(fault);
  ASSERT_TRUE(Put(env, "/f", "data").ok());
  EXPECT_EQ(Get(env, "/f"), "(none)");
  env.ClearFaults();
  EXPECT_EQ(Get(env, "/f"), "data");
}

TEST(SimEnv, AFailedSyncIsNotMadeGoodByTheNext) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/f", std::string(512, 'o'), true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        SimFault fault;
        fault.op = SimOp::kSync;
        env.Inject(fault);
        const auto file = *env.Open("/f", OpenMode::kReadWrite);
        EXPECT_TRUE(file->WriteAt(0, std::string(512, 'n')).ok());
        EXPECT_FALSE(file->Sync().ok());
        EXPECT_EQ(Get(env, "/f")[0], 'n');
        EXPECT_TRUE(file->WriteAt(512, "more").ok());
        EXPECT_TRUE(file->Sync().ok());
      },
      [](SimEnv& env) {
        EXPECT_EQ(Get(env, "/f").substr(512), "more");
        return Get(env, "/f")[0];
      });
  EXPECT_EQ(seen, (std::set<char>{'n', 'o'}));
}

TEST(SimEnv, RunsFullAndHasRoomAgainAfterRemoval) {
  SimEnv env({.capacity_bytes = 8 * 4096});
  ASSERT_TRUE(Put(env, "/a", std::string(6 * 4096, 'a')).ok());
  EXPECT_TRUE(
      Put(env, "/b", std::string(3 * 4096, 'b')).Is(StatusCode::kNoSpace));
  EXPECT_EQ(env.Stat("/b")->size_bytes, 2U * 4096);  // what fitted
  EXPECT_EQ(env.Space("/")->available_bytes, 0U);
  auto open = *env.Open("/a", OpenMode::kRead);
  ASSERT_TRUE(env.Remove("/a").ok());
  EXPECT_EQ(env.Space("/")->available_bytes, 0U);  // still open
  open.reset();
  EXPECT_EQ(env.Space("/")->available_bytes, 6U * 4096);
  EXPECT_TRUE(Put(env, "/b", std::string(3 * 4096, 'b')).ok());
  // The power cut may undo the removal; never is more used than written.
  env.Crash();
  EXPECT_LE(env.Space("/")->available_bytes, 8U * 4096);
}

TEST(SimEnv, ARemovedFileThatComesBackHasItsData) {
  const auto seen = Outcomes(
      [](SimEnv& env) {
        EXPECT_TRUE(Put(env, "/f", "data", true).ok());
        EXPECT_TRUE(env.SyncDir("/").ok());
        EXPECT_TRUE(env.Remove("/f").ok());
      },
      [](SimEnv& env) { return Get(env, "/f"); });
  EXPECT_EQ(seen, (std::set<std::string>{"(none)", "data"}));
}

TEST(SimEnv, ReadsShortAndFlipped) {
  SimEnv env;
  ASSERT_TRUE(Put(env, "/f", "datadata").ok());
  SimFault fault;
  fault.kind = SimFault::Kind::kShortRead;
  env.Inject(fault);
  EXPECT_EQ(Get(env, "/f"), "data");
  fault.kind = SimFault::Kind::kFlip;
  env.ClearFaults();
  env.Inject(fault);
  EXPECT_NE(Get(env, "/f"), "datadata");
  EXPECT_EQ(Get(env, "/f"), "datadata");
  ASSERT_TRUE(env.Flip("/f", 0).ok());
  EXPECT_EQ(Get(env, "/f"), "eatadata");
}

TEST(SimEnv, WritesElsewhereAndNowhere) {
  SimEnv env;
  SimFault fault;
  fault.op = SimOp::kWrite;
  fault.kind = SimFault::Kind::kMisdirect;
  fault.shift_bytes = 4;
  env.Inject(fault);
  ASSERT_TRUE(Put(env, "/f", "data").ok());
  EXPECT_EQ(Get(env, "/f"), std::string("\0\0\0\0data", 8));
  env.ClearFaults();
  fault.kind = SimFault::Kind::kDropWrite;
  env.Inject(fault);
  ASSERT_TRUE(Put(env, "/f", "lost").ok());
  EXPECT_EQ(Get(env, "/f"), std::string("\0\0\0\0data", 8));
}

TEST(SimEnv, EqualRunsHaveEqualTracesAndOthersNot) {
  const auto run = [](const std::string& data) {
    SimEnv env;
    env.StartTrace(true);
    EXPECT_TRUE(Put(env, "/f", data, true).ok());
    EXPECT_TRUE(env.SyncDir("/").ok());
    EXPECT_EQ(env.trace().size(), 4U);
    EXPECT_EQ(env.trace()[1].rfind("write /f 0 4 ", 0), 0U);
    return env.trace_hash();
  };
  EXPECT_EQ(run("data"), run("data"));
  EXPECT_NE(run("data"), run("date"));
}

TEST(SimEnv, AForkGoesItsOwnWay) {
  SimEnv env;
  ASSERT_TRUE(Put(env, "/f", "data", true).ok());
  const auto fork = env.Fork(2);
  ASSERT_TRUE(Put(*fork, "/f", "fork").ok());
  EXPECT_EQ(Get(env, "/f"), "data");
  EXPECT_EQ(Get(*fork, "/f"), "fork");
}

TEST(SimEnv, CountsOperations) {
  SimEnv env;
  ASSERT_TRUE(Put(env, "/f", "data", true).ok());
  Get(env, "/f");
  EXPECT_EQ(env.count(SimOp::kCreate), 1U);
  EXPECT_EQ(env.count(SimOp::kWrite), 1U);
  EXPECT_EQ(env.count(SimOp::kSync), 1U);
  EXPECT_EQ(env.count(SimOp::kRead), 1U);
  EXPECT_EQ(env.changes(), 3U);
}

TEST(SimClock, MovesWhenToldAndWallTimeMayJump) {
  SimClock clock;
  const int64_t monotonic = clock.MonotonicNanos();
  clock.Advance(5);
  clock.Jump(-100);
  EXPECT_EQ(clock.MonotonicNanos(), monotonic + 5);
  EXPECT_EQ(clock.WallNanos(), SimClock::kStartNanos - 95);
}

TEST(SeededRandom, IsItsSeed) {
  EXPECT_EQ(SeededRandom(1).Bytes(20), SeededRandom(1).Bytes(20));
  EXPECT_NE(SeededRandom(1).Bytes(20), SeededRandom(2).Bytes(20));
}

}  // namespace
}  // namespace trefoil
