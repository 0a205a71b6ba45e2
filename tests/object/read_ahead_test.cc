// SPDX-License-Identifier: Apache-2.0
// Goal: who reads objects in a known order gets what the store has, error or
// bytes, several are asked for at a time, and what is held meanwhile is
// bounded, whatever the reader leaves out.
// Method: a store in memory behind one that counts, holds up or fails requests.
#include "fs/object/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/object/object_testing.h"
#include "tests/support/fault_store.h"

namespace trefoil {
namespace {

constexpr uint64_t kBeginning = 1000;
constexpr unsigned kReaders = 8;

class ReadAheadTest : public ::testing::Test {
 protected:
  ReadAheadTest() {
    auto map = std::make_unique<MapStore>();
    map_ = map.get();
    store_ = std::make_unique<testing::FaultStore>(std::move(map), faults_);
  }
  // Objects "o/0", "o/1" ..., each of its own bytes.
  void Make(size_t count, uint64_t size_bytes) {
    for (size_t i = 0; i < count; ++i) {
      const std::string key = "o/" + std::to_string(i);
      map_->objects[key] =
          std::string(size_bytes, static_cast<char>('a' + i % 26));
      order_.push_back({key, size_bytes});
    }
  }
  std::unique_ptr<ReadAhead> Ahead(uint64_t bytes_each = kBeginning) {
    return std::make_unique<ReadAhead>(*store_, order_,
                                       ReadAheadOptions{kReaders, bytes_each});
  }
  static Result<std::string> Read(ReadAhead& ahead, const std::string& key,
                                  uint64_t bytes = kBeginning) {
    return ahead.Get(key, {0, bytes}, bytes);
  }
  void ExpectBeginning(ReadAhead& ahead, size_t at) {
    const auto bytes = Read(ahead, order_[at].key);
    ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
    EXPECT_EQ(*bytes, map_->objects[order_[at].key].substr(0, kBeginning));
  }

  testing::TargetFaults faults_;
  MapStore* map_ = nullptr;
  std::unique_ptr<ObjectStore> store_;
  std::vector<ObjectInfo> order_;
};

TEST_F(ReadAheadTest, EachBeginningIsAskedForOnceAndTheRestAsItIsRead) {
  Make(300, 2 * kBeginning);
  order_[7].size_bytes = map_->objects["o/7"].erase(10).size();
  const auto ahead = Ahead();
  for (size_t i = 0; i < order_.size(); ++i) ExpectBeginning(*ahead, i);
  EXPECT_EQ(faults_.operations(), order_.size());
  const auto rest = ahead->Get("o/9", {kBeginning, 50}, 50);
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(rest->size(), 50U);
  ExpectBeginning(*ahead, 3);  // once more
  EXPECT_EQ(ahead->Get("o/none", {}, 10).status().code(),
            StatusCode::kNotFound);
}

TEST_F(ReadAheadTest, SeveralAreAskedForAtATime) {
  Make(kReaders, kBeginning);
  Mutex mu;
  CondVar changed;
  unsigned waiting = 0;
  faults_.before = [&](const std::string&, std::string_view) -> Status {
    const MutexLock lock(mu);
    ++waiting;
    changed.SignalAll();
    while (waiting < kReaders) {
      if (!changed.WaitFor(mu, std::chrono::seconds(60))) {
        return {StatusCode::kUnavailable, "alone"};
      }
    }
    return OkStatus();
  };
  const auto ahead = Ahead();
  for (size_t i = 0; i < order_.size(); ++i) ExpectBeginning(*ahead, i);
}

TEST_F(ReadAheadTest, WhatIsHeldIsBounded) {
  // Large ones are bounded by their bytes, small ones by their number.
  constexpr uint64_t kLarge = 1U << 20;
  for (const uint64_t size : {kLarge, uint64_t{1}}) {
    order_.clear();
    Make(200, size);
    const uint64_t most =
        size == kLarge ? ReadAhead::kMaxBytes / kLarge : ReadAhead::kMaxObjects;
    std::atomic<uint64_t> begun = 0;
    std::atomic<uint64_t> asked = 0;
    std::atomic<uint64_t> highest = 0;
    faults_.before = [&](const std::string&, std::string_view) {
      const uint64_t ahead = ++asked - begun;
      uint64_t old = highest;
      while (ahead > old && !highest.compare_exchange_weak(old, ahead)) {
      }
      return OkStatus();
    };
    const auto ahead = Ahead(kLarge);
    while (asked < most) std::this_thread::yield();
    for (const ObjectInfo& object : order_) {
      ++begun;
      const auto bytes = Read(*ahead, object.key, kLarge);
      ASSERT_TRUE(bytes.ok());
      EXPECT_EQ(bytes->size(), size);
    }
    EXPECT_LE(highest, most);
    EXPECT_EQ(asked, order_.size());
  }
}

TEST_F(ReadAheadTest, WhatTheReaderLeavesOutIsGivenUp) {
  Make(1000, kBeginning);
  for (const size_t step : {2U, 70U, 999U}) {
    const auto ahead = Ahead();
    for (size_t i = 0; i < order_.size(); i += step) {
      ExpectBeginning(*ahead, i);
    }
  }
  Ahead();  // nobody reads
}

TEST_F(ReadAheadTest, AnErrorComesWhereItBelongs) {
  Make(20, kBeginning);
  map_->objects.erase("o/4");
  faults_.before = [](const std::string&, std::string_view key) -> Status {
    if (key != "o/11") return OkStatus();
    return {StatusCode::kUnavailable, "away"};
  };
  const auto ahead = Ahead();
  for (size_t i = 0; i < order_.size(); ++i) {
    const auto code = Read(*ahead, order_[i].key).status().code();
    EXPECT_EQ(code, i == 4    ? StatusCode::kNotFound
                    : i == 11 ? StatusCode::kUnavailable
                              : StatusCode::kOk);
  }
}

TEST_F(ReadAheadTest, AnObjectOfAnotherSizeThanListedIsReadAsItIs) {
  Make(20, kBeginning);
  order_[3].size_bytes = 0;
  order_[5].size_bytes = 10;
  map_->objects["o/7"] = "short";
  const auto ahead = Ahead();
  for (size_t i = 0; i < order_.size(); ++i) ExpectBeginning(*ahead, i);
}

}  // namespace
}  // namespace trefoil
