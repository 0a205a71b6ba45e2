// SPDX-License-Identifier: Apache-2.0
// Goal: a snapshot shows the whole tree as it was at its moment, for ever:
// through later changes, commits, crashes, and the loss of the index.
// Method: the snapshot's tree is described as text and compared with the
// description of the live tree at the moment it was taken.
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <string>

#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{1000, 1000, 022};

SnapshotInfo Take(TestVolume& volume, const std::string& label = "") {
  auto snapshot = volume->CreateSnapshot(label);
  EXPECT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  return *snapshot;
}

NodeId RootOf(const SnapshotInfo& snapshot) {
  return NodeId::Make(snapshot.id, kRootInode);
}

void ChangeEverything(TestVolume& volume) {
  const NodeId file = volume.Find("dir/file");
  volume.WriteAt(file, 1000, "overwritten");
  AttrChange change;
  change.mode = 0600;
  change.size_bytes = 50'000;
  ASSERT_TRUE(volume->SetAttr(file, change).ok());
  ASSERT_TRUE(volume->SetXattr(file, "user.a", "new", {}).ok());
  ASSERT_TRUE(volume->RemoveXattr(file, "user.b").ok());
  ASSERT_TRUE(
      volume->Rename(volume.Find("dir"), "file", kRootNode, "moved", 0).ok());
  ASSERT_TRUE(volume->Unlink(volume.Find("dir"), "gone").ok());
  volume.MakeFile("dir/new", "new file");
}

void Prepare(TestVolume& volume) {
  volume.MakeDir("dir");
  const NodeId file = volume.MakeFile("dir/file", RandomBytes(300'000, 11));
  ASSERT_TRUE(volume->SetXattr(file, "user.a", "old", {}).ok());
  ASSERT_TRUE(volume->SetXattr(file, "user.b", "old", {}).ok());
  volume.MakeFile("dir/gone", RandomBytes(200'000, 12));
}

TEST(SnapshotTest, KeepsTheTreeOfItsMomentWhileEverythingChanges) {
  for (const bool commit_before : {false, true}) {
    for (const bool commit_between : {false, true}) {
      TestVolume volume;
      Prepare(volume);
      if (commit_before) {
        ASSERT_TRUE(volume->Commit().ok());
      }
      const std::string before = volume.Describe();
      const SnapshotInfo snapshot = Take(volume);
      if (commit_between) {
        ASSERT_TRUE(volume->Commit().ok());
      }
      ChangeEverything(volume);
      // Inode numbers are part of the description; only the tree differs.
      EXPECT_EQ(volume.Describe(RootOf(snapshot)), before);
      const std::string live = volume.Describe();
      EXPECT_NE(live, before);
      ASSERT_TRUE(volume->Commit().ok());
      EXPECT_EQ(volume.Describe(RootOf(snapshot)), before);
      EXPECT_EQ(volume.Describe(), live);
      volume.CrashAndReopen();
      EXPECT_EQ(volume.Describe(RootOf(snapshot)), before);
      EXPECT_EQ(volume.Describe(), live);
      volume.Close();
      std::filesystem::remove_all(volume.path() + "/index");
      volume.Open();
      EXPECT_EQ(volume.Describe(RootOf(snapshot)), before);
      EXPECT_EQ(volume.Describe(), live);
      ExpectClean(volume);
    }
  }
}

TEST(SnapshotTest, ManySnapshotsEachKeepTheirOwnContent) {
  TestVolume volume;
  const NodeId file = volume.MakeFile("file", "");
  std::vector<std::pair<SnapshotInfo, std::string>> taken;
  for (int i = 0; i < 12; ++i) {
    volume.WriteAt(file, static_cast<uint64_t>(i) * 1000,
                   RandomBytes(2500, static_cast<uint64_t>(i)));
    if (i % 4 == 3) {
      ASSERT_TRUE(volume->Commit().ok());
    }
    taken.emplace_back(Take(volume), volume.Describe());
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& [snapshot, text] : taken) {
      EXPECT_EQ(volume.Describe(RootOf(snapshot)), text) << snapshot.name;
    }
    ASSERT_TRUE(volume->Commit().ok());
    volume.CrashAndReopen();
  }
  ExpectClean(volume);
}

TEST(SnapshotTest, IsReachableByNameInEveryDirectoryAndListedInNone) {
  TestVolume volume;
  Prepare(volume);
  const SnapshotInfo snapshot = Take(volume, "before the audit");
  EXPECT_EQ(volume.Find(".snapshots/" + snapshot.name + "/dir/file"),
            volume.Find("dir/.snapshots/" + snapshot.name + "/file"));
  EXPECT_EQ(volume.Describe().find(".snapshots"), std::string::npos);
  // A directory that is younger than the snapshot is not in it.
  volume.MakeDir("young");
  const NodeId young = volume.Find("young/.snapshots");
  EXPECT_EQ(volume->Lookup(young, snapshot.name).status().posix_errno(),
            ENOENT);
  EXPECT_EQ(volume->Lookup(volume.Find("dir/file"), ".snapshots")
                .status()
                .posix_errno(),
            ENOTDIR);
  ExpectClean(volume);
}

TEST(SnapshotTest, IsReadOnly) {
  TestVolume volume;
  Prepare(volume);
  const SnapshotInfo snapshot = Take(volume);
  const NodeId root = RootOf(snapshot);
  const NodeId file = volume.Find("dir/file", root);
  EXPECT_EQ(volume->Write(file, 0, "x", {}).posix_errno(), EROFS);
  EXPECT_EQ(volume->SetAttr(file, {}).status().posix_errno(), EROFS);
  EXPECT_EQ(volume->Unlink(root, "dir").posix_errno(), EROFS);
  EXPECT_EQ(
      volume->MakeDirectory(root, "x", 0755, kCaller).status().posix_errno(),
      EROFS);
  EXPECT_EQ(volume->Rename(root, "dir", kRootNode, "out", 0).posix_errno(),
            EXDEV);
  EXPECT_EQ(volume->Link(file, kRootNode, "out").status().posix_errno(), EXDEV);
  ExpectClean(volume);
}

TEST(SnapshotTest, NamesInOneSecondAreASecondApartAndInOrder) {
  TestVolume volume;
  std::string last;
  for (int i = 0; i < 20; ++i) {
    const SnapshotInfo snapshot = Take(volume);
    EXPECT_LT(last, snapshot.name);
    last = snapshot.name;
  }
  EXPECT_EQ(volume->ListSnapshots()->size(), 20U);
  ExpectClean(volume);
}

// What looked at the first by its name would be shown it instead of the second.
TEST(SnapshotTest, ANameIsNotUsedAgainAfterADeletion) {
  TestVolume volume;
  std::set<std::string> names;
  for (int i = 0; i < 5; ++i) {
    const SnapshotInfo snapshot = Take(volume);
    EXPECT_TRUE(names.insert(snapshot.name).second) << snapshot.name;
    ASSERT_TRUE(volume->DeleteSnapshot(snapshot.name).ok());
  }
}

TEST(SnapshotTest, DeletingOneLeavesTheOthersAndTheLiveTree) {
  TestVolume volume;
  Prepare(volume);
  const SnapshotInfo first = Take(volume);
  volume.WriteAt(volume.Find("dir/file"), 0, "second");
  const SnapshotInfo second = Take(volume);
  const std::string second_text = volume.Describe();
  ChangeEverything(volume);
  const std::string live = volume.Describe();
  ASSERT_TRUE(volume->DeleteSnapshot(first.name).ok());
  ASSERT_TRUE(volume->Commit().ok());
  EXPECT_FALSE(volume->GetAttr(RootOf(first)).ok());
  EXPECT_EQ(volume.Describe(RootOf(second)), second_text);
  EXPECT_EQ(volume.Describe(), live);
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Describe(RootOf(second)), second_text);
  EXPECT_EQ(volume.Describe(), live);
  EXPECT_TRUE(volume->DeleteSnapshot(first.name).Is(StatusCode::kNotFound));
  ExpectClean(volume);
}

}  // namespace
}  // namespace trefoil
