// SPDX-License-Identifier: Apache-2.0
// How fast the journal takes records into the page cache, syncs small ones,
// and is replayed.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <string>

#include "fs/journal/journal.h"

namespace trefoil {
namespace {

class Bench {
 public:
  explicit Bench(uint64_t capacity) {
    std::string name = "/tmp/trefoil-journal-bench-XXXXXX";
    if (mkdtemp(name.data()) != nullptr) dir_ = name;
    options_.capacity_bytes = capacity;
    Open();
  }
  ~Bench() {
    journal_.reset();
    static_cast<void>(Env::Posix().RemoveTree(dir_));
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void Open() {
    journal_.reset();
    journal_ = Journal::Open(Env::Posix(), Clock::Real(), Random::System(),
                             dir_, options_, Lsn(0),
                             [](const JournalRecord&) { return OkStatus(); })
                   .value();
  }
  JournalReservation Put(std::string_view meta, std::string_view data) {
    TREFOIL_CHECK(journal_->Admit(meta.size() + data.size(), false).ok());
    const JournalReservation place =
        journal_->Reserve(Epoch(1), static_cast<uint32_t>(meta.size()),
                          static_cast<uint32_t>(data.size()));
    TREFOIL_CHECK(journal_->Write(place, meta, data).ok());
    return place;
  }
  Journal& journal() { return *journal_; }

 private:
  std::string dir_;
  JournalOptions options_;
  std::unique_ptr<Journal> journal_;
};

// Recycled segments, as in steady state: trimmed as soon as possible.
void BM_Write(benchmark::State& state) {
  const std::string data(static_cast<size_t>(state.range(0)), 'd');
  const std::string meta(200, 'm');
  Bench bench(512 << 20);
  for (int i = 0; i < 400; ++i) {
    bench.Put(meta, std::string(1 << 20, 'w'));
    TREFOIL_CHECK(bench.journal().Trim(bench.journal().stats().written).ok());
  }
  uint64_t count = 0;
  for (auto step : state) {
    const JournalReservation place = bench.Put(meta, data);
    if (++count % 64 == 0) {
      TREFOIL_CHECK(bench.journal().Trim(place.lsn).ok());
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(count * data.size()));
}
BENCHMARK(BM_Write)->Arg(0)->Arg(4096)->Arg(128 << 10)->Arg(1 << 20);

void BM_WriteAndSync(benchmark::State& state) {
  const std::string data(static_cast<size_t>(state.range(0)), 'd');
  Bench bench(512 << 20);
  for (auto step : state) {
    const JournalReservation place = bench.Put("meta", data);
    TREFOIL_CHECK(bench.journal().Sync(place.lsn).ok());
    TREFOIL_CHECK(bench.journal().Trim(place.lsn).ok());
  }
}
BENCHMARK(BM_WriteAndSync)->Arg(0)->Arg(4096)->UseRealTime();

void BM_ReadData(benchmark::State& state) {
  const std::string data(1 << 20, 'd');
  Bench bench(512 << 20);
  const JournalReservation place = bench.Put("meta", data);
  std::string out(static_cast<size_t>(state.range(0)), '\0');
  for (auto step : state) {
    TREFOIL_CHECK(bench.journal().ReadData(place.position, out).ok());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ReadData)->Arg(4096)->Arg(128 << 10);

// One GiB of 4 KiB writes with 200 bytes of metadata each.
void BM_Replay(benchmark::State& state) {
  const std::string data(4096, 'd');
  const std::string meta(200, 'm');
  Bench bench(uint64_t{4} << 30);
  for (int i = 0; i < (1 << 30) / 4400; ++i) bench.Put(meta, data);
  TREFOIL_CHECK(bench.journal().SyncAll().ok());
  for (auto step : state) bench.Open();
}
BENCHMARK(BM_Replay)->Unit(benchmark::kMillisecond)->Iterations(2);

}  // namespace
}  // namespace trefoil

BENCHMARK_MAIN();
