// SPDX-License-Identifier: Apache-2.0
// What the index costs: applying a small transaction, reading a record, and
// looking for a name, in an index of 1,000,000 inodes and names, most of it
// in table files.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <random>
#include <string>

#include "fs/base/check.h"
#include "fs/index/index.h"
#include "fs/index/keys.h"

namespace trefoil {
namespace {

constexpr uint64_t kInodes = 1'000'000;
constexpr size_t kValueBytes = 80;
constexpr InodeId kDirectory{1};

// A hash that spreads, as the one of names does; never a reserved position.
DirPosition PositionOf(uint64_t n) {
  return DirPosition(((n * 0x9e3779b97f4a7c15ULL) >> 1 | 1ULL << 20) &
                     ~0xffffULL);
}

// One index for all benchmarks, removed at the end.
class Fixture {
 public:
  static Fixture& Get() {
    static Fixture fixture;
    return fixture;
  }
  Index& index() { return *index_; }
  Lsn NextLsn() { return Lsn(++lsn_); }

 private:
  Fixture() {
    std::string name = "/tmp/index-bench-XXXXXX";
    TREFOIL_CHECK(mkdtemp(name.data()) != nullptr);
    dir_ = name;
    index_ = Index::Open(Env::Posix(), dir_, IndexOptions()).value();
    for (uint64_t n = 1; n <= kInodes; ++n) {
      IndexBatch batch;
      batch.Put(Family::kLive, InodeKey(InodeId(n)),
                std::string(kValueBytes, static_cast<char>(n)));
      batch.Put(Family::kLive, DirentKey(kDirectory, PositionOf(n)),
                "name-" + std::to_string(n));
      TREFOIL_CHECK(index_->WaitForRoom().ok());
      TREFOIL_CHECK(index_->Apply(batch, NextLsn()).ok());
    }
    TREFOIL_CHECK(index_->Flush().ok());
  }
  ~Fixture() {
    index_.reset();
    TREFOIL_CHECK(Env::Posix().RemoveTree(dir_).ok());
  }

  std::string dir_;
  std::unique_ptr<Index> index_;
  uint64_t lsn_ = 0;
};

// As creating a file does: an inode, a name, the parent, a counter.
void BM_ApplyFourPuts(benchmark::State& state) {
  Fixture& fixture = Fixture::Get();
  uint64_t n = kInodes;
  for (auto _ : state) {
    state.PauseTiming();
    TREFOIL_CHECK(fixture.index().WaitForRoom().ok());
    ++n;
    IndexBatch batch;
    batch.Put(Family::kLive, InodeKey(InodeId(n)),
              std::string(kValueBytes, 'v'));
    batch.Put(Family::kLive, DirentKey(kDirectory, PositionOf(n)), "name");
    batch.Put(Family::kLive, InodeKey(kDirectory),
              std::string(kValueBytes, 'd'));
    batch.Put(Family::kLive, CounterKey(kInodeCounter), "12345678");
    const Lsn lsn = fixture.NextLsn();
    state.ResumeTiming();
    TREFOIL_CHECK(fixture.index().Apply(batch, lsn).ok());
  }
}
BENCHMARK(BM_ApplyFourPuts)->Iterations(300'000);

// Everything that a change costs the applier, its own copies included.
void BM_BuildAndApplyFourPuts(benchmark::State& state) {
  Fixture& fixture = Fixture::Get();
  uint64_t n = kInodes * 2;
  for (auto _ : state) {
    ++n;
    IndexBatch batch;
    batch.Put(Family::kLive, InodeKey(InodeId(n)),
              std::string(kValueBytes, 'v'));
    batch.Put(Family::kLive, DirentKey(kDirectory, PositionOf(n)), "name");
    batch.Put(Family::kLive, InodeKey(kDirectory),
              std::string(kValueBytes, 'd'));
    batch.Put(Family::kLive, CounterKey(kInodeCounter), "12345678");
    TREFOIL_CHECK(fixture.index().WaitForRoom().ok());
    TREFOIL_CHECK(fixture.index().Apply(batch, fixture.NextLsn()).ok());
  }
}
BENCHMARK(BM_BuildAndApplyFourPuts)->Iterations(300'000);

void BM_GetInode(benchmark::State& state) {
  Index& index = Fixture::Get().index();
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const InodeId inode(random() % kInodes + 1);
    benchmark::DoNotOptimize(index.Get(Family::kLive, InodeKey(inode)));
  }
}
BENCHMARK(BM_GetInode);

void BM_GetAbsentInode(benchmark::State& state) {
  Index& index = Fixture::Get().index();
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const InodeId inode(kInodes * 10 + random() % kInodes);
    benchmark::DoNotOptimize(index.Get(Family::kLive, InodeKey(inode)));
  }
}
BENCHMARK(BM_GetAbsentInode);

// A name among those that share its hash. With an upper bound of the same
// hash, the files that do not have it are skipped by their filters.
void SeekName(benchmark::State& state, uint64_t first, bool same_hash) {
  Index& index = Fixture::Get().index();
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const DirPosition position = PositionOf(first + random() % kInodes);
    const std::string lower = DirentKey(kDirectory, position);
    const std::string upper =
        same_hash
            ? DirentKey(kDirectory, DirPosition(position.value | 0xffff))
            : DirentKey(kDirectory, DirPosition(position.value + 0x10000));
    const std::unique_ptr<IndexCursor> cursor =
        index.NewCursor(Family::kLive, lower, upper);
    cursor->Seek(lower);
    benchmark::DoNotOptimize(cursor->Valid());
  }
}
void BM_SeekName(benchmark::State& state) { SeekName(state, 1, true); }
void BM_SeekAbsentName(benchmark::State& state) {
  SeekName(state, kInodes * 10, true);
}
void BM_SeekAbsentNameWithoutFilter(benchmark::State& state) {
  SeekName(state, kInodes * 10, false);
}
BENCHMARK(BM_SeekName);
BENCHMARK(BM_SeekAbsentName);
BENCHMARK(BM_SeekAbsentNameWithoutFilter);

// The extents of a file that has none, as for each new file.
void BM_ScanNothing(benchmark::State& state) {
  Index& index = Fixture::Get().index();
  uint64_t n = kInodes;
  for (auto _ : state) {
    const std::string lower = ExtentKey(InodeId(++n), 0);
    const std::unique_ptr<IndexCursor> cursor =
        index.NewCursor(Family::kLive, lower, AfterPrefix(KeyOf('E', n)));
    cursor->Seek(lower);
    benchmark::DoNotOptimize(cursor->Valid());
  }
}
BENCHMARK(BM_ScanNothing);

void BM_ListDirectory(benchmark::State& state) {
  Index& index = Fixture::Get().index();
  for (auto _ : state) {
    const std::unique_ptr<IndexCursor> cursor =
        index.NewCursor(Family::kLive, KeyOf('D', 1), KeyOf('D', 2));
    uint64_t names = 0;
    for (cursor->Seek(""); cursor->Valid() && names < 100'000; cursor->Next()) {
      ++names;
    }
    state.SetItemsProcessed(state.items_processed() +
                            static_cast<int64_t>(names));
  }
}
BENCHMARK(BM_ListDirectory)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace trefoil

BENCHMARK_MAIN();
