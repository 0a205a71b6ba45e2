// SPDX-License-Identifier: Apache-2.0
// Goal: a copy of an encrypted volume is checked as far as that goes without a
// key: names, hashes, the order of commits, claims; what is clean is clean, and
// it is said what was not checked.
// Method: a real volume's objects, damaged, left out, forked and mixed with
// another volume's, verified with no secret.
#include <filesystem>

#include "fs/base/bytes.h"
#include "fs/object/seal.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

class KeylessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeFile("first", RandomBytes(2 << 20, 1));
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.MakeFile("second", "small");
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.MakeFile("third", "small");
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.Close();
    commits_ = ObjectKeys(path(), "commit/");
    ASSERT_GE(commits_.size(), 3U);
  }
  VerifyReport Check(bool read_data = false) {
    const auto objects = Objects(path());
    VerifyOptions options;
    options.read_data = read_data;
    options.scratch_directory = ::testing::TempDir();
    auto report = VerifyStore(TestWorld(), *objects, options);
    EXPECT_TRUE(report.ok()) << report.status().ToString();
    return report.ok() ? *report : VerifyReport();
  }
  // A claim as its header shows it; who has no key can't know more.
  void PutClaim(const ObjectHeader& header, const std::string& name) {
    const std::string claim = FileOf("owner/" + name);
    std::filesystem::create_directories(DirName(claim));
    ASSERT_TRUE(Env::Posix()
                    .WriteFileAtomically(claim, EncodeObjectHeader(header) +
                                                    std::string(100, 'x'))
                    .ok());
  }
  ObjectHeader ClaimHeader(const std::string& base) {
    ObjectHeader header;
    const auto parsed = ParseObjectKey(base);
    header.kind = ObjectKind::kOwner;
    header.cipher = Cipher::kAes256Gcm;
    header.key_id = 1;
    header.volume_id = ReadVolumeObject(*Objects(path()))->volume_id;
    header.generation = Generation(9);
    header.number = parsed->number;
    header.previous = parsed->name;
    return header;
  }
  [[nodiscard]] std::string path() const { return volume_.path(); }
  [[nodiscard]] std::string FileOf(const std::string& key) const {
    return ObjectPath(path(), key);
  }

  const std::string claim_ = "0000000000000009-" + std::string(32, '7');
  TestVolume volume_;
  std::vector<std::string> commits_;
};

TEST_F(KeylessTest, AWholeCopyIsCleanAndWhatWasNotCheckedIsSaid) {
  PutClaim(ClaimHeader(commits_.back()), claim_);
  for (const bool read_data : {false, true}) {
    const VerifyReport report = Check(read_data);
    EXPECT_TRUE(report.clean()) << DescribeFindings(report);
    EXPECT_EQ(report.commits, commits_.size());
    EXPECT_EQ(report.findings.size(), 1) << DescribeFindings(report);
    ExpectFinding(report, "no-key", "without a secret");
  }
}

TEST_F(KeylessTest, ACheckpointIsPartOfTheChain) {
  volume_.Open();
  ASSERT_TRUE(volume_->Checkpoint().ok());
  volume_.MakeFile("fourth", "small");
  ASSERT_TRUE(volume_->Commit().ok());
  volume_.Close();
  EXPECT_TRUE(Check(true).clean()) << DescribeFindings(Check(true));
  std::filesystem::remove(FileOf(commits_[1]));  // a checkpoint stands for it
  EXPECT_TRUE(Check(true).clean()) << DescribeFindings(Check(true));
  FlipBit(FileOf(ObjectKeys(path(), "checkpoint/").at(0)), 200);
  ExpectFinding(Check(), "damaged-checkpoint", "checkpoint/");
}

TEST_F(KeylessTest, DamageIsFoundByNames) {
  FlipBit(FileOf(commits_[1]), 300);
  ExpectFinding(Check(), "damaged-commit", commits_[1]);
  const std::string pack = ObjectKeys(path(), "pack/").at(0);
  FlipBit(FileOf(pack), 1'000'000);
  EXPECT_FALSE(Find(Check(), "bad-hash"));
  ExpectFinding(Check(true), "bad-hash", pack);
}

TEST_F(KeylessTest, AGapInTheNumbersIsNamed) {
  std::filesystem::remove(FileOf(commits_[1]));
  const VerifyReport report = Check();
  ExpectFinding(report, "broken-chain", "commit 2");
  EXPECT_FALSE(report.clean());
}

// Its bytes have its name, and yet it is no commit after this one.
TEST_F(KeylessTest, AForeignCommitInTheChainIsFound) {
  TestVolume other;
  for (int i = 0; i < 3; ++i) {
    other.MakeFile("file" + std::to_string(i), "other");
    ASSERT_TRUE(other->Commit().ok());
  }
  other.Close();
  const std::string theirs = ObjectKeys(other.path(), "commit/").back();
  std::filesystem::remove(FileOf(commits_.back()));
  std::filesystem::copy_file(ObjectPath(other.path(), theirs), FileOf(theirs));
  const VerifyReport report = Check();
  ExpectFinding(report, "broken-chain", "missing");
  ExpectFinding(report, "damaged-commit", "another volume");
}

TEST_F(KeylessTest, ClaimsAreHeldAgainstTheirKeys) {
  const ObjectHeader good = ClaimHeader(commits_.back());
  PutClaim(good, "0000000000000008-" + std::string(32, '7'));
  ExpectFinding(Check(), "bad-claim", "owner/0000000000000008");
  std::filesystem::remove_all(FileOf("owner"));

  ObjectHeader plain = good;
  plain.cipher = Cipher::kNone;
  PutClaim(plain, claim_);
  ExpectFinding(Check(), "bad-claim", claim_);

  PutClaim(good, claim_);
  EXPECT_TRUE(Check().clean());
  FlipBit(FileOf("owner/" + claim_), 20);
  ExpectFinding(Check(), "bad-claim", claim_);

  // A claimant whose past is not the one that is here.
  ObjectHeader forked = good;
  forked.previous = ParseObjectKey(commits_[0])->name;
  PutClaim(forked, claim_);
  ExpectFinding(Check(), "other-base", claim_);
}

}  // namespace
}  // namespace trefoil
