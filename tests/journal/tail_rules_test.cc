// SPDX-License-Identifier: Apache-2.0
// Goal: opening does what kTailRules says, in every one of its rows.
// Method: for each row, a journal made by hand in which record 3 is the place
// in question; then open it, and open it once more.
#include "fs/journal/tail_rules.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

TEST(TailRules, EveryCombinationHasOneRule) {
  std::set<std::tuple<NextSegment, Found, bool>> seen;
  for (const TailRule& rule : kTailRules) {
    seen.insert({rule.next, rule.found, rule.claimed});
    EXPECT_EQ(DecideTail(rule.next, rule.found, rule.claimed), rule.action);
  }
  EXPECT_EQ(seen.size(), 3U * 4U * 2U);
}

class TailRulesTest : public JournalTest,
                      public ::testing::WithParamInterface<size_t> {
 protected:
  static SegmentHeader Header(uint64_t number, uint64_t first_lsn,
                              uint64_t durable) {
    SegmentHeader header;
    header.number = number;
    header.size_bytes = kTestSegmentBytes;
    header.incarnation = 77;
    header.first_lsn = Lsn(first_lsn);
    header.durable = Lsn(durable);
    if (number > 1) {
      header.previous_number = number - 1;
      header.previous_incarnation = 77;
      header.previous_end = Lsn(first_lsn);
    }
    return header;
  }

  // Records 1 and 2, and at the place of 3 what the rule says.
  static SegmentImage FirstSegment(const TailRule& rule) {
    SegmentImage image(Header(1, 1, 0));
    image.Add(1, {.meta = "one", .data = "1"});
    image.Add(2, {.meta = "two", .data = "2"});
    if (rule.found == Found::kNothing) {
      image.AddZeros(256);
    } else {
      const std::string data = Pattern(5000, 3);
      const uint64_t at = image.Add(3, {.meta = "three", .data = data});
      const RecordLayout layout = LayoutOf(at, 5, 5000);
      if (rule.found == Found::kBadRecord) image.Flip(at + layout.meta_start);
      if (rule.found == Found::kBadData) {
        image.Flip(at + layout.data_start + 4500);
      }
    }
    if (rule.next == NextSegment::kNone) {
      // Beyond the place, without a segment between.
      image.Add(4, {.meta = "four", .durable = rule.claimed ? 3U : 2U});
    }
    return image;
  }

  void MakeJournal(const TailRule& rule) {
    ASSERT_TRUE(Env::Posix().CreateDirs(path()).ok());
    SetContent(1, FirstSegment(rule).Bytes());
    if (rule.next == NextSegment::kNone) return;
    const uint64_t first = rule.next == NextSegment::kHere ? 3 : 4;
    SegmentImage second(Header(2, first, 2));
    if (first == 3) second.Add(3, {.meta = "second"});
    second.Add(4, {.meta = "four", .durable = rule.claimed ? 3U : 2U});
    SetContent(2, second.Bytes());
  }

  // What replay is to hand out; the rest of the journal goes on after 3 where
  // that is there.
  static std::string ExpectedMetas(const TailRule& rule) {
    switch (rule.action) {
      case TailAction::kAdopt:
        return "one,two,three,four";
      case TailAction::kNextSegment:
        return "one,two,second,four";
      case TailAction::kTornTail:
        return "one,two";
      case TailAction::kCorruption:
        return "";
    }
    return "";
  }
};

TEST_P(TailRulesTest, OpeningFollowsTheRule) {
  const TailRule& rule = kTailRules.at(GetParam());
  MakeJournal(rule);
  const Status opened = Open();
  if (rule.action == TailAction::kCorruption) {
    EXPECT_TRUE(opened.Is(StatusCode::kCorruption)) << opened.ToString();
    // Refusing changes nothing.
    EXPECT_TRUE(Open().Is(StatusCode::kCorruption));
    return;
  }
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  EXPECT_EQ(ReplayedMetas(), ExpectedMetas(rule));
  if (rule.action == TailAction::kAdopt) {
    // Damage that replay did not look at is found when the data are read.
    const Result<std::string> data = Read(replayed_[2].data, 5000);
    EXPECT_EQ(data.ok(), rule.found == Found::kRecord);
    EXPECT_TRUE(data.ok() || data.status().Is(StatusCode::kCorruption));
  }
  const uint64_t next = replayed_.back().lsn + 1;
  EXPECT_EQ(Append("new").lsn, Lsn(next));
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(ReplayedMetas(), ExpectedMetas(rule) + ",new");
  EXPECT_EQ(replayed_.back().lsn, next);
}

INSTANTIATE_TEST_SUITE_P(EveryRow, TailRulesTest,
                         ::testing::Range<size_t>(0, kTailRules.size()));

}  // namespace
}  // namespace trefoil::journal
