// SPDX-License-Identifier: Apache-2.0
// Goal: the operating system's Env keeps the promises of env.h.
// Method: files in a temporary directory, and failures through FaultEnv.
#include "fs/base/env.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tests/support/fault_env.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using testing::FaultEnv;
using testing::FaultOp;
using testing::TempDir;

class EnvTest : public ::testing::Test {
 protected:
  TempDir dir_;
  Env& env_ = Env::Posix();
};

TEST_F(EnvTest, WritesOfManyPartsArriveInOrder) {
  const std::unique_ptr<File> file =
      env_.Open(dir_.Path("f"), OpenMode::kCreate).value();
  // More parts than one call of the system takes, empty ones among them.
  std::vector<std::string> parts;
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    parts.emplace_back(static_cast<size_t>(i % 7), static_cast<char>(i));
    all += parts.back();
  }
  const std::vector<std::string_view> views(parts.begin(), parts.end());
  ASSERT_TRUE(file->WriteAt(5, views).ok());
  std::string back(all.size() + 100, 'x');
  EXPECT_EQ(file->ReadAt(5, back).value(), all.size());
  EXPECT_EQ(back.substr(0, all.size()), all);
  EXPECT_EQ(file->Size().value(), all.size() + 5);
  ASSERT_TRUE(file->Truncate(6).ok());
  EXPECT_EQ(file->Size().value(), 6U);
  EXPECT_TRUE(file->Sync().ok());
}

TEST_F(EnvTest, OpenModesMeanWhatTheySay) {
  const std::string path = dir_.Path("f");
  EXPECT_TRUE(
      env_.Open(path, OpenMode::kRead).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(
      env_.Open(path, OpenMode::kReadWrite).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(env_.Open(path, OpenMode::kCreateExclusive).ok());
  EXPECT_TRUE(env_.Open(path, OpenMode::kCreateExclusive)
                  .status()
                  .Is(StatusCode::kAlreadyExists));
  EXPECT_TRUE(env_.Open(path, OpenMode::kCreate).ok());
}

TEST_F(EnvTest, LockRefusesASecondHolderAlsoInThisProcess) {
  const std::string path = dir_.Path("lock");
  {
    const std::unique_ptr<FileLock> first = env_.Lock(path).value();
    EXPECT_TRUE(env_.Lock(path).status().Is(StatusCode::kBusy));
  }
  EXPECT_TRUE(env_.Lock(path).ok());
}

TEST_F(EnvTest, DirectoriesAreCreatedListedAndRemoved) {
  const std::string deep = dir_.Path("a/b/c");
  ASSERT_TRUE(env_.CreateDirs(deep).ok());
  ASSERT_TRUE(env_.CreateDirs(deep).ok());
  EXPECT_TRUE(env_.CreateDir(deep).Is(StatusCode::kAlreadyExists));
  ASSERT_TRUE(env_.WriteFileAtomically(dir_.Path("a/f"), "x").ok());
  EXPECT_TRUE(env_.CreateDirs(dir_.Path("a/f")).Is(StatusCode::kAlreadyExists));
  std::vector<DirEntry> entries = env_.List(dir_.Path("a")).value();
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_TRUE(entries[0].name == "b" && entries[0].is_directory);
  EXPECT_TRUE(entries[1].name == "f" && !entries[1].is_directory);
  EXPECT_FALSE(env_.RemoveDir(dir_.Path("a")).ok());
  ASSERT_TRUE(env_.RemoveTree(dir_.Path("a")).ok());
  ASSERT_TRUE(env_.RemoveTree(dir_.Path("a")).ok());
  EXPECT_FALSE(env_.Exists(dir_.Path("a")));
}

TEST_F(EnvTest, LinkRefusesAnExistingName) {
  ASSERT_TRUE(env_.WriteFileAtomically(dir_.Path("a"), "a").ok());
  ASSERT_TRUE(env_.Link(dir_.Path("a"), dir_.Path("b")).ok());
  EXPECT_TRUE(
      env_.Link(dir_.Path("a"), dir_.Path("b")).Is(StatusCode::kAlreadyExists));
}

TEST_F(EnvTest, ReadFileRefusesWhatIsTooLarge) {
  ASSERT_TRUE(env_.WriteFileAtomically(dir_.Path("f"), "12345").ok());
  EXPECT_EQ(env_.ReadFile(dir_.Path("f"), 5).value(), "12345");
  EXPECT_TRUE(
      env_.ReadFile(dir_.Path("f"), 4).status().Is(StatusCode::kCorruption));
}

TEST_F(EnvTest, AtomicWriteLeavesTheOldOrTheNewWhereverItFails) {
  FaultEnv faulty(env_);
  const std::string path = dir_.Path("f");
  for (uint64_t nth = 1;; ++nth) {
    ASSERT_TRUE(env_.WriteFileAtomically(path, "old").ok());
    faulty.Arm({.op = FaultOp::kAnyChange,
                .nth = nth,
                .error = EIO,
                .sticky = true,
                .torn_bytes = 1});
    const Status written = faulty.WriteFileAtomically(path, "new");
    const std::string content = env_.ReadFile(path, 100).value();
    if (!faulty.struck()) {
      EXPECT_TRUE(written.ok());
      EXPECT_EQ(content, "new");
      EXPECT_GE(nth, 4U);
      break;
    }
    EXPECT_FALSE(written.ok());
    EXPECT_TRUE(content == "old" || content == "new") << content;
  }
}

TEST_F(EnvTest, ErrorsNameOperationAndPath) {
  const Status status = env_.Stat(dir_.Path("missing")).status();
  EXPECT_TRUE(status.Is(StatusCode::kNotFound));
  EXPECT_EQ(status.posix_errno(), ENOENT);
  EXPECT_NE(status.ToString().find("stat " + dir_.Path("missing")),
            std::string::npos);
}

TEST_F(EnvTest, WhatCantBeLookedAtIsNotTakenForMissing) {
  ASSERT_TRUE(env_.WriteFileAtomically(dir_.Path("file"), "x").ok());
  std::filesystem::create_symlink("loop", dir_.Path("loop"));
  EXPECT_TRUE(env_.Exists(dir_.Path("file")));
  EXPECT_FALSE(env_.Exists(dir_.Path("missing")));
  EXPECT_FALSE(env_.Exists(dir_.Path("missing/x")));
  EXPECT_FALSE(env_.Exists(dir_.Path("file/x")));
  ASSERT_FALSE(env_.Stat(dir_.Path("loop/x")).ok());
  EXPECT_TRUE(env_.Exists(dir_.Path("loop/x")));
}

TEST_F(EnvTest, SpaceIsPlausible) {
  const SpaceInfo space = env_.Space(dir_.path()).value();
  EXPECT_GT(space.total_bytes, 0U);
  EXPECT_LE(space.available_bytes, space.total_bytes);
}

TEST(EnvPaths, JoinAndDirName) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(DirName("/a/b/c"), "/a/b");
  EXPECT_EQ(DirName("/a/b/"), "/a");
  EXPECT_EQ(DirName("/a"), "/");
  EXPECT_EQ(DirName("/"), "/");
  EXPECT_EQ(DirName("a"), ".");
}

// What others write to may hold links to what is none of theirs.
TEST_F(EnvTest, LinksAreNeitherRemovedThroughNorWrittenThrough) {
  ASSERT_TRUE(env_.CreateDirs(dir_.Path("mine/dir")).ok());
  ASSERT_TRUE(env_.WriteFileAtomically(dir_.Path("mine/dir/f"), "m").ok());
  ASSERT_TRUE(env_.CreateDir(dir_.Path("theirs")).ok());
  for (const char* name : {"link", "theirs/link"}) {
    ASSERT_EQ(symlink(dir_.Path("mine").c_str(), dir_.Path(name).c_str()), 0);
    EXPECT_EQ(env_.KindOf(dir_.Path(name)).value(), FileKind::kOther);
  }
  EXPECT_TRUE(env_.RemoveTree(dir_.Path("link")).ok());
  EXPECT_TRUE(env_.RemoveTree(dir_.Path("theirs")).ok());
  EXPECT_FALSE(env_.Exists(dir_.Path("link")));
  EXPECT_FALSE(env_.Exists(dir_.Path("theirs")));
  ASSERT_EQ(
      symlink(dir_.Path("mine/dir/f").c_str(), dir_.Path("new.tmp").c_str()),
      0);
  EXPECT_TRUE(env_.WriteFileAtomically(dir_.Path("new"), "n").ok());
  EXPECT_EQ(env_.ReadFile(dir_.Path("mine/dir/f"), 9).value(), "m");
  EXPECT_EQ(env_.ReadFile(dir_.Path("new"), 9).value(), "n");
}

}  // namespace
}  // namespace trefoil
