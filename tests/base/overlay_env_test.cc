// SPDX-License-Identifier: Apache-2.0
// Goal: an overlay behaves as the directory below it would, and that directory
// never changes.
// Method: the same random operations on an overlay and on a real copy, with
// the same answers and the same contents; then a look at what lies below.
#include "fs/base/overlay_env.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using testing::TempDir;

// Every path below `root` with its content, sorted.
std::map<std::string, std::string> Describe(Env& env, const std::string& root,
                                            const std::string& path = "") {
  std::map<std::string, std::string> all;
  const auto entries = env.List(JoinPath(root, path));
  EXPECT_TRUE(entries.ok()) << entries.status().ToString();
  for (const DirEntry& entry : *entries) {
    const std::string child = JoinPath(path, entry.name);
    if (entry.is_directory) {
      all[child] = "directory";
      all.merge(Describe(env, root, child));
    } else {
      const auto bytes = env.ReadFile(JoinPath(root, child), 1 << 24);
      EXPECT_TRUE(bytes.ok()) << bytes.status().ToString();
      all[child] = bytes.ok() ? *bytes : "";
    }
  }
  return all;
}

void Fill(Env& env, const std::string& root) {
  ASSERT_TRUE(env.CreateDirs(JoinPath(root, "d/e")).ok());
  ASSERT_TRUE(
      env.WriteFileAtomically(JoinPath(root, "a"), std::string(50'000, 'a'))
          .ok());
  ASSERT_TRUE(env.WriteFileAtomically(JoinPath(root, "d/b"), "bb").ok());
  ASSERT_TRUE(env.WriteFileAtomically(JoinPath(root, "d/e/c"), "").ok());
}

// One random operation; its answer is the same wherever it is done.
class RandomOperation {
 public:
  explicit RandomOperation(std::mt19937& random)
      : kind_(random() % 8),
        first_(Pick(random)),
        second_(Pick(random)),
        offset_(random() % 60'000),
        data_(random() % 40'000, static_cast<char>(random() % 3)) {}

  [[nodiscard]] std::string Text() const {
    return std::to_string(kind_) + " " + first_ + " " + second_;
  }
  StatusCode Do(Env& env, const std::string& root) const {
    const std::string first = JoinPath(root, first_);
    const std::string second = JoinPath(root, second_);
    switch (kind_) {
      case 0:
        return env.CreateDir(first).code();
      case 1:
        return RenameFile(env, first, second);
      case 2:
        return env.Remove(first).ok() ? StatusCode::kOk : StatusCode::kIoError;
      case 3:
        return env.RemoveDir(first).ok() ? StatusCode::kOk
                                         : StatusCode::kIoError;
      case 4:
        return env.WriteFileAtomically(first, data_).ok()
                   ? StatusCode::kOk
                   : StatusCode::kIoError;
      case 5:
        return Change(env, first,
                      [&](File& file) { return file.Truncate(offset_); });
      default:
        return Change(env, first,
                      [&](File& file) { return file.WriteAt(offset_, data_); });
    }
  }

 private:
  static std::string Pick(std::mt19937& random) {
    static const std::vector<std::string> kPaths = {
        "a", "d", "d/b", "d/e", "d/e/c", "f", "f/g", "f/g/h", "d/e/i"};
    return kPaths[random() % kPaths.size()];
  }
  // Files onto files, and directories to where nothing is: what the real one
  // allows beyond that nobody needs.
  static StatusCode RenameFile(Env& env, const std::string& from,
                               const std::string& to) {
    const auto source = env.Stat(from);
    const auto there = env.Stat(to);
    if (!source.ok() || to.rfind(from, 0) == 0 || !env.Exists(DirName(to)) ||
        (there.ok() && (there->is_directory || source->is_directory))) {
      return StatusCode::kIoError;
    }
    return env.Rename(from, to).code();
  }
  static StatusCode Change(Env& env, const std::string& path,
                           const std::function<Status(File&)>& change) {
    auto file = env.Open(path, OpenMode::kReadWrite);
    if (!file.ok()) return StatusCode::kIoError;
    return change(**file).code();
  }

  const unsigned kind_;
  const std::string first_;
  const std::string second_;
  const uint64_t offset_;
  const std::string data_;
};

TEST(OverlayEnvTest, BehavesAsARealDirectoryAndChangesNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 30; ++round) {
    const TempDir below;
    const TempDir real;
    Fill(Env::Posix(), below.path());
    Fill(Env::Posix(), real.path());
    const auto before = Describe(Env::Posix(), below.path());
    OverlayEnv overlay(Env::Posix());
    for (int step = 0; step < 60; ++step) {
      const RandomOperation operation(random);
      SCOPED_TRACE(operation.Text());
      ASSERT_EQ(operation.Do(overlay, below.path()),
                operation.Do(Env::Posix(), real.path()));
    }
    ASSERT_EQ(Describe(overlay, below.path()),
              Describe(Env::Posix(), real.path()));
    ASSERT_EQ(Describe(Env::Posix(), below.path()), before);
  }
}

TEST(OverlayEnvTest, ADirectoryIsRenamedWithWhatIsInIt) {
  const TempDir below;
  Fill(Env::Posix(), below.path());
  OverlayEnv overlay(Env::Posix());
  ASSERT_TRUE(overlay.WriteFileAtomically(below.Path("d/new"), "n").ok());
  ASSERT_TRUE(overlay.Rename(below.Path("d"), below.Path("moved")).ok());
  EXPECT_EQ(*overlay.ReadFile(below.Path("moved/b"), 10), "bb");
  EXPECT_EQ(*overlay.ReadFile(below.Path("moved/new"), 10), "n");
  EXPECT_FALSE(overlay.Exists(below.Path("d/b")));
  ASSERT_TRUE(overlay.CreateDir(below.Path("d")).ok());
  EXPECT_TRUE(overlay.List(below.Path("d"))->empty());
}

TEST(OverlayEnvTest, WhatWasRemovedHidesNothingThatIsMovedThere) {
  const TempDir below;
  Fill(Env::Posix(), below.path());
  ASSERT_TRUE(Env::Posix().CreateDirs(below.Path("f/e")).ok());
  OverlayEnv overlay(Env::Posix());
  ASSERT_TRUE(overlay.RemoveTree(below.Path("f")).ok());
  ASSERT_TRUE(overlay.Rename(below.Path("d"), below.Path("f")).ok());
  EXPECT_TRUE(overlay.Exists(below.Path("f/e/c")));
}

TEST(OverlayEnvTest, NothingIsMadeBelowAFile) {
  const TempDir below;
  Fill(Env::Posix(), below.path());
  OverlayEnv overlay(Env::Posix());
  ASSERT_TRUE(overlay.WriteFileAtomically(below.Path("n"), "n").ok());
  for (const char* file : {"a", "n"}) {
    const std::string child = JoinPath(below.Path(file), "child");
    EXPECT_FALSE(overlay.CreateDir(child).ok());
    EXPECT_FALSE(overlay.Open(child, OpenMode::kCreate).ok());
    EXPECT_FALSE(overlay.Rename(below.Path("d"), child).ok());
    EXPECT_FALSE(overlay.Link(below.Path("d/b"), child).ok());
  }
}

TEST(OverlayEnvTest, MemoryIsBoundedAndZerosAreFree) {
  const TempDir below;
  OverlayEnv overlay(Env::Posix(), 1U << 20);
  auto file = overlay.Open(below.Path("f"), OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->WriteAt(0, std::string(8U << 20, '\0')).ok());
  EXPECT_EQ(*(*file)->Size(), 8U << 20);
  EXPECT_TRUE(
      (*file)->WriteAt(0, std::string(2U << 20, 'x')).Is(StatusCode::kNoSpace));
  EXPECT_TRUE((*file)->Truncate(0).ok());
  EXPECT_TRUE((*file)->WriteAt(0, std::string(1U << 20, 'x')).ok());
}

TEST(OverlayEnvTest, LocksAreReal) {
  const TempDir below;
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(below.Path("lock"), "").ok());
  OverlayEnv overlay(Env::Posix());
  const auto held = overlay.Lock(below.Path("lock"));
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(
      Env::Posix().Lock(below.Path("lock")).status().Is(StatusCode::kBusy));
}

}  // namespace
}  // namespace trefoil
