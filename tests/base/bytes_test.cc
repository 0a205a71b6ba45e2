// SPDX-License-Identifier: Apache-2.0
// Goal: what ByteWriter writes, ByteReader reads, and nothing else passes.
// Method: known encodings, round trips, and every truncation of an input.
#include "fs/base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace trefoil {
namespace {

TEST(Bytes, FixedNumbersAreLittleEndian) {
  std::string out;
  ByteWriter writer(&out);
  writer.U8(0x01);
  writer.U16(0x0203);
  writer.U32(0x04050607);
  writer.U64(0x08090a0b0c0d0e0f);
  EXPECT_EQ(ToHex(out), "010302070605040f0e0d0c0b0a0908");
}

TEST(Bytes, BigEndianSortsByNumber) {
  std::string small;
  std::string large;
  AppendBe64(&small, 255);
  AppendBe64(&large, 256);
  EXPECT_LT(small, large);
}

TEST(Bytes, VarintsRoundTripAtEveryLength) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const uint64_t value :
         {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, ~uint64_t{0}}) {
      std::string out;
      ByteWriter(&out).Varint(value);
      ByteReader reader(out);
      EXPECT_EQ(reader.Varint(), value);
      EXPECT_TRUE(reader.AtEnd());
    }
  }
}

TEST(Bytes, VarintsHaveOneEncoding) {
  const std::array<std::string_view, 4> bad = {
      "8000",                    // zero in two bytes
      "ff00",                    // 127 in two bytes
      "ffffffffffffffffff02",    // more than 64 bits
      "8080808080808080808001",  // eleven bytes
  };
  for (const std::string_view hex : bad) {
    std::string raw;
    ASSERT_TRUE(FromHex(hex, &raw));
    ByteReader reader(raw);
    EXPECT_EQ(reader.Varint(), 0U) << hex;
    EXPECT_FALSE(reader.ok()) << hex;
  }
}

TEST(Bytes, EveryTruncationIsNoticed) {
  std::string out;
  ByteWriter writer(&out);
  writer.U16(7);
  writer.Sized("hello");
  writer.Varint(300);
  writer.U64(9);
  for (size_t size = 0; size <= out.size(); ++size) {
    ByteReader reader(std::string_view(out).substr(0, size));
    reader.U16();
    reader.Sized();
    reader.Varint();
    reader.U64();
    EXPECT_EQ(reader.AtEnd(), size == out.size()) << size;
  }
}

TEST(Bytes, NothingIsReadAfterAFailure) {
  ByteReader reader(
      "\x05"
      "abc");
  EXPECT_EQ(reader.Sized(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.U8(), 0);
}

TEST(Bytes, HexRoundTripsAndRefusesTheRest) {
  const std::string raw("\x00\xff\x7f\x80", 4);
  std::string back;
  EXPECT_EQ(ToHex(raw), "00ff7f80");
  ASSERT_TRUE(FromHex("00ff7f80", &back));
  EXPECT_EQ(back, raw);
  for (const std::string_view bad : {"0", "0g", "FF", " 0"}) {
    EXPECT_FALSE(FromHex(bad, &back)) << bad;
  }
}

}  // namespace
}  // namespace trefoil
