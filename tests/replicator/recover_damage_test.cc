// SPDX-License-Identifier: Apache-2.0
// Goal: recovery from damaged copies: what is missing or damaged is named; what
// one copy lacks comes from another; one bad block costs the files that have it
// and no others; nothing that is damaged is put anywhere as a good object.
// Method: real volumes shipped to real directories, damaged there, recovered
// and compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/replicator/recover_fixture.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

// Everything else is there, and the volume can be used.
TEST_F(RecoverTest, AMissingPackIsNamedWithItsFiles) {
  const std::string pack = Keys("pack/").front();
  ASSERT_TRUE(target_->Delete(pack).ok());
  const Status recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.ToString();
  ASSERT_FALSE(lost_files_.empty());
  EXPECT_THAT(lost_files_.front().path, HasSubstr("docs/large"));
  EXPECT_THAT(lost_files_.front().reason, HasSubstr(pack));
  auto opened = OpenRecovered();
  EXPECT_TRUE(opened.ok()) << opened.status().ToString();
}

// One bad bit costs one block, and no other.
TEST_F(RecoverTest, WhatIsGoodOfADamagedPackIsSavedIntoAnother) {
  volume_.MakeFile("docs/a", RandomBytes(600'000, 21));
  volume_.MakeFile("docs/b", RandomBytes(600'000, 22));
  const std::set<std::string> before = KeySet("pack/");
  Ship();
  std::set<std::string> fresh = KeySet("pack/");
  for (const std::string& key : before) fresh.erase(key);
  ASSERT_EQ(fresh.size(), 1U);
  const std::string pack = *fresh.begin();
  FlipAt(pack, kHeaderBytes + 40);  // in its first block
  const Status recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.ToString();
  ASSERT_EQ(lost_files_.size(), 1U);
  EXPECT_EQ(lost_files_.front().path, "docs/a");
  EXPECT_THAT(lost_files_.front().reason, HasSubstr(pack));
  // It needs the copy no more, for what is good.
  TestVolume other;
  Adopt(&other);
  EXPECT_EQ(other.Content("docs/b"), RandomBytes(600'000, 22));
  const std::string a = RandomBytes(600'000, 21);
  std::string end(1000, '\0');
  const auto read =
      other->Read(other.Find("docs/a"), a.size() - end.size(), end);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(end, a.substr(a.size() - end.size()));
  EXPECT_EQ(other->Read(other.Find("docs/a"), 0, end).status().posix_errno(),
            EIO);
  // The damaged pack is nowhere as a good one, and what was saved is one.
  const auto there = other->objects().Head(pack);
  EXPECT_TRUE(there.status().Is(StatusCode::kNotFound));
  // Who gives up the file has a clean volume again.
  ASSERT_TRUE(other->Unlink(other.Find("docs"), "a").ok());
  ASSERT_TRUE(other->DeleteSnapshot((*other->ListSnapshots())[0].name).ok());
  ASSERT_TRUE(Eventually([&] {
    other.Pass(60);
    EXPECT_TRUE(other->Commit().ok());
    return other->MissingPacks()->empty();
  }));
  other.Close();
  ExpectCleanAt(other.path());
}

TEST_F(RecoverTest, AFlippedBitInAnyObjectIsNamed) {
  for (const char* prefix : {"pack/", "commit/", "volume/"}) {
    for (const std::string& key : Keys(prefix)) {
      SCOPED_TRACE(key);
      Flip(key);
      const Status recovered = Recover();
      if (key.starts_with("pack/")) {
        ASSERT_TRUE(recovered.ok()) << recovered.ToString();
        ASSERT_FALSE(lost_files_.empty());
        EXPECT_THAT(lost_files_.front().reason, HasSubstr(key));
      } else {
        EXPECT_EQ(recovered.code(), StatusCode::kCorruption);
        EXPECT_THAT(recovered.message(), HasSubstr(key));
        EXPECT_FALSE(OpenRecovered().ok());
      }
      Flip(key);  // back
      ASSERT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());
    }
  }
}

// Whole, made by the volume itself, and in the wrong place.
TEST_F(RecoverTest, ObjectsInEachOthersPlaceAreNamedOrPassedOver) {
  const std::string tree = DescribeAll(volume_);
  std::vector<std::string> keys;
  for (const char* prefix : {"pack/", "commit/", "volume/", "owner/"}) {
    for (const std::string& key : Keys(prefix)) keys.push_back(key);
  }
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    SCOPED_TRACE(keys[i]);
    const auto swap = [&] {
      const std::string a = dir_.Path("second/" + keys[i]);
      const std::string b = dir_.Path("second/" + keys[i + 1]);
      std::filesystem::rename(a, dir_.Path("aside"));
      std::filesystem::rename(b, a);
      std::filesystem::rename(dir_.Path("aside"), b);
    };
    swap();
    const Status recovered = Recover();
    if (recovered.ok() && lost_files_.empty()) {
      ExpectRecovered(tree);
    } else if (!recovered.ok()) {
      EXPECT_EQ(recovered.code(), StatusCode::kCorruption)
          << recovered.ToString();
    }
    swap();
    if (Env::Posix().Exists(Recovered())) {
      ASSERT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());
    }
  }
}

// Of two copies each lacks and has damaged something else: commits, the
// checkpoint, packs, the newest commit and the volume object of the first.
TEST_F(RecoverTest, WhatOneCopyLacksOrHasDamagedComesFromTheOther) {
  LetGoOfThePast();
  volume_.MakeFile("docs/between", RandomBytes(600'000, 31));
  ASSERT_NO_FATAL_FAILURE(Ship());
  volume_.MakeFile("docs/after", "words");
  Ship();
  std::filesystem::copy(dir_.Path("second"), dir_.Path("third"),
                        std::filesystem::copy_options::recursive);
  const std::string expected = DescribeAll(volume_);
  const auto truncated = [this](const std::string& key) {
    std::filesystem::resize_file(dir_.Path("second/" + key), 150);
  };
  std::vector<std::string> damaged;
  const auto commits = Keys("commit/");
  ASSERT_GE(commits.size(), 2U);
  ASSERT_EQ(Keys("checkpoint/").size(), 1U);
  Flip(Keys("volume/").back());
  Flip(commits.back());
  truncated(Keys("checkpoint/").back());
  Flip(Keys("pack/").front());
  ASSERT_TRUE(target_->Delete(Keys("pack/").back()).ok());
  LocalTree third(Env::Posix(), dir_.Path("third"));
  ASSERT_TRUE(third.Delete(commits[0]).ok());
  const std::string whole_here = Keys("pack/")[1];
  ASSERT_TRUE(third.Delete(whole_here).ok());

  ASSERT_FALSE(Recover().ok());
  if (Env::Posix().Exists(Recovered())) {
    ASSERT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());
  }
  options_.others = {
      {"third", std::make_shared<LocalTree>(Env::Posix(), dir_.Path("third"))}};
  options_.other_targets = {{"third", "dir:" + dir_.Path("third"), {}}};
  const Status recovered = Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.ToString();
  EXPECT_TRUE(lost_files_.empty());
  ExpectRecovered(expected);
  ExpectCleanAt(Recovered());
  const auto config = LoadConfig(Env::Posix(), Recovered());
  ASSERT_TRUE(config.ok());
  ASSERT_EQ(config->targets.size(), 2U);
  EXPECT_EQ(config->targets[1].name, "third");
  // Nothing was changed there.
  EXPECT_FALSE(third.Head(whole_here).ok());
}

}  // namespace
}  // namespace trefoil::testing
