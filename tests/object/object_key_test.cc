// SPDX-License-Identifier: Apache-2.0
// Goal: keys are spelled in one way, say what they name, and nothing that a
// hostile store lists gets past them.
// Method: vectors, round trips, and every one-character change of a key.
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

const Hash256 kName = Sha256::Of("name");
constexpr char kNameHex[] =
    "82a3537ff0dbce7eec35d69edc3a189ee6f17d82f353a553f9aa96cb0be3ce89";

TEST(ObjectKeyTest, KeysAreSpelledAsDocumented) {
  EXPECT_EQ(PackKey(kName), std::string("pack/82/") + kNameHex);
  EXPECT_EQ(
      CommitKey(Generation(1), CommitSeq(0xabcdef), kName),
      std::string("commit/0000000000000001-0000000000abcdef-") + kNameHex);
  EXPECT_EQ(
      CheckpointKey(Generation(~0ULL), CommitSeq(0), kName),
      std::string("checkpoint/ffffffffffffffff-0000000000000000-") + kNameHex);
  EXPECT_EQ(VolumeKey(16, kName),
            std::string("volume/0000000000000010-") + kNameHex);
}

TEST(ObjectKeyTest, ParsingGivesBackWhatWasSpelled) {
  const ParsedKey pack = ParseObjectKey(PackKey(kName)).value();
  EXPECT_EQ(pack.kind, ObjectKind::kPack);
  EXPECT_EQ(pack.name, kName);
  const ParsedKey commit =
      ParseObjectKey(CommitKey(Generation(3), CommitSeq(~4ULL), kName)).value();
  EXPECT_EQ(commit.kind, ObjectKind::kCommit);
  EXPECT_EQ(commit.generation, Generation(3));
  EXPECT_EQ(commit.number, ~4ULL);
  EXPECT_EQ(commit.name, kName);
  const ParsedKey checkpoint =
      ParseObjectKey(CheckpointKey(Generation(3), CommitSeq(5), kName)).value();
  EXPECT_EQ(checkpoint.kind, ObjectKind::kCheckpoint);
  EXPECT_EQ(checkpoint.number, 5U);
  const ParsedKey volume = ParseObjectKey(VolumeKey(6, kName)).value();
  EXPECT_EQ(volume.kind, ObjectKind::kVolume);
  EXPECT_EQ(volume.number, 6U);
}

TEST(ObjectKeyTest, EverySpelledKeyIsAValidObjectKey) {
  EXPECT_TRUE(IsValidObjectKey(PackKey(kName)));
  EXPECT_TRUE(IsValidObjectKey(CommitKey(Generation(1), CommitSeq(1), kName)));
  EXPECT_TRUE(
      IsValidObjectKey(CheckpointKey(Generation(1), CommitSeq(1), kName)));
  EXPECT_TRUE(IsValidObjectKey(VolumeKey(1, kName)));
}

TEST(ObjectKeyTest, AnyOtherLengthOrCharacterIsRefused) {
  for (const std::string& key :
       {PackKey(kName), CommitKey(Generation(1), CommitSeq(2), kName),
        CheckpointKey(Generation(1), CommitSeq(2), kName),
        VolumeKey(1, kName)}) {
    for (size_t i = 0; i <= key.size(); ++i) {
      EXPECT_CODE(ParseObjectKey(std::string(key).insert(i, "0")).status(),
                  kInvalidArgument);
      if (i == key.size()) continue;
      EXPECT_CODE(ParseObjectKey(key.substr(0, i)).status(), kInvalidArgument);
      for (const char c : {'A', 'g', '.', '\0', '_'}) {
        std::string changed = key;
        changed[i] = c;
        if (changed == key) continue;
        EXPECT_CODE(ParseObjectKey(changed).status(), kInvalidArgument);
      }
    }
  }
}

TEST(ObjectKeyTest, APackBelongsInTheDirectoryOfItsFirstDigits) {
  EXPECT_CODE(ParseObjectKey(std::string("pack/83/") + kNameHex).status(),
              kInvalidArgument);
}

TEST(ObjectKeyTest, KeysThatCouldLeaveATreeAreInvalid) {
  for (const std::string_view key :
       {"", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/./b", ".",
        "a.b", "A", "a b", "a\\b", "a_b", "a\nb", "a\xc3\xa9"}) {
    EXPECT_FALSE(IsValidObjectKey(key)) << key;
  }
  EXPECT_FALSE(IsValidObjectKey(std::string_view("a\0b", 3)));
  EXPECT_FALSE(IsValidObjectKey(std::string(256, 'a')));
  EXPECT_TRUE(IsValidObjectKey(std::string(255, 'a')));
  EXPECT_TRUE(IsValidObjectKey("a"));
  EXPECT_TRUE(IsValidObjectKey("-/0-z"));
}

TEST(ObjectKeyTest, AHeaderOfAnotherObjectDoesNotFitTheKey) {
  const ObjectHeader commit = SampleHeader(ObjectKind::kCommit);
  ParsedKey key{ObjectKind::kCommit, commit.generation, commit.number, kName};
  EXPECT_OK(CheckHeaderAgainstKey(commit, key));
  key.number += 1;
  EXPECT_CODE(CheckHeaderAgainstKey(commit, key), kCorruption);
  key.number -= 1;
  key.generation = key.generation.Next();
  EXPECT_CODE(CheckHeaderAgainstKey(commit, key), kCorruption);
  key.generation = commit.generation;
  key.kind = ObjectKind::kCheckpoint;
  EXPECT_CODE(CheckHeaderAgainstKey(commit, key), kCorruption);
}

TEST(MemorySourceTest, GivesItsBytesAndNothingBeyondThem) {
  MemorySource source("abcdef");
  EXPECT_EQ(source.size_bytes(), 6U);
  EXPECT_EQ(source.sha256(), Sha256::Of("abcdef"));
  std::string out(3, '\0');
  EXPECT_OK(source.ReadAt(3, out));
  EXPECT_EQ(out, "def");
  EXPECT_CODE(source.ReadAt(4, out), kInvalidArgument);
  EXPECT_CODE(source.ReadAt(~0ULL, out), kInvalidArgument);
}

}  // namespace
}  // namespace trefoil
