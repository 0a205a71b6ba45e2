// SPDX-License-Identifier: Apache-2.0
// Goal: a command that fails leaves a directory as it was; places on one disk
// are recognised.
// Method: real directories.
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"
#include "tools/block_device.h"
#include "tools/created_tree.h"
#include "tools/volume_path.h"

namespace trefoil {
namespace {

Env& env() { return Env::Posix(); }

TEST(UndoTest, WhatWasNotThereGoes) {
  const testing::TempDir dir;
  {
    const CreatedTree tree(env(), dir.Path("new"));
    ASSERT_TRUE(env().CreateDirs(dir.Path("new/a/b")).ok());
  }
  EXPECT_FALSE(env().Exists(dir.Path("new")));
}

TEST(UndoTest, WhatWasThereStays) {
  const testing::TempDir dir;
  ASSERT_TRUE(env().CreateDirs(dir.Path("old/lost+found")).ok());
  {
    const CreatedTree tree(env(), dir.Path("old"));
    ASSERT_TRUE(env().CreateDirs(dir.Path("old/a/b")).ok());
  }
  EXPECT_TRUE(env().Exists(dir.Path("old/lost+found")));
  EXPECT_FALSE(env().Exists(dir.Path("old/a")));
}

TEST(UndoTest, SuccessKeepsEverything) {
  const testing::TempDir dir;
  {
    CreatedTree tree(env(), dir.Path("new"));
    ASSERT_TRUE(env().CreateDirs(dir.Path("new/a")).ok());
    tree.Keep();
  }
  EXPECT_TRUE(env().Exists(dir.Path("new/a")));
}

TEST(UndoTest, WhatCanNotBeListedIsLeftAlone) {
  const testing::TempDir dir;
  ASSERT_TRUE(env().WriteFileAtomically(dir.Path("file"), "x").ok());
  { const CreatedTree tree(env(), dir.Path("file")); }
  EXPECT_TRUE(env().Exists(dir.Path("file")));
}

TEST(DiskTest, NeighboursAreOnOneDisk) {
  const testing::TempDir dir;
  EXPECT_TRUE(OnSameDisk(dir.path(), dir.Path("not/there/yet")));
  EXPECT_FALSE(OnSameDisk(dir.path(), "/proc"));
}

TEST(VolumePathTest, PathsBecomeAbsolute) {
  const testing::TempDir dir;
  ASSERT_TRUE(env().CreateDirs(dir.Path("a")).ok());
  EXPECT_EQ(AbsolutePath(dir.Path("a/../b/./c/")), dir.Path("b/c"));
  EXPECT_EQ(AbsolutePath("/"), "/");
}

TEST(VolumePathTest, WhatIsNoVolumeIsNotFound) {
  const testing::TempDir dir;
  EXPECT_TRUE(FindVolume(dir.path()).status().Is(StatusCode::kNotFound));
  EXPECT_TRUE(
      FindVolume(dir.Path("absent")).status().Is(StatusCode::kNotFound));
  ASSERT_TRUE(env().WriteFileAtomically(dir.Path("config.toml"), "").ok());
  const auto found = FindVolume(dir.path());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->volume, dir.path());
  EXPECT_EQ(found->mountpoint, "");
}

}  // namespace
}  // namespace trefoil
