// SPDX-License-Identifier: Apache-2.0
// Goal: what nothing needs leaves the disk, what anything needs stays: files,
// snapshots, copies by reference, readers of yesterday's index.
// Method: objects are counted on the disk itself after time was put forward;
// every test ends with fsck, most with an index rebuilt from the objects.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "fs/index/index.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr uint64_t kMiB = 1ULL << 20;
// Longer than the grace for readers and the pause between two passes.
constexpr int64_t kLater = 60;

// With a journal that takes what a test writes between two commits.
class RoomyVolume : public TestVolume {
 public:
  RoomyVolume() {
    options.journal_capacity_bytes = 256 * kMiB;
    Reopen();
  }
};

uint64_t BytesBelow(const TestVolume& volume, const std::string& prefix) {
  uint64_t bytes = 0;
  const std::string root = volume.path() + "/objects/" + prefix;
  if (!std::filesystem::exists(root)) return 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

size_t FilesBelow(const TestVolume& volume, const std::string& prefix) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           volume.path() + "/objects/" + prefix)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  return files;
}

void Commit(TestVolume& volume) {
  const auto commit = volume->Commit();
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
}

// What background rounds do in a few minutes.
void LetTimePass(TestVolume& volume) {
  for (int round = 0; round < 4; ++round) {
    volume.Pass(kLater);
    Commit(volume);
  }
  ASSERT_EQ(volume->status().last_error, "");
}

void Unlink(TestVolume& volume, const std::string& name) {
  const Status unlinked = volume->Unlink(kRootNode, name);
  ASSERT_TRUE(unlinked.ok()) << unlinked.ToString();
}

void RebuildIndex(TestVolume& volume) {
  volume.Close();
  std::filesystem::remove_all(volume.path() + "/index");
  volume.Open();
}

TEST(CollectorTest, DeletedDataLeaveTheDisk) {
  RoomyVolume volume;
  volume.MakeFile("file", RandomBytes(40 * kMiB, 1));
  volume.MakeFile("kept", RandomBytes(kMiB, 2));
  Commit(volume);
  ASSERT_GT(BytesBelow(volume, "pack"), 40 * kMiB);
  Unlink(volume, "file");
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), 3 * kMiB);
  const std::string tree = volume.Describe();
  RebuildIndex(volume);
  EXPECT_EQ(volume.Describe(), tree);
  ExpectClean(volume);
}

TEST(CollectorTest, NothingGoesBeforeACommitSaysSo) {
  RoomyVolume volume;
  volume.MakeFile("file", RandomBytes(20 * kMiB, 1));
  Commit(volume);
  const uint64_t before = BytesBelow(volume, "pack");
  Unlink(volume, "file");
  volume.Pass(kLater);
  // Retired by this round, and in its commit; the file goes with a later one.
  Commit(volume);
  EXPECT_EQ(BytesBelow(volume, "pack"), before);
  // After a crash the tree of the objects alone is whole.
  volume.Crash();
  std::filesystem::remove_all(volume.path() + "/index");
  volume.Open();
  ExpectClean(volume);
}

// Somebody may just be reading it.
TEST(CollectorTest, ARetiredPackStaysForAWhile) {
  RoomyVolume volume;
  volume.MakeFile("file", RandomBytes(20 * kMiB, 1));
  Commit(volume);
  const uint64_t before = BytesBelow(volume, "pack");
  Unlink(volume, "file");
  volume.Pass(kLater);
  for (int pass = 0; pass < 3; ++pass) {
    volume.MakeFile("other" + std::to_string(pass), "");
    Commit(volume);
    EXPECT_EQ(BytesBelow(volume, "pack"), before);
    volume.Pass(6);
  }
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), kMiB);
}

// The list of known blocks is derived, and may have one that is gone.
TEST(CollectorTest, ABlockThatIsGoneIsNotTakenForKnown) {
  RoomyVolume volume;
  const std::string content = RandomBytes(5 * kMiB, 1);
  volume.MakeFile("one", content);
  Commit(volume);
  const auto with_index = [&](const std::function<void(Index&)>& use) {
    volume.Close();
    auto index = Index::Open(Env::Posix(), volume.path() + "/index", {});
    ASSERT_TRUE(index.ok());
    use(**index);
    index->reset();
    volume.Open();
  };
  IndexBatch known;
  with_index([&](Index& index) {
    const auto cursor = index.NewCursor(Family::kLocal, "H", "I");
    for (cursor->Seek("H"); cursor->Valid(); cursor->Next()) {
      known.Put(Family::kLocal, std::string(cursor->key()),
                std::string(cursor->value()));
    }
  });
  ASSERT_FALSE(known.empty());
  Unlink(volume, "one");
  LetTimePass(volume);
  ASSERT_LT(BytesBelow(volume, "pack"), kMiB);
  with_index([&](Index& index) {
    ASSERT_TRUE(index.Apply(known, index.applied()).ok());
    ASSERT_TRUE(index.Flush().ok());
  });
  volume.MakeFile("two", content);
  Commit(volume);
  EXPECT_TRUE(volume.Content("two") == content);
  ExpectClean(volume);
}

// A wrong mark in the index costs no data.
TEST(CollectorTest, ABlockThatFilesNameIsNotCollectedAsDead) {
  RoomyVolume volume;
  const std::string content = RandomBytes(5 * kMiB, 1);
  volume.MakeFile("file", content);
  Commit(volume);
  volume.Close();
  {
    auto index = Index::Open(Env::Posix(), volume.path() + "/index", {});
    ASSERT_TRUE(index.ok());
    IndexBatch batch;
    auto cursor = (*index)->NewCursor(Family::kLive, "B", "C");
    for (cursor->Seek("B"); cursor->Valid(); cursor->Next()) {
      const auto block = BlockRecord::Decode(cursor->value());
      ASSERT_TRUE(block.ok());
      const DeadRecord dead{block->pack, block->location.stored_bytes};
      batch.Put(Family::kLive, DeadKey(BlockNo(NumberInKey(cursor->key()))),
                dead.Encode());
    }
    cursor.reset();
    ASSERT_TRUE((*index)->Apply(batch, (*index)->applied()).ok());
    ASSERT_TRUE((*index)->Flush().ok());
  }
  volume.Open();
  for (int round = 0; round < 4; ++round) {
    volume.Pass(kLater);
    Commit(volume);
  }
  EXPECT_NE(volume->status().last_error.find("in use"), std::string::npos);
  EXPECT_TRUE(volume.Content("file") == content);
}

TEST(CollectorTest, RetiredPacksGoAfterACrashToo) {
  RoomyVolume volume;
  volume.MakeFile("file", RandomBytes(20 * kMiB, 1));
  Commit(volume);
  Unlink(volume, "file");
  volume.Pass(kLater);
  Commit(volume);
  volume.CrashAndReopen();
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), kMiB);
  ExpectClean(volume);
}

TEST(CollectorTest, PacksThatACrashLeftUnregisteredGo) {
  RoomyVolume volume;
  volume.MakeFile("file", RandomBytes(20 * kMiB, 1));
  Commit(volume);
  const std::string name(64, 'a');
  std::filesystem::create_directories(volume.path() + "/objects/pack/aa");
  std::ofstream(volume.path() + "/objects/pack/aa/" + name) << "a pack";
  volume.Reopen();
  LetTimePass(volume);
  EXPECT_FALSE(
      std::filesystem::exists(volume.path() + "/objects/pack/aa/" + name));
  EXPECT_GT(BytesBelow(volume, "pack"), 20 * kMiB);
  ExpectClean(volume);
}

TEST(CollectorTest, ASnapshotHoldsItsDataUntilItIsDeleted) {
  RoomyVolume volume;
  const std::string content = RandomBytes(20 * kMiB, 3);
  volume.MakeFile("file", content);
  const auto snapshot = volume->CreateSnapshot("");
  ASSERT_TRUE(snapshot.ok());
  Unlink(volume, "file");
  LetTimePass(volume);
  const NodeId root = NodeId::Make(snapshot->id, kRootInode);
  EXPECT_TRUE(volume.Content(volume.Find("file", root)) == content);
  RebuildIndex(volume);
  EXPECT_TRUE(volume.Content(volume.Find("file", root)) == content);
  ASSERT_TRUE(volume->DeleteSnapshot(snapshot->name).ok());
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), kMiB);
  ExpectClean(volume);
}

TEST(CollectorTest, AMostlyDeadPackIsEmptiedAndItsLiveBlocksStayReadable) {
  RoomyVolume volume;
  for (int i = 0; i < 7; ++i) {
    volume.MakeFile("file" + std::to_string(i),
                    RandomBytes(2 * kMiB, static_cast<uint64_t>(i)));
  }
  const auto snapshot = volume->CreateSnapshot("");
  ASSERT_TRUE(snapshot.ok());
  Commit(volume);
  ASSERT_TRUE(volume->DeleteSnapshot(snapshot->name).ok());
  for (int i = 0; i < 6; ++i) Unlink(volume, "file" + std::to_string(i));
  const std::string tree = volume.Describe();
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), 4 * kMiB);
  EXPECT_EQ(volume.Describe(), tree);
  RebuildIndex(volume);
  EXPECT_EQ(volume.Describe(), tree);
  volume.CrashAndReopen();
  EXPECT_EQ(volume.Describe(), tree);
  ExpectClean(volume);
}

TEST(CollectorTest, OverwrittenDataLeaveTheDisk) {
  RoomyVolume volume;
  const NodeId file = volume.MakeFile("file", RandomBytes(20 * kMiB, 1));
  for (uint64_t round = 2; round < 6; ++round) {
    Commit(volume);
    volume.WriteAt(file, 0, RandomBytes(20 * kMiB, round));
  }
  LetTimePass(volume);
  EXPECT_LT(BytesBelow(volume, "pack"), 42 * kMiB);
  EXPECT_TRUE(volume.Content(file) == RandomBytes(20 * kMiB, 5));
  ExpectClean(volume);
}

TEST(CollectorTest, ACopyByReferenceOutlivesItsSource) {
  RoomyVolume volume;
  const std::string content = RandomBytes(4 * kMiB, 9);
  const NodeId from = volume.MakeFile("from", content);
  const NodeId to = volume.MakeFile("to", "");
  Commit(volume);
  for (uint64_t done = 0; done < content.size();) {
    const auto copied =
        volume->CopyRange(from, done, to, done, content.size() - done, {});
    ASSERT_TRUE(copied.ok()) << copied.status().ToString();
    done += *copied;
  }
  // The source is reaped and collected before the copy is destaged.
  Unlink(volume, "from");
  volume.Pass(kLater);
  Commit(volume);
  LetTimePass(volume);
  EXPECT_TRUE(volume.Content(to) == content);
  RebuildIndex(volume);
  EXPECT_TRUE(volume.Content(to) == content);
  ExpectClean(volume);
}

TEST(CollectorTest, ADeadBlockThatIsWrittenAgainComesToLife) {
  RoomyVolume volume;
  const std::string content = RandomBytes(20 * kMiB, 4);
  volume.MakeFile("one", content);
  Commit(volume);
  Unlink(volume, "one");
  volume.MakeFile("two", content);
  LetTimePass(volume);
  EXPECT_TRUE(volume.Content("two") == content);
  ExpectClean(volume);
}

TEST(CheckpointTest, CommitsThatACheckpointStandsForGo) {
  RoomyVolume volume;
  for (int i = 0; i < 40; ++i) {
    volume.MakeFile("file" + std::to_string(i), "content " + std::to_string(i));
    Commit(volume);
  }
  const size_t before = FilesBelow(volume, "commit");
  ASSERT_GT(before, 40U);
  const auto checkpoint = volume->Checkpoint();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().ToString();
  EXPECT_EQ(checkpoint->seq, volume->head().seq);
  // Targets may need them.
  LetTimePass(volume);
  EXPECT_GE(FilesBelow(volume, "commit"), before);
  volume->ReleaseCommits(CommitSeq(UINT64_MAX));
  const std::string tree = volume.Describe();
  LetTimePass(volume);
  EXPECT_LT(FilesBelow(volume, "commit"), 8U);
  EXPECT_EQ(volume.Describe(), tree);
  EXPECT_TRUE(
      volume->NextCommit(CommitSeq(1)).status().Is(StatusCode::kTrimmed));
  RebuildIndex(volume);
  EXPECT_EQ(volume.Describe(), tree);
  ExpectClean(volume);
}

TEST(CheckpointTest, OneIsWrittenForEachStateOnce) {
  RoomyVolume volume;
  volume.MakeFile("file", "content");
  const auto first = volume->Checkpoint();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  const auto second = volume->Checkpoint();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->seq, second->seq);
  volume.MakeFile("other", "content");
  const auto third = volume->Checkpoint();
  ASSERT_TRUE(third.ok());
  EXPECT_GT(third->seq, first->seq);
  EXPECT_EQ(FilesBelow(volume, "checkpoint"), 1U);
}

// fsck compares it with what the commits give.
TEST(CheckpointTest, IsTheStateOfItsCommitWhileChangesGoOn) {
  RoomyVolume volume;
  const NodeId file = volume.MakeFile("file", "content");
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      volume.WriteAt(file, 0, std::to_string(i));
      volume.MakeFile("new" + std::to_string(i % 50) + "." + std::to_string(i),
                      "content");
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto checkpoint = volume->Checkpoint();
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().ToString();
  }
  done = true;
  writer.join();
  ExpectClean(volume);
}

TEST(CheckpointTest, ATreeWithSnapshotsIsRebuiltFromACheckpointAlone) {
  RoomyVolume volume;
  volume.MakeDir("dir");
  const NodeId file = volume.MakeFile("dir/file", RandomBytes(300'000, 1));
  const auto snapshot = volume->CreateSnapshot("label");
  ASSERT_TRUE(snapshot.ok());
  volume.WriteAt(file, 5000, "changed");
  ASSERT_TRUE(volume->SetXattr(file, "user.a", "value", {}).ok());
  Commit(volume);
  volume.MakeFile("dir/other", "small");
  volume->ReleaseCommits(CommitSeq(UINT64_MAX));
  ASSERT_TRUE(volume->Checkpoint().ok());
  LetTimePass(volume);
  ASSERT_TRUE(volume->Checkpoint().ok());
  const std::string tree = volume.Describe();
  const NodeId root = NodeId::Make(snapshot->id, kRootInode);
  const std::string past = volume.Describe(root);
  volume.Close();
  std::filesystem::remove_all(volume.path() + "/index");
  std::filesystem::remove_all(volume.path() + "/journal");
  volume.Open();
  EXPECT_EQ(volume.Describe(), tree);
  EXPECT_EQ(volume.Describe(root), past);
  volume.MakeFile("new", "after");
  Commit(volume);
  RebuildIndex(volume);
  EXPECT_EQ(volume.Content("new"), "after");
  ExpectClean(volume);
}

}  // namespace
}  // namespace trefoil
