// SPDX-License-Identifier: Apache-2.0
// Goal: a volume that nothing happened to is clean, whatever was done with it
// and wherever it was dropped; and looking at it changes nothing.
// Method: real volumes, verified with all data, closed and after a crash; a
// random walk over all operations with snapshots, commits and crashes.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "fs/base/hash.h"
#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{1000, 1000, 022};

World RealWorld() { return {Env::Posix(), Clock::Real(), Random::System()}; }

void ExpectCommitted(TestVolume& volume) {
  const auto commit = volume->Commit();
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
}

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

TEST(CleanTest, AnEmptyVolumeIsClean) {
  TestVolume volume;
  ExpectClean(volume);
}

TEST(CleanTest, DataInTheJournalOnlyAreClean) {
  TestVolume volume;
  Populate(volume);
  ExpectClean(volume);
  ExpectCleanAfterCrash(volume);
}

TEST(CleanTest, CommittedDataAreClean) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  ExpectClean(volume);
  volume.Close();
  const VerifyReport report = ExpectCleanAt(volume.path());
  EXPECT_EQ(report.commits, 2U);
  // small (twice named), big, link, fifo, sparse
  EXPECT_EQ(report.files, 5U);
  EXPECT_GT(report.bytes, 3U << 20);
}

TEST(CleanTest, WhatChangedAfterACommitIsClean) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  volume.WriteAt(volume.Find("dir/sub/big"), 1000, RandomBytes(200'000, 2));
  AttrChange shrink;
  shrink.size_bytes = 3;
  ASSERT_TRUE(volume->SetAttr(volume.Find("dir/small"), shrink).ok());
  ASSERT_TRUE(volume->Unlink(kRootNode, "sparse").ok());
  ExpectCleanAfterCrash(volume);
}

TEST(CleanTest, AVolumeWithoutItsIndexIsClean) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  volume.MakeFile("later", "in the journal");
  volume.Close();
  std::filesystem::remove_all(volume.path() + "/index");
  const VerifyReport report = ExpectCleanAt(volume.path());
  EXPECT_NE(DescribeFindings(report).find("no-index"), std::string::npos);
}

TEST(CleanTest, AnOpenOrphanIsClean) {
  TestVolume volume;
  const NodeId file = volume.MakeFile("file", RandomBytes(100'000, 5));
  ASSERT_TRUE(volume->CreateSnapshot("").ok());
  ASSERT_TRUE(volume->Lookup(kRootNode, "file").ok());
  ASSERT_TRUE(volume->Unlink(kRootNode, "file").ok());
  ASSERT_TRUE(volume->CreateSnapshot("").ok());
  volume.WriteAt(file, 50'000, "still open");
  ExpectCommitted(volume);
  ExpectCleanAfterCrash(volume);
  ExpectCommitted(volume);
  ExpectClean(volume);
}

TEST(CleanTest, VerifyingAnOpenVolumeIsRefused) {
  TestVolume volume;
  std::ofstream(volume.path() + "/control.sock");
  const auto report = VerifyVolume(RealWorld(), volume.path(), {});
  ASSERT_FALSE(report.ok());
  EXPECT_TRUE(report.status().Is(StatusCode::kBusy));
}

// Every file below `path` with a hash of its content.
std::map<std::string, std::string> Files(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(in)),
                              std::istreambuf_iterator<char>());
    files[entry.path()] = Sha256::Of(content).ToHex();
  }
  return files;
}

TEST(CleanTest, NothingOnTheDiskChanges) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  volume.MakeFile("later", RandomBytes(100'000, 6));
  volume.Crash();
  const auto before = Files(volume.path());
  ExpectCleanAt(volume.path());
  EXPECT_EQ(Files(volume.path()), before);
}

TEST(CleanTest, ScratchFilesAreRemoved) {
  TestVolume volume;
  volume.Close();
  const std::string scratch = volume.path() + "-scratch";
  ASSERT_TRUE(std::filesystem::create_directory(scratch));
  VerifyOptions options;
  options.scratch_directory = scratch;
  ASSERT_TRUE(VerifyVolume(RealWorld(), volume.path(), options).ok());
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
}

TEST(CleanTest, ProgressEndsAtTheTotal) {
  TestVolume volume;
  Populate(volume);
  ExpectCommitted(volume);
  volume.Close();
  for (const bool read_data : {false, true}) {
    VerifyOptions options;
    options.read_data = read_data;
    options.scratch_directory = ::testing::TempDir();
    uint64_t last = 0;
    uint64_t end = 1;
    options.progress = [&](const CheckProgress& progress) {
      EXPECT_LE(last, progress.done_bytes);
      last = progress.done_bytes;
      end = progress.total_bytes;
    };
    const auto report = VerifyVolume(RealWorld(), volume.path(), options);
    ASSERT_TRUE(report.ok());
    EXPECT_EQ(last, end);
    // Else only what the tree is made of is read.
    EXPECT_EQ(end == report->bytes, read_data);
    EXPECT_LE(end, report->bytes);
  }
}

// Does something at random to a volume.
class RandomWalk {
 public:
  RandomWalk(TestVolume& volume, uint64_t seed)
      : volume_(volume), random_(seed) {}

  void Step() {
    switch (Below(16)) {
      case 0:
        Ignore(volume_->MakeDirectory(AnyDirectory(), Name(), 0755, kCaller)
                   .status());
        break;
      case 1:
      case 2:
        Make();
        break;
      case 3:
        Ignore(volume_->Unlink(AnyDirectory(), Name()));
        break;
      case 4:
        Ignore(volume_->RemoveDirectory(AnyDirectory(), Name()));
        break;
      case 5:
        Ignore(volume_->Link(Any(), AnyDirectory(), Name()).status());
        break;
      case 6:
      case 7:
        Ignore(volume_->Rename(AnyDirectory(), Name(), AnyDirectory(), Name(),
                               static_cast<uint32_t>(Below(3) % 3)));
        break;
      case 8:
        Ignore(volume_->SetXattr(Any(), "user." + Name(),
                                 RandomBytes(Below(300), random_()), {}));
        break;
      case 9:
        Truncate();
        break;
      case 10:
        Ignore(volume_
                   ->CopyRange(Any(), Below(100'000), Any(), Below(100'000),
                               1 + Below(200'000), {})
                   .status());
        break;
      case 11:
        Ignore(volume_->Allocate(Any(), 3, Below(200'000), 1 + Below(100'000),
                                 {}));
        break;
      default:
        Ignore(volume_->Write(Any(), Below(300'000),
                              RandomBytes(1 + Below(150'000), random_()), {}));
        break;
    }
  }

  void Snapshot() {
    const auto snapshot = volume_->CreateSnapshot("");
    ASSERT_TRUE(snapshot.ok());
    snapshots_.push_back(snapshot->name);
    if (snapshots_.size() < 4) return;
    const auto at = snapshots_.begin() +
                    static_cast<std::ptrdiff_t>(Below(snapshots_.size()));
    ASSERT_TRUE(volume_->DeleteSnapshot(*at).ok());
    snapshots_.erase(at);
  }

  uint64_t Below(uint64_t bound) { return random_() % bound; }

 private:
  // Most steps meet something that is not there, or the wrong thing.
  static void Ignore(const Status&) {}

  std::string Name() {
    return std::string(1, static_cast<char>('a' + Below(6)));
  }

  NodeId AnyDirectory() {
    NodeId at = kRootNode;
    for (uint64_t depth = Below(4); depth > 0; --depth) {
      const auto entry = volume_->Lookup(at, Name());
      if (!entry.ok()) continue;
      volume_->Forget(entry->attr.node, 1);
      if (S_ISDIR(entry->attr.mode)) at = entry->attr.node;
    }
    return at;
  }

  NodeId Any() {
    const auto entry = volume_->Lookup(AnyDirectory(), Name());
    if (!entry.ok()) return kRootNode;
    volume_->Forget(entry->attr.node, 1);
    return entry->attr.node;
  }

  void Make() {
    const auto made =
        volume_->MakeNode(AnyDirectory(), Name(), S_IFREG | 0644, 0, kCaller);
    if (!made.ok()) return;
    Ignore(volume_->Write(made->attr.node, 0,
                          RandomBytes(Below(400'000), random_()), {}));
    volume_->Forget(made->attr.node, 1);
  }

  void Truncate() {
    AttrChange change;
    change.size_bytes = Below(300'000);
    Ignore(volume_->SetAttr(Any(), change).status());
  }

  TestVolume& volume_;
  std::mt19937_64 random_;
  std::vector<std::string> snapshots_;
};

TEST(CleanTest, ARandomWalkStaysClean) {
  uint64_t seed = std::random_device{}();
  if (const char* given = std::getenv("TREFOIL_SEED"); given != nullptr) {
    seed = std::stoull(given);
  }
  SCOPED_TRACE("TREFOIL_SEED=" + std::to_string(seed));
  TestVolume volume;
  RandomWalk walk(volume, seed);
  for (int round = 0; round < 12; ++round) {
    for (int step = 0; step < 120; ++step) {
      walk.Step();
      if (walk.Below(25) == 0) walk.Snapshot();
      if (walk.Below(25) == 0) ExpectCommitted(volume);
    }
    if (round % 2 == 0) {
      ExpectCleanAfterCrash(volume);
    } else {
      ExpectClean(volume);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace trefoil
