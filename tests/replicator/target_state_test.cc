// SPDX-License-Identifier: Apache-2.0
// Goal: what a shipper remembers of its target, its own claims above all,
// survives a power cut once it was saved.
// Method: a simulated disk, with many seeds for what a cut takes along.
#include "replicator/target_state.h"

#include <gtest/gtest.h>

#include "tests/support/sim_env.h"

namespace trefoil {
namespace {

TEST(TargetStateTest, WhatWasSavedSurvivesAPowerCut) {
  constexpr uint64_t kSeeds = 64;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimEnv env({.seed = seed});
    ASSERT_TRUE(env.CreateDir("/volume").ok());
    ASSERT_TRUE(env.SyncDir("/").ok());
    TargetState state;
    state.status.name = "second";
    state.status.volume_object = 3;
    state.AddClaim({Generation(7), InstanceId{}});
    const std::string path = TargetStatePath("/volume", "second");
    ASSERT_TRUE(SaveTargetState(env, path, state).ok());
    env.Crash();
    const auto loaded = LoadTargetState(env, path);
    ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
    EXPECT_EQ(loaded->claims.size(), 1U);
    EXPECT_EQ(loaded->status.volume_object, 3U);
  }
}

}  // namespace
}  // namespace trefoil
