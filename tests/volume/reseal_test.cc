// SPDX-License-Identifier: Apache-2.0
// Goal: after `rotate --reseal` nothing on the primary is sealed under an older
// data key, and everything is as it was.
// Method: headers of all objects are read from the disk; time is put forward;
// one test crashes in the middle.
#include "fs/volume/reseal.h"

#include <filesystem>
#include <fstream>
#include <set>

#include "fs/object/object_reader.h"
#include "fs/volume/key_change.h"
#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

constexpr uint64_t kMiB = 1ULL << 20;
constexpr int64_t kLater = 60;

void Commit(TestVolume& volume) {
  const auto commit = volume->Commit();
  ASSERT_TRUE(commit.ok()) << commit.status().ToString();
}

std::vector<std::string> Keys(TestVolume& volume, std::string_view prefix) {
  std::vector<std::string> keys;
  EXPECT_TRUE(volume->objects()
                  .List(prefix, "",
                        [&](const ObjectInfo& info) {
                          keys.push_back(info.key);
                          return true;
                        })
                  .ok());
  return keys;
}

// Ids of the data keys that the volume's objects are sealed under.
std::set<uint32_t> KeysInUse(TestVolume& volume) {
  std::set<uint32_t> ids;
  for (const char* prefix : {"pack/", "commit/", "checkpoint/"}) {
    for (const std::string& key : Keys(volume, prefix)) {
      const auto header = ReadObjectHeader(volume->objects(), key);
      EXPECT_TRUE(header.ok()) << key;
      if (header.ok()) ids.insert(header->key_id);
    }
  }
  return ids;
}

void Rotate(TestVolume& volume, bool reseal) {
  auto change = KeyChange::Begin(volume.world(), volume.path(), nullptr);
  ASSERT_TRUE(change.ok()) << change.status().ToString();
  RotateKeys(volume.world().clock, volume.world().random, &(*change)->secrets);
  (*change)->reseal = reseal;
  ASSERT_TRUE((*change)->Finish().ok());
  ASSERT_TRUE(volume->ReloadKeys(nullptr, "").ok());
}

// What background threads do meanwhile; no target holds anything up.
void LetTimePass(TestVolume& volume) {
  volume->ReleaseCommits(CommitSeq(1ULL << 60));
  for (int round = 0; round < 4; ++round) {
    volume.Pass(kLater);
    Commit(volume);
    ASSERT_TRUE(volume->Checkpoint().ok());
  }
  ASSERT_EQ(volume->status().last_error, "");
}

void Fill(TestVolume& volume) {
  volume.MakeFile("large", RandomBytes(5 * kMiB, 1));
  Commit(volume);
  volume.MakeFile("small", "a few words");
  Commit(volume);
  ASSERT_TRUE(volume->Checkpoint().ok());
  volume.MakeFile("later", RandomBytes(kMiB, 2));
  Commit(volume);
}

TEST(ResealTest, NothingStaysUnderTheOldKey) {
  TestVolume volume;
  Fill(volume);
  const std::string tree = volume.Describe();
  Rotate(volume, true);
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  EXPECT_FALSE(Env::Posix().Exists(volume.path() + "/reseal"));
  EXPECT_EQ(volume.Describe(), tree);
  ExpectClean(volume);
}

TEST(ResealTest, WithoutBeingAskedOldObjectsStay) {
  TestVolume volume;
  Fill(volume);
  Rotate(volume, false);
  LetTimePass(volume);
  EXPECT_TRUE(KeysInUse(volume).contains(1));
  ExpectClean(volume);
}

// It is sealed under the old key wherever it is now.
TEST(ResealTest, APackThatIsNotHereYetIsWaitedFor) {
  TestVolume volume;
  Fill(volume);
  const std::string key = Keys(volume, "pack/").front();
  const std::string path = volume.path() + "/objects/" + key;
  const std::string bytes = *Env::Posix().ReadFile(path, 1 << 30);
  ASSERT_TRUE(Env::Posix().Remove(path).ok());
  Rotate(volume, true);
  LetTimePass(volume);
  EXPECT_TRUE(Env::Posix().Exists(volume.path() + "/reseal"));
  std::ofstream(path, std::ios::binary) << bytes;
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  EXPECT_FALSE(Env::Posix().Exists(volume.path() + "/reseal"));
  ExpectClean(volume);
}

TEST(ResealTest, WhatCantBeSealedAnewHoldsUpNoCollection) {
  TestVolume volume;
  Fill(volume);
  const std::string bad = Keys(volume, "pack/").front();
  volume.MakeFile("garbage", RandomBytes(5 * kMiB, 3));
  Commit(volume);
  const size_t packs = Keys(volume, "pack/").size();
  Rotate(volume, true);
  const std::string path = volume.path() + "/objects/" + bad;
  const std::string bytes = *Env::Posix().ReadFile(path, 1 << 30);
  std::ofstream(path, std::ios::binary) << "no header" << bytes.substr(9);
  std::ofstream(volume.path() + "/reseal") << "no number";
  ASSERT_TRUE(volume->Unlink(kRootNode, "garbage").ok());
  for (int round = 0; round < 4; ++round) {
    volume.Pass(kLater);
    Commit(volume);
  }
  EXPECT_LT(Keys(volume, "pack/").size(), packs);
  EXPECT_TRUE(Env::Posix().Exists(volume.path() + "/reseal"));
  std::ofstream(path, std::ios::binary) << bytes;
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  ExpectClean(volume);
}

// They keep the one before the newest, which may be the last that is old. A
// second rotation begins anew.
TEST(ResealTest, ItLastsUntilTheTargetsHaveTwoNewCheckpoints) {
  TestVolume volume;
  Fill(volume);
  const auto newest = [&] {
    return ParseObjectKey((*volume->NewestCheckpoint())->key)->number;
  };
  const auto let_pass = [&] {
    for (int i = 0; i < 3; ++i) {
      volume.Pass(kLater);
      Commit(volume);
    }
  };
  const auto is_asked = [&] {
    return Env::Posix().Exists(volume.path() + "/reseal");
  };
  for (uint32_t key = 2; key <= 3; ++key) {
    SCOPED_TRACE(key);
    Rotate(volume, true);
    // The targets have all commits, and not yet a checkpoint under the new key.
    for (int i = 0; i < 4 && KeysInUse(volume) != std::set<uint32_t>{key};
         ++i) {
      let_pass();
      ASSERT_TRUE(volume->Checkpoint().ok());
      volume->ReleaseCommits(CommitSeq(newest() - 1));
    }
    ASSERT_EQ(KeysInUse(volume), std::set<uint32_t>{key});
    let_pass();
    EXPECT_TRUE(is_asked());
    // They have the first.
    volume->ReleaseCommits(CommitSeq(newest()));
    let_pass();
    EXPECT_TRUE(is_asked());
    // The second is here, and then there.
    const uint64_t first = newest();
    ASSERT_TRUE(volume->Checkpoint().ok());
    EXPECT_GT(newest(), first);
    let_pass();
    EXPECT_TRUE(is_asked());
    volume->ReleaseCommits(CommitSeq(newest()));
    let_pass();
    EXPECT_FALSE(is_asked());
  }
  ExpectClean(volume);
}

// Else it would all be sealed under the old one again, for ever.
TEST(ResealTest, NothingIsMovedBeforeTheNewKeyIsHere) {
  TestVolume volume;
  Fill(volume);
  auto change = KeyChange::Begin(volume.world(), volume.path(), nullptr);
  ASSERT_TRUE(change.ok()) << change.status().ToString();
  RotateKeys(volume.world().clock, volume.world().random, &(*change)->secrets);
  (*change)->reseal = true;
  ASSERT_TRUE((*change)->Finish().ok());
  const std::vector<std::string> packs = Keys(volume, "pack/");
  for (int round = 0; round < 3; ++round) {
    volume.Pass(kLater);
    Commit(volume);
  }
  EXPECT_EQ(Keys(volume, "pack/"), packs);
  ASSERT_TRUE(volume->ReloadKeys(nullptr, "").ok());
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  ExpectClean(volume);
}

TEST(ResealTest, ACommitThatCantBeEmptiedKeepsItFromEnding) {
  TestVolume volume;
  Fill(volume);
  volume.MakeFile("tiny", "travels in its commit");
  Commit(volume);
  // Their headers are whole, and their blocks are gone.
  for (const std::string& key : Keys(volume, "commit/")) {
    std::filesystem::resize_file(volume.path() + "/objects/" + key,
                                 kHeaderBytes);
  }
  Rotate(volume, true);
  volume->ReleaseCommits(CommitSeq(1ULL << 60));
  for (int round = 0; round < 6; ++round) {
    volume.Pass(kLater);
    Commit(volume);
    ASSERT_TRUE(volume->Checkpoint().ok());
  }
  EXPECT_TRUE(KeysInUse(volume).contains(1));
  EXPECT_TRUE(Env::Posix().Exists(volume.path() + "/reseal"));
}

TEST(ResealTest, ItGoesOnAfterACrash) {
  TestVolume volume;
  Fill(volume);
  const std::string tree = volume.Describe();
  Rotate(volume, true);
  volume.Pass(kLater);
  Commit(volume);
  EXPECT_TRUE(KeysInUse(volume).contains(1));
  volume.CrashAndReopen();
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  EXPECT_EQ(volume.Describe(), tree);
  ExpectClean(volume);
}

TEST(ResealTest, AVolumeThatNobodyChangesIsSealedAnewToo) {
  TestVolume volume;
  Fill(volume);
  ASSERT_TRUE(volume->Checkpoint().ok());
  Rotate(volume, true);
  LetTimePass(volume);
  EXPECT_EQ(KeysInUse(volume), std::set<uint32_t>{2});
  ExpectClean(volume);
}

}  // namespace
}  // namespace trefoil
