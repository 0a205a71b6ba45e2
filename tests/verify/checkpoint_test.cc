// SPDX-License-Identifier: Apache-2.0
// Goal: a checkpoint is checked as the whole state that it is; chains that
// begin with one are clean, and so is what is left of the time before; damage
// in it, and marks of dead blocks that are wrong, are named.
// Method: a real volume with checkpoints, which lets go of its past; then its
// files, its index, or a checkpoint written anew with other entries.
#include <algorithm>
#include <filesystem>
#include <map>

#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

// A closed volume with commits before and after a checkpoint.
class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeDir("dir");
    volume_.MakeFile("dir/first", RandomBytes(2 << 20, 1));
    volume_.MakeFile("dir/small", "a few words");
    Commit();
    ASSERT_TRUE(volume_->CreateSnapshot("").ok());
    volume_.MakeFile("dropped", RandomBytes(1 << 20, 2));
    Commit();
    ASSERT_TRUE(volume_->Unlink(kRootNode, "dropped").ok());
    ASSERT_TRUE(volume_->Unlink(volume_.Find("dir"), "small").ok());
    Commit();
    const auto made = volume_->Checkpoint();
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    checkpoint_ = ObjectKeys(path(), "checkpoint/").at(0);
    volume_.MakeFile("after", "words");
    Commit();
  }
  void Commit() {
    const auto commit = volume_->Commit();
    ASSERT_TRUE(commit.ok()) << commit.status().ToString();
  }
  // Until the commits that the checkpoint stands for are gone.
  void LetGoOfThePast() {
    volume_->ReleaseCommits(CommitSeq(1'000'000));
    for (int i = 0; i < 6; ++i) {
      volume_.Pass(60);
      volume_.MakeFile("later" + std::to_string(i), "x");
      Commit();
    }
    ASSERT_TRUE(
        volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed));
  }
  void ExpectAllClean() {
    volume_.Close();
    for (const bool read_data : {false, true}) {
      for (const auto& report :
           {Verify(path(), read_data), VerifyObjects(path(), read_data)}) {
        EXPECT_TRUE(report.clean()) << DescribeFindings(report);
      }
    }
  }
  [[nodiscard]] std::string path() const { return volume_.path(); }
  // The checkpoint again, with other entries, in place of the one that is
  // there; its key.
  std::string Rewrite(
      const std::function<
          void(std::map<std::pair<uint8_t, std::string>, std::string>*)>& edit);

  TestVolume volume_;
  std::string checkpoint_;
};

std::string CheckpointTest::Rewrite(
    const std::function<
        void(std::map<std::pair<uint8_t, std::string>, std::string>*)>& edit) {
  const auto objects = Objects(path());
  std::map<std::pair<uint8_t, std::string>, std::string> entries;
  ObjectHeader header;
  CommitInfo info;
  EXPECT_TRUE(ReadCommit(
                  *objects, *KeyringOf(path()), checkpoint_,
                  [&](const ObjectHeader& h, const CommitInfo& i) {
                    header = h;
                    info = i;
                    return OkStatus();
                  },
                  [&](const DeltaEntry& entry) {
                    entries[{entry.family, entry.key}] = *entry.value;
                    return OkStatus();
                  })
                  .ok());
  edit(&entries);
  const auto temporary = objects->NewTemporaryPath();
  auto writer =
      CommitWriter::Create(Env::Posix(), Random::System(), *KeyringOf(path()),
                           *temporary, header, info);
  for (const auto& [key, value] : entries) {
    EXPECT_TRUE((*writer)->AddDelta(key.first, key.second, value).ok());
  }
  const auto object = (*writer)->Finish();
  EXPECT_TRUE(object.ok());
  const std::string key =
      CheckpointKey(header.generation, info.seq, object->name);
  EXPECT_TRUE(objects->Adopt(*object, key).ok());
  std::filesystem::remove(ObjectPath(path(), checkpoint_));
  return key;
}

TEST_F(CheckpointTest, ACheckpointBesideTheChainIsClean) { ExpectAllClean(); }

TEST_F(CheckpointTest, AChainThatBeginsWithACheckpointIsClean) {
  LetGoOfThePast();
  ExpectAllClean();
  std::filesystem::remove_all(path() + "/index");
  const VerifyReport report = Verify(path(), true);
  EXPECT_TRUE(report.clean()) << DescribeFindings(report);
  volume_.Open();
  EXPECT_EQ(volume_.Content("after"), "words");
}

TEST_F(CheckpointTest, ACheckpointAloneIsClean) {
  LetGoOfThePast();
  ASSERT_TRUE(volume_->Checkpoint().ok());
  volume_.Close();
  for (const std::string& key : ObjectKeys(path(), "commit/")) {
    std::filesystem::remove(ObjectPath(path(), key));
  }
  for (const bool read_data : {false, true}) {
    const VerifyReport report = VerifyObjects(path(), read_data);
    // The commits that hold blocks are missed, and only these.
    for (const Finding& finding : report.findings) {
      EXPECT_TRUE(finding.code == "missing-commit" ||
                  finding.code == "lost-data")
          << DescribeFindings(report);
    }
    EXPECT_GT(report.files, 0U);
  }
}

TEST_F(CheckpointTest, DamageInACheckpointIsNamed) {
  volume_.Close();
  FlipBit(ObjectPath(path(), checkpoint_), 200);
  for (const bool read_data : {false, true}) {
    ExpectFinding(Verify(path(), read_data), "damaged-checkpoint", checkpoint_);
    ExpectFinding(VerifyObjects(path(), read_data), "damaged-checkpoint",
                  checkpoint_);
  }
}

TEST_F(CheckpointTest, ACheckpointThatIsNotWhatTheCommitsGiveIsNamed) {
  volume_.Close();
  const std::string key = Rewrite([](auto* entries) {
    const auto at = entries->lower_bound({0, "X"});
    const auto inode = entries->lower_bound({0, "I"});
    ASSERT_NE(inode, at);
    InodeRecord record = *InodeRecord::Decode(inode->second);
    record.mtime_nanos += 1;
    inode->second = record.Encode();
  });
  ExpectFinding(VerifyObjects(path(), true), "wrong-checkpoint", key);
}

TEST_F(CheckpointTest, ACheckpointThatLacksSomethingIsNamed) {
  volume_.Close();
  const std::string key = Rewrite([](auto* entries) {
    entries->erase(entries->lower_bound({0, "D"}));
  });
  ExpectFinding(VerifyObjects(path(), true), "wrong-checkpoint", key);
}

TEST_F(CheckpointTest, WhatIsLeftOfTheTimeBeforeIsNoDamage) {
  const auto first = ObjectKeys(path(), "commit/").front();
  const auto packs = ObjectKeys(path(), "pack/");
  std::filesystem::copy_file(ObjectPath(path(), first), path() + "/kept");
  LetGoOfThePast();
  volume_.Close();
  std::filesystem::rename(path() + "/kept", ObjectPath(path(), first));
  const VerifyReport report = Verify(path(), true);
  EXPECT_TRUE(report.clean()) << DescribeFindings(report);
  ExpectFinding(report, "unneeded-commit", first);
}

TEST_F(CheckpointTest, MarksOfDeadBlocksMustAgreeWithTheCounts) {
  volume_.Close();
  BlockNo dead;
  BlockNo live;
  ChangeIndex(path(), [&](Index& index, IndexBatch* batch) {
    auto cursor = index.NewCursor(Family::kLive, "Z", "[");
    cursor->Seek("Z");
    ASSERT_TRUE(cursor->Valid());
    dead = BlockNo(NumberInKey(cursor->key()));
    batch->Delete(Family::kLive, DeadKey(dead));
    cursor = index.NewCursor(Family::kLive, "N", "O");
    cursor->Seek("N");
    ASSERT_TRUE(cursor->Valid());
    live = BlockNo(NumberInKey(cursor->key()));
    const BlockRecord block =
        *BlockRecord::Decode(ValueOf(index, Family::kLive, BlockKey(live)));
    batch->Put(Family::kLive, DeadKey(live),
               DeadRecord{block.pack, block.location.stored_bytes}.Encode());
    batch->Delete(Family::kLocal, MemberKey(block.pack, live));
  });
  const VerifyReport report = Verify(path(), true);
  ExpectFinding(report, "unmarked-dead-block",
                "block " + std::to_string(dead.value));
  ExpectFinding(report, "bad-dead-block",
                "block " + std::to_string(live.value));
  ExpectFinding(report, "missing-member",
                "block " + std::to_string(live.value));
}

}  // namespace
}  // namespace trefoil
