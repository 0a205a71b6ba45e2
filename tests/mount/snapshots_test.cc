// SPDX-License-Identifier: Apache-2.0
// Goal: .snapshots on a real mount: in every directory, in no listing,
// read-only, and up to date although the kernel caches names.
// Method: `trefoil snapshot` while the mount is used.
#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

class SnapshotsTest : public MountedTest {
 protected:
  static std::string Create() {
    const CommandResult result =
        Share::Trefoil({"snapshot", "create", share().mountpoint()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out.substr(0, result.out.find('\n'));
  }
  static ino_t InodeOf(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
    return st.st_ino;
  }
  static bool Exists(const std::string& path) {
    struct stat st {};
    return lstat(path.c_str(), &st) == 0;
  }
  static int Count(const std::string& path, const std::string& wanted) {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(path.c_str()),
                                                  closedir);
    EXPECT_NE(dir, nullptr) << path;
    int count = 0;
    while (const dirent* entry = readdir(dir.get())) {
      if (entry->d_name == wanted) ++count;
    }
    return count;
  }
};

TEST_F(SnapshotsTest, ShowWhatWas) {
  WriteFile(Path("f"), "old");
  const std::string name = Create();
  WriteFile(Path("f"), "new and longer");
  WriteFile(Path("g"), "later");
  const std::string past = Path(".snapshots/" + name);
  EXPECT_EQ(ReadFile(past + "/f"), "old");
  EXPECT_FALSE(Exists(past + "/g"));
  EXPECT_EQ(ReadFile(Path("f")), "new and longer");
  EXPECT_NE(InodeOf(past + "/f"), InodeOf(Path("f")));
  Remount();
  EXPECT_EQ(ReadFile(past + "/f"), "old");
}

TEST_F(SnapshotsTest, AreReachableEverywhereAndListedNowhere) {
  ASSERT_EQ(mkdir(Path("d").c_str(), 0755), 0);
  WriteFile(Path("d/f"), "deep");
  const std::string name = Create();
  EXPECT_EQ(ReadFile(Path("d/.snapshots/" + name + "/f")), "deep");
  EXPECT_EQ(Count(Path("d"), ".snapshots"), 0);
  EXPECT_EQ(Count(share().mountpoint(), ".snapshots"), 0);
  EXPECT_EQ(Count(Path("d/.snapshots"), name), 1);
  EXPECT_EQ(open(Path("d/f/.snapshots").c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOTDIR);
}

TEST_F(SnapshotsTest, TakeNoChange) {
  WriteFile(Path("f"), "old");
  const std::string past = Path(".snapshots/" + Create());
  EXPECT_EQ(mkdir((past + "/d").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(unlink((past + "/f").c_str()), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(chmod((past + "/f").c_str(), 0600), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(truncate((past + "/f").c_str(), 0), -1);
  EXPECT_EQ(errno, EROFS);
  const Fd fd(past + "/f", O_WRONLY);
  EXPECT_TRUE(fd < 0 || write(fd, "x", 1) < 0);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(rename((past + "/f").c_str(), Path("g").c_str()), -1);
  EXPECT_EQ(errno, EXDEV);
  EXPECT_EQ(link((past + "/f").c_str(), Path("g").c_str()), -1);
  EXPECT_EQ(errno, EXDEV);
}

TEST_F(SnapshotsTest, ComeAndGoAtOnce) {
  const std::string list = Path(".snapshots/");
  EXPECT_FALSE(Exists(list + "@GMT-2099.01.01-00.00.00"));
  const std::string name = Create();
  EXPECT_TRUE(Exists(list + name));
  const CommandResult deleted =
      Share::Trefoil({"snapshot", "delete", share().mountpoint(), name});
  ASSERT_EQ(deleted.exit_code, 0) << deleted.err;
  EXPECT_EQ(Count(list, name), 0);
  usleep(1'100'000);  // as long as its name may be cached
  EXPECT_FALSE(Exists(list + name));
}

TEST_F(SnapshotsTest, AreListedAtTheRootWhenAsked) {
  share().Unmount();
  share().Mount({"-o", "snapdir=visible"});
  EXPECT_EQ(Count(share().mountpoint(), ".snapshots"), 1);
  Remount();
}

}  // namespace
}  // namespace trefoil::testing
