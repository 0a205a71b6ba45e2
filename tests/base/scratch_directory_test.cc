// SPDX-License-Identifier: Apache-2.0
// Goal: a scratch directory goes with its user; what a killed process left
// goes with the next one; what is in use, or is somebody else's, stays.
// Method: real directories; a child process that ends without destructors.
#include "fs/base/scratch_directory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;

class ScratchDirectoryTest : public ::testing::Test {
 protected:
  [[nodiscard]] Result<std::unique_ptr<ScratchDirectory>> Make() const {
    return ScratchDirectory::Create(Env::Posix(), Random::System(),
                                    parent_.path(), "scratch-");
  }
  // A process makes one with a file in it, and is killed.
  void LeaveOneBehind() {
    const pid_t child = fork();
    if (child == 0) {
      auto scratch = Make();
      const bool made =
          scratch.ok() && stdfs::create_directory((*scratch)->Path("inside"));
      _exit(made ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  [[nodiscard]] int64_t count() const {
    return std::distance(stdfs::directory_iterator(parent_.path()),
                         stdfs::directory_iterator());
  }

  const TempDir parent_;
};

TEST_F(ScratchDirectoryTest, GoesWithItsUser) {
  {
    const auto scratch = Make();
    ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
    EXPECT_TRUE(stdfs::create_directory((*scratch)->Path("inside")));
    EXPECT_EQ(count(), 1);
  }
  EXPECT_EQ(count(), 0);
}

TEST_F(ScratchDirectoryTest, OfAKilledProcessGoesWithTheNextOne) {
  LeaveOneBehind();
  EXPECT_EQ(count(), 1);
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(count(), 0);
}

TEST_F(ScratchDirectoryTest, InUseStays) {
  const auto first = Make();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const auto second = Make();
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(count(), 2);
}

TEST_F(ScratchDirectoryTest, WhatOthersMayHaveMadeStays) {
  ASSERT_TRUE(stdfs::create_directory(parent_.Path("elsewhere")));
  stdfs::create_directory_symlink(parent_.Path("elsewhere"),
                                  parent_.Path("scratch-link"));
  for (const char* place : {"elsewhere", "scratch-open"}) {
    stdfs::create_directory(parent_.Path(place));
    ASSERT_TRUE(
        Env::Posix()
            .Open(JoinPath(parent_.Path(place), "lock"), OpenMode::kCreate)
            .ok());
  }
  stdfs::permissions(parent_.Path("scratch-open"), stdfs::perms(0755));
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(count(), 3);
  EXPECT_TRUE(stdfs::exists(parent_.Path("elsewhere/lock")));
  EXPECT_TRUE(stdfs::exists(parent_.Path("scratch-open/lock")));
}

}  // namespace
}  // namespace trefoil::testing
