// SPDX-License-Identifier: Apache-2.0
// Goal: looking at all snapshots in one walk says the same as looking at each.
// Method: random ranges, extents and directory trees; the model looks at every
// view by itself.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "fs/verify/directory_graph.h"
#include "fs/verify/extent_sweep.h"

namespace trefoil {
namespace {

constexpr uint32_t kViews = 7;
constexpr ViewRange kAll{0, kViews};

class ViewsTest : public ::testing::Test {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(seed_)); }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  ViewRange Range() {
    const auto first = static_cast<uint32_t>(Below(kViews));
    return {first, first + 1 + static_cast<uint32_t>(Below(kViews - first))};
  }

  const uint64_t seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
};

TEST_F(ViewsTest, StepsAreTheSumsOfRanges) {
  SCOPED_TRACE(seed_);
  for (int round = 0; round < 300; ++round) {
    ViewCounter counter;
    std::map<uint32_t, uint64_t> model;
    for (uint64_t i = Below(6); i > 0; --i) {
      const ViewRange range = Range();
      const uint64_t n = Below(5);
      counter.Add(range, n);
      for (uint32_t v = range.first; v < range.end; ++v) model[v] += n;
    }
    uint32_t at = 0;
    for (const ViewCounter::Step& step : counter.Steps(kAll)) {
      EXPECT_EQ(step.range.first, at);
      for (; at < step.range.end; ++at) EXPECT_EQ(step.value, model[at]);
    }
    EXPECT_EQ(at, kViews);
  }
}

TEST_F(ViewsTest, ExtentsOverlapWhereAViewShowsBoth) {
  SCOPED_TRACE(seed_);
  for (int round = 0; round < 300; ++round) {
    ExtentSweep sweep;
    sweep.Begin();
    std::map<uint32_t, std::set<uint64_t>> model;  // bytes by view
    uint64_t offset = 0;
    for (int i = 0; i < 12; ++i) {
      offset += Below(4);
      const uint64_t length = 1 + Below(6);
      const ViewRange range = Range();
      bool free = true;
      for (uint32_t v = range.first; v < range.end; ++v) {
        for (uint64_t b = offset; b < offset + length; ++b) {
          free = free && model[v].count(b) == 0;
        }
      }
      ASSERT_EQ(sweep.Add(offset, length, range), free);
      if (!free) continue;
      for (uint32_t v = range.first; v < range.end; ++v) {
        for (uint64_t b = offset; b < offset + length; ++b) {
          model[v].insert(b);
        }
      }
    }
    for (const ViewCounter::Step& step : sweep.bytes().Steps(kAll)) {
      for (uint32_t v = step.range.first; v < step.range.end; ++v) {
        EXPECT_EQ(step.value, model[v].size());
      }
    }
  }
}

TEST_F(ViewsTest, ACircleIsFoundInWhateverViewItIs) {
  SCOPED_TRACE(seed_);
  constexpr uint64_t kDirectories = 8;
  for (int round = 0; round < 500; ++round) {
    // parent[directory][view]; 0: not there.
    std::map<uint64_t, std::vector<uint64_t>> parents;
    DirectoryGraph graph;
    for (uint64_t d = 2; d < 2 + kDirectories; ++d) {
      std::vector<uint64_t>& parent = parents[d];
      for (uint32_t first = 0; first < kViews;) {
        const auto length = static_cast<uint32_t>(
            1 + Below(std::min<uint64_t>(4, kViews - first)));
        // Mostly upwards, now and then anywhere.
        const uint64_t p =
            Below(6) == 0 ? 1 + Below(kDirectories + 1) : 1 + Below(d - 1);
        graph.Add(InodeId(d), InodeId(p), {first, first + length});
        parent.insert(parent.end(), length, p);
        first += length;
      }
    }
    bool good = true;
    for (uint32_t v = 0; v < kViews; ++v) {
      for (auto& [d, parent] : parents) {
        uint64_t at = d;
        for (uint64_t steps = 0; at != 1 && steps <= kDirectories; ++steps) {
          at = parents[at][v];
        }
        good = good && at == 1;
      }
    }
    bool found_good = true;
    graph.Check([&](InodeId, uint32_t) { found_good = false; });
    ASSERT_EQ(found_good, good);
  }
}

}  // namespace
}  // namespace trefoil
