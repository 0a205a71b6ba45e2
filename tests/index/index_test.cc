// SPDX-License-Identifier: Apache-2.0
// Goal: the index is an ordered map in three families, with cursors in both
// directions and views that stand still.
// Method: small cases by hand; then random changes, flushes and walks compared
// with std::map, over keys that meet the corners of the prefix filters.
#include "fs/index/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <thread>

#include "fs/index/keys.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;

constexpr std::string_view kNoBound;

class IndexTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    index_.reset();
    Result<std::unique_ptr<Index>> index =
        Index::Open(Env::Posix(), dir_.Path("index"), options_);
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    index_ = *std::move(index);
  }

  void Put(Family family, std::string key, std::string value) {
    IndexBatch batch;
    batch.Put(family, std::move(key), std::move(value));
    ASSERT_TRUE(index_->Apply(batch, Lsn(++lsn_)).ok());
  }

  static std::vector<std::string> Keys(IndexView& view, Family family,
                                       std::string_view lower = kNoBound,
                                       std::string_view upper = kNoBound) {
    std::vector<std::string> keys;
    const std::unique_ptr<IndexCursor> cursor =
        view.NewCursor(family, lower, upper);
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      keys.emplace_back(cursor->key());
    }
    EXPECT_TRUE(cursor->status().ok());
    return keys;
  }

  TempDir dir_;
  IndexOptions options_;
  std::unique_ptr<Index> index_;
  uint64_t lsn_ = 0;
};

TEST_F(IndexTest, KeysComeInByteOrder) {
  for (const char* key : {"b", "\xff", "a", "ab", "B"}) {
    Put(Family::kLive, key, "");
  }
  EXPECT_THAT(Keys(*index_, Family::kLive),
              ElementsAre("B", "a", "ab", "b", "\xff"));
}

TEST_F(IndexTest, FamiliesAreApart) {
  Put(Family::kLive, "key", "live");
  Put(Family::kHistory, "key", "history");
  EXPECT_EQ(*index_->Get(Family::kLive, "key").value(), "live");
  EXPECT_EQ(*index_->Get(Family::kHistory, "key").value(), "history");
  EXPECT_FALSE(index_->Get(Family::kLocal, "key").value().has_value());
}

TEST_F(IndexTest, LastChangeOfAKeyCounts) {
  IndexBatch batch;
  batch.Put(Family::kLive, "put", "1");
  batch.Put(Family::kLive, "put", "2");
  batch.Put(Family::kLive, "deleted", "1");
  batch.Delete(Family::kLive, "deleted");
  ASSERT_TRUE(index_->Apply(batch, Lsn(1)).ok());
  EXPECT_EQ(*index_->Get(Family::kLive, "put").value(), "2");
  EXPECT_FALSE(index_->Get(Family::kLive, "deleted").value().has_value());
}

TEST_F(IndexTest, CursorStaysWithinItsBounds) {
  for (const char* key : {"a", "b", "c", "d"}) Put(Family::kLive, key, key);
  const std::unique_ptr<IndexCursor> cursor =
      index_->NewCursor(Family::kLive, "b", "d");
  cursor->Seek("a");
  ASSERT_TRUE(cursor->Valid());
  EXPECT_EQ(cursor->key(), "b");
  cursor->Prev();
  EXPECT_FALSE(cursor->Valid());

  cursor->SeekBack("z");
  ASSERT_TRUE(cursor->Valid());
  EXPECT_EQ(cursor->key(), "c");
  cursor->Next();
  EXPECT_FALSE(cursor->Valid());
  cursor->Next();  // stays where it is
  EXPECT_FALSE(cursor->Valid());

  cursor->Seek("d");
  EXPECT_FALSE(cursor->Valid());
  cursor->SeekBack("a");
  EXPECT_FALSE(cursor->Valid());
  EXPECT_TRUE(cursor->status().ok());
}

TEST_F(IndexTest, CursorTurnsRound) {
  for (const char* key : {"a", "b", "c"}) Put(Family::kLive, key, key);
  ASSERT_TRUE(index_->Flush().ok());
  Put(Family::kLive, "bb", "");
  const std::unique_ptr<IndexCursor> cursor =
      index_->NewCursor(Family::kLive, kNoBound, kNoBound);
  cursor->SeekBack("bc");
  EXPECT_EQ(cursor->key(), "bb");
  cursor->Prev();
  EXPECT_EQ(cursor->key(), "b");
  cursor->Next();
  EXPECT_EQ(cursor->key(), "bb");
  cursor->Next();
  EXPECT_EQ(cursor->key(), "c");
}

TEST_F(IndexTest, SnapshotAndCursorStandStill) {
  Put(Family::kLive, "changed", "old");
  Put(Family::kHistory, "deleted", "old");
  const std::unique_ptr<IndexView> snapshot = index_->Snapshot();
  const std::unique_ptr<IndexCursor> cursor =
      index_->NewCursor(Family::kLive, kNoBound, kNoBound);

  IndexBatch batch;
  batch.Put(Family::kLive, "changed", "new");
  batch.Put(Family::kLive, "created", "new");
  batch.Delete(Family::kHistory, "deleted");
  ASSERT_TRUE(index_->Apply(batch, Lsn(3)).ok());
  ASSERT_TRUE(index_->Flush().ok());

  EXPECT_EQ(*snapshot->Get(Family::kLive, "changed").value(), "old");
  EXPECT_EQ(*snapshot->Get(Family::kHistory, "deleted").value(), "old");
  EXPECT_THAT(Keys(*snapshot, Family::kLive), ElementsAre("changed"));
  cursor->Seek("");
  EXPECT_EQ(cursor->value(), "old");
  EXPECT_EQ(*index_->Get(Family::kLive, "changed").value(), "new");
}

TEST_F(IndexTest, AppliedLsnIsNoKey) {
  Put(Family::kLocal, std::string("\0", 1), "first");
  for (const bool flushed : {false, true}) {
    if (flushed) {
      ASSERT_TRUE(index_->Flush().ok());
    }
    EXPECT_THAT(Keys(*index_, Family::kLocal),
                ElementsAre(std::string("\0", 1)));
    EXPECT_FALSE(index_->Get(Family::kLocal, "").value().has_value());
    const std::unique_ptr<IndexCursor> cursor =
        index_->NewCursor(Family::kLocal, kNoBound, kNoBound);
    cursor->SeekBack("");
    EXPECT_FALSE(cursor->Valid());
    cursor->SeekBack("\xff");
    cursor->Prev();
    EXPECT_FALSE(cursor->Valid());
  }
  IndexBatch batch;
  batch.Put(Family::kLocal, "", "forged");
  EXPECT_TRUE(index_->Apply(batch, Lsn(9)).Is(StatusCode::kInvalidArgument));
  EXPECT_EQ(index_->applied(), Lsn(1));
}

TEST_F(IndexTest, EmptyBatchMovesTheAppliedLsn) {
  ASSERT_TRUE(index_->Apply(IndexBatch(), Lsn(7)).ok());
  EXPECT_EQ(index_->applied(), Lsn(7));
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(index_->flushed(), Lsn(7));
}

TEST_F(IndexTest, SecondHolderIsRefused) {
  const Status status =
      Index::Open(Env::Posix(), dir_.Path("index"), options_).status();
  EXPECT_TRUE(status.Is(StatusCode::kBusy)) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(dir_.Path("index")));
}

TEST_F(IndexTest, MemoryIsCounted) {
  Put(Family::kLive, "key", std::string(1 << 20, 'v'));
  EXPECT_GE(index_->memory_bytes(), 1u << 20);
  EXPECT_LE(index_->memory_bytes(), 16u << 20);
}

// Readers and the flusher beside the one applier: what a cursor shows is
// always one batch's state.
TEST_F(IndexTest, ReadersSeeWholeBatches) {
  constexpr uint64_t kBatches = 2000;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const std::unique_ptr<IndexView> view = index_->Snapshot();
      EXPECT_EQ(view->Get(Family::kLive, "n").value(),
                view->Get(Family::kHistory, "n").value());
    }
  });
  std::thread flusher([&] {
    while (!done) {
      const Lsn before = index_->applied();
      EXPECT_TRUE(index_->Flush().ok());
      EXPECT_GE(index_->flushed(), before);
    }
  });
  for (uint64_t n = 1; n <= kBatches; ++n) {
    IndexBatch batch;
    batch.Put(Family::kLive, "n", std::to_string(n));
    batch.Put(Family::kHistory, "n", std::to_string(n));
    EXPECT_TRUE(index_->Apply(batch, Lsn(n)).ok());
    EXPECT_EQ(index_->applied(), Lsn(n));
  }
  done = true;
  reader.join();
  flusher.join();
}

using Model = std::map<std::string, std::string>;

// Random keys: mostly of versioned tables, so that prefix filters apply; some
// short; bytes at the ends of their range.
class RandomKeys {
 public:
  explicit RandomKeys(uint64_t seed) : random_(seed) {}

  uint64_t Below(uint64_t bound) { return random_() % bound; }

  std::string Key() {
    static constexpr char kTables[] = {'D', 'E', 'I', 'B', 'X'};
    std::string key(1, kTables[Below(5)]);
    const uint64_t ids[] = {1, 0xff, 0x100, 0xffff, ~0ULL};
    AppendBe64(&key, ids[Below(5)]);
    if (Below(4) != 0) AppendBe64(&key, ids[Below(5)] << 8);
    if (Below(6) == 0) key.resize(Below(key.size()) + 1);
    return key;
  }

  std::string Bound() {
    std::string key = Key();
    if (Below(2) == 0) return key;
    key.resize(std::min<size_t>(key.size(), Below(2) == 0 ? 9 : 15));
    return Below(2) == 0 ? AfterPrefix(key) : key;
  }

 private:
  std::mt19937_64 random_;
};

// The entries of `model` within the bounds, as a cursor has them.
Model Within(const Model& model, const std::string& lower,
             const std::string& upper) {
  Model within;
  for (const auto& [key, value] : model) {
    if (key >= lower && (upper.empty() || key < upper)) within[key] = value;
  }
  return within;
}

void CompareWalk(RandomKeys& random, IndexCursor& cursor, const Model& model) {
  auto at = model.end();
  const std::string target = random.Bound();
  if (random.Below(2) == 0) {
    cursor.Seek(target);
    at = model.lower_bound(target);
  } else {
    cursor.SeekBack(target);
    at = model.upper_bound(target);
    at = at == model.begin() ? model.end() : std::prev(at);
  }
  for (int step = 0; step < 6; ++step) {
    ASSERT_TRUE(cursor.status().ok()) << cursor.status().ToString();
    ASSERT_EQ(cursor.Valid(), at != model.end()) << ToHex(target);
    if (at == model.end()) return;
    ASSERT_EQ(ToHex(cursor.key()), ToHex(at->first)) << ToHex(target);
    ASSERT_EQ(cursor.value(), at->second);
    if (random.Below(2) == 0) {
      cursor.Next();
      ++at;
    } else {
      cursor.Prev();
      at = at == model.begin() ? model.end() : std::prev(at);
    }
  }
}

uint64_t Seed() {
  const char* given = std::getenv("TREFOIL_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10)
                                         : std::random_device()();
  std::cout << "replay with TREFOIL_SEED=" << seed << "\n";
  return seed;
}

TEST_F(IndexTest, RandomOperationsMatchAnOrderedMap) {
  RandomKeys random(Seed());
  Model model;
  for (uint64_t round = 1; round <= 300; ++round) {
    IndexBatch batch;
    for (uint64_t n = random.Below(8); n > 0; --n) {
      std::string key = random.Key();
      if (random.Below(3) == 0) {
        batch.Delete(Family::kLive, key);
        model.erase(key);
      } else {
        model[key] = std::to_string(round);
        batch.Put(Family::kLive, std::move(key), std::to_string(round));
      }
    }
    ASSERT_TRUE(index_->Apply(batch, Lsn(round)).ok());
    if (random.Below(8) == 0) {
      ASSERT_TRUE(index_->Flush().ok());
    }
    if (random.Below(60) == 0) Open();  // loses what was not flushed
    if (index_->applied() != Lsn(round)) {
      model.clear();
      const std::unique_ptr<IndexCursor> cursor =
          index_->NewCursor(Family::kLive, kNoBound, kNoBound);
      for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
        model.emplace(cursor->key(), cursor->value());
      }
    }
    for (int walk = 0; walk < 20; ++walk) {
      const std::string lower = random.Below(2) == 0 ? "" : random.Bound();
      const std::string upper = random.Below(5) == 0 ? "" : random.Bound();
      SCOPED_TRACE(ToHex(lower) + " .. " + ToHex(upper));
      const Model within = Within(model, lower, upper);
      const std::unique_ptr<IndexCursor> cursor =
          index_->NewCursor(Family::kLive, lower, upper);
      ASSERT_NO_FATAL_FAILURE(CompareWalk(random, *cursor, within));
    }
  }
}

}  // namespace
}  // namespace trefoil
