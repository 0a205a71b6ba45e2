// SPDX-License-Identifier: Apache-2.0
// Goal: names on a real mount behave as POSIX and Linux promise.
// Method: system calls on the mount and the errno that each must give.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cerrno>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

class NamesTest : public MountedTest {
 protected:
  void Touch(const std::string& name) { WriteFile(Path(name), name); }
  int Rename(const std::string& from, const std::string& to,
             unsigned flags = 0) {
    return renameat2(AT_FDCWD, Path(from).c_str(), AT_FDCWD, Path(to).c_str(),
                     flags);
  }
  bool Exists(const std::string& name) {
    struct stat st {};
    return lstat(Path(name).c_str(), &st) == 0;
  }
  struct stat Stat(const std::string& name) {
    struct stat st {};
    EXPECT_EQ(lstat(Path(name).c_str(), &st), 0) << name;
    return st;
  }
  int MakeDir(const std::string& name) {
    return mkdir(Path(name).c_str(), 0755);
  }
};

TEST_F(NamesTest, LongestNameIs255Bytes) {
  const std::string longest(255, 'n');
  Touch(longest);
  EXPECT_EQ(ReadFile(Path(longest)), longest);
  const Fd longer(Path(longest + "n"), O_CREAT | O_WRONLY);
  EXPECT_LT(longer, 0);
  EXPECT_EQ(errno, ENAMETOOLONG);
  EXPECT_EQ(Rename(longest, std::string(255, 'm')), 0);
  EXPECT_FALSE(Exists(longest));
}

TEST_F(NamesTest, AnyBytesMakeAName) {
  for (const std::string name :
       {" ", "\n", "a\\b", "\xff\xfe", "grün", "*?", "-f"}) {
    Touch(name);
    EXPECT_EQ(ReadFile(Path(name)), name);
  }
}

TEST_F(NamesTest, CaseMatters) {
  Touch("Name");
  EXPECT_FALSE(Exists("name"));
  Touch("name");
  EXPECT_EQ(ReadFile(Path("Name")), "Name");
}

TEST_F(NamesTest, RenameReplaces) {
  Touch("a");
  Touch("b");
  ASSERT_EQ(Rename("a", "b"), 0);
  EXPECT_FALSE(Exists("a"));
  EXPECT_EQ(ReadFile(Path("b")), "a");
}

TEST_F(NamesTest, RenameFlagsAreHonoured) {
  Touch("a");
  Touch("b");
  EXPECT_EQ(Rename("a", "b", RENAME_NOREPLACE), -1);
  EXPECT_EQ(errno, EEXIST);
  ASSERT_EQ(Rename("a", "c", RENAME_NOREPLACE), 0);
  ASSERT_EQ(Rename("c", "b", RENAME_EXCHANGE), 0);
  EXPECT_EQ(ReadFile(Path("c")), "b");
  EXPECT_EQ(ReadFile(Path("b")), "a");
  EXPECT_EQ(Rename("c", "missing", RENAME_EXCHANGE), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(NamesTest, RenameOfDirectories) {
  ASSERT_EQ(MakeDir("d"), 0);
  ASSERT_EQ(MakeDir("d/sub"), 0);
  ASSERT_EQ(MakeDir("e"), 0);
  Touch("e/file");
  Touch("plain");
  EXPECT_EQ(Rename("d", "d/sub/d"), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(Rename("d", "e"), -1);
  EXPECT_TRUE(errno == ENOTEMPTY || errno == EEXIST);
  EXPECT_EQ(Rename("d", "plain"), -1);
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_EQ(Rename("plain", "d"), -1);
  EXPECT_EQ(errno, EISDIR);
  ASSERT_EQ(unlink(Path("e/file").c_str()), 0);
  ASSERT_EQ(Rename("d", "e"), 0);
  EXPECT_TRUE(Exists("e/sub"));
  const Fd inside(Path("e/sub/.."), O_RDONLY | O_DIRECTORY);
  struct stat parent {};
  ASSERT_EQ(fstat(inside, &parent), 0);
  EXPECT_EQ(parent.st_ino, Stat("e").st_ino);
}

TEST_F(NamesTest, DirectoriesCountTheirLinks) {
  ASSERT_EQ(MakeDir("d"), 0);
  EXPECT_EQ(Stat("d").st_nlink, 2U);
  ASSERT_EQ(MakeDir("d/a"), 0);
  ASSERT_EQ(MakeDir("d/b"), 0);
  EXPECT_EQ(Stat("d").st_nlink, 4U);
  EXPECT_EQ(rmdir(Path("d").c_str()), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
  ASSERT_EQ(Rename("d/b", "b"), 0);
  EXPECT_EQ(Stat("d").st_nlink, 3U);
  ASSERT_EQ(rmdir(Path("d/a").c_str()), 0);
  ASSERT_EQ(rmdir(Path("d").c_str()), 0);
  EXPECT_FALSE(Exists("d"));
}

TEST_F(NamesTest, WrongKindIsRefused) {
  ASSERT_EQ(MakeDir("d"), 0);
  Touch("f");
  EXPECT_EQ(unlink(Path("d").c_str()), -1);
  EXPECT_EQ(errno, EISDIR);
  EXPECT_EQ(rmdir(Path("f").c_str()), -1);
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_EQ(MakeDir("f"), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(MakeDir("f/x"), -1);
  EXPECT_EQ(errno, ENOTDIR);
  EXPECT_EQ(MakeDir("missing/x"), -1);
  EXPECT_EQ(errno, ENOENT);
  const Fd fd(Path("f"), O_CREAT | O_EXCL | O_RDWR);
  EXPECT_LT(fd, 0);
  EXPECT_EQ(errno, EEXIST);
}

TEST_F(NamesTest, HardLinksShareOneInode) {
  Touch("a");
  ASSERT_EQ(link(Path("a").c_str(), Path("b").c_str()), 0);
  EXPECT_EQ(Stat("a").st_ino, Stat("b").st_ino);
  EXPECT_EQ(Stat("a").st_nlink, 2U);
  WriteFile(Path("b"), "through b");
  EXPECT_EQ(ReadFile(Path("a")), "through b");
  // Two names of one file: rename does nothing and succeeds.
  EXPECT_EQ(Rename("a", "b"), 0);
  EXPECT_TRUE(Exists("a"));
  ASSERT_EQ(unlink(Path("a").c_str()), 0);
  EXPECT_EQ(Stat("b").st_nlink, 1U);
  ASSERT_EQ(MakeDir("d"), 0);
  EXPECT_EQ(link(Path("d").c_str(), Path("e").c_str()), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(NamesTest, SymlinksKeepTheirTarget) {
  const std::string target(4000, 't');
  ASSERT_EQ(symlink(target.c_str(), Path("l").c_str()), 0);
  std::string back(5000, '\0');
  const ssize_t n = readlink(Path("l").c_str(), back.data(), back.size());
  ASSERT_EQ(n, 4000);
  EXPECT_EQ(back.substr(0, 4000), target);
  EXPECT_EQ(Stat("l").st_size, 4000);
  Touch("f");
  ASSERT_EQ(symlink("f", Path("to-f").c_str()), 0);
  EXPECT_EQ(ReadFile(Path("to-f")), "f");
  ASSERT_EQ(symlink("loop", Path("loop").c_str()), 0);
  const Fd loop(Path("loop"), O_RDONLY);
  EXPECT_EQ(errno, ELOOP);
}

TEST_F(NamesTest, SpecialFilesKeepTheirKind) {
  const dev_t device = makedev(300, 70'000);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(mknod(Path("char").c_str(), S_IFCHR | 0600, device), 0);
  ASSERT_EQ(mknod(Path("block").c_str(), S_IFBLK | 0600, device), 0);
  Fd sock(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(Path("s").size(), sizeof(address.sun_path));
  Path("s").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(
      bind(sock, reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
      0);
  sock.Close();
  Remount();
  EXPECT_TRUE(S_ISFIFO(Stat("fifo").st_mode));
  EXPECT_TRUE(S_ISSOCK(Stat("s").st_mode));
  EXPECT_TRUE(S_ISCHR(Stat("char").st_mode));
  EXPECT_TRUE(S_ISBLK(Stat("block").st_mode));
  EXPECT_EQ(Stat("char").st_rdev, device);
  EXPECT_EQ(Stat("block").st_rdev, device);
}

// What NFS does: a handle is good while the file has a name, whatever the
// kernel has cached, and any other bytes are refused.
TEST_F(NamesTest, FilesOpenByHandle) {
  Touch("f");
  union {
    file_handle handle;
    char room[sizeof(file_handle) + MAX_HANDLE_SZ];
  };
  handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  ASSERT_EQ(
      name_to_handle_at(AT_FDCWD, Path("f").c_str(), &handle, &mount_id, 0), 0);
  Remount();
  {
    const Fd root(share().mountpoint(), O_RDONLY);
    const Fd fd(open_by_handle_at(root, &handle, O_RDONLY));
    char byte = 0;
    EXPECT_EQ(read(fd, &byte, 1), 1);
  }
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  Remount();
  const Fd root(share().mountpoint(), O_RDONLY);
  EXPECT_EQ(open_by_handle_at(root, &handle, O_RDONLY), -1);
  EXPECT_EQ(errno, ESTALE);
  handle.f_handle[5] = 0x7f;
  EXPECT_EQ(open_by_handle_at(root, &handle, O_RDONLY), -1);
  EXPECT_EQ(errno, ESTALE);
}

TEST_F(NamesTest, NewNameOfADeletedFileIsANewInode) {
  Touch("f");
  const ino_t first = Stat("f").st_ino;
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  EXPECT_FALSE(Exists("f"));
  Touch("f");
  EXPECT_NE(Stat("f").st_ino, first);
}

}  // namespace
}  // namespace trefoil::testing
