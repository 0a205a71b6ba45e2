// SPDX-License-Identifier: Apache-2.0
// Goal: of flipped bits in packs and commits, in one copy or in disjoint places
// of all three, every one is found and every one is repaired from another copy;
// what is damaged everywhere is named with its files and left as it is; a bad
// index is set aside and comes back; strangers are moved away, not deleted.
// Method: a real volume of many small commits and packs, its objects copied to
// two more places, random bits flipped with a seed that is printed.
#include "fs/verify/repair.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "fs/index/keys.h"
#include "fs/verify/findings.h"
#include "tests/support/fault_env.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kPacks = 200;
// Just too large to travel in a commit.
constexpr size_t kPackFile = 530'000;

class RepairTest : public ::testing::Test {
 protected:
  RepairTest() : seed_(std::random_device()()), random_(seed_) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
  }

  // `packs` files in packs of their own, as many small ones in commits, and a
  // snapshot; the copies hold the same.
  void Make(int packs) {
    for (int i = 0; i < packs; ++i) {
      volume_.MakeFile("large" + std::to_string(i),
                       RandomBytes(kPackFile, 9U + i));
      volume_.MakeFile("small" + std::to_string(i), std::to_string(i));
      ASSERT_TRUE(volume_->Commit().ok());
      if (i == packs / 2) {
        ASSERT_TRUE(volume_->CreateSnapshot("half").ok());
      }
    }
    ASSERT_TRUE(volume_->Commit().ok());
    expected_ = volume_.Describe();
    volume_.Close();
    for (const char* copy : {"/../second", "/../offsite"}) {
      stdfs::copy(Path() + "/objects", Path() + copy,
                  stdfs::copy_options::recursive);
    }
    keys_ = ObjectKeys(Path(), "pack/");
    ASSERT_GE(keys_.size(), static_cast<size_t>(packs));
    for (std::string& key : ObjectKeys(Path(), "commit/")) {
      keys_.push_back(std::move(key));
    }
    ASSERT_GE(keys_.size(), 2U * static_cast<size_t>(packs));
    std::shuffle(keys_.begin(), keys_.end(), random_);
  }
  [[nodiscard]] std::string Path() const { return volume_.path(); }
  // The directory of a copy: 0 is the primary.
  [[nodiscard]] std::string CopyPath(int copy) const {
    return Path() + (copy == 0   ? "/objects"
                     : copy == 1 ? "/../second"
                                 : "/../offsite");
  }
  std::string Snapshot() {
    volume_.Open();
    std::string name = volume_->ListSnapshots()->at(0).name;
    volume_.Close();
    return name;
  }
  static std::shared_ptr<LocalTree> Tree(const std::string& path) {
    return std::make_shared<LocalTree>(Env::Posix(), path);
  }
  // All copies but one.
  ObjectCopies Others(int but) {
    ObjectCopies copies;
    for (int copy = 0; copy < 3; ++copy) {
      if (copy == but) continue;
      copies.push_back({"copy " + std::to_string(copy), Tree(CopyPath(copy))});
    }
    return copies;
  }
  void FlipOneBit(int copy, const std::string& key) {
    const std::string path = CopyPath(copy) + "/" + key;
    const uint64_t bits = stdfs::file_size(path) * 8;
    const uint64_t bit = random_() % bits;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(bit / 8));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(bit / 8));
    file.put(static_cast<char>(byte ^ (1 << bit % 8)));
  }
  VerifyOptions Options(int copy) {
    VerifyOptions options;
    options.read_data = true;
    options.scratch_directory = ::testing::TempDir();
    options.copies = Others(copy);
    const auto key = ReadKeyFile(Env::Posix(), KeyFilePath(Path()));
    if (key.ok()) options.secret = std::make_shared<const Secret>(*key);
    return options;
  }
  VerifyReport Check(int copy) {
    const auto report =
        copy == 0
            ? VerifyVolume(TestWorld(), Path(), Options(0))
            : VerifyStore(TestWorld(), *Tree(CopyPath(copy)), Options(copy));
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? *report : VerifyReport();
  }
  RepairReport Repair(int copy) {
    const auto store = Tree(CopyPath(copy));
    auto report = copy == 0 ? RepairVolume(TestWorld(), Path(), Options(0))
                            : RepairStore(TestWorld(), *store, Options(copy));
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? std::move(*report) : RepairReport();
  }
  // All of `damaged` is found in `copy`, and repaired.
  void ExpectRepaired(int copy, std::vector<std::string> damaged) {
    std::sort(damaged.begin(), damaged.end());
    const VerifyReport found = Check(copy);
    EXPECT_EQ(std::vector<std::string>(found.bad_objects.begin(),
                                       found.bad_objects.end()),
              damaged);
    const RepairReport repair = Repair(copy);
    std::vector<std::string> repaired;
    for (const RepairedObject& object : repair.repaired) {
      repaired.push_back(object.key);
    }
    std::sort(repaired.begin(), repaired.end());
    EXPECT_EQ(repaired, damaged);
    EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
    EXPECT_TRUE(Check(copy).clean());
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  TestVolume volume_;
  std::string expected_;
  std::vector<std::string> keys_;
};

TEST_F(RepairTest, EveryFlippedBitIsFoundAndRepairedFromAnyCopy) {
  ASSERT_NO_FATAL_FAILURE(Make(kPacks));
  for (int copy = 0; copy < 3; ++copy) {
    SCOPED_TRACE(copy);
    for (const std::string& key : keys_) FlipOneBit(copy, key);
    ExpectRepaired(copy, keys_);
  }
  // Disjoint sets in all three at once.
  std::vector<std::string> parts[3];
  for (size_t i = 0; i < keys_.size(); ++i) parts[i % 3].push_back(keys_[i]);
  for (int copy = 0; copy < 3; ++copy) {
    for (const std::string& key : parts[copy]) FlipOneBit(copy, key);
  }
  for (int copy = 0; copy < 3; ++copy) {
    SCOPED_TRACE(copy);
    ExpectRepaired(copy, parts[copy]);
  }
  volume_.Open();
  EXPECT_EQ(volume_.Describe(), expected_);
}

TEST_F(RepairTest, WhatIsMissingComesBackTheChainToo) {
  ASSERT_NO_FATAL_FAILURE(Make(6));
  const auto commits = ObjectKeys(Path(), "commit/");
  const auto packs = ObjectKeys(Path(), "pack/");
  const std::string id = ObjectKeys(Path(), "volume/").front();
  for (int copy = 0; copy < 3; ++copy) {
    SCOPED_TRACE(copy);
    for (const std::string& key : {packs[1], commits[2], commits[3], id}) {
      ASSERT_TRUE(stdfs::remove(CopyPath(copy) + "/" + key));
    }
    const RepairReport repair = Repair(copy);
    EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
    EXPECT_EQ(repair.repaired.size(), 4U);
  }
  volume_.Open();
  EXPECT_EQ(volume_.Describe(), expected_);
}

TEST_F(RepairTest, WhatIsDamagedEverywhereIsNamedAndLeft) {
  ASSERT_NO_FATAL_FAILURE(Make(4));
  const std::string pack = ObjectKeys(Path(), "pack/").front();
  for (int copy = 0; copy < 3; ++copy) FlipOneBit(copy, pack);
  const auto before = Env::Posix().ReadFile(CopyPath(0) + "/" + pack, 1 << 30);
  const RepairReport repair = Repair(0);
  EXPECT_TRUE(repair.repaired.empty());
  ExpectFinding(repair.left, "not-repaired", pack);
  const auto lost = Find(repair.left, "lost-data");
  ASSERT_TRUE(lost.has_value());
  EXPECT_THAT(lost->where, HasSubstr("large"));
  EXPECT_EQ(*Env::Posix().ReadFile(CopyPath(0) + "/" + pack, 1 << 30), *before);
}

TEST_F(RepairTest, ABadIndexIsSetAsideAndRebuilt) {
  ASSERT_NO_FATAL_FAILURE(Make(3));
  ChangeIndex(Path(), [](Index& index, IndexBatch* batch) {
    auto cursor = index.NewCursor(Family::kLive, "E", "F");
    cursor->Seek("E");
    ASSERT_TRUE(cursor->Valid());
    batch->Delete(Family::kLive, std::string(cursor->key()));
  });
  ExpectFinding(Check(0), "index-differs", "");
  const RepairReport repair = Repair(0);
  EXPECT_TRUE(repair.index_set_aside);
  EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
  EXPECT_TRUE(stdfs::exists(Path() + "/index.damaged"));
  volume_.Open();
  EXPECT_EQ(volume_.Describe(), expected_);
}

TEST_F(RepairTest, StrangersAreMovedAwayNotDeleted) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  std::ofstream(CopyPath(1) + "/pack/holiday-photo") << "a photo";
  std::ofstream(CopyPath(1) + "/somebodys-file") << "not among ours";
  const RepairReport repair = Repair(1);
  ASSERT_EQ(repair.quarantined.size(), 1U);
  EXPECT_EQ(repair.quarantined[0].key, "pack/holiday-photo");
  EXPECT_TRUE(stdfs::exists(CopyPath(1) + "/somebodys-file"));
  // Another one of that name and size moves away, too.
  std::ofstream(CopyPath(1) + "/pack/holiday-photo") << "A photo";
  const RepairReport again = Repair(1);
  ASSERT_EQ(again.quarantined.size(), 1U);
  const std::string quarantine = CopyPath(1) + "/";
  EXPECT_EQ(*Env::Posix().ReadFile(quarantine + repair.quarantined[0].now, 99),
            "a photo");
  EXPECT_EQ(*Env::Posix().ReadFile(quarantine + again.quarantined[0].now, 99),
            "A photo");
}

TEST_F(RepairTest, ADirectoryInAnObjectsPlaceIsEmptiedAndReplaced) {
  Make(3);
  const std::string commit = ObjectKeys(Path(), "commit/").at(1);
  const std::string pack = ObjectKeys(Path(), "pack/").at(0);
  for (int copy = 0; copy < 2; ++copy) {
    for (const std::string& key : {commit, pack}) {
      const std::string path = CopyPath(copy) + "/" + key;
      stdfs::remove(path);
      stdfs::create_directory(path);
      std::ofstream(path + "/mine") << "somebody's";
    }
    const RepairReport repair = Repair(copy);
    EXPECT_EQ(repair.quarantined.size(), 2U);
    EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
    EXPECT_TRUE(Check(copy).clean());
  }
}

TEST_F(RepairTest, MoreStrangersThanAreNamedAreMovedAway) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  constexpr size_t kStrangers = 2 * Findings::kMaxOfOneCode;
  for (size_t i = 0; i < kStrangers; ++i) {
    std::ofstream(CopyPath(1) + "/commit/note" + std::to_string(i)) << i;
  }
  const RepairReport repair = Repair(1);
  EXPECT_EQ(repair.quarantined.size(), kStrangers);
  EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
}

TEST_F(RepairTest, DamageThatNothingNeedsIsMovedAway) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  for (int copy = 0; copy < 2; ++copy) {
    const std::string key = PackKey(Sha256::Of("of no pack"));
    const std::string path = CopyPath(copy) + "/" + key;
    stdfs::create_directories(stdfs::path(path).parent_path());
    std::ofstream(path) << "bytes that hash to another name";
    const RepairReport repair = Repair(copy);
    ASSERT_EQ(repair.quarantined.size(), 1U) << copy;
    EXPECT_EQ(repair.quarantined[0].key, key);
    EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
    EXPECT_FALSE(stdfs::exists(path));
    EXPECT_TRUE(
        stdfs::exists(CopyPath(copy) + "/" + repair.quarantined[0].now));
  }
}

// Left by a round that failed, say; the copies have it, too.
TEST_F(RepairTest, DamageThatNothingNeedsIsRepairedWhereThatCanBe) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  const World world = TestWorld();
  ObjectHeader header;
  header.kind = ObjectKind::kPack;
  header.volume_id = ReadVolumeObject(*Tree(CopyPath(0)))->volume_id;
  std::string key;
  for (int copy = 0; copy < 3; ++copy) {
    const auto tree = Tree(CopyPath(copy));
    if (copy > 0) {
      const std::string path = CopyPath(0) + "/" + key;
      stdfs::create_directories(
          stdfs::path(CopyPath(copy) + "/" + key).parent_path());
      stdfs::copy_file(path, CopyPath(copy) + "/" + key);
      continue;
    }
    auto writer =
        ObjectWriter::Create(world.env, world.random, *KeyringOf(Path()),
                             *tree->NewTemporaryPath(), header);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(FrameType::kBlock, "a block").ok());
    const auto object = (*writer)->Finish();
    ASSERT_TRUE(object.ok());
    key = PackKey(object->name);
    ASSERT_TRUE(tree->Adopt(*object, key).ok());
  }
  FlipOneBit(1, key);
  const RepairReport repair = Repair(1);
  ASSERT_EQ(repair.repaired.size(), 1U);
  EXPECT_EQ(repair.repaired[0].key, key);
  EXPECT_TRUE(repair.quarantined.empty());
  EXPECT_TRUE(stdfs::exists(CopyPath(1) + "/" + key));
}

TEST_F(RepairTest, AnIndexThatNothingGivesBackStays) {
  ASSERT_NO_FATAL_FAILURE(Make(3));
  ChangeIndex(Path(), [](Index&, IndexBatch* batch) {
    batch->Delete(Family::kLocal, LocalCommitKey(CommitSeq(2)));
  });
  const std::string first = ObjectKeys(Path(), "commit/").front();
  for (int copy = 0; copy < 3; ++copy) {
    ASSERT_TRUE(stdfs::remove(CopyPath(copy) + "/" + first));
  }
  EXPECT_FALSE(Repair(0).index_set_aside);
  EXPECT_TRUE(stdfs::exists(Path() + "/index"));
}

// A volume refuses what it does not know, and a target is shipped to in order.
TEST_F(RepairTest, CommitsAboveItsNewestAreNotBrought) {
  ASSERT_NO_FATAL_FAILURE(Make(3));
  const auto commits = ObjectKeys(Path(), "commit/");
  AddCommit(Path(), {});
  const std::string above = ObjectKeys(Path(), "commit/").back();
  ASSERT_NE(above, commits.back());
  stdfs::rename(CopyPath(0) + "/" + above, CopyPath(2) + "/" + above);
  ASSERT_TRUE(stdfs::remove(CopyPath(1) + "/" + commits[1]));
  const RepairReport repair = Repair(1);
  EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
  EXPECT_TRUE(stdfs::exists(CopyPath(1) + "/" + commits[1]));
  EXPECT_FALSE(stdfs::exists(CopyPath(1) + "/" + above));
}

TEST_F(RepairTest, AFullDiskIsAnErrorAndNoLoss) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  const std::string pack = ObjectKeys(Path(), "pack/").front();
  FlipOneBit(1, pack);
  testing::FaultEnv env(Env::Posix());
  env.Arm({.op = testing::FaultOp::kWrite, .error = ENOSPC, .sticky = true});
  LocalTree store(env, CopyPath(1));
  const auto repair = RepairStore(TestWorld(), store, Options(1));
  EXPECT_EQ(repair.status().code(), StatusCode::kNoSpace);
}

TEST_F(RepairTest, ALostFileIsNamedInEveryTreeThatShowsIt) {
  ASSERT_NO_FATAL_FAILURE(Make(4));
  const std::string snapshot = Snapshot();
  for (const std::string& key : ObjectKeys(Path(), "pack/")) {
    FlipOneBit(0, key);
  }
  VerifyOptions options = Options(0);
  options.copies.clear();
  const auto report = VerifyVolume(TestWorld(), Path(), options);
  ASSERT_TRUE(report.ok());
  std::map<std::string, std::vector<std::string>> lost;
  for (const Finding& finding : report->findings) {
    if (finding.code == "lost-data") lost[finding.where] = finding.also;
  }
  EXPECT_THAT(lost["/large0"],
              ::testing::ElementsAre("/.snapshots/" + snapshot + "/large0"));
  ASSERT_TRUE(lost.contains("/large3"));  // younger than the snapshot
  EXPECT_TRUE(lost["/large3"].empty());
}

TEST_F(RepairTest, AnIndexThatForgotACommitIsRebuilt) {
  ASSERT_NO_FATAL_FAILURE(Make(3));
  ChangeIndex(Path(), [](Index&, IndexBatch* batch) {
    batch->Delete(Family::kLocal, LocalCommitKey(CommitSeq(2)));
  });
  ExpectFinding(Check(0), "index-differs", "commit 2");
  const RepairReport repair = Repair(0);
  EXPECT_TRUE(repair.index_set_aside);
  EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
}

// Who had a way in once must not get it back from a copy that was away.
TEST_F(RepairTest, OnlyTheNewestVolumeObjectComesBack) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  const std::string newest = ObjectKeys(Path(), "volume/").front();
  const std::string bytes =
      *Env::Posix().ReadFile(CopyPath(1) + "/" + newest, 1 << 20);
  const std::string old = VolumeKey(0, Sha256::Of(bytes));
  std::ofstream(CopyPath(2) + "/" + old, std::ios::binary) << bytes;
  ASSERT_TRUE(stdfs::remove(CopyPath(0) + "/" + newest));
  const RepairReport repair = Repair(0);
  EXPECT_TRUE(repair.left.clean()) << DescribeFindings(repair.left);
  EXPECT_THAT(ObjectKeys(Path(), "volume/"), ::testing::ElementsAre(newest));
}

TEST_F(RepairTest, NoVolumeObjectOlderThanABadOneComesBack) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  const std::string newest = ObjectKeys(Path(), "volume/").front();
  const std::string bytes =
      *Env::Posix().ReadFile(CopyPath(1) + "/" + newest, 1 << 20);
  const std::string old = VolumeKey(0, Sha256::Of(bytes));
  std::ofstream(CopyPath(2) + "/" + old, std::ios::binary) << bytes;
  for (int copy = 0; copy < 3; ++copy) FlipOneBit(copy, newest);
  const RepairReport repair = Repair(0);
  ExpectFinding(repair.left, "not-repaired", newest);
  EXPECT_THAT(ObjectKeys(Path(), "volume/"), ::testing::ElementsAre(newest));
}

// Somebody puts a volume object of another volume above ours: everything else
// then looks like another volume's.
TEST_F(RepairTest, AStrangersVolumeObjectMovesNothingAway) {
  ASSERT_NO_FATAL_FAILURE(Make(2));
  const World world = TestWorld();
  VolumeSecrets secrets = NewSecrets(world.clock, world.random, true);
  VolumeObject object = NewVolumeObject(secrets);
  object.number = 9;
  SealSecrets(secrets, world.random, &object);
  const auto store = Tree(CopyPath(1));
  ASSERT_TRUE(WriteVolumeObject(world.env, world.random, *store, object).ok());
  VerifyOptions options = Options(1);
  options.secret = nullptr;
  const auto repair = RepairStore(world, *store, options);
  ASSERT_TRUE(repair.ok()) << repair.status().ToString();
  EXPECT_TRUE(repair->quarantined.empty());
  EXPECT_FALSE(repair->left.clean());
}

TEST_F(RepairTest, ASampleReadsAPart) {
  ASSERT_NO_FATAL_FAILURE(Make(60));
  for (const std::string& key : ObjectKeys(Path(), "pack/")) FlipOneBit(0, key);
  VerifyOptions options = Options(0);
  options.sample_percent = 30;
  const auto report = VerifyVolume(TestWorld(), Path(), options);
  ASSERT_TRUE(report.ok());
  EXPECT_GT(report->bad_objects.size(), 2U);
  EXPECT_LT(report->bad_objects.size(), 50U);
}

}  // namespace
}  // namespace trefoil
