// SPDX-License-Identifier: Apache-2.0
// Goal: a directory's listing shows each entry once, from any position and
// while entries come and go.
// Method: opendir(3) and friends on a real mount, with some thousand entries.
#include <dirent.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

constexpr int kEntries = 5000;

using Dir = std::unique_ptr<DIR, int (*)(DIR*)>;

Dir OpenDir(const std::string& path) {
  return {opendir(path.c_str()), closedir};
}

class ListingTest : public MountedTest {
 protected:
  std::string NameOf(int i) { return "entry-" + std::to_string(i); }
  void Fill(int count) {
    for (int i = 0; i < count; ++i) {
      const Fd fd(Path(NameOf(i)), O_CREAT | O_EXCL | O_WRONLY);
      ASSERT_GE(fd, 0) << i;
    }
  }
  // The names from the present position on; fails on one that comes twice.
  std::multiset<std::string> Rest(DIR* dir) {
    std::multiset<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(dir)) names.insert(entry->d_name);
    EXPECT_EQ(errno, 0);
    return names;
  }
};

TEST_F(ListingTest, EveryEntryComesOnce) {
  Fill(kEntries);
  for (int round = 0; round < 2; ++round) {
    Dir dir = OpenDir(Path(""));
    const std::multiset<std::string> names = Rest(dir.get());
    dir.reset();
    EXPECT_EQ(names.size(), kEntries + 2U);
    EXPECT_EQ(names.count("."), 1U);
    EXPECT_EQ(names.count(".."), 1U);
    for (int i = 0; i < kEntries; ++i) {
      ASSERT_EQ(names.count(NameOf(i)), 1U) << i;
    }
    Remount();
  }
}

TEST_F(ListingTest, EntriesTellInodeAndKind) {
  Fill(3);
  ASSERT_EQ(mkdir(Path("d").c_str(), 0755), 0);
  const Dir dir = OpenDir(Path(""));
  while (const dirent* entry = readdir(dir.get())) {
    struct stat st {};
    ASSERT_EQ(lstat(Path(entry->d_name).c_str(), &st), 0);
    if (std::string(entry->d_name) != "..") {
      EXPECT_EQ(entry->d_ino, st.st_ino) << entry->d_name;
    }
    EXPECT_EQ(entry->d_type, S_ISDIR(st.st_mode) ? DT_DIR : DT_REG);
  }
}

TEST_F(ListingTest, SeekdirReturnsToWhereTelldirWas) {
  Fill(kEntries);
  const Dir dir = OpenDir(Path(""));
  std::vector<std::pair<long, std::string>> positions;
  while (true) {
    const long position = telldir(dir.get());
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    positions.emplace_back(position, entry->d_name);
  }
  ASSERT_EQ(positions.size(), kEntries + 2U);
  for (size_t i = 0; i < positions.size(); i += 97) {
    const auto& [position, name] = positions[positions.size() - 1 - i];
    seekdir(dir.get(), position);
    const dirent* entry = readdir(dir.get());
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(name, entry->d_name);
  }
  rewinddir(dir.get());
  EXPECT_EQ(Rest(dir.get()).size(), kEntries + 2U);
}

TEST_F(ListingTest, DeletingWhileReadingMissesNothing) {
  Fill(kEntries);
  const Dir dir = OpenDir(Path(""));
  int deleted = 0;
  while (const dirent* entry = readdir(dir.get())) {
    if (entry->d_name[0] == '.') continue;
    ASSERT_EQ(unlink(Path(entry->d_name).c_str()), 0);
    ++deleted;
  }
  EXPECT_EQ(deleted, kEntries);
}

// A second reader refreshes whatever the kernel caches of the directory while
// the first is in its middle and behind entries that are gone.
TEST_F(ListingTest, ReadersDoNotDisturbEachOther) {
  Fill(kEntries);
  const Dir first = OpenDir(Path(""));
  std::set<std::string> seen;
  for (int i = 0; i < kEntries / 2; ++i) {
    const dirent* entry = readdir(first.get());
    ASSERT_NE(entry, nullptr);
    seen.insert(entry->d_name);
  }
  for (const std::string& name : seen) {
    if (name[0] == '.') continue;
    ASSERT_EQ(unlink(Path(name).c_str()), 0);
  }
  const Dir second = OpenDir(Path(""));
  const size_t left = Rest(second.get()).size();
  EXPECT_EQ(left + seen.size(), kEntries + 2U + 2U);
  for (const std::string& name : Rest(first.get())) seen.insert(name);
  EXPECT_EQ(seen.size(), kEntries + 2U);
}

TEST_F(ListingTest, EntriesThatStayAreSeenDuringChanges) {
  Fill(1000);
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    for (int i = 0; !stop.load(); ++i) {
      const std::string name = Path("churn-" + std::to_string(i % 50));
      const Fd fd(name, O_CREAT | O_WRONLY);
      unlink(name.c_str());
    }
  });
  for (int round = 0; round < 20; ++round) {
    const Dir dir = OpenDir(Path(""));
    const std::multiset<std::string> names = Rest(dir.get());
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(names.count(NameOf(i)), 1U) << NameOf(i);
    }
  }
  stop.store(true);
  churn.join();
}

}  // namespace
}  // namespace trefoil::testing
