// SPDX-License-Identifier: Apache-2.0
// Goal: whatever happens to the journal's bytes, replay gives a prefix of what
// was written, or an error; never other bytes (O2, O10).
// Method: cut the last record at every byte, flip bits everywhere, leave
// remnants of recycled segments, hide a journal inside file data.
#include <gtest/gtest.h>

#include "fs/base/hash.h"
#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

class DamageTest : public JournalTest {
 protected:
  DamageTest() { env_.SkipSyncs(); }

  // The journal's files before an opening changed them.
  void Save() {
    journal_.reset();
    ASSERT_TRUE(Env::Posix().RemoveTree(saved()).ok());
    ASSERT_TRUE(Env::Posix().CreateDirs(saved()).ok());
    for (const std::string& name : Names(".seg")) {
      Copy(JoinPath(path(), name), JoinPath(saved(), name));
    }
  }
  void Restore() {
    journal_.reset();
    for (const std::string& name : Names("")) {
      ASSERT_TRUE(Env::Posix().Remove(JoinPath(path(), name)).ok());
    }
    const std::vector<DirEntry> entries = Env::Posix().List(saved()).value();
    for (const DirEntry& entry : entries) {
      Copy(JoinPath(saved(), entry.name), JoinPath(path(), entry.name));
    }
  }
  // A process that ends without closing: no seal is written.
  void Crash() {
    env_.Arm({.op = testing::FaultOp::kWrite,
              .nth = 1,
              .error = EIO,
              .sticky = true,
              .torn_bytes = 0});
    journal_.reset();
    env_.Disarm();
  }

  // Everything replayed is what was written, from the first on, and its data
  // are right or refused.
  void ExpectPrefix(const std::vector<std::string>& metas,
                    const std::vector<std::string>& datas) {
    ASSERT_LE(replayed_.size(), metas.size());
    for (size_t i = 0; i < replayed_.size(); ++i) {
      ASSERT_EQ(replayed_[i].lsn, i + 1);
      ASSERT_EQ(replayed_[i].meta, metas[i]);
      const Result<std::string> data =
          Read(replayed_[i].data, replayed_[i].data_length);
      if (data.ok()) {
        ASSERT_EQ(*data, datas[i]);
      } else {
        ASSERT_TRUE(data.status().Is(StatusCode::kCorruption));
      }
    }
  }

 private:
  [[nodiscard]] std::string saved() const { return dir_.Path("saved"); }
  static void Copy(const std::string& from, const std::string& to) {
    const std::string content = Env::Posix().ReadFile(from, 1 << 30).value();
    const std::unique_ptr<File> file =
        Env::Posix().Open(to, OpenMode::kCreate).value();
    ASSERT_TRUE(file->Truncate(0).ok());
    ASSERT_TRUE(file->WriteAt(0, content).ok());
  }
};

TEST_F(DamageTest, ATornTailIsCutAtEveryByte) {
  ASSERT_TRUE(Open().ok());
  Append("first", "one");
  const JournalReservation last = Append("last", Pattern(300, 2));
  Crash();
  Save();
  const uint32_t begin = last.position.record_offset;
  const uint32_t end = begin + LayoutOf(begin, 4, 300).data_start + 300;
  // What a recycled file may hold there: zeros, or other bytes.
  for (const char filler : {'\0', '\x5a'}) {
    for (uint32_t cut = begin; cut < end; ++cut) {
      Restore();
      std::string content = Content(1);
      bool changed = false;
      for (uint32_t i = cut; i < end; ++i) {
        changed = changed || content[i] != filler;
        content[i] = filler;
      }
      SetContent(1, content);
      ASSERT_TRUE(Open().ok());
      ASSERT_EQ(ReplayedMetas(), changed ? "first" : "first,last") << cut;
      // What was cut never comes back.
      if (cut % 16 == 0 && changed) {
        Append("other");
        SetContent(1, Content(1).replace(begin, end - begin,
                                         std::string(end - begin, '\0')));
        ASSERT_TRUE(Open().ok());
        ASSERT_EQ(ReplayedMetas(), "first,other");
      }
    }
  }
}

TEST_F(DamageTest, ATailThatWasCutIsNotAdoptedWhenItReappears) {
  ASSERT_TRUE(Open().ok());
  Append("first");
  const JournalReservation last = Append("last");
  Append("after");
  Crash();
  const std::string whole = Content(1);
  std::string torn = whole;
  torn[last.position.record_offset] ^= 1;
  SetContent(1, torn);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "first");
  Append("new");
  SetContent(1, whole);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "first,new");
}

TEST_F(DamageTest, ATruncatedFileIsATornTail) {
  ASSERT_TRUE(Open().ok());
  Append("first");
  const JournalReservation last = Append("last", Pattern(5000, 1));
  Crash();
  SetContent(1, Content(1).substr(0, last.position.record_offset + 3000));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), "first");
}

TEST_F(DamageTest, AFlippedBitAnywhereNeverGivesWrongBytes) {
  std::vector<std::string> metas;
  std::vector<std::string> datas;
  ASSERT_TRUE(Open().ok());
  for (uint64_t i = 0; i < 6; ++i) {
    metas.push_back(Pattern(20 + i, i));
    datas.push_back(Pattern(i % 2 == 0 ? 0 : 150, i));
    Append(metas.back(), datas.back());
    if (i == 3) {
      ASSERT_TRUE(journal_->SyncAll().ok());
    }
  }
  const uint64_t end = journal_->stats().used_bytes;
  Crash();
  Save();
  size_t refused = 0;
  size_t cut = 0;
  for (uint64_t byte = 0; byte < end; ++byte) {
    if (byte == kSegmentHeaderUsedBytes) byte = kSegmentHeaderBytes;
    Restore();
    std::string content = Content(1);
    content[byte] = static_cast<char>(content[byte] ^ (1 << byte % 8));
    SetContent(1, content);
    const Status opened = Open();
    if (!opened.ok()) {
      ASSERT_TRUE(opened.Is(StatusCode::kCorruption)) << opened.ToString();
      ++refused;
      continue;
    }
    // The first four were durable, and a later record says so.
    ASSERT_GE(replayed_.size(), 4U) << byte;
    if (replayed_.size() < metas.size()) ++cut;
    ExpectPrefix(metas, datas);
  }
  EXPECT_GT(refused, 300U);
  EXPECT_GT(cut, 100U);
}

TEST_F(DamageTest, DamageToACleanlyClosedJournalIsCorruption) {
  ASSERT_TRUE(Open().ok());
  Append("first");
  const JournalReservation last = Append("last");
  ASSERT_TRUE(journal_->SyncAll().ok());
  journal_.reset();
  std::string content = Content(1);
  content[last.position.record_offset + kRecordHeaderBytes] ^= 1;
  SetContent(1, content);
  EXPECT_TRUE(Open().Is(StatusCode::kCorruption));
}

TEST_F(DamageTest, RemnantsOfARecycledSegmentAreNeverAdopted) {
  ASSERT_TRUE(Open().ok());
  // All records have one size, so that every remnant lies exactly where a new
  // record could be.
  uint64_t lsn = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 10; ++i) {
      lsn = Append("remnant!", Pattern(3000, 1)).lsn.value;
    }
    ASSERT_TRUE(journal_->SyncAll().ok());
    ASSERT_TRUE(journal_->Trim(Lsn(lsn)).ok());
  }
  Append("recent-1", Pattern(3000, 2));
  Append("recent-2", Pattern(3000, 2));
  Crash();
  ASSERT_TRUE(Open(lsn).ok());
  EXPECT_EQ(ReplayedMetas(), "recent-1,recent-2");
  for (int i = 0; i < 8; ++i) {
    Append("recent-3");
    Crash();
    ASSERT_TRUE(Open(lsn).ok());
    EXPECT_EQ(replayed_.size(), 3U + static_cast<size_t>(i));
  }
}

TEST_F(DamageTest, AJournalInsideFileDataIsOnlyData) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 10; ++i) Append("victim", Pattern(100, 1));
  ASSERT_TRUE(journal_->SyncAll().ok());
  Append("victim", Pattern(100, 1));
  const std::string copy = Content(1).substr(4096, 20'000);
  Append("copy", copy);
  const JournalReservation torn = Append("copy", copy);
  Crash();
  std::string content = Content(1);
  content[torn.position.record_offset + 40] ^= 1;
  SetContent(1, content);
  const Status opened = Open();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  EXPECT_EQ(replayed_.size(), 12U);
}

TEST_F(DamageTest, ALostHeaderOfAnUnsyncedSegmentIsATornTail) {
  ASSERT_TRUE(Open().ok());
  uint64_t in_first = 0;
  std::vector<JournalReservation> places;
  for (int i = 0; i < 60; ++i) {
    places.push_back(Append("r", Pattern(3000, 1)));
    if (places.back().position.segment_no == 1) ++in_first;
  }
  ASSERT_GE(places.back().position.segment_no, 3U);
  Crash();
  std::string second = Content(2);
  second.replace(0, 88, std::string(88, '\0'));
  SetContent(2, second);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(replayed_.size(), in_first);
  EXPECT_EQ(Append("new").lsn, Lsn(in_first + 1));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(replayed_.size(), in_first + 1);
}

TEST_F(DamageTest, ALostHeaderOfASyncedSegmentIsCorruption) {
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 60; ++i) {
    Append("r", Pattern(3000, 1));
    ASSERT_TRUE(journal_->SyncAll().ok());
  }
  journal_.reset();
  std::string second = Content(2);
  second[20] ^= 1;
  SetContent(2, second);
  EXPECT_TRUE(Open().Is(StatusCode::kCorruption));
}

TEST_F(DamageTest, ANewerFormatIsRefusedByName) {
  ASSERT_TRUE(Open().ok());
  journal_.reset();
  std::string content = Content(1);
  content[16] = 9;
  const uint64_t check = Xxh3(std::string_view(content).substr(8, 80));
  content.replace(0, 8, reinterpret_cast<const char*>(&check), 8);
  SetContent(1, content);
  EXPECT_TRUE(Open().Is(StatusCode::kNewerFormat));
}

}  // namespace
}  // namespace trefoil::journal
