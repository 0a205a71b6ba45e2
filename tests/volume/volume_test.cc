// SPDX-License-Identifier: Apache-2.0
// Goal: what was acknowledged is there after a clean close, after a crash of
// the process and after the index is lost, wherever its bytes are just now:
// in the journal, in packs, or inside a commit.
// Method: a real volume in a temporary directory; the whole visible tree is
// described as text before and after.
#include "fs/volume/volume.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{1000, 1000, 022};

// A tree with one of each thing.
void Populate(TestVolume& volume) {
  volume.MakeDir("dir");
  volume.MakeDir("dir/sub");
  volume.MakeFile("dir/small", "hello");
  volume.MakeFile("dir/sub/big", RandomBytes(3 << 20, 1));
  ASSERT_TRUE(
      volume->MakeSymlink(volume.Find("dir"), "link", "small", kCaller).ok());
  ASSERT_TRUE(volume->Link(volume.Find("dir/small"), kRootNode, "hard").ok());
  ASSERT_TRUE(
      volume->MakeNode(kRootNode, "fifo", S_IFIFO | 0600, 0, kCaller).ok());
  ASSERT_TRUE(
      volume->SetXattr(volume.Find("dir/small"), "user.color", "blue", {})
          .ok());
  const NodeId sparse = volume.MakeFile("sparse", "begin");
  volume.WriteAt(sparse, 10 << 20, "end");
}

void ExpectCommitted(TestVolume& volume) {
  const auto commit = volume->Commit();
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
}

TEST(VolumeTest, AnEmptyVolumeHasARootDirectory) {
  TestVolume volume;
  const auto attr = volume->GetAttr(kRootNode);
  ASSERT_TRUE(attr.ok());
  EXPECT_TRUE(S_ISDIR(attr->mode));
  EXPECT_EQ(attr->nlink, 2U);
  ExpectClean(volume);
}

// The smallest that config.toml takes.
TEST(VolumeTest, ASmallJournalIsAsSmallAsAskedFor) {
  TestVolume volume;
  volume.options.journal_capacity_bytes = 16ULL << 20;
  volume.Reopen();
  EXPECT_EQ(volume->status().journal_capacity_bytes, 16ULL << 20);
  Populate(volume);
  ExpectCommitted(volume);
  const std::string before = volume.Describe();
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Describe(), before);
  ExpectClean(volume);
}

TEST(VolumeTest, TheTreeSurvivesClosing) {
  TestVolume volume;
  Populate(volume);
  const std::string before = volume.Describe();
  volume.Reopen();
  EXPECT_EQ(volume.Describe(), before);
  ExpectClean(volume);
}

TEST(VolumeTest, TheTreeSurvivesACrashBeforeTheFirstCommit) {
  TestVolume volume;
  Populate(volume);
  const std::string before = volume.Describe();
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Describe(), before);
  ExpectClean(volume);
}

TEST(VolumeTest, CommittingChangesNothingVisible) {
  TestVolume volume;
  Populate(volume);
  const std::string before = volume.Describe();
  ExpectCommitted(volume);
  EXPECT_EQ(volume->status().dirty_bytes, 0U);
  EXPECT_EQ(volume.Describe(), before);
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Describe(), before);
  ExpectClean(volume);
}

TEST(VolumeTest, TheIndexIsRebuiltFromCommitsAndJournal) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  volume.MakeFile("later", "only in the journal");
  const std::string before = volume.Describe();
  volume.Close();
  std::filesystem::remove_all(volume.path() + "/index");
  volume.Open();
  EXPECT_EQ(volume.Describe(), before);
  EXPECT_EQ(volume.Content("later"), "only in the journal");
  ExpectClean(volume);
}

TEST(VolumeTest, TheObjectsAloneGiveBackTheLastCommit) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  const std::string before = volume.Describe();
  volume.Close();
  std::filesystem::remove_all(volume.path() + "/index");
  std::filesystem::remove_all(volume.path() + "/journal");
  volume.Open();
  EXPECT_EQ(volume.Describe(), before);
  ExpectClean(volume);
}

TEST(VolumeTest, OverwritesReadBackAtEveryStage) {
  TestVolume volume;
  std::string model = RandomBytes(2 << 20, 7);
  const NodeId file = volume.MakeFile("file", model);
  for (int round = 0; round < 6; ++round) {
    const std::string patch = RandomBytes(
        1 + 70'000 * static_cast<size_t>(round), static_cast<uint64_t>(round));
    const size_t offset = static_cast<size_t>(round) * 300'001;
    volume.WriteAt(file, offset, patch);
    if (model.size() < offset + patch.size()) {
      model.resize(offset + patch.size());
    }
    model.replace(offset, patch.size(), patch);
    EXPECT_TRUE(volume.Content(file) == model) << round;
    if (round % 2 == 0) ExpectCommitted(volume);
    EXPECT_TRUE(volume.Content(file) == model) << round;
    if (round % 3 == 0) volume.CrashAndReopen();
    EXPECT_TRUE(volume.Content(file) == model) << round;
  }
  ExpectClean(volume);
}

TEST(VolumeTest, AFileThatShrankAndGrewReadsZerosInBetween) {
  TestVolume volume;
  const NodeId file = volume.MakeFile("file", std::string(100'000, 'x'));
  ExpectCommitted(volume);
  AttrChange shrink;
  shrink.size_bytes = 10;
  ASSERT_TRUE(volume->SetAttr(file, shrink).ok());
  AttrChange grow;
  grow.size_bytes = 50'000;
  ASSERT_TRUE(volume->SetAttr(file, grow).ok());
  const std::string expected = std::string(10, 'x') + std::string(49'990, '\0');
  EXPECT_EQ(volume.Content(file), expected);
  ExpectCommitted(volume);
  EXPECT_EQ(volume.Content(file), expected);
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Content(file), expected);
  ExpectClean(volume);
}

TEST(VolumeTest, EqualContentIsStoredOnce) {
  TestVolume volume;
  const std::string content = RandomBytes(8 << 20, 3);
  volume.MakeFile("one", content);
  ExpectCommitted(volume);
  const uint64_t before = volume->status().object_bytes;
  volume.MakeFile("two", content);
  ExpectCommitted(volume);
  EXPECT_LT(volume->status().object_bytes - before, 100'000U);
  EXPECT_TRUE(volume.Content("two") == content);
  ExpectClean(volume);
}

TEST(VolumeTest, ASecondOpeningIsRefused) {
  TestVolume volume;
  std::ofstream(volume.path() + "/control.sock");
  const auto second = Volume::Open(
      {Env::Posix(), Clock::Real(), Random::System()}, volume.path(), {});
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(second.status().Is(StatusCode::kBusy));
}

TEST(VolumeTest, AnUnlinkedFileLivesWhileItIsReferenced) {
  TestVolume volume;
  const NodeId file = volume.MakeFile("file", "still here");
  ASSERT_TRUE(volume->Lookup(kRootNode, "file").ok());
  ASSERT_TRUE(volume->Unlink(kRootNode, "file").ok());
  ExpectCommitted(volume);
  EXPECT_EQ(volume.Content(file), "still here");
  EXPECT_EQ(volume->GetAttr(file)->nlink, 0U);
  volume->Forget(file, 1);
  ExpectCommitted(volume);
  EXPECT_FALSE(volume->GetAttr(file).ok());
  ExpectClean(volume);
}

TEST(VolumeTest, OrphansOfACrashAreReaped) {
  TestVolume volume;
  const NodeId file = volume.MakeFile("file", RandomBytes(1 << 20, 5));
  ASSERT_TRUE(volume->Lookup(kRootNode, "file").ok());
  ASSERT_TRUE(volume->Unlink(kRootNode, "file").ok());
  volume.CrashAndReopen();
  ExpectCommitted(volume);
  ExpectCommitted(volume);
  EXPECT_FALSE(volume->GetAttr(file).ok());
  ExpectClean(volume);
}

TEST(VolumeTest, CopiesShareBlocks) {
  TestVolume volume;
  const std::string content = RandomBytes(4 << 20, 9);
  const NodeId from = volume.MakeFile("from", content);
  const NodeId to = volume.MakeFile("to", "");
  ExpectCommitted(volume);
  const uint64_t before = volume->status().object_bytes;
  uint64_t done = 0;
  while (done < content.size()) {
    const auto copied =
        volume->CopyRange(from, done, to, done, content.size() - done, {});
    ASSERT_TRUE(copied.ok()) << copied.status().ToString();
    ASSERT_GT(*copied, 0U);
    done += *copied;
  }
  EXPECT_EQ(volume->status().dirty_bytes, 0U);
  EXPECT_TRUE(volume.Content(to) == content);
  ExpectCommitted(volume);
  EXPECT_LT(volume->status().object_bytes - before, 100'000U);
  volume.CrashAndReopen();
  EXPECT_TRUE(volume.Content(to) == content);
  ExpectClean(volume);
}

}  // namespace
}  // namespace trefoil
