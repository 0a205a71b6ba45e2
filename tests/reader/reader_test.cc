// SPDX-License-Identifier: Apache-2.0
// Goal: trefoil-reader, which knows the format from its man page alone, gives
// back what the volume shows, byte for byte: the page tells everything, and
// data outlive this program.
// Method: real volumes with every kind of file, snapshots, blocks in commits
// and in packs, checkpoints and collected garbage, extracted from a directory
// and from a real Ceph gateway, and compared with the Volume API.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "fs/volume/identity.h"
#include "replicator/owner.h"
#include "replicator/replicator.h"
#include "tests/reader/extracted.h"
#include "tests/support/rgw.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class ReaderTest : public ::testing::Test {
 protected:
  // The primary's own objects are a copy like any other.
  [[nodiscard]] std::string Url() const {
    return "dir:" + volume_.path() + "/objects";
  }
  void FillWithEverything() {
    const Caller caller;
    const NodeId docs = volume_.MakeDir("docs");
    volume_.MakeFile("docs/empty", "");
    volume_.MakeFile("docs/small", "a few words");
    volume_.MakeFile("docs/text", std::string(700'000, 't'));
    volume_.MakeFile("docs/large", RandomBytes(5'000'000, 1));
    volume_.MakeFile("docs/\xc3\xa9t\xc3\xa9 'quoted'\n\xff", "any bytes");
    const NodeId sparse = volume_.MakeFile("sparse", "begin");
    volume_.WriteAt(sparse, 30'000'000, "middle");
    AttrChange change;
    change.size_bytes = 90'000'000;
    EXPECT_TRUE(volume_->SetAttr(sparse, change).ok());
    EXPECT_TRUE(
        volume_->Link(volume_.Find("docs/small"), docs, "hard link").ok());
    EXPECT_TRUE(
        volume_->MakeSymlink(docs, "link", "../elsewhere", caller).ok());
    EXPECT_TRUE(
        volume_->MakeNode(docs, "fifo", S_IFIFO | 0620, 0, caller).ok());
    EXPECT_TRUE(
        volume_->SetXattr(volume_.Find("docs/text"), "user.note", "value", {})
            .ok());
    AttrChange mode;
    mode.mode = 04711;
    EXPECT_TRUE(volume_->SetAttr(volume_.Find("docs/large"), mode).ok());
    std::string deep = "deep";
    for (int i = 0; i < 20; ++i) {
      volume_.MakeDir(deep);
      volume_.MakeFile(deep + "/file", std::string(50'000, 'd'));
      deep += "/d" + std::to_string(i);
    }
  }
  // As the tree of `root` is; `more` goes to the reader.
  void ExpectSame(const std::string& url, NodeId root,
                  const std::vector<std::string>& more) {
    const auto expected = ShowVolume(*volume_, root, false);
    ASSERT_TRUE(expected.ok()) << expected.status().ToString();
    const std::string out = dir_.Path("out" + std::to_string(++runs_));
    std::vector<std::string> arguments = {"extract", url};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(out);
    const ReaderRun run = RunReader(arguments);
    EXPECT_EQ(run.exit_code, 0) << run.output;
    EXPECT_EQ(FirstDifference(WithoutPlace(*expected), ShowDirectory(out)), "");
  }
  [[nodiscard]] std::vector<std::string> Key() const {
    return {"--key-file", KeyFilePath(volume_.path())};
  }
  NodeId SnapshotRoot(const std::string& name) {
    return volume_.Find(".snapshots/" + name);
  }

  TempDir dir_;
  TestVolume volume_;
  int runs_ = 0;
  Generation generation_{100};
};

TEST_F(ReaderTest, EveryKindOfFileComesBack) {
  FillWithEverything();
  ASSERT_TRUE(volume_->Commit().ok());
  ExpectSame(Url(), kRootNode, Key());
  const std::string sparse = dir_.Path("out1/sparse");
  struct stat info {};
  ASSERT_EQ(stat(sparse.c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 2'000'000);

  std::vector<std::string> one = Key();
  one.emplace_back("docs/small");
  one.push_back(dir_.Path("one"));
  one.insert(one.begin(), {"extract", Url()});
  EXPECT_EQ(RunReader(one).exit_code, 0);
  EXPECT_EQ(Env::Posix().ReadFile(dir_.Path("one"), 100).value(),
            "a few words");
  // What is there is never touched.
  EXPECT_EQ(RunReader(one).exit_code, 1);
  EXPECT_EQ(Env::Posix().ReadFile(dir_.Path("one"), 100).value(),
            "a few words");
}

TEST_F(ReaderTest, SnapshotsCheckpointsAndCollectedGarbageComeBack) {
  FillWithEverything();
  const auto first = volume_->CreateSnapshot("before");
  ASSERT_TRUE(first.ok());
  const std::string before = first->name;
  volume_.WriteAt(volume_.Find("docs/large"), 2'000'000, "changed");
  ASSERT_TRUE(volume_->Unlink(volume_.Find("docs"), "text").ok());
  ASSERT_TRUE(
      volume_->Rename(volume_.Find("docs"), "small", kRootNode, "renamed", 0)
          .ok());
  volume_.MakeFile("gone", RandomBytes(9'000'000, 2));
  ASSERT_TRUE(volume_->Commit().ok());
  ASSERT_TRUE(volume_->Unlink(kRootNode, "gone").ok());
  ASSERT_TRUE(volume_->Checkpoint().ok());
  volume_->ReleaseCommits(CommitSeq(1'000'000));
  for (int i = 0; i < 6; ++i) {
    volume_.Pass(3600);
    volume_.MakeFile("later" + std::to_string(i), "x");
    ASSERT_TRUE(volume_->Commit().ok());
  }
  ASSERT_TRUE(
      volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed));
  ExpectSame(Url(), kRootNode, Key());

  std::vector<std::string> snapshot = Key();
  snapshot.insert(snapshot.end(), {"--snapshot", before});
  ExpectSame(Url(), SnapshotRoot(before), snapshot);
  std::vector<std::string> list = Key();
  list.insert(list.begin(), {"snapshots", Url()});
  EXPECT_NE(RunReader(list).output.find(before), std::string::npos);
}

// Another owner came and went, and this volume went on meanwhile (O9).
TEST_F(ReaderTest, TheNewestOwnersStateCounts) {
  volume_.MakeFile("shared", "of both");
  ASSERT_TRUE(volume_->Commit().ok());
  const CommitRef base = volume_->head();
  volume_.MakeFile("mine", "made while another one held the target");
  ASSERT_TRUE(volume_->Commit().ok());
  const auto take_over = [this](const CommitRef& continued) {
    OwnerClaim claim;
    claim.volume_id = volume_->volume_id();
    claim.name = {generation_ = generation_.Next(),
                  NewInstance(Random::System())};
    claim.base_seq = continued.seq;
    claim.base_generation = continued.generation;
    claim.base_name = continued.name;
    const auto bytes = EncodeClaim(claim, volume_->keyring(), Random::System());
    MemorySource body(bytes.value());
    EXPECT_TRUE(volume_->objects()
                    .Put(ClaimKey(claim.name), body, PutMode::kImmutable)
                    .ok());
  };
  take_over(base);
  take_over(volume_->head());
  ExpectSame(Url(), kRootNode, Key());
}

TEST_F(ReaderTest, AVolumeThatIsNotEncryptedIsReadToo) {
  volume_.Close();
  ASSERT_TRUE(Env::Posix().RemoveTree(volume_.path()).ok());
  FormatOptions plain;
  plain.encrypted = false;
  ASSERT_TRUE(Volume::Format(volume_.world(), volume_.path(), plain).ok());
  volume_.Open();
  FillWithEverything();
  ASSERT_TRUE(volume_->Commit().ok());
  ExpectSame(Url(), kRootNode, {});
  const std::string key = dir_.Path("key");
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(key, std::string(64, 'a')).ok());
  const ReaderRun refused = RunReader({"list", Url(), "--key-file", key});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("not encrypted"), std::string::npos);
}

TEST_F(ReaderTest, ADamagedPackCostsItsFilesOnly) {
  volume_.MakeFile("small", "a few words");
  ASSERT_TRUE(volume_->Commit().ok());  // which holds them itself
  volume_.MakeFile("large", RandomBytes(3'000'000, 1));
  ASSERT_TRUE(volume_->Commit().ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           volume_.path() + "/objects/pack")) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::resize_file(entry.path(), 1'000'000);
  }
  std::vector<std::string> arguments = Key();
  arguments.insert(arguments.begin(), {"extract", Url()});
  arguments.push_back(dir_.Path("out"));
  const ReaderRun run = RunReader(arguments);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.output.find("is damaged"), std::string::npos) << run.output;
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("out/large")));
  EXPECT_EQ(Env::Posix().ReadFile(dir_.Path("out/small"), 100).value(),
            "a few words");
}

TEST_F(ReaderTest, AnObjectStoreGivesTheSame) {
  auto gateway = CephGateway::Start();
  ASSERT_TRUE(gateway.ok()) << gateway.status().ToString();
  const Credentials keys = (*gateway)->credentials();
  setenv("AWS_ACCESS_KEY_ID", keys.access_key_id.c_str(), 1);
  setenv("AWS_SECRET_ACCESS_KEY",
         std::string(keys.secret_access_key.view()).c_str(), 1);
  ASSERT_TRUE(CreateBucket((*gateway)->Endpoint("office")).ok());
  const std::string url = (*gateway)->Url("office", "copy");
  FillWithEverything();
  const auto snapshot = volume_->CreateSnapshot("before");
  ASSERT_TRUE(snapshot.ok());
  const std::string name = snapshot->name;
  volume_.MakeFile("after", "more");
  const auto commit = volume_->Commit();
  ASSERT_TRUE(commit.ok());
  {
    VolumeConfig config;
    config.targets = {{"offsite", url, {{"conditional_put", "true"}}}};
    auto replicator = Replicator::Create(volume_.world(), *volume_, config, {});
    ASSERT_TRUE(replicator.ok()) << replicator.status().ToString();
    (*replicator)->Start();
    ASSERT_TRUE((*replicator)->WaitFor("all", commit->seq, 60 * kSecond).ok());
  }
  ExpectSame(url, kRootNode, Key());
  std::vector<std::string> old = Key();
  old.insert(old.end(), {"--snapshot", name});
  ExpectSame(url, SnapshotRoot(name), old);
}

}  // namespace
}  // namespace trefoil::testing
