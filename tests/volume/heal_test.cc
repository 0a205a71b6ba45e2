// SPDX-License-Identifier: Apache-2.0
// Goal: a read that meets a bad, truncated or missing object takes it from
// another copy, answers the right bytes and puts the good object in place; it
// never takes bytes that do not hash to the name, never waits for ever, and
// what no copy has is an error with the file's name.
// Method: a real volume whose objects are copied aside, in files and behind a
// store that fails, hangs and counts; random bits are flipped in its packs and
// commits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/expect_clean.h"
#include "tests/support/fault_env.h"
#include "tests/support/fault_store.h"
#include "tests/support/test_volume.h"
#include "tests/volume/heal_fixture.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;

TEST_F(HealTest, EveryFlippedBitThatAReadMeetsIsHealed) {
  constexpr int kFiles = 220;
  std::map<std::string, std::string> files;
  for (int i = 0; i < kFiles; ++i) {
    // Small ones travel in commits.
    const std::string name = "file" + std::to_string(i);
    files[name] =
        RandomBytes(i % 2 == 0 ? kLarge : 900, static_cast<uint64_t>(100 + i));
    volume_.MakeFile(name, files[name]);
    ASSERT_TRUE(volume_->Commit().ok());
  }
  ASSERT_TRUE(volume_->CreateSnapshot("all").ok());
  ASSERT_TRUE(volume_->Unlink(kRootNode, "file0").ok());
  ASSERT_TRUE(volume_->Commit().ok());
  CopyAside();
  volume_->SetCopies(Copies());
  const std::string expected = volume_.Describe();
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> keys = Keys("pack/");
  ASSERT_GE(keys.size(), 100U);
  for (const std::string& key : Keys("commit/")) keys.push_back(key);
  for (const std::string& key : keys) {
    ASSERT_NO_FATAL_FAILURE(FlipABit(Objects() + "/" + key, random()));
  }
  volume_.Reopen();
  volume_->SetCopies(Copies());
  EXPECT_EQ(volume_.Describe(), expected);
  const SnapshotInfo snapshot = volume_->ListSnapshots()->front();
  const NodeId root = NodeId::Make(snapshot.id, kRootInode);
  for (const auto& [name, content] : files) {
    ASSERT_EQ(volume_.Content(volume_.Find(name, root)), content) << name;
  }
  const VolumeStatus status = volume_->status();
  // A read meets what is wrong with its own blocks only.
  EXPECT_GE(status.heals.healed, 130U);
  EXPECT_EQ(status.heals.failed, 0U);
  EXPECT_TRUE(status.lost_files.empty());
}

TEST_F(HealTest, WhatIsMissingOrTruncatedComesBack) {
  const std::string key = OneFile("file");
  volume_->SetCopies(Copies());
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  ExpectWhole(key);
  EXPECT_EQ(volume_->status().heals.fetched, 1U);
  stdfs::resize_file(Objects() + "/" + key, 1000);
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  ExpectWhole(key);
  EXPECT_EQ(volume_->status().heals.healed, 1U);
  volume_.Close();
  ExpectCleanAt(volume_.path());
}

TEST_F(HealTest, WithoutAGoodCopyTheFileIsNamedAndTheObjectLeft) {
  volume_.MakeDir("docs");
  const std::string key = OneFile("docs/file");
  volume_->SetCopies(Copies());
  Damage(key);
  FlipABit(Copy() + "/" + key, 77);
  const auto before = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
  EXPECT_EQ(Read("docs/file").posix_errno(), EIO);
  auto lost = volume_->status().lost_files;
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].path, "docs/file");
  EXPECT_THAT(lost[0].reason, HasSubstr(key));
  EXPECT_EQ(*Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30), *before);

  // The copies are asked again after a while.
  FlipABit(Copy() + "/" + key, 77);
  EXPECT_EQ(Read("docs/file").posix_errno(), EIO);
  volume_.Pass(6);
  EXPECT_TRUE(Read("docs/file").ok());
  EXPECT_TRUE(volume_->status().lost_files.empty());
  ExpectWhole(key);
}

// Two files in one pack that no copy has whole: each block is taken from
// whoever has it good, and what is good of no copy is EIO, not another's bytes.
TEST_F(HealTest, ABlockThatIsGoodByItselfIsReadFromDamagedCopies) {
  volume_.MakeFile("first", RandomBytes(kLarge, 7));
  volume_.MakeFile("second", RandomBytes(kLarge, 8));
  ASSERT_TRUE(volume_->Commit().ok());
  ASSERT_EQ(Keys("pack/").size(), 1U);
  const std::string key = Keys("pack/").front();
  const uint64_t size = stdfs::file_size(Objects() + "/" + key);
  CopyAside();
  stdfs::copy(Copy(), Copy() + "2", stdfs::copy_options::recursive);
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  FlipABit(Copy() + "/" + key, (kHeaderBytes + 40) * 8);
  stdfs::resize_file(Copy() + "2/" + key, size / 3);
  ObjectCopies copies = Copies();
  volume_->SetCopies(copies);
  EXPECT_EQ(Read("first").posix_errno(), EIO);
  EXPECT_EQ(volume_.Content("second"), RandomBytes(kLarge, 8));
  copies.push_back(
      {"other", std::make_shared<LocalTree>(Env::Posix(), Copy() + "2")});
  volume_->SetCopies(copies);
  volume_.Pass(6);
  EXPECT_EQ(volume_.Content("first"), RandomBytes(kLarge, 7));
  EXPECT_EQ(volume_.Content("second"), RandomBytes(kLarge, 8));
  EXPECT_TRUE(volume_->status().lost_files.empty());
  EXPECT_FALSE(stdfs::exists(Objects() + "/" + key));
}

// A frame that opens, in an object that is not the one of that name: the tag
// of an object in clear is no secret.
TEST_F(HealTest, ABlockThatSomebodyPutIntoADamagedCopyIsNotTaken) {
  const std::string key = OneFile("file");
  std::string forged = RandomBytes(kLarge, 7);
  // Its first block is as long, and lies in the same place.
  for (size_t i = 10; i < forged.size(); i += 50'000) forged[i] ^= 1;
  volume_.MakeFile("other", forged);
  ASSERT_TRUE(volume_->Commit().ok());
  ASSERT_EQ(Keys("pack/").size(), 2U);
  for (const std::string& other : Keys("pack/")) {
    if (other == key) continue;
    stdfs::copy_file(Objects() + "/" + other, Copy() + "/" + key,
                     stdfs::copy_options::overwrite_existing);
  }
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  volume_->SetCopies(Copies());
  EXPECT_EQ(Read("file").posix_errno(), EIO);
}

TEST_F(HealTest, TheNextCopyIsAskedWhereOneIsBadOrAway) {
  const std::string key = OneFile("file");
  stdfs::copy(Copy(), Copy() + "2", stdfs::copy_options::recursive);
  ObjectCopies copies = Copies();
  copies.push_back(
      {"other", std::make_shared<LocalTree>(Env::Posix(), Copy() + "2")});
  volume_->SetCopies(copies);
  Damage(key);
  FlipABit(Copy() + "/" + key, 99);
  EXPECT_TRUE(Read("file").ok());
  ExpectWhole(key);
  volume_.Reopen();  // the last block is kept in memory
  volume_->SetCopies(copies);
  Damage(key);
  faults_.SetDown(true);
  EXPECT_TRUE(Read("file").ok());
  ExpectWhole(key);
}

TEST_F(HealTest, AReadOnlyVolumeAnswersAndWritesNothing) {
  const std::string key = OneFile("file");
  volume_.Close();
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  volume_.options.read_only = true;
  volume_.Open();
  volume_->SetCopies(Copies());
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  EXPECT_EQ(faults_.done().size(), 1U);  // once for all of its blocks
  const Status gone(StatusCode::kNotFound, "gone");
  EXPECT_FALSE(volume_->Heal(key, gone).ok());
  EXPECT_FALSE(stdfs::exists(Objects() + "/" + key));
}

TEST_F(HealTest, AnOldVolumeObjectIsNotBroughtBack) {
  OneFile("file");
  volume_->SetCopies(Copies());
  const std::string newest = Keys("volume/").front();
  const auto bytes = Env::Posix().ReadFile(Objects() + "/" + newest, 1 << 20);
  const std::string old = VolumeKey(0, Sha256::Of(*bytes));
  std::ofstream(Copy() + "/" + old, std::ios::binary) << *bytes;
  const Status bad(StatusCode::kCorruption, "bad");
  EXPECT_EQ(volume_->Heal(old, bad).code(), StatusCode::kTrimmed);
  EXPECT_EQ(Keys("volume/").size(), 1U);
}

// A change of the ways in comes between.
TEST_F(HealTest, AVolumeObjectThatIsReplacedWhileItIsHealedGoesAgain) {
  OneFile("file");
  const std::string old = Keys("volume/").front();
  const auto bytes = Env::Posix().ReadFile(Objects() + "/" + old, 1 << 20);
  const std::string newer = VolumeKey(9, Sha256::Of(*bytes));
  faults_.after = [&](const std::string& operation, std::string_view) {
    if (operation == "GET") {
      std::ofstream(Objects() + "/" + newer, std::ios::binary) << *bytes;
    }
    return OkStatus();
  };
  volume_->SetCopies(Copies());
  const Status bad(StatusCode::kCorruption, "bad");
  EXPECT_EQ(volume_->Heal(old, bad).code(), StatusCode::kTrimmed);
  EXPECT_THAT(Keys("volume/"), ::testing::ElementsAre(newer));
}

// What a heal leaves behind when the machine or the disk gives up at any of its
// steps: the bad object or the good one, whole, and the copy as it was.
TEST_F(HealTest, ABrokenOffHealLeavesTheOldObjectOrTheGoodOne) {
  const std::string key = OneFile("file");
  volume_.Close();
  Damage(key);
  const auto bad = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
  const auto good = Env::Posix().ReadFile(Copy() + "/" + key, 1U << 30);
  bool whole = false;
  int steps = 0;
  for (; !whole && steps < 100; ++steps) {
    FaultEnv env(Env::Posix());
    LocalTree tree(env, Objects());
    env.Arm({.op = FaultOp::kAnyChange,
             .nth = static_cast<uint64_t>(steps) + 1,
             .sticky = true,
             .torn_bytes = 1000});
    const auto healed = HealObject(Copies(), key, 0, tree);
    const auto now = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
    ASSERT_TRUE(now.ok());
    EXPECT_TRUE(*now == *bad || *now == *good) << steps;
    EXPECT_TRUE(!healed.ok() || *now == *good);
    whole = healed.ok();
    EXPECT_EQ(*Env::Posix().ReadFile(Copy() + "/" + key, 1U << 30), *good);
    // For the next try; a leftover is no object.
    if (!whole) {
      std::ofstream(Objects() + "/" + key, std::ios::binary) << *bad;
    }
  }
  EXPECT_TRUE(whole);
  EXPECT_GT(steps, 4);
}

// Two copies that are healed from each other at the same time, each with
// another object bad: whoever reads a bad one refuses it.
TEST_F(HealTest, WhatCollectionLetGoIsNotBroughtBack) {
  const std::string key = OneFile("file");
  volume_->SetCopies(Copies());
  const Status missing(StatusCode::kNotFound, "gone");
  EXPECT_TRUE(volume_->Heal(key, missing).ok());
  ASSERT_TRUE(volume_->Unlink(kRootNode, "file").ok());
  for (int i = 0; i < 6; ++i) {
    volume_.Pass(60);
    volume_.MakeFile("later" + std::to_string(i), "x");
    ASSERT_TRUE(volume_->Commit().ok());
  }
  ASSERT_FALSE(stdfs::exists(Objects() + "/" + key));
  EXPECT_EQ(volume_->Heal(key, missing).code(), StatusCode::kTrimmed);
  EXPECT_FALSE(stdfs::exists(Objects() + "/" + key));
}

TEST_F(HealTest, MissingPacksAreThoseThatHoldBlocks) {
  const std::string key = OneFile("file");
  EXPECT_TRUE(volume_->MissingPacks()->empty());
  const uint64_t size = stdfs::file_size(Objects() + "/" + key);
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  const auto missing = volume_->MissingPacks();
  ASSERT_EQ(missing->size(), 1U);
  EXPECT_EQ(missing->front().key, key);
  EXPECT_EQ(missing->front().size_bytes, size);
}

}  // namespace
}  // namespace trefoil::testing
