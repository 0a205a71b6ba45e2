// SPDX-License-Identifier: Apache-2.0
// Goal: the bytes of files on a real mount are what POSIX promises.
// Method: system calls on the mount, compared with what they must give or with
// a model in memory; some again after a remount, when no cache can help.
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <random>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

class FilesTest : public MountedTest {};

off_t SizeOf(const std::string& path) {
  struct stat st {};
  EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
  return st.st_size;
}

TEST_F(FilesTest, BytesComeBack) {
  for (const size_t size : {0U, 1U, 511U, 4096U, 4097U, 65536U, 3U << 20}) {
    const std::string data = RandomBytes(size, size);
    WriteFile(Path("f"), data);
    EXPECT_EQ(ReadFile(Path("f")), data) << size;
  }
}

TEST_F(FilesTest, LargeFileSurvivesRemount) {
  const std::string data = RandomBytes(48 << 20, 48);
  WriteFile(Path("f"), data);
  Remount();
  EXPECT_TRUE(ReadFile(Path("f")) == data);
}

// Writes and truncations at random places against a string.
TEST_F(FilesTest, RandomWritesMatchModel) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string path = Path("f");
  std::string model;
  Fd fd(path, O_CREAT | O_RDWR);
  for (int i = 0; i < 400; ++i) {
    const size_t offset = random() % 300'000;
    if (random() % 8 == 0) {
      ASSERT_EQ(ftruncate(fd, static_cast<off_t>(offset)), 0);
      model.resize(offset);
      continue;
    }
    const std::string data = RandomBytes(1 + random() % 40'000, random());
    ASSERT_EQ(pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(data.size()));
    model.resize(std::max(model.size(), offset + data.size()));
    model.replace(offset, data.size(), data);
  }
  fd.Close();
  EXPECT_TRUE(ReadFile(path) == model);
  Remount();
  EXPECT_TRUE(ReadFile(path) == model);
}

TEST_F(FilesTest, AppendsOfManyGoToTheEnd) {
  const Fd a(Path("f"), O_CREAT | O_WRONLY | O_APPEND);
  const Fd b(Path("f"), O_WRONLY | O_APPEND);
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string line = std::to_string(i) + "\n";
    ASSERT_EQ(write(i % 2 == 0 ? a : b, line.data(), line.size()),
              static_cast<ssize_t>(line.size()));
    expected += line;
  }
  EXPECT_EQ(ReadFile(Path("f")), expected);
}

TEST_F(FilesTest, TruncatedPartReadsAsZeroes) {
  WriteFile(Path("f"), std::string(10'000, 'x'));
  ASSERT_EQ(truncate(Path("f").c_str(), 5000), 0);
  ASSERT_EQ(truncate(Path("f").c_str(), 8000), 0);
  EXPECT_EQ(ReadFile(Path("f")),
            std::string(5000, 'x') + std::string(3000, '\0'));
}

TEST_F(FilesTest, OpenWithTruncEmptiesFile) {
  WriteFile(Path("f"), "something");
  const Fd fd(Path("f"), O_RDWR | O_TRUNC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(SizeOf(Path("f")), 0);
}

TEST_F(FilesTest, SparseTerabyteTakesNoSpace) {
  constexpr off_t kTebibyte = off_t{1} << 40;
  const Fd fd(Path("f"), O_CREAT | O_RDWR);
  ASSERT_EQ(ftruncate(fd, kTebibyte), 0);
  ASSERT_EQ(pwrite(fd, "end", 3, kTebibyte - 3), 3);
  struct stat st {};
  ASSERT_EQ(fstat(fd, &st), 0);
  EXPECT_EQ(st.st_size, kTebibyte);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  char bytes[4096];
  ASSERT_EQ(pread(fd, bytes, sizeof(bytes), kTebibyte / 2), 4096);
  EXPECT_TRUE(std::all_of(bytes, bytes + 4096, [](char c) { return c == 0; }));
  ASSERT_EQ(pread(fd, bytes, sizeof(bytes), kTebibyte - 3), 3);
  EXPECT_EQ(std::string(bytes, 3), "end");
}

TEST_F(FilesTest, SeekFindsDataAndHoles) {
  constexpr off_t kMebibyte = 1 << 20;
  const Fd fd(Path("f"), O_CREAT | O_RDWR);
  const std::string data(4096, 'd');
  ASSERT_EQ(pwrite(fd, data.data(), data.size(), kMebibyte), 4096);
  ASSERT_EQ(ftruncate(fd, 3 * kMebibyte), 0);
  const off_t found = lseek(fd, 0, SEEK_DATA);
  EXPECT_GT(found, 0);
  EXPECT_LE(found, kMebibyte);
  EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
  const off_t hole = lseek(fd, kMebibyte, SEEK_HOLE);
  EXPECT_GE(hole, kMebibyte + 4096);
  EXPECT_LT(hole, 3 * kMebibyte);
  EXPECT_EQ(lseek(fd, hole, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
  EXPECT_EQ(lseek(fd, 3 * kMebibyte, SEEK_HOLE), -1);
  EXPECT_EQ(errno, ENXIO);
}

TEST_F(FilesTest, PunchedHoleReadsAsZeroes) {
  const std::string data = RandomBytes(100'000, 7);
  WriteFile(Path("f"), data);
  const Fd fd(Path("f"), O_RDWR);
  ASSERT_EQ(
      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10'001, 50'000),
      0);
  std::string expected = data;
  expected.replace(10'001, 50'000, 50'000, '\0');
  EXPECT_TRUE(ReadFile(Path("f")) == expected);
}

TEST_F(FilesTest, FallocateKeepsItsPromises) {
  WriteFile(Path("f"), std::string(1000, 'x'));
  const Fd fd(Path("f"), O_RDWR);
  ASSERT_EQ(fallocate(fd, 0, 0, 5000), 0);
  EXPECT_EQ(SizeOf(Path("f")), 5000);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9000), 0);
  EXPECT_EQ(SizeOf(Path("f")), 5000);
  ASSERT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, 500, 100), 0);
  EXPECT_EQ(ReadFile(Path("f")),
            std::string(500, 'x') + std::string(100, '\0') +
                std::string(400, 'x') + std::string(4000, '\0'));
  EXPECT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
}

TEST_F(FilesTest, UnlinkedFileLivesWhileItIsOpen) {
  const std::string data = RandomBytes(2 << 20, 3);
  Fd fd(Path("f"), O_CREAT | O_RDWR);
  ASSERT_EQ(write(fd, data.data(), data.size()),
            static_cast<ssize_t>(data.size()));
  ASSERT_EQ(unlink(Path("f").c_str()), 0);
  struct stat st {};
  ASSERT_EQ(fstat(fd, &st), 0);
  EXPECT_EQ(st.st_nlink, 0U);
  ASSERT_EQ(pwrite(fd, "tail", 4, st.st_size), 4);
  std::string back(data.size(), '\0');
  ASSERT_EQ(pread(fd, back.data(), back.size(), 0),
            static_cast<ssize_t>(back.size()));
  EXPECT_TRUE(back == data);
  ASSERT_EQ(fsync(fd), 0);
}

TEST_F(FilesTest, SharedMappingIsWrittenBack) {
  WriteFile(Path("f"), std::string(8192, 'a'));
  {
    const Fd fd(Path("f"), O_RDWR);
    void* map = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ASSERT_NE(map, MAP_FAILED);
    auto* bytes = static_cast<char*>(map);
    EXPECT_EQ(bytes[4096], 'a');
    std::fill_n(bytes + 4000, 200, 'm');
    ASSERT_EQ(msync(map, 8192, MS_SYNC), 0);
    bytes[8191] = 'z';  // without msync
    munmap(map, 8192);
  }
  Remount();
  std::string expected(8192, 'a');
  expected.replace(4000, 200, 200, 'm');
  expected[8191] = 'z';
  EXPECT_EQ(ReadFile(Path("f")), expected);
}

TEST_F(FilesTest, DirectIoSeesAndWritesTheSameBytes) {
  constexpr size_t kSize = 1 << 20;
  const std::string data = RandomBytes(kSize, 11);
  void* memory = nullptr;
  ASSERT_EQ(posix_memalign(&memory, 4096, kSize), 0);
  const std::unique_ptr<char, void (*)(void*)> buffer(
      static_cast<char*>(memory), std::free);
  std::copy(data.begin(), data.end(), buffer.get());
  const Fd fd(Path("f"), O_CREAT | O_RDWR | O_DIRECT | O_SYNC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(pwrite(fd, buffer.get(), kSize, 0), ssize_t{kSize});
  EXPECT_TRUE(ReadFile(Path("f")) == data);
  std::fill_n(buffer.get(), kSize, '\0');
  ASSERT_EQ(pread(fd, buffer.get(), kSize, 0), ssize_t{kSize});
  EXPECT_TRUE(std::string_view(buffer.get(), kSize) == data);
}

TEST_F(FilesTest, CopyFileRangeCopies) {
  const std::string data = RandomBytes(5 << 20, 21);
  WriteFile(Path("from"), data);
  const Fd from(Path("from"), O_RDONLY);
  const Fd to(Path("to"), O_CREAT | O_RDWR);
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n =
        copy_file_range(from, nullptr, to, nullptr, data.size() - done, 0);
    ASSERT_GT(n, 0);
    done += static_cast<size_t>(n);
  }
  EXPECT_EQ(copy_file_range(from, nullptr, to, nullptr, 1, 0), 0);
  EXPECT_TRUE(ReadFile(Path("to")) == data);
  // The copy is a copy.
  ASSERT_EQ(pwrite(to, "changed", 7, 100), 7);
  EXPECT_TRUE(ReadFile(Path("from")) == data);
}

TEST_F(FilesTest, ModeWithoutWriteStillWritesThroughItsCreator) {
  ASSERT_EQ(chmod(Path("").c_str(), 0777), 0);
  EXPECT_TRUE(AsOrdinaryUser([&] {
    const Fd fd(Path("f"), O_CREAT | O_EXCL | O_WRONLY, 0444);
    return fd >= 0 && write(fd, "x", 1) == 1 && Fd(Path("f"), O_WRONLY) < 0 &&
           errno == EACCES;
  }));
}

TEST_F(FilesTest, ReadPastTheEndIsEmpty) {
  WriteFile(Path("f"), "abc");
  const Fd fd(Path("f"), O_RDONLY);
  char byte = 0;
  EXPECT_EQ(pread(fd, &byte, 1, 3), 0);
  EXPECT_EQ(pread(fd, &byte, 1, 1 << 30), 0);
}

TEST_F(FilesTest, SyncCallsSucceed) {
  const Fd fd(Path("f"), O_CREAT | O_RDWR | O_SYNC);
  EXPECT_EQ(write(fd, "x", 1), 1);
  EXPECT_EQ(fsync(fd), 0);
  EXPECT_EQ(fdatasync(fd), 0);
  const Fd directory(Path(""), O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(fsync(directory), 0);
}

TEST_F(FilesTest, SpaceIsThatOfTheDisk) {
  struct statvfs mount_space {};
  struct statvfs disk_space {};
  ASSERT_EQ(statvfs(Path("").c_str(), &mount_space), 0);
  ASSERT_EQ(statvfs(share().root().c_str(), &disk_space), 0);
  EXPECT_EQ(mount_space.f_namemax, 255U);
  EXPECT_GT(mount_space.f_bavail, 0U);
  EXPECT_LE(mount_space.f_bavail * mount_space.f_frsize,
            disk_space.f_blocks * disk_space.f_frsize);
}

}  // namespace
}  // namespace trefoil::testing
