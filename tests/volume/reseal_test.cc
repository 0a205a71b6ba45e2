// SPDX-License-Identifier: Apache-2.0
// Goal: after `rotate --reseal` nothing on the primary is sealed under an older
// data key, and everything is as it was.
// Method: headers of all objects are read from the disk; time is put forward;
// one test crashes in the middle.
#include "fs/volume/reseal.h"

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

// Ids of the data keys that the volume's objects are sealed under.
std::set<uint32_t> KeysInUse(TestVolume& volume) {
  std::set<uint32_t> ids;
  for (const char* prefix : {"pack/", "commit/", "checkpoint/"}) {
    std::vector<std::string> keys;
    EXPECT_TRUE(volume->objects()
                    .List(prefix, "",
                          [&](const ObjectInfo& info) {
                            keys.push_back(info.key);
                            return true;
                          })
                    .ok());
    for (const std::string& key : keys) {
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
