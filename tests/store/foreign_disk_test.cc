// SPDX-License-Identifier: Apache-2.0
// Goal: a disk that comes back from elsewhere can't lead us out of its tree:
// links in it are followed neither to read, nor to write, nor to clean up, and
// a pipe keeps nobody waiting.
// Method: a target with links and pipes in the places of its files and
// directories; what they lead to is as before afterwards.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "replicator/store/dir_store.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

Env& env() { return Env::Posix(); }

class ForeignDiskTest : public ::testing::Test {
 protected:
  ForeignDiskTest() {
    EXPECT_TRUE(env().CreateDirs(elsewhere_ + "/aa").ok());
    EXPECT_TRUE(env().WriteFileAtomically(elsewhere_ + "/aa/mine", "m").ok());
    EXPECT_TRUE(
        InitDirTarget(env(), root_, std::string(32, 'a'), Random::System())
            .ok());
    EXPECT_EQ(Put("pack/aa/good").ToString(), "ok");
  }
  ~ForeignDiskTest() override {
    const auto mine = env().ReadFile(elsewhere_ + "/aa/mine", 100);
    EXPECT_TRUE(mine.ok() && *mine == "m") << "what is elsewhere was touched";
    const auto names = env().List(elsewhere_ + "/aa");
    EXPECT_EQ(names->size(), 1U) << "something was written elsewhere";
    EXPECT_EQ(env().List(elsewhere_)->size(), 1U);
  }

  Status Put(const std::string& key, PutMode mode = PutMode::kImmutable) {
    MemorySource source("bytes");
    return store_.Put(key, source, mode);
  }
  void Link(const std::string& name, const std::string& to) {
    std::filesystem::remove_all(root_ + "/" + name);
    ASSERT_EQ(symlink(to.c_str(), (root_ + "/" + name).c_str()), 0);
  }
  static void ExpectRefused(const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr("neither a file nor a directory"));
  }

  const TempDir dir_;
  const std::string root_ = dir_.path() + "/disk";
  const std::string elsewhere_ = dir_.path() + "/elsewhere";
  DirStore store_{env(), root_, std::nullopt};
};

TEST_F(ForeignDiskTest, CleaningUpDoesNotFollowALinkInThePlaceOfTmp) {
  Link("tmp", elsewhere_);
  ExpectRefused(store_.RemoveTemporaries());
  ExpectRefused(Put("pack/aa/new"));
}

TEST_F(ForeignDiskTest, CleaningUpRemovesALinkAndNotWhatItLeadsTo) {
  Link("tmp/object-1", elsewhere_);
  Link("tmp/object-2", elsewhere_ + "/aa/mine");
  EXPECT_EQ(store_.RemoveTemporaries().ToString(), "ok");
  EXPECT_TRUE(env().List(root_ + "/tmp")->empty());
}

TEST_F(ForeignDiskTest, ADirectoryThatIsALinkIsRefused) {
  Link("pack", elsewhere_);
  ExpectRefused(Put("pack/aa/new"));
  ExpectRefused(store_.Get("pack/aa/mine", {}, 100).status());
  ExpectRefused(store_.Head("pack/aa/mine").status());
  ExpectRefused(store_.Delete("pack/aa/mine"));
  Link("commit", "/");
  ExpectRefused(store_.Head("commit/etc").status());
  EXPECT_FALSE(store_
                   .List("pack/", "",
                         [](const ObjectInfo& info) {
                           ADD_FAILURE() << info.key;
                           return true;
                         })
                   .Is(StatusCode::kUnavailable));
}

TEST_F(ForeignDiskTest, AnObjectThatIsALinkIsBadAndCanBeHealed) {
  Link("pack/aa/good", elsewhere_ + "/aa/mine");
  ExpectRefused(store_.Get("pack/aa/good", {}, 100).status());
  ExpectRefused(store_.Head("pack/aa/good").status());
  EXPECT_EQ(Put("pack/aa/good", PutMode::kReplace).ToString(), "ok");
  const auto got = store_.Get("pack/aa/good", {}, 100);
  EXPECT_TRUE(got.ok() && *got == "bytes");
}

TEST_F(ForeignDiskTest, WhatIsNoFileHidesNoOtherObject) {
  EXPECT_EQ(Put("pack/aa/last").ToString(), "ok");
  Link("pack/aa/good", elsewhere_ + "/aa/mine");
  std::vector<std::string> listed;
  EXPECT_TRUE(store_
                  .List("pack/", "",
                        [&](const ObjectInfo& info) {
                          listed.push_back(
                              fmt::format("{} {}", info.key, info.size_bytes));
                          return true;
                        })
                  .ok());
  EXPECT_THAT(listed,
              ::testing::ElementsAre("pack/aa/good 0", "pack/aa/last 5"));
}

TEST_F(ForeignDiskTest, APipeKeepsNobodyWaiting) {
  ASSERT_EQ(mkfifo((root_ + "/pack/aa/pipe").c_str(), 0600), 0);
  ExpectRefused(store_.Get("pack/aa/pipe", {}, 100).status());
  ExpectRefused(store_.Head("pack/aa/pipe").status());
  const std::string id = root_ + "/" + kTargetIdFile;
  ASSERT_TRUE(env().Remove(id).ok());
  ASSERT_EQ(mkfifo(id.c_str(), 0600), 0);
  EXPECT_EQ(ReadDirTargetId(env(), root_).status().code(),
            StatusCode::kCorruption);
}

TEST_F(ForeignDiskTest, AFreshTargetWritesThroughNoLinkThatWaits) {
  const std::string fresh = dir_.path() + "/fresh";
  ASSERT_TRUE(env().CreateDir(fresh).ok());
  const std::string mine = elsewhere_ + "/aa/mine";
  const std::string temporary = fresh + "/" + kTargetIdFile + ".tmp";
  ASSERT_EQ(symlink(mine.c_str(), temporary.c_str()), 0);
  EXPECT_TRUE(
      InitDirTarget(env(), fresh, std::string(32, 'a'), Random::System()).ok());
}

}  // namespace
}  // namespace trefoil::testing
