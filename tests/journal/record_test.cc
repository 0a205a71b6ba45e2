// SPDX-License-Identifier: Apache-2.0
// Goal: the journal's bytes are the ones that record.h describes, for ever,
// and nothing else is taken for them.
// Method: known answers; every single-bit change of a head; moved records.
#include "fs/journal/record.h"

#include <gtest/gtest.h>

#include "tests/journal/journal_testing.h"

namespace trefoil::journal {
namespace {

SegmentHeader SampleSegment() {
  SegmentHeader header;
  header.number = 42;
  header.size_bytes = 64 << 20;
  header.incarnation = 0x1122334455667788;
  header.first_lsn = Lsn(1000);
  header.durable = Lsn(990);
  header.previous_number = 41;
  header.previous_incarnation = 0x99;
  header.previous_end = Lsn(1000);
  return header;
}

RecordHeader SampleRecord(std::string_view meta, std::string_view data) {
  RecordHeader header;
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.data_length = static_cast<uint32_t>(data.size());
  header.lsn = Lsn(1001);
  header.epoch = Epoch(7);
  header.incarnation = 0x1122334455667788;
  header.durable = Lsn(995);
  return header;
}

TEST(SegmentHeaderFormat, KnownAnswer) {
  const std::string raw = EncodeSegmentHeader(SampleSegment());
  ASSERT_EQ(raw.size(), 4096U);
  EXPECT_EQ(ToHex(raw.substr(0, 88)),
            "742038ae16a3ec465452464c4a53454701000000001000002a00000000000000"
            "00000004000000008877665544332211e803000000000000de03000000000000"
            "29000000000000009900000000000000e803000000000000");
  EXPECT_EQ(raw.substr(88), std::string(4096 - 88, '\0'));
  EXPECT_EQ(DecodeSegmentHeader(raw, 42).value(), SampleSegment());
}

TEST(SegmentHeaderFormat, AnyFlippedBitIsRefused) {
  const std::string raw = EncodeSegmentHeader(SampleSegment());
  for (size_t bit = 0; bit < kSegmentHeaderUsedBytes * 8; ++bit) {
    std::string bad = raw;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_TRUE(
        DecodeSegmentHeader(bad, 42).status().Is(StatusCode::kCorruption));
  }
}

TEST(SegmentHeaderFormat, AnotherNumberOrNoBytesAreRefused) {
  const std::string raw = EncodeSegmentHeader(SampleSegment());
  EXPECT_FALSE(DecodeSegmentHeader(raw, 43).ok());
  EXPECT_FALSE(DecodeSegmentHeader("", 42).ok());
  EXPECT_FALSE(DecodeSegmentHeader(raw.substr(0, 87), 42).ok());
  EXPECT_FALSE(DecodeSegmentHeader(std::string(4096, '\0'), 42).ok());
}

TEST(RecordFormat, KnownAnswer) {
  const std::string data = Pattern(5000, 1);
  std::string raw;
  EncodeRecordHead({42, 4096}, SampleRecord("meta", data), "meta", data, &raw);
  EXPECT_EQ(ToHex(raw),
            "1a8b0b3e8b8cd14752454344f01300000100000004000000881300005c000000"
            "e90300000000000007000000000000008877665544332211e303000000000000"
            "06a96331774ae5dd5ae5d1e2e3cb54bf7dbb2ca1d5a15d88");
  const std::optional<RecordHead> head =
      DecodeRecordHead(raw, {42, 4096}, 64 << 20);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->header.lsn, Lsn(1001));
  EXPECT_EQ(head->header.epoch, Epoch(7));
  EXPECT_EQ(head->header.durable, Lsn(995));
  EXPECT_TRUE(MetaIsValid(head->header, "meta"));
  EXPECT_FALSE(MetaIsValid(head->header, "metA"));
  EXPECT_FALSE(FindBadData(*head, 0, data));
  EXPECT_FALSE(FindBadData(*head, 1, std::string_view(data).substr(4096)));
  EXPECT_EQ(FindBadData(*head, 1, data), 1U);
}

TEST(RecordFormat, AnyFlippedBitOfTheHeadIsRefused) {
  const std::string data = Pattern(9000, 1);
  std::string raw;
  EncodeRecordHead({42, 4096}, SampleRecord("meta", data), "meta", data, &raw);
  for (size_t bit = 0; bit < raw.size() * 8; ++bit) {
    std::string bad = raw;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(DecodeRecordHead(bad, {42, 4096}, 64 << 20)) << bit;
  }
}

TEST(RecordFormat, ARecordIsValidOnlyInItsPlace) {
  std::string raw;
  EncodeRecordHead({42, 4096}, SampleRecord("meta", ""), "meta", "", &raw);
  EXPECT_TRUE(DecodeRecordHead(raw, {42, 4096}, 64 << 20));
  EXPECT_FALSE(DecodeRecordHead(raw, {43, 4096}, 64 << 20));
  EXPECT_FALSE(DecodeRecordHead(raw, {42, 4112}, 64 << 20));
  EXPECT_FALSE(DecodeRecordHead(raw, {42, 4096}, 4096 + 64));
  for (size_t size = 0; size < raw.size(); ++size) {
    EXPECT_FALSE(DecodeRecordHead(raw.substr(0, size), {42, 4096}, 64 << 20));
  }
}

TEST(RecordFormat, LayoutKeepsItsBounds) {
  for (const uint32_t meta : {0U, 1U, 300U, 2U << 20}) {
    for (const uint32_t data :
         {0U, 1U, 4096U, 4097U, 65535U, 65536U, 65537U, 1U << 20, 2U << 20}) {
      for (const uint64_t offset : {uint64_t{4096}, uint64_t{8000}}) {
        const RecordLayout layout = LayoutOf(offset, meta, data);
        EXPECT_EQ(layout.length % kRecordAlignment, 0U);
        EXPECT_GE(layout.data_start, layout.meta_start + meta);
        EXPECT_GE(layout.length, layout.data_start + data);
        EXPECT_LE(layout.length, RecordLengthBound(uint64_t{meta} + data));
        if (data >= kPageAlignFrom) {
          EXPECT_EQ((offset + layout.data_start) % kPageBytes, 0U);
        }
      }
    }
  }
}

TEST(SegmentNames, OnlyWhatWeWriteIsRead) {
  EXPECT_EQ(SegmentName(42), "000000000000002a.seg");
  EXPECT_EQ(ParseSegmentName("000000000000002a.seg"), 42U);
  for (const std::string_view bad :
       {"", "2a.seg", "000000000000002A.seg", "000000000000002a",
        "000000000000002a.seg2", "0000000000000000.seg", "spare-1"}) {
    EXPECT_FALSE(ParseSegmentName(bad)) << bad;
  }
}

}  // namespace
}  // namespace trefoil::journal
