// SPDX-License-Identifier: Apache-2.0
// Goal: what may pass by itself is tried again, within bounds and never
// longer than wanted; a claim whose answer was lost is still ours.
// Method: a directory that fails on demand, and a clock that only sleeping
// moves.
#include "replicator/store/retry_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fs/object/local_tree.h"
#include "tests/store/faulty_store.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

Status Unavailable() { return {StatusCode::kUnavailable, "down"}; }

class SleepingClock : public Clock {
 public:
  int64_t WallNanos() override { return now_; }
  int64_t MonotonicNanos() override { return now_; }
  void Advance(nanoseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_{0};
};

class RetryStoreTest : public ::testing::Test {
 protected:
  RetryStoreTest() { Make({}); }

  void Make(RetryOptions options) {
    auto faulty = std::make_unique<FaultyStore>(
        std::make_unique<LocalTree>(Env::Posix(), dir_.path()));
    faulty_ = faulty.get();
    options.sleep = [this](nanoseconds pause) {
      pauses_.push_back(pause);
      clock_.Advance(pause);
      return !cancel_->cancelled();
    };
    store_ = std::make_unique<RetryStore>(std::move(faulty), options, clock_,
                                          Random::System(), cancel_);
  }

  // Fails the first `count` calls of `operation`.
  FaultyStore::Hook FailFirst(const std::string& operation, int count) {
    return [operation, count, seen = 0](const std::string& what) mutable {
      if (!what.starts_with(operation)) return OkStatus();
      return ++seen <= count ? Unavailable() : OkStatus();
    };
  }

  Status Put(const std::string& bytes, PutMode mode) {
    MemorySource source(bytes);
    return store_->Put("owner/1", source, mode);
  }

  TempDir dir_;
  SleepingClock clock_;
  std::shared_ptr<CancelToken> cancel_ = std::make_shared<CancelToken>();
  std::vector<nanoseconds> pauses_;
  FaultyStore* faulty_ = nullptr;
  std::unique_ptr<RetryStore> store_;
};

TEST_F(RetryStoreTest, EveryOperationIsTriedAgain) {
  faulty_->before = FailFirst("", 2);
  EXPECT_EQ(Put("x", PutMode::kImmutable).ToString(), "ok");
  faulty_->before = FailFirst("", 2);
  EXPECT_TRUE(store_->Get("owner/1", {}, 10).ok());
  faulty_->before = FailFirst("", 2);
  EXPECT_TRUE(store_->Head("owner/1").ok());
  faulty_->before = FailFirst("", 2);
  EXPECT_EQ(
      store_->List("", "", [](const ObjectInfo&) { return true; }).ToString(),
      "ok");
  faulty_->before = FailFirst("", 2);
  EXPECT_EQ(store_->Delete("owner/1").ToString(), "ok");
  EXPECT_EQ(pauses_.size(), 10U);
}

TEST_F(RetryStoreTest, OtherErrorsPassAtOnce) {
  for (const StatusCode code :
       {StatusCode::kNotFound, StatusCode::kPermissionDenied,
        StatusCode::kNoSpace, StatusCode::kCorruption, StatusCode::kIoError,
        StatusCode::kNotSupported, StatusCode::kInvalidArgument}) {
    faulty_->before = [&](const std::string&) { return Status(code, "no"); };
    EXPECT_EQ(Put("x", PutMode::kImmutable).code(), code);
  }
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(RetryStoreTest, AttemptsAreBoundedAndCounted) {
  RetryOptions options;
  options.attempts_max = 4;
  Make(options);
  faulty_->before = FailFirst("", 1000);
  const Status status = Put("x", PutMode::kImmutable);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("down (tried 4 times)"));
  EXPECT_EQ(pauses_.size(), 3U);
}

TEST_F(RetryStoreTest, TimeIsBounded) {
  RetryOptions options;
  options.attempts_max = 1'000'000;
  options.backoff_min = seconds(1);
  options.backoff_max = seconds(2);
  options.time_max = seconds(30);
  Make(options);
  faulty_->before = FailFirst("", 1'000'000);
  EXPECT_EQ(Put("x", PutMode::kImmutable).code(), StatusCode::kUnavailable);
  EXPECT_LE(clock_.MonotonicNanos(), nanoseconds(seconds(32)).count());
}

TEST_F(RetryStoreTest, PausesGrowWithJitterUpToTheBound) {
  RetryOptions options;
  options.attempts_max = 2000;
  options.backoff_min = milliseconds(10);
  options.backoff_max = milliseconds(80);
  options.time_max = seconds(10'000);
  Make(options);
  faulty_->before = FailFirst("", 100'000);
  EXPECT_FALSE(Put("x", PutMode::kImmutable).ok());
  EXPECT_LT(pauses_.at(0), milliseconds(10));
  EXPECT_LT(pauses_.at(1), milliseconds(20));
  EXPECT_LT(pauses_.at(2), milliseconds(40));
  nanoseconds sum{0};
  for (const nanoseconds pause : pauses_) {
    EXPECT_LT(pause, milliseconds(80));
    sum += pause;
  }
  // Full jitter: half the bound on average.
  const auto mean = sum / static_cast<int64_t>(pauses_.size());
  EXPECT_GT(mean, milliseconds(35));
  EXPECT_LT(mean, milliseconds(45));
}

TEST_F(RetryStoreTest, ACancelledStoreStopsTrying) {
  faulty_->before = [&](const std::string&) {
    cancel_->Cancel();
    return Unavailable();
  };
  EXPECT_EQ(Put("x", PutMode::kImmutable).code(), StatusCode::kUnavailable);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(RetryStoreTest, AClaimWhoseAnswerWasLostIsOurs) {
  faulty_->after = FailFirst("PUT", 1);
  EXPECT_EQ(Put("mine", PutMode::kIfAbsent).ToString(), "ok");
  EXPECT_EQ(*store_->Get("owner/1", {}, 10), "mine");
}

TEST_F(RetryStoreTest, ReadingTheClaimBackIsTriedAgainToo) {
  faulty_->after = FailFirst("PUT", 1);
  faulty_->before = FailFirst("GET", 2);
  EXPECT_EQ(Put("mine", PutMode::kIfAbsent).ToString(), "ok");
}

TEST_F(RetryStoreTest, SomebodyElsesClaimIsNotOurs) {
  for (const char* theirs : {"their", "hers", "mine too", ""}) {
    ASSERT_EQ(store_->Delete("owner/1").ToString(), "ok");
    faulty_->before = [](const std::string&) { return OkStatus(); };
    ASSERT_EQ(Put(theirs, PutMode::kIfAbsent).ToString(), "ok");
    faulty_->before = FailFirst("PUT", 1);
    EXPECT_EQ(Put("mine", PutMode::kIfAbsent).code(),
              StatusCode::kAlreadyExists)
        << theirs;
    EXPECT_EQ(*store_->Get("owner/1", {}, 10), theirs);
  }
}

TEST_F(RetryStoreTest, AConflictWithoutALostAnswerIsNotReadBack) {
  ASSERT_EQ(Put("mine", PutMode::kIfAbsent).ToString(), "ok");
  faulty_->before = FailFirst("GET", 1'000'000);
  EXPECT_EQ(Put("mine", PutMode::kIfAbsent).code(), StatusCode::kAlreadyExists);
}

TEST_F(RetryStoreTest, ABrokenListGoesOnWhereItBroke) {
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    const std::string key = "pack/" + std::to_string(100 + i);
    MemorySource source("x");
    ASSERT_TRUE(store_->Put(key, source, PutMode::kImmutable).ok());
    expected += key + " ";
  }
  int calls = 0;
  // Breaks off behind each second key: more often than the attempts allow.
  faulty_->after = [&](const std::string&) {
    return ++calls % 2 == 0 ? Unavailable() : OkStatus();
  };
  std::string found;
  const Status listed = store_->List("pack/", "", [&](const ObjectInfo& info) {
    found += info.key + " ";
    return true;
  });
  EXPECT_EQ(listed.ToString(), "ok");
  EXPECT_EQ(found, expected);
}

TEST_F(RetryStoreTest, AListThatGetsNowhereEnds) {
  faulty_->before = FailFirst("LIST", 1'000'000);
  EXPECT_EQ(store_->List("", "", [](const ObjectInfo&) { return true; }).code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(pauses_.size(), 5U);
}

TEST(CancelTokenTest, WakesASleeper) {
  CancelToken token;
  EXPECT_TRUE(token.SleepFor(milliseconds(1)));
  std::thread canceller([&] { token.Cancel(); });
  EXPECT_FALSE(token.SleepFor(seconds(100)));
  canceller.join();
  EXPECT_FALSE(token.SleepFor(seconds(100)));
}

}  // namespace
}  // namespace trefoil::testing
