// SPDX-License-Identifier: Apache-2.0
// Goal: a target that goes back to an older state, loses what it confirmed, or
// holds what the volume never made is noticed, told in the status, also after a
// restart, and put right.
// Method: a real directory changed behind the shipper's back.
#include <gmock/gmock.h>

#include <filesystem>

#include "replicator/target_state.h"
#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TamperingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) last_ = shipping_.Commit(1);
    shipping_.Start();
    ASSERT_TRUE(shipping_.WaitForWatermark(last_.seq));
    EXPECT_THAT(shipping_.status().notice, IsEmpty());
    shipping_.Stop();
  }
  [[nodiscard]] std::string PathOf(const CommitRef& ref) const {
    return shipping_.target_path() + "/" +
           CommitKey(ref.generation, ref.seq, ref.name);
  }
  // What a new session says, once everything is there again.
  std::string NoticeOfNextSession() {
    shipping_.source.NextGeneration();
    shipping_.Start();
    EXPECT_TRUE(shipping_.WaitForWatermark(last_.seq));
    EXPECT_TRUE(shipping_.WaitForState("up to date"));
    const std::string notice = shipping_.status().notice;
    shipping_.Stop();
    return notice;
  }

  Shipping shipping_;
  CommitRef last_;
};

TEST_F(TamperingTest, AWholeTargetGivesNoNotice) {
  EXPECT_THAT(NoticeOfNextSession(), IsEmpty());
}

TEST_F(TamperingTest, DroppedCommitsAreNoticedAndSentAgain) {
  fs::remove(PathOf(last_));
  const std::string notice = NoticeOfNextSession();
  EXPECT_THAT(notice, HasSubstr("held commit 3"));
  EXPECT_THAT(notice, HasSubstr("commit 2 is whole"));
  EXPECT_TRUE(fs::exists(PathOf(last_)));
  EXPECT_EQ(shipping_.Incomplete(last_.seq), "");
  // It is remembered.
  const auto state = LoadTargetState(Env::Posix(), shipping_.state_path());
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->status.notice, notice);
  EXPECT_GT(state->status.notice_time_nanos, 0);
  EXPECT_EQ(NoticeOfNextSession(), notice);
}

TEST_F(TamperingTest, AnEmptiedTargetIsNoticed) {
  shipping_.EmptyTarget();
  EXPECT_THAT(NoticeOfNextSession(), HasSubstr("held commit 3"));
}

TEST_F(TamperingTest, CommitsOfAGenerationToComeAreNoticed) {
  CommitRef stranger = last_;
  stranger.generation = Generation(1'000'000);
  fs::copy_file(PathOf(last_), PathOf(stranger));
  EXPECT_THAT(NoticeOfNextSession(), HasSubstr("never made"));
  EXPECT_THAT(
      shipping_.status().notice,
      HasSubstr(CommitKey(stranger.generation, stranger.seq, stranger.name)));
}

TEST_F(TamperingTest, AForkOfOurOwnGenerationIsNoticed) {
  CommitRef fork = last_;
  fork.generation = Generation(last_.generation.value + 1);  // the next session
  fork.name = Sha256::Of("fork");
  fs::copy_file(PathOf(last_), PathOf(fork));
  EXPECT_THAT(NoticeOfNextSession(), HasSubstr("never made"));
}

TEST_F(TamperingTest, ANewerVolumeObjectIsNoticed) {
  const std::string path =
      shipping_.target_path() + "/" + VolumeKey(77, Sha256::Of("volume"));
  fs::create_directories(DirName(path));
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(path, "volume").ok());
  EXPECT_THAT(NoticeOfNextSession(), HasSubstr("volume/000000000000004d"));
}

}  // namespace
}  // namespace trefoil::testing
