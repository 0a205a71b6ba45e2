// SPDX-License-Identifier: Apache-2.0
// What a check of a volume with many files costs: seconds and peak memory
// (bound: 512 MiB with 1,000,000 files), of the structure and of every byte,
// with one reader and with several. Each check is a process of its own; the
// volume has a snapshot, and half of its files have changed since.
// usage: fsck_bench [FILES [BYTES_PER_FILE]]
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>

#include "fs/base/log.h"
#include "fs/verify/verify.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{0, 0, 022};
constexpr uint64_t kFilesPerDirectory = 1000;
constexpr uint64_t kFilesPerCommit = 50'000;

World RealWorld() { return {Env::Posix(), Clock::Real(), Random::System()}; }

// In a child, so that its memory counts by itself.
void InChild(const std::function<void()>& work) {
  std::fflush(stdout);
  const pid_t child = fork();
  TREFOIL_CHECK(child >= 0);
  if (child == 0) {
    work();
    std::fflush(stdout);
    _exit(0);
  }
  int status = 0;
  TREFOIL_CHECK(waitpid(child, &status, 0) == child && status == 0);
}

class Maker {
 public:
  Maker(const std::string& path, uint64_t bytes) : bytes_(bytes, '\0') {
    VolumeOptions options;
    options.background = false;
    TREFOIL_CHECK(Volume::Format(RealWorld(), path).ok());
    volume_ = std::move(Volume::Open(RealWorld(), path, options)).value();
  }

  void Run(uint64_t files) {
    NodeId directory = kRootNode;
    for (uint64_t i = 0; i < files; ++i) {
      if (i % kFilesPerDirectory == 0) {
        directory = Make(kRootNode, "d" + std::to_string(i), S_IFDIR | 0755);
      }
      const NodeId file =
          Make(directory, "file" + std::to_string(i), S_IFREG | 0644);
      Write(file);
      if (i == files / 2) {
        Commit();
        TREFOIL_CHECK(volume_->CreateSnapshot("half").ok());
      }
      // Their first version is in the snapshot only.
      if (i > files / 2 && i % 2 == 0) Write(NodeId{file.value - files / 4});
      if (i % kFilesPerCommit == kFilesPerCommit - 1) Commit();
    }
    Commit();
    TREFOIL_CHECK(volume_->Close().ok());
  }

 private:
  NodeId Make(NodeId directory, const std::string& name, uint32_t mode) {
    const auto entry =
        S_ISDIR(mode)
            ? volume_->MakeDirectory(directory, name, mode & 07777, kCaller)
            : volume_->MakeNode(directory, name, mode, 0, kCaller);
    TREFOIL_CHECK(entry.ok());
    volume_->Forget(entry->attr.node, 1);
    return entry->attr.node;
  }
  void Write(NodeId file) {
    if (bytes_.empty()) return;
    for (size_t i = 0; i + 8 <= bytes_.size(); i += 8) {
      const uint64_t number = random_();
      std::copy_n(reinterpret_cast<const char*>(&number), 8, &bytes_[i]);
    }
    // What is a directory is left alone.
    static_cast<void>(volume_->Write(file, 0, bytes_, {}));
  }
  void Commit() { TREFOIL_CHECK(volume_->Commit().ok()); }

  std::unique_ptr<Volume> volume_;
  std::mt19937_64 random_{1};
  std::string bytes_;
};

void Measure(const std::string& path, const char* what, bool read_data,
             unsigned readers) {
  InChild([&] {
    VerifyOptions options;
    options.read_data = read_data;
    options.readers = readers;
    options.scratch_directory = path + "/..";
    const auto start = std::chrono::steady_clock::now();
    const auto report = VerifyVolume(RealWorld(), path, options);
    const std::chrono::duration<double> wall =
        std::chrono::steady_clock::now() - start;
    TREFOIL_CHECK(report.ok() && report->clean());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-28s %7.2f s %6ld MiB  (%llu files, %llu MiB)\n", what,
                wall.count(), usage.ru_maxrss / 1024,
                static_cast<unsigned long long>(report->files),
                static_cast<unsigned long long>(report->bytes >> 20));
  });
}

}  // namespace
}  // namespace trefoil

int main(int argc, char** argv) {
  using namespace trefoil;  // NOLINT(google-build-using-namespace)
  const uint64_t files =
      argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const uint64_t bytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 512;
  LogToStderr(LogLevel::kError);
  std::string directory = "/tmp/trefoil-fsck-XXXXXX";
  TREFOIL_CHECK(mkdtemp(directory.data()) != nullptr);
  const std::string path = directory + "/volume";
  InChild([&] { Maker(path, bytes).Run(files); });
  Measure(path, "structure", false, 1);
  Measure(path, "every byte, one reader", true, 1);
  Measure(path, "every byte, four readers", true, 4);
  Measure(path, "every byte, eight readers", true, 8);
  static_cast<void>(Env::Posix().RemoveTree(directory));
}
