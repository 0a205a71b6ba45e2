// SPDX-License-Identifier: Apache-2.0
// Goal: readers of a target follow its owner: what an older generation wrote
// beyond a newer claim's base does not count, forks are told apart by hashes,
// gaps are named.
// Method: commits of two branches and claims put on one directory.
#include "replicator/chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/replicator/test_source.h"
#include "tests/support/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

class ChainTest : public ::testing::Test {
 protected:
  void Claim(uint64_t generation, const CommitRef& base) {
    OwnerClaim claim;
    claim.name = {Generation(generation), NewInstance(Random::System())};
    claim.base_seq = base.seq;
    claim.base_generation = base.generation;
    claim.base_name = base.name;
    const auto bytes = EncodeClaim(claim, source_.keyring(), Random::System());
    ASSERT_TRUE(bytes.ok());
    MemorySource body(*bytes);
    ASSERT_TRUE(source_.objects()
                    .Put(ClaimKey(claim.name), body, PutMode::kImmutable)
                    .ok());
  }
  // For recovery, and for a check, which may have no key.
  void ExpectHead(const CommitRef& head) {
    const auto chain = FindOwnedChain(source_.objects(), source_.keyring());
    ASSERT_TRUE(chain.ok()) << chain.status().ToString();
    EXPECT_EQ(chain->links.size(), head.seq.value);
    EXPECT_EQ(chain->links.back().parsed.name, head.name);
    const Status links = CheckLinks(source_.objects(), chain->links);
    EXPECT_TRUE(links.ok()) << links.ToString();
    const auto checked = FindChain(source_.objects(), source_.keyring());
    ASSERT_TRUE(checked.ok()) << checked.status().ToString();
    EXPECT_EQ(checked->size(), head.seq.value);
    EXPECT_EQ(checked->back().parsed.name, head.name);
  }

  TempDir dir_;
  TestSource source_{dir_.Path("objects")};
};

TEST_F(ChainTest, OneOwnersChainIsWhole) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  Claim(2, source_.head());
  source_.NextGeneration();
  source_.AddCommits(2, 0);
  ExpectHead(source_.head());
}

TEST_F(ChainTest, CommitsBeyondANewerClaimsBaseDoNotCount) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  const CommitRef base = source_.head();
  source_.AddCommits(4, 0);  // the old owner goes on
  Claim(2, base);
  ExpectHead(base);
  source_.RewindTo(base.seq);
  source_.NextGeneration();
  const CommitRef mine = source_.AddCommit(0);
  ExpectHead(mine);
}

TEST_F(ChainTest, WhoTakesATargetBackContinuesWhatHeMadeMeanwhile) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  const CommitRef base = source_.head();
  source_.SetGeneration(2);
  source_.AddCommits(5, 0);  // the other machine's
  Claim(2, base);
  ExpectHead(source_.head());
  source_.RewindTo(base.seq);
  source_.SetGeneration(1);
  source_.AddCommits(3, 0);  // made while the other one held the target
  Claim(3, source_.head());
  ExpectHead(source_.head());
  source_.SetGeneration(3);
  source_.AddCommits(2, 0);
  ExpectHead(source_.head());
}

TEST_F(ChainTest, AClaimSaysNothingBeforeItsOwnersStateIsThere) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  Claim(2, source_.head());
  source_.SetGeneration(2);
  source_.AddCommits(4, 0);
  CommitRef elsewhere = source_.commits()[4];
  elsewhere.name = Sha256::Of("a commit that is still on its way");
  Claim(3, elsewhere);
  ExpectHead(source_.head());
}

TEST_F(ChainTest, ACheckpointShowsThatAClaimsBaseIsThere) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  const CommitRef base = source_.head();
  ASSERT_TRUE(source_.Checkpoint().ok());
  source_.TrimCommits(base.seq);
  source_.AddCommit(0);  // of the old owner, who did not know yet
  Claim(2, base);
  const auto chain = FindOwnedChain(source_.objects(), source_.keyring());
  ASSERT_TRUE(chain.ok()) << chain.status().ToString();
  ASSERT_EQ(chain->links.size(), 1U);
  EXPECT_EQ(chain->links.front().parsed.kind, ObjectKind::kCheckpoint);
  EXPECT_EQ(chain->links.front().parsed.number, base.seq.value);
}

TEST_F(ChainTest, WithoutClaimsTheHighestGenerationCounts) {
  source_.AddCommits(5, 0);
  source_.RewindTo(CommitSeq(2));
  source_.NextGeneration();
  const CommitRef mine = source_.AddCommit(0);
  ExpectHead(mine);
}

TEST_F(ChainTest, AForkIsToldApartByHashes) {
  source_.AddCommits(2, 0);
  source_.AddCommits(3, 0);
  source_.RewindTo(CommitSeq(2));
  source_.AddCommits(4, 0);  // the same generation, other commits
  ExpectHead(source_.head());
}

TEST_F(ChainTest, AGapIsNamed) {
  source_.AddCommits(5, 0);
  const CommitRef lost = source_.commits()[2];
  ASSERT_TRUE(source_.objects().Delete(KeyOf(lost)).ok());
  const auto chain = FindOwnedChain(source_.objects(), source_.keyring());
  ASSERT_EQ(chain.status().code(), StatusCode::kCorruption);
  EXPECT_THAT(chain.status().message(),
              HasSubstr("commit 3 (hash " + lost.name.ToHex()));
}

// Of what the owner stands for, the newest commit whose time is not after it.
TEST_F(ChainTest, ATimeMeansTheSameWhenTheClockWentBack) {
  source_.AddCommits(10, 0);
  source_.SetClock(-6);
  source_.AddCommits(2, 0);  // of the times of commits 5 and 6
  const auto at = [this](size_t commit, int64_t more = 0) {
    const auto found =
        FindCommitAt(source_.objects(), source_.keyring(),
                     source_.commits()[commit - 1].time_nanos + more);
    return found.ok() ? found->value : 0;
  };
  EXPECT_EQ(at(1, -1), 0U);
  EXPECT_EQ(at(1), 1U);
  EXPECT_EQ(at(4), 4U);
  EXPECT_EQ(at(5), 11U);
  EXPECT_EQ(at(6), 12U);
  EXPECT_EQ(at(8), 12U);
  source_.SetClock(6);
  source_.AddCommits(4, 0);
  EXPECT_EQ(at(4, 1), 4U);
  EXPECT_EQ(at(10), 12U);
  EXPECT_EQ(at(13), 13U);
  EXPECT_EQ(at(16, 1'000'000'000), 16U);
}

TEST_F(ChainTest, ATimeMeansTheOwnersCommitsNotThoseOfAFork) {
  Claim(1, {});
  source_.AddCommits(3, 0);
  const CommitRef base = source_.head();
  source_.AddCommits(6, 0);  // the old owner goes on
  Claim(2, base);
  source_.RewindTo(base.seq);
  source_.NextGeneration();
  source_.SetClock(100);
  source_.AddCommits(2, 0);
  const auto at = [this](int64_t nanos) {
    const auto found =
        FindCommitAt(source_.objects(), source_.keyring(), nanos);
    return found.ok() ? found->value : 0;
  };
  // When only the old owner had written: what the new one went on from.
  EXPECT_EQ(at(base.time_nanos + 3'000'000'000), 3U);
  EXPECT_EQ(at(source_.head().time_nanos), 5U);
}

TEST_F(ChainTest, ADamagedCommitThatMayBeOfTheTimeIsNamed) {
  source_.AddCommits(5, 0);
  const CommitRef damaged = source_.commits()[3];
  const std::string path = JoinPath(dir_.Path("objects"), KeyOf(damaged));
  auto file = Env::Posix().Open(path, OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(kHeaderBytes + 20, "damage").ok());
  const auto found =
      FindCommitAt(source_.objects(), source_.keyring(), damaged.time_nanos);
  ASSERT_EQ(found.status().code(), StatusCode::kCorruption);
  EXPECT_THAT(found.status().message(), HasSubstr(KeyOf(damaged)));
  EXPECT_THAT(found.status().message(), HasSubstr("--at 3"));
  // Where it can't be meant it is not in the way.
  const auto before = FindCommitAt(source_.objects(), source_.keyring(),
                                   source_.commits()[1].time_nanos);
  EXPECT_TRUE(before.ok() && before->value == 2U);
}

TEST_F(ChainTest, ADamagedClaimIsPassedOver) {
  source_.AddCommits(2, 0);
  MemorySource nonsense("nonsense");
  const ClaimName name{Generation(4), NewInstance(Random::System())};
  ASSERT_TRUE(source_.objects()
                  .Put(ClaimKey(name), nonsense, PutMode::kImmutable)
                  .ok());
  ExpectHead(source_.head());
  const auto chain = FindOwnedChain(source_.objects(), source_.keyring());
  EXPECT_EQ(chain->highest, Generation(4));
}

}  // namespace
}  // namespace trefoil::testing
