// SPDX-License-Identifier: Apache-2.0
// Goal: times, modes, owners, xattrs and ACLs on a real mount are kept exactly
// and change when POSIX says that they do.
// Method: system calls as root and as an ordinary user; exact values again
// after a remount.
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

struct stat Stat(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
  return st;
}

mode_t ModeOf(const std::string& path) { return Stat(path).st_mode & 07777; }

bool Equal(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool Later(const timespec& a, const timespec& b) {
  return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

class AttributesTest : public MountedTest {};

TEST_F(AttributesTest, TimesAreExactToTheNanosecond) {
  WriteFile(Path("f"), "x");
  for (const time_t seconds : {time_t{0}, time_t{1'700'000'000}, time_t{-5}}) {
    const timespec times[2] = {{seconds, 123'456'789}, {seconds + 1, 1}};
    ASSERT_EQ(utimensat(AT_FDCWD, Path("f").c_str(), times, 0), 0);
    Remount();
    EXPECT_TRUE(Equal(Stat(Path("f")).st_atim, times[0])) << seconds;
    EXPECT_TRUE(Equal(Stat(Path("f")).st_mtim, times[1])) << seconds;
  }
}

TEST_F(AttributesTest, TimesCanBeOmittedOrNow) {
  WriteFile(Path("f"), "x");
  const timespec past[2] = {{1000, 1}, {2000, 2}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("f").c_str(), past, 0), 0);
  const timespec change[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("f").c_str(), change, 0), 0);
  EXPECT_TRUE(Equal(Stat(Path("f")).st_atim, past[0]));
  EXPECT_GT(Stat(Path("f")).st_mtim.tv_sec, 2000);
}

TEST_F(AttributesTest, SymlinkHasTimesAndOwnerOfItsOwn) {
  ASSERT_EQ(symlink("nowhere", Path("l").c_str()), 0);
  const timespec times[2] = {{11, 12}, {13, 14}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("l").c_str(), times, AT_SYMLINK_NOFOLLOW),
            0);
  ASSERT_EQ(lchown(Path("l").c_str(), 77, 78), 0);
  Remount();
  EXPECT_TRUE(Equal(Stat(Path("l")).st_mtim, times[1]));
  EXPECT_EQ(Stat(Path("l")).st_uid, 77U);
  EXPECT_EQ(Stat(Path("l")).st_gid, 78U);
}

TEST_F(AttributesTest, ChangesMoveTheTimesThatTheyShould) {
  WriteFile(Path("f"), "x");
  const struct stat before = Stat(Path("f"));
  const struct stat directory = Stat(Path(""));
  usleep(20'000);
  WriteFile(Path("f"), "y");
  EXPECT_TRUE(Later(Stat(Path("f")).st_mtim, before.st_mtim));
  EXPECT_TRUE(Later(Stat(Path("f")).st_ctim, before.st_ctim));
  EXPECT_TRUE(Equal(Stat(Path("")).st_mtim, directory.st_mtim));
  const struct stat written = Stat(Path("f"));
  usleep(20'000);
  ASSERT_EQ(chmod(Path("f").c_str(), 0600), 0);
  EXPECT_TRUE(Equal(Stat(Path("f")).st_mtim, written.st_mtim));
  EXPECT_TRUE(Later(Stat(Path("f")).st_ctim, written.st_ctim));
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  EXPECT_TRUE(Later(Stat(Path("")).st_mtim, directory.st_mtim));
}

TEST_F(AttributesTest, ReadingMovesNoTime) {
  WriteFile(Path("f"), "x");
  const struct stat before = Stat(Path("f"));
  usleep(20'000);
  EXPECT_EQ(ReadFile(Path("f")), "x");
  Remount();
  EXPECT_TRUE(Equal(Stat(Path("f")).st_atim, before.st_atim));
}

TEST_F(AttributesTest, OwnerAndModeAreKept) {
  WriteFile(Path("f"), "x");
  ASSERT_EQ(chown(Path("f").c_str(), 1234, 0x7ffffffe), 0);
  ASSERT_EQ(chmod(Path("f").c_str(), 04755), 0);
  Remount();
  EXPECT_EQ(Stat(Path("f")).st_uid, 1234U);
  EXPECT_EQ(Stat(Path("f")).st_gid, 0x7ffffffeU);
  EXPECT_EQ(ModeOf(Path("f")), 04755U);
}

TEST_F(AttributesTest, WriteByOrdinaryUserClearsSetuid) {
  for (const bool truncates : {false, true}) {
    WriteFile(Path("f"), "xyz");
    ASSERT_EQ(chmod(Path("f").c_str(), 06777), 0);
    EXPECT_TRUE(AsOrdinaryUser([&] {
      const Fd fd(Path("f"), O_WRONLY);
      return truncates ? ftruncate(fd, 1) == 0 : write(fd, "a", 1) == 1;
    }));
    EXPECT_EQ(ModeOf(Path("f")), 0777U);
  }
}

TEST_F(AttributesTest, WriteByRootKeepsSetuidAndChownClearsIt) {
  WriteFile(Path("f"), "xyz");
  ASSERT_EQ(chmod(Path("f").c_str(), 06755), 0);
  const Fd fd(Path("f"), O_WRONLY);
  ASSERT_EQ(write(fd, "a", 1), 1);
  EXPECT_EQ(ModeOf(Path("f")), 06755U);
  ASSERT_EQ(fchown(fd, 5, 5), 0);
  EXPECT_EQ(ModeOf(Path("f")), 0755U);
  // Setgid without group execution is mandatory locking, not a privilege.
  ASSERT_EQ(fchmod(fd, 02644), 0);
  ASSERT_EQ(fchown(fd, 6, 6), 0);
  EXPECT_EQ(ModeOf(Path("f")), 02644U);
}

TEST_F(AttributesTest, CapabilityIsLostByAWrite) {
  WriteFile(Path("f"), "xyz");
  // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted.
  const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
  ASSERT_EQ(setxattr(Path("f").c_str(), "security.capability", capability,
                     sizeof(capability), 0),
            0);
  const Fd fd(Path("f"), O_WRONLY);
  ASSERT_EQ(write(fd, "a", 1), 1);
  EXPECT_EQ(getxattr(Path("f").c_str(), "security.capability", nullptr, 0), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(AttributesTest, SetgidDirectoryGivesItsGroup) {
  ASSERT_EQ(mkdir(Path("d").c_str(), 0777), 0);
  ASSERT_EQ(chown(Path("d").c_str(), 0, 4321), 0);
  ASSERT_EQ(chmod(Path("d").c_str(), 02777), 0);
  ASSERT_EQ(mkdir(Path("d/sub").c_str(), 0755), 0);
  EXPECT_EQ(Stat(Path("d/sub")).st_gid, 4321U);
  EXPECT_TRUE(Stat(Path("d/sub")).st_mode & S_ISGID);
  EXPECT_TRUE(AsOrdinaryUser(
      [&] { return Fd(Path("d/f"), O_CREAT | O_WRONLY, 0644) >= 0; }));
  EXPECT_EQ(Stat(Path("d/f")).st_gid, 4321U);
  EXPECT_EQ(Stat(Path("d/f")).st_uid, 65534U);
}

TEST_F(AttributesTest, UmaskAndPermissionsApply) {
  const mode_t old = umask(027);
  const Fd fd(Path("f"), O_CREAT | O_WRONLY, 0666);
  const int made = mkdir(Path("d").c_str(), 0777);
  umask(old);
  ASSERT_EQ(made, 0);
  EXPECT_EQ(ModeOf(Path("f")), 0640U);
  EXPECT_EQ(ModeOf(Path("d")), 0750U);
  EXPECT_TRUE(AsOrdinaryUser([&] {
    return Fd(Path("f"), O_RDONLY) < 0 && errno == EACCES &&
           unlink(Path("f").c_str()) == -1 && errno == EACCES;
  }));
}

TEST_F(AttributesTest, XattrsAreKept) {
  WriteFile(Path("f"), "x");
  const std::string path = Path("f");
  const std::string value = RandomBytes(60'000, 5);
  ASSERT_EQ(setxattr(path.c_str(), "user.big", value.data(), value.size(), 0),
            0);
  ASSERT_EQ(setxattr(path.c_str(), "user.empty", "", 0, XATTR_CREATE), 0);
  ASSERT_EQ(setxattr(path.c_str(), "trusted.t", "t", 1, 0), 0);
  EXPECT_EQ(setxattr(path.c_str(), "user.empty", "", 0, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(setxattr(path.c_str(), "user.none", "", 0, XATTR_REPLACE), -1);
  EXPECT_EQ(errno, ENODATA);
  Remount();
  std::string back(70'000, '\0');
  ASSERT_EQ(getxattr(path.c_str(), "user.big", nullptr, 0), 60'000);
  ASSERT_EQ(getxattr(path.c_str(), "user.big", back.data(), back.size()),
            60'000);
  EXPECT_TRUE(back.substr(0, 60'000) == value);
  EXPECT_EQ(getxattr(path.c_str(), "user.big", back.data(), 100), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(getxattr(path.c_str(), "user.empty", back.data(), 100), 0);
  const std::string names("user.big\0user.empty\0trusted.t\0", 30);
  ASSERT_EQ(listxattr(path.c_str(), nullptr, 0), ssize_t{30});
  ASSERT_EQ(removexattr(path.c_str(), "user.big"), 0);
  EXPECT_EQ(removexattr(path.c_str(), "user.big"), -1);
  EXPECT_EQ(errno, ENODATA);
}

// One entry of a POSIX ACL as the xattr holds it.
struct AclEntry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id;
};

std::string MakeAcl(std::initializer_list<AclEntry> entries) {
  std::string acl("\x02\0\0\0", 4);
  for (const AclEntry& entry : entries) {
    acl.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  return acl;
}

// user::rwx user:nobody:rwx group::--- mask::rwx other::---
std::string AclOfNobody() {
  constexpr uint32_t kNobody = 65534;
  constexpr uint32_t kNoId = 0xffffffff;
  return MakeAcl({{0x01, 7, kNoId},
                  {0x02, 7, kNobody},
                  {0x04, 0, kNoId},
                  {0x10, 7, kNoId},
                  {0x20, 0, kNoId}});
}

TEST_F(AttributesTest, AclDecidesAndDefaultAclIsInherited) {
  const std::string acl = AclOfNobody();
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  for (const char* name :
       {"system.posix_acl_access", "system.posix_acl_default"}) {
    ASSERT_EQ(setxattr(Path("d").c_str(), name, acl.data(), acl.size(), 0), 0);
  }
  EXPECT_EQ(ModeOf(Path("d")), 0770U);
  EXPECT_TRUE(AsOrdinaryUser(
      [&] { return Fd(Path("d/f"), O_CREAT | O_WRONLY, 0666) >= 0; }));
  // A default ACL takes the place of the umask.
  EXPECT_EQ(ModeOf(Path("d/f")), 0660U);
  ASSERT_EQ(mkdir(Path("d/sub").c_str(), 0777), 0);
  Remount();
  char bytes[256];
  const ssize_t size = getxattr(
      Path("d/sub").c_str(), "system.posix_acl_default", bytes, sizeof(bytes));
  ASSERT_EQ(size, static_cast<ssize_t>(acl.size()));
  EXPECT_EQ(std::string(bytes, acl.size()), acl);
  // chmod changes the mask.
  ASSERT_EQ(chmod(Path("d").c_str(), 0700), 0);
  EXPECT_TRUE(AsOrdinaryUser(
      [&] { return Fd(Path("d/f"), O_RDONLY) < 0 && errno == EACCES; }));
}

TEST_F(AttributesTest, WithoutAclsModesDecideAndTheUmaskCounts) {
  const char* const kAccess = "system.posix_acl_access";
  const char* const kDefault = "system.posix_acl_default";
  const std::string acl = AclOfNobody();
  ASSERT_EQ(mkdir(Path("d").c_str(), 0700), 0);
  for (const char* name : {kAccess, kDefault}) {
    ASSERT_EQ(setxattr(Path("d").c_str(), name, acl.data(), acl.size(), 0), 0);
  }
  share().Unmount();
  share().Mount({"-o", "noacl"});
  EXPECT_TRUE(AsOrdinaryUser([&] {
    return Fd(Path("d/f"), O_CREAT | O_WRONLY) < 0 && errno == EACCES;
  }));
  const mode_t before = umask(027);
  EXPECT_EQ(mkdir(Path("d/sub").c_str(), 0777), 0);
  umask(before);
  EXPECT_EQ(ModeOf(Path("d/sub")), 0750U);
  char bytes[256];
  for (const char* name : {kAccess, kDefault}) {
    EXPECT_EQ(setxattr(Path("d/sub").c_str(), name, acl.data(), acl.size(), 0),
              -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    EXPECT_EQ(getxattr(Path("d/sub").c_str(), name, bytes, sizeof(bytes)), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
    // What is stored stays.
    EXPECT_EQ(getxattr(Path("d").c_str(), name, bytes, sizeof(bytes)),
              static_cast<ssize_t>(acl.size()));
  }
  Remount();
  EXPECT_TRUE(AsOrdinaryUser(
      [&] { return Fd(Path("d/f"), O_CREAT | O_WRONLY, 0666) >= 0; }));
}

}  // namespace
}  // namespace trefoil::testing
