// SPDX-License-Identifier: Apache-2.0
// Goal: putting healed objects in place takes no room that writers are owed,
// brings back no commit that the volume does not have, and a disk that fails a
// read once has a copy to answer for it.
// Method: a volume on a disk that says how much room it has, and that fails;
// its objects are copied aside.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/fault_env.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;

// Does not travel in a commit.
constexpr size_t kLarge = 600'000;

class HealDiskTest : public ::testing::Test {
 protected:
  HealDiskTest() : volume_(env_) {
    volume_.options.block_cache_bytes = 1;
    volume_.Reopen();
    volume_.MakeFile("file", RandomBytes(kLarge, 7));
    EXPECT_TRUE(volume_->Commit().ok());
    stdfs::copy(Objects(), Copy(), stdfs::copy_options::recursive);
    UseCopies();
  }
  void UseCopies() {
    volume_->SetCopies(
        {{"copy", std::make_shared<LocalTree>(Env::Posix(), Copy())}});
  }
  [[nodiscard]] std::string Objects() const {
    return volume_.path() + "/objects";
  }
  [[nodiscard]] std::string Copy() const { return volume_.path() + "/../copy"; }
  // The key of the one pack.
  std::string Pack() {
    std::string key;
    EXPECT_TRUE(volume_->objects()
                    .List("pack/", "",
                          [&](const ObjectInfo& info) {
                            key = info.key;
                            return true;
                          })
                    .ok());
    return key;
  }

  FaultEnv env_{Env::Posix()};
  TestVolume volume_;
};

TEST_F(HealDiskTest, AReadThatTheDiskFailsIsAnswered) {
  env_.Arm({.op = FaultOp::kRead, .path_part = "objects/pack/"});
  EXPECT_TRUE(volume_.Content("file") == RandomBytes(kLarge, 7));
  EXPECT_TRUE(env_.struck());
}

TEST_F(HealDiskTest, AHealLeavesTheLastRoomToWriters) {
  const std::string key = Pack();
  const std::string path = Objects() + "/" + key;
  ASSERT_TRUE(stdfs::remove(path));

  // Writers would still get some of this, and read meanwhile.
  env_.SetAvailable(600ULL << 20);
  volume_.Pass(1);
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  EXPECT_FALSE(stdfs::exists(path));
  const Status gone(StatusCode::kNotFound, "gone");
  EXPECT_EQ(volume_->Heal(key, gone).code(), StatusCode::kNoSpace);
  EXPECT_FALSE(stdfs::exists(path));
  const NodeId other = volume_.MakeFile("other", "there is room for this");
  EXPECT_EQ(volume_.Content(other), "there is room for this");

  // There is some to spare, and the object is larger.
  env_.SetAvailable(3 * (256ULL << 20) + kLarge / 2);
  volume_.Pass(1);
  EXPECT_FALSE(volume_->Heal(key, gone).ok());
  EXPECT_FALSE(stdfs::exists(path));

  env_.SetAvailable(~0ULL);
  volume_.Pass(1);
  EXPECT_TRUE(volume_->Heal(key, gone).ok());
  EXPECT_TRUE(stdfs::exists(path));
}

// The index knows it by name only, or knows another one of its number.
TEST_F(HealDiskTest, ACommitThatIsNotOursIsNotBroughtBack) {
  const CommitRef head = volume_->head();
  Hash256 name = head.name;
  name.bytes[0] ^= 1;
  const Status gone(StatusCode::kNotFound, "gone");
  EXPECT_EQ(
      volume_->Heal(CommitKey(head.generation, head.seq, name), gone).code(),
      StatusCode::kTrimmed);
  const auto checkpoint = volume_->Checkpoint();
  ASSERT_TRUE(checkpoint.ok());
  volume_.Close();
  for (const char* lost : {"/index", "/journal", "/objects/commit"}) {
    stdfs::remove_all(volume_.path() + lost);
  }
  volume_.Open();
  UseCopies();
  EXPECT_EQ(volume_
                ->Heal(CommitKey(checkpoint->generation, checkpoint->seq,
                                 checkpoint->name),
                       gone)
                .code(),
            StatusCode::kTrimmed);
}

}  // namespace
}  // namespace trefoil::testing
