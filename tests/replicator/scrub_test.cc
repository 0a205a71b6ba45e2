// SPDX-License-Identifier: Apache-2.0
// Goal: a scrub reads every object of every copy within the period, heals what
// it finds from any other copy, remembers what it verified, keeps to the share
// of a far copy, and names what no copy has good.
// Method: a real volume whose objects are copied to two more directories; bits
// flipped below; a clock that is put forward.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "fs/object/object_reader.h"
#include "replicator/scrubber.h"
#include "tests/support/expect_clean.h"
#include "tests/support/fault_store.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::ElementsAre;

constexpr size_t kLarge = 530'000;
constexpr int64_t kDay = 24 * 3600;
constexpr int64_t kSecond = 1'000'000'000;

class ScrubTest : public ::testing::Test {
 protected:
  ScrubTest() : seed_(std::random_device()()), random_(seed_) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
    for (int i = 0; i < 8; ++i) {
      volume_.MakeFile("file" + std::to_string(i), RandomBytes(kLarge, 3U + i));
      EXPECT_TRUE(volume_->Commit().ok());
    }
    for (int copy = 1; copy < 3; ++copy) {
      stdfs::copy(Place(0), Place(copy), stdfs::copy_options::recursive);
    }
    options_.bytes_per_second = 0;
  }

  [[nodiscard]] std::string Place(int copy) const {
    return volume_.path() + (copy == 0   ? "/objects"
                             : copy == 1 ? "/../second"
                                         : "/../offsite");
  }
  ObjectCopy Copy(int copy) {
    const char* names[] = {"primary", "second", "offsite"};
    return {names[copy],
            std::make_shared<FaultStore>(
                std::make_unique<LocalTree>(Env::Posix(), Place(copy)),
                faults_[copy])};
  }
  std::unique_ptr<Scrubber> MakeScrubber() {
    volume_->SetCopies({Copy(1), Copy(2)});
    return std::make_unique<Scrubber>(
        volume_.world(), *volume_,
        std::vector<ScrubPlace>{{Copy(0), true, false},
                                {Copy(1), false, false},
                                {Copy(2), false, true}},
        options_);
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    LocalTree tree(Env::Posix(), Place(0));
    for (const char* prefix : {"volume/", "commit/", "pack/"}) {
      EXPECT_TRUE(tree.List(prefix, "",
                            [&](const ObjectInfo& info) {
                              keys.push_back(info.key);
                              return true;
                            })
                      .ok());
    }
    return keys;
  }
  void FlipOneBit(int copy, const std::string& key) {
    const std::string path = Place(copy) + "/" + key;
    const uint64_t bit = random_() % (stdfs::file_size(path) * 8);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(bit / 8));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(static_cast<char>(byte ^ (1 << bit % 8)));
  }
  [[nodiscard]] int CountBad(int copy) {
    LocalTree tree(Env::Posix(), Place(copy));
    int bad = 0;
    for (const std::string& key : Keys()) {
      const auto info = tree.Head(key);
      const bool good =
          info.ok() && VerifyObjectHash(tree, key, info->size_bytes).ok();
      bad += good ? 0 : 1;
    }
    return bad;
  }
  // Objects read from a copy since the last call.
  size_t ReadsOf(int copy) {
    std::set<std::string> keys;
    const auto done = faults_[copy].done();
    for (size_t i = seen_[copy]; i < done.size(); ++i) {
      if (done[i].starts_with("GET ")) keys.insert(done[i]);
    }
    seen_[copy] = done.size();
    return keys.size();
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  TestVolume volume_;
  TargetFaults faults_[3];
  size_t seen_[3] = {};
  ScrubOptions options_;
};

// What stands in an object's place may have any size, and be no file at all.
TEST_F(ScrubTest, WhatHasAnotherSizeIsHealedFromTheOthersToo) {
  const auto keys = Keys();
  ASSERT_GE(keys.size(), 8U);
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string path = Place(static_cast<int>(i % 3)) + "/" + keys[i];
    if (i / 3 % 2 == 0) {
      stdfs::resize_file(path, stdfs::file_size(path) / 2);
    } else {
      stdfs::resize_file(path, stdfs::file_size(path) + 700);
    }
  }
  stdfs::remove(Place(0) + "/" + keys.back());
  ASSERT_EQ(mkfifo((Place(0) + "/" + keys.back()).c_str(), 0600), 0);
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  for (int copy = 0; copy < 3; ++copy) {
    EXPECT_EQ(CountBad(copy), 0) << copy;
    EXPECT_TRUE(scrubber->status()[copy].bad.empty()) << copy;
  }
}

TEST_F(ScrubTest, EveryCopyIsHealedFromTheOthers) {
  const auto keys = Keys();
  for (size_t i = 0; i < keys.size(); ++i) {
    FlipOneBit(static_cast<int>(i % 3), keys[i]);
  }
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  uint64_t healed = 0;
  for (int copy = 0; copy < 3; ++copy) {
    EXPECT_EQ(CountBad(copy), 0) << copy;
    const ScrubStatus status = scrubber->status()[copy];
    EXPECT_EQ(status.objects, keys.size());
    EXPECT_EQ(status.due, 0U);
    EXPECT_TRUE(status.bad.empty());
    EXPECT_EQ(status.last_error, "");
    EXPECT_GT(status.oldest_nanos, 0);
    healed += status.healed;
  }
  EXPECT_EQ(healed, keys.size());
}

TEST_F(ScrubTest, WhatWasVerifiedIsRememberedForItsPeriod) {
  MakeScrubber()->Pass();
  EXPECT_EQ(ReadsOf(0), Keys().size());
  auto scrubber = MakeScrubber();  // of the next mount
  volume_.Pass(10 * kDay);
  scrubber->Pass();
  EXPECT_EQ(ReadsOf(0), 0U);
  EXPECT_GT(scrubber->status()[0].oldest_nanos, 0);
  volume_.Pass(15 * kDay);
  scrubber->Pass();
  EXPECT_EQ(ReadsOf(0), Keys().size());
  // A request does not ask how long ago it was.
  const uint64_t request = scrubber->Request(false);
  scrubber->Pass();
  EXPECT_TRUE(scrubber->WaitFor(request, 0));
  EXPECT_EQ(ReadsOf(0), Keys().size());
}

TEST_F(ScrubTest, WhatWasVerifiedOnOneDiskIsNotTakenForAnothers) {
  std::string disk = "a";
  std::vector<ScrubPlace> places = {{Copy(0), true, false},
                                    {Copy(1), false, false}};
  places[1].disk = [&disk] { return disk; };
  Scrubber scrubber(volume_.world(), *volume_, places, options_);
  scrubber.Pass();
  EXPECT_EQ(ReadsOf(1), Keys().size());
  scrubber.Pass();
  EXPECT_EQ(ReadsOf(1), 0U);
  disk = "b";
  scrubber.Pass();
  EXPECT_EQ(ReadsOf(1), Keys().size());
  disk = "a";
  scrubber.Pass();
  EXPECT_EQ(ReadsOf(1), 0U);
}

TEST_F(ScrubTest, AFarCopyIsReadByItsShareOfADay) {
  options_.far_bytes_per_day = 2 * kLarge + kLarge / 2;
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  const size_t first = ReadsOf(2);
  EXPECT_GT(first, 0U);
  EXPECT_LT(first, Keys().size());
  EXPECT_EQ(scrubber->status()[2].oldest_nanos, 0);
  scrubber->Pass();
  EXPECT_EQ(ReadsOf(2), 0U);
  for (int day = 0; day < 8; ++day) {
    volume_.Pass(kDay + 1);
    scrubber->Pass();
  }
  EXPECT_EQ(ReadsOf(2), Keys().size() - first);
  EXPECT_GT(scrubber->status()[2].oldest_nanos, 0);
}

TEST_F(ScrubTest, WhatNoCopyHasGoodIsNamedAndLeft) {
  const std::string key = Keys().back();
  for (int copy = 0; copy < 3; ++copy) FlipOneBit(copy, key);
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  for (int copy = 0; copy < 3; ++copy) {
    EXPECT_THAT(scrubber->status()[copy].bad, ElementsAre(key));
    EXPECT_EQ(scrubber->status()[copy].healed, 0U);
    EXPECT_EQ(CountBad(copy), 1);
  }
}

TEST_F(ScrubTest, ACopyThatIsAwayIsLeftForLater) {
  faults_[1].SetDown(true);
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  EXPECT_NE(scrubber->status()[1].last_error, "");
  EXPECT_EQ(scrubber->status()[1].oldest_nanos, 0);
  EXPECT_EQ(scrubber->status()[2].last_error, "");
  faults_[1].SetDown(false);
  scrubber->Pass();
  EXPECT_EQ(scrubber->status()[1].last_error, "");
  EXPECT_GT(scrubber->status()[1].oldest_nanos, 0);
}

TEST_F(ScrubTest, ADetachedVolumeChangesNoCopy) {
  options_.heals_copies = false;
  const std::string key = Keys().back();
  FlipOneBit(0, key);
  FlipOneBit(1, key);
  MakeScrubber()->Pass();
  EXPECT_EQ(CountBad(0), 0);
  EXPECT_EQ(CountBad(1), 1);
}

TEST_F(ScrubTest, WhatIsMissingOnThePrimaryComesBack) {
  ASSERT_TRUE(stdfs::remove(Place(0) + "/" + Keys().back()));
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  EXPECT_EQ(scrubber->status()[0].healed, 1U);
  EXPECT_TRUE(volume_->MissingPacks()->empty());
}

// Of this thread, as the kernel has it.
int IoClass() {
  constexpr int kWhoProcess = 1;
  constexpr int kClassShift = 13;
  return static_cast<int>(syscall(SYS_ioprio_get, kWhoProcess, 0)) >>
         kClassShift;
}

TEST_F(ScrubTest, ItReadsAtIdlePriorityUnlessSomebodyWaits) {
  constexpr int kIdle = 3;
  std::set<int> classes;
  faults_[1].before = [&](const std::string& operation, std::string_view) {
    if (operation == "GET") classes.insert(IoClass());
    return OkStatus();
  };
  const auto scrubber = MakeScrubber();
  std::thread([&] { scrubber->Pass(); }).join();
  EXPECT_THAT(classes, ElementsAre(kIdle));
  classes.clear();
  scrubber->Request(false);
  std::thread([&] { scrubber->Pass(); }).join();
  ASSERT_EQ(classes.size(), 1U);
  EXPECT_NE(*classes.begin(), kIdle);
}

TEST_F(ScrubTest, ItKeepsBelowItsRate) {
  uint64_t bytes = 0;
  for (const std::string& key : Keys()) {
    bytes += stdfs::file_size(Place(0) + "/" + key);
  }
  options_.bytes_per_second = 10 << 20;
  options_.far_bytes_per_day = 1;
  const auto scrubber = MakeScrubber();
  const int64_t start = Clock::Real().MonotonicNanos();
  scrubber->Pass();
  const int64_t took = Clock::Real().MonotonicNanos() - start;
  // Of the primary and the second copy.
  EXPECT_GE(static_cast<double>(took) / 1e9,
            2 * static_cast<double>(bytes) / (10 << 20));
}

// Pages of a file in the page cache.
size_t CachedPages(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const auto size = static_cast<size_t>(stdfs::file_size(path));
  void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  std::vector<unsigned char> pages(size / 4096 + 1);
  EXPECT_EQ(mincore(map, size, pages.data()), 0);
  munmap(map, size);
  return static_cast<size_t>(
      std::count_if(pages.begin(), pages.end(),
                    [](unsigned char page) { return (page & 1) != 0; }));
}

TEST_F(ScrubTest, ItReadsTheMediumAndLeavesNothingInThePageCache) {
  for (int copy = 0; copy < 2; ++copy) {
    size_t before = 0;
    std::string pack;
    for (const std::string& key : Keys()) {
      const std::string path = Place(copy) + "/" + key;
      const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
      ASSERT_EQ(fsync(fd), 0);  // dirty pages can't be dropped
      close(fd);
      if (key.starts_with("pack/")) pack = path;
    }
    static_cast<void>(Env::Posix().ReadFile(pack, 1U << 30));
    const size_t all = CachedPages(pack);
    if (copy == 1) {
      // Before the first byte is read, too.
      faults_[1].before = [&](const std::string& operation,
                              std::string_view key) {
        if (operation == "GET" && pack.ends_with(key)) {
          before = CachedPages(pack);
        }
        return OkStatus();
      };
    }
    MakeScrubber()->Pass();
    const size_t after = CachedPages(pack);
    if (all == 0) continue;  // a filesystem without a page cache
    EXPECT_LT(before, all / 4) << copy;
    EXPECT_LT(after, all / 4) << copy;
    faults_[1].before = nullptr;
    stdfs::remove_all(volume_.path() + "/scrub");
  }
}

TEST_F(ScrubTest, ARestartBeginsNoNewDayOfAFarCopy) {
  options_.far_bytes_per_day = 2 * kLarge + kLarge / 2;
  MakeScrubber()->Pass();
  const size_t first = ReadsOf(2);
  EXPECT_GT(first, 0U);
  for (int i = 0; i < 3; ++i) {
    MakeScrubber()->Pass();
    EXPECT_EQ(ReadsOf(2), 0U);
  }
  volume_.Pass(kDay + 120);
  MakeScrubber()->Pass();
  EXPECT_GT(ReadsOf(2), 0U);
}

TEST_F(ScrubTest, WhatCollectionTookIsNoLongerBad) {
  const std::string key = Keys().back();
  for (int copy = 0; copy < 3; ++copy) FlipOneBit(copy, key);
  const auto scrubber = MakeScrubber();
  scrubber->Pass();
  EXPECT_THAT(scrubber->status()[1].bad, ElementsAre(key));
  ASSERT_TRUE(stdfs::remove(Place(1) + "/" + key));
  scrubber->Pass();
  EXPECT_TRUE(scrubber->status()[1].bad.empty());
}

TEST_F(ScrubTest, TheThreadServesRequestsAndEndsSoon) {
  options_.bytes_per_second = 1;  // slow, but for who asks
  const auto scrubber = MakeScrubber();
  scrubber->Start();
  EXPECT_TRUE(scrubber->WaitFor(scrubber->Request(true), 60 * kSecond));
  for (const ScrubStatus& status : scrubber->status()) {
    EXPECT_GT(status.oldest_nanos, 0) << status.name;
  }
  scrubber->RequestStop();
  scrubber->Join();
}

}  // namespace
}  // namespace trefoil::testing
