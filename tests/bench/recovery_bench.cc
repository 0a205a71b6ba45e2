// SPDX-License-Identifier: Apache-2.0
// How long the next opening takes after a crash:
// - with a journal full of 4 KiB writes, and of 1 MiB writes (bound: 5 s);
// - with 1,000,000 files and an empty journal (bound: 1 s).
// Prints wall and processor time of Volume::Open. The page cache is warm.
// usage: recovery_bench [JOURNAL_GIB [FILES]]
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fs/base/log.h"
#include "fs/volume/volume.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{0, 0, 022};
constexpr uint64_t kFiles = 64;
constexpr uint64_t kFileBytes = 32ULL << 20;
constexpr uint64_t kSyncEvery = 64ULL << 20;
constexpr uint64_t kFilesPerDirectory = 1000;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Bench {
 public:
  Bench() {
    std::string name = "/tmp/trefoil-recovery-XXXXXX";
    TREFOIL_CHECK(mkdtemp(name.data()) != nullptr);
    directory_ = name;
    options.background = false;
    TREFOIL_CHECK(Volume::Format(RealWorld(), Path()).ok());
  }
  ~Bench() {
    volume.reset();
    static_cast<void>(Env::Posix().RemoveTree(directory_));
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void Open() {
    volume = std::move(Volume::Open(RealWorld(), Path(), options)).value();
  }
  // As after a crash; `what` says of what.
  void MeasureOpening(const char* what) {
    volume.reset();
    const auto start = std::chrono::steady_clock::now();
    const double cpu = CpuSeconds();
    Open();
    const std::chrono::duration<double> wall =
        std::chrono::steady_clock::now() - start;
    std::printf("%-44s %6.2f s, %6.2f s of processor\n", what, wall.count(),
                CpuSeconds() - cpu);
    std::fflush(stdout);
  }
  NodeId Make(NodeId directory, const std::string& name, uint32_t mode) {
    const auto entry =
        S_ISDIR(mode) ? volume->MakeDirectory(directory, name, 0755, kCaller)
                      : volume->MakeNode(directory, name, mode, 0, kCaller);
    TREFOIL_CHECK(entry.ok());
    volume->Forget(entry->attr.node, 1);
    return entry->attr.node;
  }

  VolumeOptions options;
  std::unique_ptr<Volume> volume;

 private:
  [[nodiscard]] std::string Path() const { return directory_ + "/volume"; }
  static World RealWorld() {
    return {Env::Posix(), Clock::Real(), Random::System()};
  }

  std::string directory_;
};

void FullJournal(uint64_t journal_bytes, uint64_t write_bytes,
                 const char* what) {
  Bench bench;
  // Twice the size, so that nobody is slowed down on the way.
  bench.options.journal_capacity_bytes = 2 * journal_bytes;
  bench.Open();
  std::vector<NodeId> files;
  for (uint64_t i = 0; i < kFiles; ++i) {
    files.push_back(
        bench.Make(kRootNode, "f" + std::to_string(i), S_IFREG | 0644));
  }
  std::mt19937_64 random(1);
  const std::string data(write_bytes, 'd');
  uint64_t unsynced = 0;
  while (bench.volume->Space().ok()) {
    const NodeId file = files[random() % kFiles];
    const uint64_t offset = random() % (kFileBytes / write_bytes) * write_bytes;
    TREFOIL_CHECK(bench.volume->Write(file, offset, data, {}).ok());
    unsynced += write_bytes;
    if (unsynced < kSyncEvery) continue;
    unsynced = 0;
    TREFOIL_CHECK(bench.volume->Sync().ok());
    if (bench.volume->status().journal_used_bytes >= journal_bytes) break;
  }
  bench.MeasureOpening(what);
}

void ManyFiles(uint64_t count) {
  Bench bench;
  bench.Open();
  NodeId directory = kRootNode;
  for (uint64_t i = 0; i < count; ++i) {
    if (i % kFilesPerDirectory == 0) {
      directory = bench.Make(kRootNode, "d" + std::to_string(i), S_IFDIR);
    }
    bench.Make(directory, "file" + std::to_string(i), S_IFREG | 0644);
    if (i % 100'000 == 99'999) {
      TREFOIL_CHECK(bench.volume->Commit().ok());
    }
  }
  TREFOIL_CHECK(bench.volume->Commit().ok());
  TREFOIL_CHECK(bench.volume->Close().ok());
  bench.volume.reset();
  bench.Open();
  const std::string what = std::to_string(count) + " files, an empty journal";
  bench.MeasureOpening(what.c_str());
}

}  // namespace
}  // namespace trefoil

int main(int argc, char** argv) {
  const uint64_t gib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint64_t files =
      argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  trefoil::LogToStderr(trefoil::LogLevel::kError);
  trefoil::FullJournal(gib << 30, 4 << 10, "a journal full of 4 KiB writes");
  trefoil::FullJournal(gib << 30, 1 << 20, "a journal full of 1 MiB writes");
  trefoil::ManyFiles(files);
}
