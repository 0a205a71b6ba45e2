// SPDX-License-Identifier: Apache-2.0
// Goal: kill -9 of the daemon loses no acknowledged write, and the share comes
// back by mounting it again (O1, O2).
// Method: several writers make and append to files until the mount dies under
// them, each noting what was acknowledged; after a new mount all of that must
// be there, with nothing else but at most the operation in flight.
#include <sys/stat.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

constexpr int kWriters = 4;
constexpr int kRounds = 5;

struct Written {
  std::string path;
  std::string data;  // acknowledged
};

// Whole files and appends, until an operation fails.
class Writer {
 public:
  Writer(std::string prefix, uint64_t seed)
      : prefix_(std::move(prefix)), random_(seed) {}

  void Run() {
    for (int i = 0;; ++i) {
      const std::string path = prefix_ + "-" + std::to_string(i);
      const Fd fd(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND);
      if (fd < 0) return;
      written_.push_back({path, ""});
      const int appends = static_cast<int>(random_() % 5);
      for (int k = 0; k < appends; ++k) {
        const std::string data = RandomBytes(random_() % 60'000, random_());
        const ssize_t n = write(fd, data.data(), data.size());
        if (n < 0) return;
        written_.back().data.append(data, 0, static_cast<size_t>(n));
      }
    }
  }
  [[nodiscard]] const std::vector<Written>& written() const { return written_; }

 private:
  const std::string prefix_;
  std::mt19937_64 random_;
  std::vector<Written> written_;
};

class KillTest : public ::testing::Test {};

std::string Load(const std::string& path) {
  const Fd fd(path, O_RDONLY);
  EXPECT_GE(fd, 0) << path;
  struct stat st {};
  EXPECT_EQ(fstat(fd, &st), 0);
  std::string data(static_cast<size_t>(st.st_size), '\0');
  EXPECT_EQ(pread(fd, data.data(), data.size(), 0), st.st_size) << path;
  return data;
}

// The last file of a writer may hold more: what was in flight.
void ExpectThere(const Writer& writer) {
  const std::vector<Written>& all = writer.written();
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string found = Load(all[i].path);
    const bool last = i + 1 == all.size();
    EXPECT_TRUE(last ? found.compare(0, all[i].data.size(), all[i].data) == 0
                     : found == all[i].data)
        << all[i].path << ": " << found.size() << " bytes, acknowledged "
        << all[i].data.size();
  }
}

TEST_F(KillTest, AcknowledgedWritesSurvive) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Share share;
  share.Init();
  std::vector<std::unique_ptr<Writer>> writers;
  for (int round = 0; round < kRounds; ++round) {
    share.Mount();
    for (const auto& writer : writers) ExpectThere(*writer);
    std::vector<std::thread> threads;
    for (int i = 0; i < kWriters; ++i) {
      writers.push_back(std::make_unique<Writer>(
          share.Path(std::to_string(round) + "-" + std::to_string(i)),
          random()));
      threads.emplace_back([writer = writers.back().get()] { writer->Run(); });
    }
    usleep(static_cast<useconds_t>(200'000 + random() % 1'500'000));
    share.KillDaemon();
    for (std::thread& thread : threads) thread.join();
  }
  share.Mount();
  for (const auto& writer : writers) ExpectThere(*writer);
  share.Unmount();
  share.ExpectClean();
}

}  // namespace
}  // namespace trefoil::testing
