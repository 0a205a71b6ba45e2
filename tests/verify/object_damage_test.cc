// SPDX-License-Identifier: Apache-2.0
// Goal: whatever happens to an object is found and named, with the files that
// it touches, on a volume and on a copy alone.
// Method: each kind of damage done to the files of a real volume.
#include <filesystem>
#include <fstream>

#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

// A closed volume of several commits and two packs, with a snapshot.
class ObjectDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeDir("dir");
    volume_.MakeFile("dir/first", RandomBytes(2 << 20, 1));
    ASSERT_TRUE(volume_->Commit().ok());
    first_pack_ = ObjectKeys(path(), "pack/").at(0);
    ASSERT_TRUE(volume_->CreateSnapshot("").ok());
    volume_.MakeFile("second", RandomBytes(2 << 20, 2));
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.MakeFile("third", "small");
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.Close();
    commits_ = ObjectKeys(path(), "commit/");
    ASSERT_EQ(commits_.size(), 4U);
    ASSERT_EQ(ObjectKeys(path(), "pack/").size(), 2U);
  }
  [[nodiscard]] std::string path() const { return volume_.path(); }
  [[nodiscard]] std::string FileOf(const std::string& key) const {
    return ObjectPath(path(), key);
  }
  static bool IsClean(const VerifyReport& report) { return report.clean(); }

  TestVolume volume_;
  std::string first_pack_;
  std::vector<std::string> commits_;
};

TEST_F(ObjectDamageTest, UndamagedItIsClean) {
  for (const bool read_data : {false, true}) {
    EXPECT_TRUE(IsClean(Verify(path(), read_data)));
    EXPECT_TRUE(IsClean(VerifyObjects(path(), read_data)));
  }
}

TEST_F(ObjectDamageTest, AFlippedBitInAPackIsFoundByReadingIt) {
  FlipBit(FileOf(first_pack_), 1'000'000);
  EXPECT_TRUE(IsClean(Verify(path(), false)));
  for (const auto& report :
       {Verify(path(), true), VerifyObjects(path(), true)}) {
    ExpectFinding(report, "bad-hash", first_pack_);
    ExpectFinding(report, "lost-data", "/dir/first");
  }
}

TEST_F(ObjectDamageTest, ATruncatedPackIsFoundByItsSize) {
  Truncate(FileOf(first_pack_), 5000);
  for (const auto& report :
       {Verify(path(), false), VerifyObjects(path(), false)}) {
    ExpectFinding(report, "wrong-size", first_pack_);
    ExpectFinding(report, "lost-data", "/dir/first");
  }
}

TEST_F(ObjectDamageTest, AMissingPackIsNamedWithItsFiles) {
  std::filesystem::remove(FileOf(first_pack_));
  for (const auto& report :
       {Verify(path(), false), VerifyObjects(path(), true)}) {
    ExpectFinding(report, "missing-pack", first_pack_);
    ExpectFinding(report, "lost-data", "/dir/first");
  }
}

TEST_F(ObjectDamageTest, DataThatOnlyASnapshotHasAreNamedThere) {
  volume_.Open();
  ASSERT_TRUE(volume_->Unlink(volume_.Find("dir"), "first").ok());
  ASSERT_TRUE(volume_->Commit().ok());
  ASSERT_TRUE(volume_->Commit().ok());
  const std::string snapshot = volume_->ListSnapshots()->at(0).name;
  volume_.Close();
  std::filesystem::remove(FileOf(first_pack_));
  ExpectFinding(VerifyObjects(path(), false), "lost-data",
                "/.snapshots/" + snapshot + "/dir/first");
}

TEST_F(ObjectDamageTest, AMissingCommitInTheMiddleBreaksTheChain) {
  std::filesystem::remove(FileOf(commits_[1]));
  const VerifyReport store = VerifyObjects(path(), false);
  ExpectFinding(
      store, "broken-chain",
      "commit 2, hash " + commits_[1].substr(commits_[1].size() - 64));
  const VerifyReport volume = Verify(path(), false);
  ExpectFinding(volume, "broken-chain", "commit 2");
  ExpectFinding(volume, "missing-commit", commits_[1]);
}

TEST_F(ObjectDamageTest, AMissingNewestCommitIsKnownToTheVolumeOnly) {
  std::filesystem::remove(FileOf(commits_[3]));
  EXPECT_TRUE(IsClean(VerifyObjects(path(), false)));
  ExpectFinding(Verify(path(), false), "missing-commit", commits_[3]);
}

TEST_F(ObjectDamageTest, AFlippedBitAnywhereInACommitIsFound) {
  const uint64_t size = std::filesystem::file_size(FileOf(commits_[2]));
  for (uint64_t offset = 0; offset < size; offset += 1 + size / 37) {
    FlipBit(FileOf(commits_[2]), offset);
    EXPECT_FALSE(IsClean(VerifyObjects(path(), false))) << offset;
    FlipBit(FileOf(commits_[2]), offset);
  }
  EXPECT_TRUE(IsClean(VerifyObjects(path(), false)));
}

TEST_F(ObjectDamageTest, ADamagedCommitIsNamed) {
  const uint64_t size = std::filesystem::file_size(FileOf(commits_[2]));
  FlipBit(FileOf(commits_[2]), size / 2);
  ExpectFinding(VerifyObjects(path(), false), "damaged-commit", commits_[2]);
  ExpectFinding(Verify(path(), false), "damaged-commit", commits_[2]);
}

TEST_F(ObjectDamageTest, ATruncatedCommitIsNamed) {
  for (const uint64_t size : {0U, 64U, 200U}) {
    Truncate(FileOf(commits_[3]), size);
    const VerifyReport report = Verify(path(), false);
    EXPECT_FALSE(IsClean(report)) << size;
    EXPECT_NE(DescribeFindings(report).find(commits_[3]), std::string::npos);
  }
}

TEST_F(ObjectDamageTest, AnExtraPackIsNamedAndNoDamage) {
  const auto objects = Objects(path());
  const auto temporary = objects->NewTemporaryPath();
  auto writer =
      ObjectWriter::Create(Env::Posix(), Random::System(), *KeyringOf(path()),
                           *temporary, ObjectHeader());
  ASSERT_TRUE((*writer)->Append(FrameType::kBlock, "nobody's").ok());
  const auto object = (*writer)->Finish();
  ASSERT_TRUE(objects->Adopt(*object, PackKey(object->name)).ok());
  const VerifyReport report = VerifyObjects(path(), false);
  EXPECT_TRUE(IsClean(report));
  ExpectFinding(report, "unnamed-pack", PackKey(object->name));
  // It has no volume's id.
  ExpectFinding(VerifyObjects(path(), true), "foreign-object",
                PackKey(object->name));
}

TEST_F(ObjectDamageTest, AForeignObjectIsNamed) {
  std::ofstream(FileOf("holiday-photo")) << "not ours";
  ExpectFinding(VerifyObjects(path(), false), "foreign-object",
                "holiday-photo");
  ExpectFinding(Verify(path(), false), "foreign-object", "holiday-photo");
}

TEST_F(ObjectDamageTest, ClaimsAndProbesAreFine) {
  for (const std::string key : {"owner/0-1", "probe/00", "trefoil-target"}) {
    std::filesystem::create_directories(
        std::filesystem::path(FileOf(key)).parent_path());
    std::ofstream(FileOf(key)) << "ours";
  }
  EXPECT_TRUE(IsClean(VerifyObjects(path(), true)));
}

TEST_F(ObjectDamageTest, ADamagedVolumeObjectIsNamed) {
  const std::string key = ObjectKeys(path(), "volume/").at(0);
  FlipBit(FileOf(key), 140);
  ExpectFinding(VerifyObjects(path(), false), "no-volume-object", key);
  ExpectFinding(Verify(path(), false), "damaged-volume", key);
  std::filesystem::remove(FileOf(key));
  ExpectFinding(VerifyObjects(path(), false), "no-volume-object", "");
  ExpectFinding(Verify(path(), false), "damaged-volume", "");
}

TEST_F(ObjectDamageTest, AnEmptyStoreIsNoCopy) {
  const std::string empty = path() + "-empty";
  std::filesystem::create_directories(empty + "/objects");
  const VerifyReport report = VerifyObjects(empty, false);
  ExpectFinding(report, "no-volume-object", "");
  ExpectFinding(report, "no-commit", "");
}

TEST_F(ObjectDamageTest, ABranchOfAnOlderOwnerIsNamed) {
  // The newest commit of this owner, beside a shorter chain of the next one.
  AddCommit(path(), {});
  const std::string beyond = ObjectKeys(path(), "commit/").back();
  std::filesystem::rename(FileOf(beyond), path() + "/kept");
  AddCommit(path(), {}, [](ObjectHeader* header, CommitInfo* info) {
    header->generation = info->generation =
        Generation(header->generation.value + 1);
  });
  std::filesystem::rename(path() + "/kept", FileOf(beyond));
  const VerifyReport report = VerifyObjects(path(), false);
  EXPECT_TRUE(IsClean(report)) << DescribeFindings(report);
  ExpectFinding(report, "other-branch", beyond);
}

TEST_F(ObjectDamageTest, AForkOfOneOwnerIsNamed) {
  // Two branches of two commits each, which two machines made.
  std::vector<std::string> branch;
  for (int i = 0; i < 2; ++i) {
    AddCommit(path(), {});
    branch.push_back(ObjectKeys(path(), "commit/").back());
  }
  for (const std::string& key : branch) {
    std::filesystem::rename(FileOf(key), path() + "/" + key.substr(7));
  }
  for (int i = 0; i < 2; ++i) AddCommit(path(), {});
  for (const std::string& key : branch) {
    std::filesystem::rename(path() + "/" + key.substr(7), FileOf(key));
  }
  const VerifyReport report = VerifyObjects(path(), false);
  EXPECT_FALSE(IsClean(report));
  ExpectFinding(report, "forked-chain", "commit/");
}

TEST_F(ObjectDamageTest, ACommitThatACrashLeftIsNamedAndNoDamage) {
  AddCommit(path(), {});
  const VerifyReport report = Verify(path(), true);
  EXPECT_TRUE(IsClean(report)) << DescribeFindings(report);
  ExpectFinding(report, "unregistered-commit",
                ObjectKeys(path(), "commit/").back());
}

TEST_F(ObjectDamageTest, DamagedJournalIsNamed) {
  volume_.Open();
  volume_.MakeFile("later", RandomBytes(100'000, 9));
  ASSERT_TRUE(volume_->Sync().ok());
  volume_.Close();
  // Somewhere in the data that only the journal has.
  bool found = false;
  for (const auto& entry :
       std::filesystem::directory_iterator(path() + "/journal")) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(in)),
                              std::istreambuf_iterator<char>());
    const size_t at = content.find(RandomBytes(100'000, 9).substr(0, 64));
    if (at == std::string::npos) continue;
    found = true;
    in.close();
    FlipBit(entry.path(), at + 10'000);
  }
  ASSERT_TRUE(found);
  const VerifyReport report = Verify(path(), true);
  ExpectFinding(report, "bad-journal-data", "/later");
}

TEST_F(ObjectDamageTest, ALostJournalIsNamed) {
  volume_.Open();
  volume_.MakeFile("later", "in no commit");
  volume_.Close();
  std::filesystem::remove_all(path() + "/journal");
  ExpectFinding(Verify(path(), false), "damaged-volume", path());
}

TEST_F(ObjectDamageTest, ADamagedIndexIsNamed) {
  for (const auto& entry :
       std::filesystem::directory_iterator(path() + "/index")) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      Truncate(entry.path(), 10);
    }
  }
  ExpectFinding(Verify(path(), false), "damaged-index", "index");
}

TEST_F(ObjectDamageTest, ADamagedConfigIsNamed) {
  std::ofstream(path() + "/config.toml") << "this is no TOML";
  ExpectFinding(Verify(path(), false), "bad-config", "config.toml");
}

}  // namespace
}  // namespace trefoil
