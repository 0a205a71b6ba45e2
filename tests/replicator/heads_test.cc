// SPDX-License-Identifier: Apache-2.0
// Goal: whoever recovers sees how old a copy's newest state is, takes the
// newest of several, is told how the others differ, and is not led astray by
// commits that are not the volume's.
// Method: copies of a real volume's objects from several moments and machines,
// with another volume's commits mixed in.
#include "replicator/heads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "replicator/recover.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HeadsTest : public ::testing::Test {
 protected:
  // Makes a file and a commit of it.
  CommitRef Commit(Volume& volume, const std::string& name) {
    const auto made = volume.MakeNode(kRootNode, name, S_IFREG | 0644, 0, {});
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    const auto commit = volume.Commit();
    EXPECT_TRUE(commit.ok());
    return *commit;
  }
  // The primary's objects as they are now, as a copy.
  void CopyTo(const std::string& place) {
    fs::remove_all(dir_.Path(place));
    fs::copy(volume_.path() + "/objects", dir_.Path(place),
             fs::copy_options::recursive);
  }
  CopyHead Head(const std::string& place) {
    stores_.push_back(
        std::make_unique<LocalTree>(Env::Posix(), dir_.Path(place)));
    CopyHead head = FindHead(*stores_.back(), volume_.secret());
    head.place = place;
    return head;
  }
  static std::string Named(CommitSeq seq) {
    return "commit " + std::to_string(seq.value);
  }
  // The newest commit of `volume`, put into the copy.
  std::string MixIn(TestVolume& volume, const std::string& place) {
    const CommitRef head = volume->head();
    const std::string key = CommitKey(head.generation, head.seq, head.name);
    fs::copy_file(volume.path() + "/objects/" + key,
                  dir_.Path(place + "/" + key));
    return key;
  }

  // From the copy that Head looked at last, and opens.
  void ExpectRecovers(const CopyHead& head, const CommitRef& commit) {
    ASSERT_TRUE(head.status.ok()) << head.status.ToString();
    RecoverOptions options;
    options.full = true;
    options.secret = volume_.secret();
    options.strangers = head.strangers;
    const Status recovered =
        RecoverVolume(volume_.world(), *stores_.back(),
                      {"second", "dir:" + dir_.Path(head.place), {}},
                      dir_.Path("v"), options)
            .status();
    ASSERT_TRUE(recovered.ok()) << recovered.ToString();
    auto volume =
        Volume::Open(volume_.world(), dir_.Path("v"), volume_.options);
    ASSERT_TRUE(volume.ok()) << volume.status().ToString();
    EXPECT_EQ((*volume)->head().seq, commit.seq);
    EXPECT_TRUE((*volume)->Close().ok());
  }

  TempDir dir_;
  TestVolume volume_;
  std::vector<std::unique_ptr<LocalTree>> stores_;
};

TEST_F(HeadsTest, ACopyTellsItsNewestState) {
  const CommitRef commit = Commit(*volume_, "first");
  CopyTo("a");
  for (const bool as_checkpoint : {false, true}) {
    if (as_checkpoint) {
      ASSERT_TRUE(volume_->Checkpoint().ok());
      CopyTo("a");
      fs::remove_all(dir_.Path("a/commit"));
    }
    const CopyHead head = Head("a");
    ASSERT_TRUE(head.status.ok()) << head.status.ToString();
    EXPECT_EQ(head.seq, commit.seq);
    EXPECT_EQ(head.name, commit.name);
    EXPECT_EQ(head.time_nanos, commit.time_nanos);
    EXPECT_THAT(DescribeHead(head), HasSubstr(Named(commit.seq) + " of 20"));
    const auto choice = ChooseHead({head}, std::nullopt);
    ASSERT_TRUE(choice.ok());
    EXPECT_THAT(choice->differences, IsEmpty());
  }
}

TEST_F(HeadsTest, TheNewestIsTakenAndTheOthersAreTold) {
  Commit(*volume_, "first");
  CopyTo("old");
  Commit(*volume_, "second");
  Commit(*volume_, "third");
  CopyTo("new");
  CopyTo("same");
  fs::create_directory(dir_.Path("empty"));
  const auto choice = ChooseHead(
      {Head("empty"), Head("old"), Head("new"), Head("same")}, std::nullopt);
  ASSERT_TRUE(choice.ok()) << choice.status().ToString();
  EXPECT_EQ(choice->newest, 2);
  ASSERT_EQ(choice->differences.size(), 3);
  EXPECT_THAT(choice->differences[0], HasSubstr("empty: can't be used"));
  EXPECT_THAT(choice->differences[1], HasSubstr("old: is older"));
  EXPECT_THAT(choice->differences[1], HasSubstr("2 commits before"));
  EXPECT_THAT(choice->differences[2], HasSubstr("same: has the same"));
}

TEST_F(HeadsTest, AnOlderStateThanWasAskedForIsRefused) {
  const CommitRef commit = Commit(*volume_, "first");
  CopyTo("a");
  EXPECT_TRUE(ChooseHead({Head("a")}, commit.seq).ok());
  const CommitSeq next(commit.seq.value + 1);
  const Status refused = ChooseHead({Head("a")}, next).status();
  EXPECT_TRUE(refused.Is(StatusCode::kTrimmed)) << refused.ToString();
  EXPECT_THAT(refused.message(), HasSubstr(Named(commit.seq) + " of"));
  EXPECT_THAT(refused.message(), HasSubstr(Named(next)));
}

// Two machines went on from one state.
TEST_F(HeadsTest, AForkIsTold) {
  Commit(*volume_, "first");
  volume_.Close();
  fs::copy(volume_.path(), dir_.Path("twin"), fs::copy_options::recursive);
  volume_.Open();
  auto twin = Volume::Open(volume_.world(), dir_.Path("twin"), volume_.options);
  ASSERT_TRUE(twin.ok()) << twin.status().ToString();
  Commit(**twin, "theirs");
  Commit(*volume_, "ours");
  CopyTo("ours");
  for (const bool ours_goes_on : {false, true}) {
    if (ours_goes_on) {
      Commit(*volume_, "more");
      CopyTo("ours");
    }
    fs::remove_all(dir_.Path("theirs"));
    fs::copy(dir_.Path("twin/objects"), dir_.Path("theirs"),
             fs::copy_options::recursive);
    const auto choice =
        ChooseHead({Head("ours"), Head("theirs")}, std::nullopt);
    ASSERT_TRUE(choice.ok());
    EXPECT_EQ(choice->newest, 0);
    ASSERT_EQ(choice->differences.size(), 1);
    EXPECT_THAT(choice->differences[0], HasSubstr("history is another one"));
  }
  ASSERT_TRUE((*twin)->Close().ok());
}

TEST_F(HeadsTest, CopiesOfTwoVolumesAreRefused) {
  Commit(*volume_, "first");
  CopyTo("a");
  CopyHead other = Head("a");
  other.volume_id[0] ^= 1;
  EXPECT_TRUE(ChooseHead({Head("a"), other}, std::nullopt)
                  .status()
                  .Is(StatusCode::kInvalidArgument));
}

TEST_F(HeadsTest, AnotherVolumesCommitsArePassedOver) {
  const CommitRef commit = Commit(*volume_, "first");
  CopyTo("a");
  TestVolume other;
  other.Reopen();  // of a higher generation
  other.Reopen();
  Commit(*other, "one");
  Commit(*other, "two");
  const std::string stranger = MixIn(other, "a");
  const CopyHead head = Head("a");
  ASSERT_TRUE(head.status.ok()) << head.status.ToString();
  EXPECT_EQ(head.seq, commit.seq);
  EXPECT_TRUE(head.strangers.contains(stranger));
  const auto choice = ChooseHead({head}, std::nullopt);
  ASSERT_EQ(choice->differences.size(), 1);
  EXPECT_THAT(choice->differences[0], HasSubstr(stranger));

  ExpectRecovers(head, commit);
}

// Keys change, so a target may hold what is left of an earlier volume object;
// and whoever may write there can put one with any number.
TEST_F(HeadsTest, OnlyTheVolumeObjectThatOpensIsTaken) {
  const CommitRef commit = Commit(*volume_, "first");
  CopyTo("a");
  const fs::path own = fs::directory_iterator(dir_.Path("a/volume"))->path();
  std::string bytes = Env::Posix().ReadFile(own.string(), 1U << 20).value();
  const auto put = [&](uint64_t number, const Hash256& name) {
    const std::string path = dir_.Path("a/" + VolumeKey(number, name));
    EXPECT_TRUE(Env::Posix().WriteFileAtomically(path, bytes).ok());
  };
  put(0, Sha256::Of("its bytes are others"));
  ObjectHeader header =
      DecodeObjectHeader(bytes.substr(0, kHeaderBytes)).value();
  header.number = 9;
  bytes.replace(0, kHeaderBytes, EncodeObjectHeader(header));
  put(9, Sha256::Of(bytes));
  ExpectRecovers(Head("a"), commit);
}

// As a provider can make it: the volume's id in the header, and a right name.
TEST_F(HeadsTest, AForgedCommitIsPassedOver) {
  const CommitRef commit = Commit(*volume_, "first");
  CopyTo("a");
  const std::string key = CommitKey(commit.generation, commit.seq, commit.name);
  std::string bytes =
      Env::Posix().ReadFile(dir_.Path("a/" + key), 1U << 20).value();
  ObjectHeader header =
      DecodeObjectHeader(bytes.substr(0, kHeaderBytes)).value();
  header.number = 99;
  header.previous = commit.name;
  bytes.replace(0, kHeaderBytes, EncodeObjectHeader(header));
  const std::string forged =
      CommitKey(header.generation, CommitSeq(99), Sha256::Of(bytes));
  ASSERT_TRUE(
      Env::Posix().WriteFileAtomically(dir_.Path("a/" + forged), bytes).ok());
  const CopyHead head = Head("a");
  ASSERT_TRUE(head.status.ok()) << head.status.ToString();
  EXPECT_EQ(head.seq, commit.seq);
  EXPECT_TRUE(head.strangers.contains(forged));
}

// Damage is no stranger: what it hides must not be lost silently.
TEST_F(HeadsTest, ADamagedNewestCommitIsAnError) {
  Commit(*volume_, "first");
  const CommitRef commit = Commit(*volume_, "second");
  CopyTo("a");
  const std::string path =
      dir_.Path("a/" + CommitKey(commit.generation, commit.seq, commit.name));
  std::string bytes = Env::Posix().ReadFile(path, 1U << 20).value();
  bytes[200] ^= 1;
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(path, bytes).ok());
  const CopyHead head = Head("a");
  EXPECT_TRUE(head.status.Is(StatusCode::kCorruption))
      << head.status.ToString();
  EXPECT_TRUE(
      ChooseHead({head}, std::nullopt).status().Is(StatusCode::kCorruption));
  // Nor is it lost for good what came before: that is asked for by its number.
  const std::string before = std::to_string(commit.seq.value - 1);
  EXPECT_THAT(head.status.message(), HasSubstr("--at " + before));
  const CopyHead bounded = FindHead(*stores_.back(), volume_.secret(),
                                    CommitSeq(commit.seq.value - 1));
  ASSERT_TRUE(bounded.status.ok()) << bounded.status.ToString();
  EXPECT_EQ(bounded.seq.value, commit.seq.value - 1);
}

// Its commit is there, or the commits since: nothing is hidden.
TEST_F(HeadsTest, ADamagedCheckpointHidesNothingThatCommitsHave) {
  Commit(*volume_, "first");
  CopyTo("commits");
  ASSERT_TRUE(volume_->Checkpoint().ok());
  CopyTo("a");
  fs::copy(dir_.Path("commits/commit"), dir_.Path("a/commit"),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  const fs::path path =
      fs::directory_iterator(dir_.Path("a/checkpoint"))->path();
  const std::string whole =
      Env::Posix().ReadFile(path.string(), 1U << 20).value();
  for (const size_t at : {size_t{20}, size_t{200}, whole.size() - 1}) {
    SCOPED_TRACE(at);
    std::string bytes = whole;
    bytes[at] ^= 1;
    ASSERT_TRUE(Env::Posix().WriteFileAtomically(path.string(), bytes).ok());
    const CopyHead head = Head("a");
    ASSERT_TRUE(head.status.ok()) << head.status.ToString();
    EXPECT_EQ(head.seq, volume_->head().seq);
  }
  fs::remove_all(dir_.Path("a/commit"));
  std::string bytes = whole;
  bytes[20] ^= 1;
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(path.string(), bytes).ok());
  EXPECT_TRUE(Head("a").status.Is(StatusCode::kCorruption));
}

}  // namespace
}  // namespace trefoil::testing
