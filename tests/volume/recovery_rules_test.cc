// SPDX-License-Identifier: Apache-2.0
// Goal: opening does with every state that it may find what the table says
// (recovery_rules.h): what it repairs comes back whole, what it tells is told,
// and what it refuses is named and left as it is.
// Method: one way to produce each row for real, in the directory of a volume
// with a tree in commits, in the index and in the journal. The rows are gone
// over one by one, so that a row without a way to produce it fails.
#include "fs/volume/recovery_rules.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "fs/index/keys.h"
#include "fs/object/object_format.h"
#include "fs/volume/open.h"
#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

namespace fs = std::filesystem;

// Every file below `path`, but the locks, with its content.
std::map<std::string, std::string> Files(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = entry.path().string().substr(path.size() + 1);
    if (!entry.is_regular_file()) continue;
    files[name] = *Env::Posix().ReadFile(entry.path(), 1 << 30);
  }
  return files;
}

void Flip(const fs::path& file, uint64_t offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(static_cast<char>(byte ^ 1));
}

class RecoveryRulesTest : public ::testing::Test {
 protected:
  RecoveryRulesTest() {
    volume_.MakeFile("committed", RandomBytes(3 << 20, 1));
    EXPECT_TRUE(volume_->Commit().ok());
    volume_.Reopen();
    volume_.MakeFile("journaled", RandomBytes(50'000, 2));
    EXPECT_TRUE(volume_->Sync().ok());
    whole_ = volume_.Describe();
  }

  [[nodiscard]] fs::path Path(const std::string& name) const {
    return volume_.path() + "/" + name;
  }
  [[nodiscard]] std::vector<fs::path> Commits() const {
    std::vector<fs::path> commits;
    for (const auto& entry :
         fs::recursive_directory_iterator(Path("objects/commit"))) {
      if (entry.is_regular_file()) commits.push_back(entry.path());
    }
    std::sort(commits.begin(), commits.end());
    return commits;
  }
  // The newest commit under a name of its own: `seq_ahead` further on.
  void ForgeCommit(uint64_t seq_ahead) const {
    const fs::path newest = Commits().back();
    const auto key = ParseObjectKey("commit/" + newest.filename().string());
    ASSERT_TRUE(key.ok()) << newest;
    Hash256 name = key->name;
    name.bytes[0] ^= 1;
    const std::string forged =
        CommitKey(key->generation, CommitSeq(key->number + seq_ahead), name);
    fs::copy_file(newest, Path("objects/" + forged));
  }
  // Brings the state about, in the directory of the closed volume.
  void Produce(Found found);
  void DamageJournal() const;
  // Takes the root directory's record away.
  void LoseRoot();

  TestVolume volume_;
  std::string whole_;
};

// Turns a bit in the record of "journaled", which later records say was
// durable.
void RecoveryRulesTest::DamageJournal() const {
  const std::string content = RandomBytes(50'000, 2).substr(0, 64);
  for (const auto& entry : fs::directory_iterator(Path("journal"))) {
    const std::string bytes =
        *Env::Posix().ReadFile(entry.path().string(), 1 << 30);
    const size_t at = bytes.find(content);
    if (at == std::string::npos) continue;
    // Its head lies in the page before the data.
    for (size_t back = 64; back < 4096; back += 64)
      Flip(entry.path(), at - back);
    return;
  }
  FAIL() << "the record is not there";
}

void RecoveryRulesTest::LoseRoot() {
  auto index = Index::Open(Env::Posix(), Path("index"), {});
  ASSERT_TRUE(index.ok());
  IndexBatch batch;
  batch.Delete(Family::kLive, InodeKey(kRootInode));
  ASSERT_TRUE((*index)->Apply(batch, (*index)->applied()).ok());
  ASSERT_TRUE((*index)->Flush().ok());
}

void RecoveryRulesTest::Produce(Found found) {
  if (found == Found::kBadJournal) {
    volume_.MakeFile("later", "claims that what is before was durable");
    ASSERT_TRUE(volume_->Sync().ok());
    volume_.MakeFile("last", "");
    volume_.Crash();
    return DamageJournal();
  }
  if (found == Found::kNoJournal) {
    // Else it is lost, as the row says.
    ASSERT_TRUE(volume_->Commit().ok());
  }
  volume_.Close();
  switch (found) {
    case Found::kIndexOpens:
    case Found::kJournalContinues:
    case Found::kHeadThere:
    case Found::kGenerationGood:
    case Found::kBadJournal:
      return;
    case Found::kUnfinishedRecovery:
      std::ofstream(Path("recovering")) << "from somewhere";
      return;
    case Found::kBadIdentity:
      for (const auto& entry : fs::directory_iterator(Path("objects/volume"))) {
        fs::resize_file(entry.path(), 10);
      }
      return;
    case Found::kNoIndex:
      fs::remove_all(Path("index"));
      return;
    case Found::kBrokenChain:
      fs::remove_all(Path("index"));
      fs::remove(Commits().front());
      return;
    case Found::kEmptyIndex:
      fs::remove_all(Path("index"));
      fs::create_directory(Path("index"));
      return;
    case Found::kDamagedIndex:
      for (const auto& entry : fs::directory_iterator(Path("index"))) {
        const std::string name = entry.path().filename();
        if (name.starts_with("MANIFEST")) fs::resize_file(entry.path(), 10);
      }
      return;
    case Found::kJournalBehindIndex:
      fs::remove_all(Path("journal"));
      return;
    case Found::kNoJournal:
      fs::remove_all(Path("journal"));
      fs::remove_all(Path("index"));
      return;
    case Found::kHeadMissing:
      fs::remove(Commits().back());
      return;
    case Found::kRepeatedCommit:
      return ForgeCommit(0);
    case Found::kUnregisteredCommit:
      return ForgeCommit(1);
    case Found::kUnknownCommits:
      return ForgeCommit(2);
    case Found::kGenerationBad:
      std::ofstream(Path("generation")) << "no number\n";
      return;
    case Found::kNoRoot:
      return LoseRoot();
  }
}

class RecoveryRowTest : public RecoveryRulesTest,
                        public ::testing::WithParamInterface<RecoveryRule> {
 protected:
  // Commands in it can be typed as they are.
  std::string Told(std::string_view text) {
    const std::string placeholder = "VOLUME";
    std::string told(text);
    const size_t at = told.find(placeholder);
    if (at != std::string::npos) {
      told.replace(at, placeholder.size(), volume_.path());
    }
    return told;
  }
};

TEST_P(RecoveryRowTest, IsFollowed) {
  const auto& [found, action, text] = GetParam();
  ASSERT_NO_FATAL_FAILURE(Produce(found));
  const auto before = Files(volume_.path());
  {
    auto opened =
        OpenCore(volume_.world(), volume_.path(), volume_.options, false);
    if (action == RecoveryAction::kRefuse) {
      ASSERT_FALSE(opened.ok());
      const std::string message = opened.status().message();
      EXPECT_NE(message.find(Told(text)), std::string::npos) << message;
      EXPECT_NE(message.find(volume_.path()), std::string::npos) << message;
    } else {
      ASSERT_TRUE(opened.ok()) << opened.status().ToString();
      EXPECT_EQ(
          std::count((*opened)->found.begin(), (*opened)->found.end(), found),
          1);
      EXPECT_NE((*opened)->last_error().find(text), std::string::npos);
      EXPECT_EQ((*opened)->last_error().empty(), text.empty());
    }
  }
  if (action == RecoveryAction::kRefuse) {
    // Again, and nothing that tells of the volume has changed.
    EXPECT_FALSE(
        Volume::Open(volume_.world(), volume_.path(), volume_.options).ok());
    const auto after = Files(volume_.path());
    for (const auto& [name, content] : before) {
      // Opening the journal, which some rows need, recycles what it held.
      const bool kept = name.starts_with("objects/") || name == "generation" ||
                        name.ends_with(".seg");
      if (kept) {
        EXPECT_TRUE(after.contains(name) && after.at(name) == content) << name;
      }
    }
    return;
  }
  volume_.Open();
  EXPECT_EQ(volume_.Describe(), whole_);
  volume_.MakeFile("new", "the volume works");
  EXPECT_TRUE(volume_->Commit().ok());
  if (found != Found::kHeadMissing) ExpectClean(volume_);
}

std::string NameOf(const ::testing::TestParamInfo<RecoveryRule>& info) {
  return "Row" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(EveryRow, RecoveryRowTest,
                         ::testing::ValuesIn(kRecoveryRules), NameOf);

TEST_F(RecoveryRulesTest, NoFileOfTheGenerationKeepsAVolumeFromOpening) {
  for (const std::string& content :
       {std::string(), std::string("0\n"), std::string(20, '9'),
        std::string(100, '1')}) {
    SCOPED_TRACE(content);
    volume_.Close();
    std::ofstream(Path("generation")) << content;
    volume_.Open();
    EXPECT_GT(volume_->generation(), volume_->head().generation);
    EXPECT_LT(volume_->generation(), Generation(100));
  }
}

// Somebody else went on from here, in this directory.
TEST_F(RecoveryRulesTest, ACommitOfANewerOwnerIsRefused) {
  volume_.Close();
  const auto key =
      ParseObjectKey("commit/" + Commits().back().filename().string());
  ASSERT_TRUE(key.ok());
  for (const std::string& forged :
       {CommitKey(key->generation.Next(), CommitSeq(key->number), key->name),
        CheckpointKey(key->generation, CommitSeq(key->number + 1),
                      key->name)}) {
    SCOPED_TRACE(forged);
    fs::create_directories(Path("objects/" + forged).parent_path());
    fs::copy_file(Commits().front(), Path("objects/" + forged));
    const Status refused =
        OpenCore(volume_.world(), volume_.path(), volume_.options, false)
            .status();
    EXPECT_NE(refused.message().find(RuleOf(Found::kUnknownCommits).text),
              std::string::npos)
        << refused.ToString();
    EXPECT_TRUE(fs::remove(Path("objects/" + forged)));
  }
  volume_.Open();
}

TEST_F(RecoveryRulesTest, AReadOnlyOpeningRemovesNothing) {
  Produce(Found::kUnregisteredCommit);
  const auto before = Files(Path("objects"));
  volume_.options.read_only = true;
  volume_.Open();
  volume_.Close();
  EXPECT_TRUE(Files(Path("objects")) == before);
}

// It may have what nothing else has.
TEST_F(RecoveryRulesTest, ADamagedIndexStaysWhereTheCommitsDontGiveItBack) {
  Produce(Found::kDamagedIndex);
  fs::remove(Commits().front());
  const auto index = Files(Path("index"));
  EXPECT_FALSE(
      OpenCore(volume_.world(), volume_.path(), volume_.options, false).ok());
  EXPECT_TRUE(Files(Path("index")) == index);
  EXPECT_FALSE(fs::exists(Path("index.damaged")));
}

TEST(RecoveryRulesTableTest, HasEachStateOnceAtItsPlace) {
  for (size_t i = 0; i < kRecoveryRules.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(kRecoveryRules[i].found), i);
    EXPECT_EQ(RuleOf(kRecoveryRules[i].found).text, kRecoveryRules[i].text);
  }
}

}  // namespace
}  // namespace trefoil
