// SPDX-License-Identifier: Apache-2.0
// Goal: the contract of fs/object/object_store.h, sentence by sentence.
// Method: each test begins with an empty store of the parameter's kind and
// looks at it through the interface only.
#include "tests/store/conformance.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "fs/base/clock.h"

namespace trefoil::testing {

using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr uint64_t kMaxBytes = 64U << 20;

// Bytes that compress badly and differ by `seed`.
std::string SomeBytes(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

std::string NumberedKey(int number) {
  return fmt::format("pack/{:02x}/{:06d}", number % 7, number);
}

// A source whose medium fails in the middle.
class FailingSource final : public ObjectSource {
 public:
  explicit FailingSource(uint64_t size_bytes) : size_bytes_(size_bytes) {}
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Hash256 sha256() const override { return Sha256::Of("?"); }
  Status ReadAt(uint64_t offset, std::span<char> out) override {
    if (offset + out.size() > size_bytes_ / 2)
      return {StatusCode::kIoError, "the source's disk is broken"};
    std::fill(out.begin(), out.end(), 'x');
    return OkStatus();
  }

 private:
  const uint64_t size_bytes_;
};

}  // namespace

Status ConformanceTest::Put(const std::string& key, const std::string& bytes,
                            PutMode mode) {
  MemorySource source(bytes);
  return store().Put(key, source, mode);
}

std::string ConformanceTest::Read(const std::string& key) {
  Result<std::string> bytes = store().Get(key, {}, kMaxBytes);
  return bytes.ok() ? *bytes : bytes.status().ToString();
}

std::string ConformanceTest::Keys(const std::string& prefix,
                                  const std::string& start_after) {
  std::string keys;
  const Status listed =
      store().List(prefix, start_after, [&](const ObjectInfo& info) {
        keys.append(keys.empty() ? "" : " ").append(info.key);
        return true;
      });
  return listed.ok() ? keys : listed.ToString();
}

TEST_P(ConformanceTest, WhatWasPutIsReadBack) {
  for (const size_t size : {0UL, 1UL, 4096UL, (1UL << 20) + 1, 9UL << 20}) {
    const std::string key = fmt::format("pack/aa/size-{}", size);
    const std::string bytes = SomeBytes(size, size);
    ASSERT_EQ(Put(key, bytes).ToString(), "ok");
    EXPECT_TRUE(Read(key) == bytes) << key;
    const Result<ObjectInfo> info = store().Head(key);
    ASSERT_TRUE(info.ok()) << info.status().ToString();
    EXPECT_EQ(info->key, key);
    EXPECT_EQ(info->size_bytes, size);
  }
}

TEST_P(ConformanceTest, ImmutablePutTwiceIsOk) {
  ASSERT_EQ(Put("commit/one", "same bytes").ToString(), "ok");
  EXPECT_EQ(Put("commit/one", "same bytes").ToString(), "ok");
  EXPECT_EQ(Read("commit/one"), "same bytes");
}

TEST_P(ConformanceTest, ReplaceReplaces) {
  ASSERT_EQ(Put("pack/aa/bad", "rotten").ToString(), "ok");
  ASSERT_EQ(Put("pack/aa/bad", "healed", PutMode::kReplace).ToString(), "ok");
  EXPECT_EQ(Read("pack/aa/bad"), "healed");
}

TEST_P(ConformanceTest, IfAbsentKeepsTheFirst) {
  const Status first = Put("owner/1", "mine", PutMode::kIfAbsent);
  if (!GetParam().conditional_put) {
    EXPECT_TRUE(first.Is(StatusCode::kNotSupported)) << first.ToString();
    EXPECT_THAT(Read("owner/1"), HasSubstr("not found"));
    return;
  }
  ASSERT_EQ(first.ToString(), "ok");
  const Status second = Put("owner/1", "yours", PutMode::kIfAbsent);
  EXPECT_TRUE(second.Is(StatusCode::kAlreadyExists)) << second.ToString();
  EXPECT_EQ(Read("owner/1"), "mine");
}

TEST_P(ConformanceTest, OfManyRacersExactlyOneWins) {
  if (!GetParam().conditional_put) return;  // IfAbsentKeepsTheFirst says so
  constexpr int kRacers = 8;
  for (int round = 0; round < 5; ++round) {
    const std::string key = fmt::format("owner/race-{}", round);
    std::vector<Status> outcomes(kRacers);
    std::vector<std::thread> threads;
    for (int racer = 0; racer < kRacers; ++racer) {
      threads.emplace_back([&, racer] {
        outcomes[static_cast<size_t>(racer)] =
            Put(key, fmt::format("racer {}", racer), PutMode::kIfAbsent);
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::string winners;
    for (int racer = 0; racer < kRacers; ++racer) {
      const Status& outcome = outcomes[static_cast<size_t>(racer)];
      if (outcome.ok()) {
        winners += fmt::format("racer {}", racer);
      } else {
        EXPECT_TRUE(outcome.Is(StatusCode::kAlreadyExists))
            << outcome.ToString();
      }
    }
    EXPECT_EQ(Read(key), winners);
  }
}

TEST_P(ConformanceTest, RangesEndWhereTheObjectEnds) {
  const std::string bytes = SomeBytes(1000, 7);
  ASSERT_EQ(Put("pack/aa/ranges", bytes).ToString(), "ok");
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  const auto get = [&](uint64_t offset, uint64_t length) {
    Result<std::string> part =
        store().Get("pack/aa/ranges", {offset, length}, kMaxBytes);
    return part.ok() ? *part : part.status().ToString();
  };
  EXPECT_TRUE(get(0, 10) == bytes.substr(0, 10));
  EXPECT_TRUE(get(0, 1000) == bytes);
  EXPECT_TRUE(get(990, 100) == bytes.substr(990));
  EXPECT_TRUE(get(999, 1) == bytes.substr(999));
  EXPECT_TRUE(get(5, 0) == bytes.substr(5));
  EXPECT_TRUE(get(500, kHuge) == bytes.substr(500));
  EXPECT_EQ(get(1000, 1), "");
  EXPECT_EQ(get(1000, 0), "");
  EXPECT_EQ(get(5000, 10), "");
  EXPECT_EQ(get(5000, kHuge), "");
}

TEST_P(ConformanceTest, RangesOfAnEmptyObjectAreEmpty) {
  ASSERT_EQ(Put("pack/aa/empty", "").ToString(), "ok");
  for (const ByteRange range : {ByteRange{0, 0}, {0, 5}, {3, 0}, {3, 5}}) {
    Result<std::string> part = store().Get("pack/aa/empty", range, 10);
    ASSERT_TRUE(part.ok()) << part.status().ToString();
    EXPECT_EQ(*part, "");
  }
}

TEST_P(ConformanceTest, AnAnswerAboveTheBoundIsCorruption) {
  ASSERT_EQ(Put("pack/aa/large", SomeBytes(5000, 1)).ToString(), "ok");
  const auto code = [&](ByteRange range, uint64_t max_bytes) {
    return store().Get("pack/aa/large", range, max_bytes).status().code();
  };
  EXPECT_EQ(code({}, 4999), StatusCode::kCorruption);
  EXPECT_EQ(code({100, 0}, 4899), StatusCode::kCorruption);
  EXPECT_EQ(code({}, 0), StatusCode::kCorruption);
  EXPECT_EQ(code({}, 5000), StatusCode::kOk);
  EXPECT_EQ(code({100, 0}, 4900), StatusCode::kOk);
  EXPECT_EQ(code({100, 10}, 10), StatusCode::kOk);
}

TEST_P(ConformanceTest, WhatIsNotThereIsNotFound) {
  EXPECT_TRUE(store().Head("pack/aa/none").status().Is(StatusCode::kNotFound));
  for (const ByteRange range : {ByteRange{0, 0}, {5, 10}}) {
    EXPECT_TRUE(store()
                    .Get("pack/aa/none", range, 10)
                    .status()
                    .Is(StatusCode::kNotFound));
  }
}

TEST_P(ConformanceTest, DeletedIsGoneAndDeletingAgainIsOk) {
  ASSERT_EQ(Put("pack/aa/old", "old").ToString(), "ok");
  EXPECT_EQ(store().Delete("pack/aa/old").ToString(), "ok");
  EXPECT_TRUE(store().Head("pack/aa/old").status().Is(StatusCode::kNotFound));
  EXPECT_EQ(Keys(""), "");
  EXPECT_EQ(store().Delete("pack/aa/old").ToString(), "ok");
  EXPECT_EQ(store().Delete("pack/zz/never").ToString(), "ok");
}

TEST_P(ConformanceTest, AnEmptyStoreListsNothing) {
  EXPECT_EQ(Keys(""), "");
  EXPECT_EQ(Keys("pack/"), "");
  EXPECT_EQ(Keys("commit/", "commit/0005"), "");
}

TEST_P(ConformanceTest, ListsInByteOrderWithSizes) {
  // '-' sorts before '/' and '/' before digits: directories must not decide.
  const std::vector<std::string> keys = {
      "commit/a-b/c", "commit/a-c", "commit/a/b",  "commit/a0", "commit/b",
      "owner/1",      "pack/00/x",  "pack/00/y/z", "pack/01/x"};
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    ASSERT_EQ(Put(*key, *key).ToString(), "ok");
  }
  std::vector<std::string> found;
  ASSERT_EQ(store()
                .List("", "",
                      [&](const ObjectInfo& info) {
                        EXPECT_EQ(info.size_bytes, info.key.size());
                        found.push_back(info.key);
                        return true;
                      })
                .ToString(),
            "ok");
  std::vector<std::string> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(found, sorted);
}

TEST_P(ConformanceTest, ListsByPrefixAndFromAPlaceOn) {
  for (const char* key : {"commit/01-a", "commit/02-b", "commit/02-c",
                          "commit/03-d", "owner/1", "pack/02/x"}) {
    ASSERT_EQ(Put(key, "x").ToString(), "ok");
  }
  EXPECT_EQ(Keys("commit/02"), "commit/02-b commit/02-c");
  EXPECT_EQ(Keys("commit/", "commit/02-b"), "commit/02-c commit/03-d");
  EXPECT_EQ(Keys("commit/", "commit/02-bb"), "commit/02-c commit/03-d");
  EXPECT_EQ(Keys("commit/", "commit/03-d"), "");
  EXPECT_EQ(Keys("commit/", "owner/"), "");
  EXPECT_EQ(Keys("owner/", "commit/02"), "owner/1");
  EXPECT_EQ(Keys("", "commit/03"), "commit/03-d owner/1 pack/02/x");
  EXPECT_EQ(Keys("commit"), "commit/01-a commit/02-b commit/02-c commit/03-d");
  EXPECT_EQ(Keys("pack/03/"), "");
}

TEST_P(ConformanceTest, AListOfManyPagesIsWholeAndStopsWhenTold) {
  constexpr int kObjects = 64;
  constexpr int kThreads = 4;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = thread; i < kObjects; i += kThreads) {
        if (!Put(NumberedKey(i), "x").ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(failures, 0);
  std::vector<std::string> expected;
  for (int i = 0; i < kObjects; ++i) expected.push_back(NumberedKey(i));
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> found;
  const auto collect = [&](size_t limit) {
    found.clear();
    const Status listed = store().List("", "", [&](const ObjectInfo& info) {
      found.push_back(info.key);
      return found.size() < limit;
    });
    EXPECT_EQ(listed.ToString(), "ok");
  };
  collect(kObjects * 2);
  EXPECT_EQ(found, expected);
  collect(37);
  EXPECT_EQ(found,
            std::vector<std::string>(expected.begin(), expected.begin() + 37));
}

TEST_P(ConformanceTest, BadKeysAreRefusedEverywhere) {
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("pack/"),
        std::string("/pack/a"), std::string("pack//a"),
        std::string("pack/../a"), std::string("pack/A"),
        std::string("pack/a b"), std::string("pack/a\0b", 8),
        std::string("pack/a?x"), std::string("pack/a%2f"),
        "pack/" + std::string(251, 'a')}) {
    EXPECT_EQ(Put(key, "x").code(), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(store().Get(key, {}, 10).status().code(),
              StatusCode::kInvalidArgument)
        << key;
    EXPECT_EQ(store().Head(key).status().code(), StatusCode::kInvalidArgument)
        << key;
    EXPECT_EQ(store().Delete(key).code(), StatusCode::kInvalidArgument) << key;
  }
  EXPECT_EQ(Keys(""), "");
}

TEST_P(ConformanceTest, TheLongestKeyWorks) {
  const std::string key = "pack/ab/" + std::string(247, 'c');
  ASSERT_EQ(Put(key, "x").ToString(), "ok");
  EXPECT_EQ(Read(key), "x");
  EXPECT_EQ(Keys("pack/ab/"), key);
}

TEST_P(ConformanceTest, AFailingSourceLeavesNoObject) {
  FailingSource source(3U << 20);
  const Status put = store().Put("pack/aa/half", source, PutMode::kImmutable);
  EXPECT_TRUE(put.Is(StatusCode::kIoError)) << put.ToString();
  EXPECT_THAT(put.message(), HasSubstr("the source's disk is broken"));
  EXPECT_TRUE(store().Head("pack/aa/half").status().Is(StatusCode::kNotFound));
  EXPECT_EQ(Keys(""), "");
}

TEST_P(ConformanceTest, BytesThatDoNotHashToTheirNameAreRefused) {
  const std::string bytes = "not these";
  MemorySource source(bytes, Sha256::Of("these"));
  const Status put = store().Put("pack/aa/lie", source, PutMode::kImmutable);
  EXPECT_TRUE(put.Is(StatusCode::kCorruption)) << put.ToString();
  EXPECT_TRUE(store().Head("pack/aa/lie").status().Is(StatusCode::kNotFound));
}

TEST_P(ConformanceTest, ManyThreadsAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 6;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int round = 0; round < kRounds; ++round) {
        const std::string key = NumberedKey(thread * kRounds + round);
        const std::string bytes =
            SomeBytes(10'000, static_cast<uint64_t>(thread));
        const bool good = Put(key, bytes).ok() && Read(key) == bytes &&
                          store().Head(key).ok() && Keys(key) == key &&
                          (round % 2 == 0 || store().Delete(key).ok());
        if (!good) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(ConformanceTest, DescribesItselfWithoutSecrets) {
  EXPECT_NE(store().Describe(), "");
  EXPECT_THAT(store().Describe(), Not(HasSubstr("testsecret")));
  EXPECT_THAT(store().Describe(), Not(HasSubstr("testing")));
}

}  // namespace trefoil::testing
