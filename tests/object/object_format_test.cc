// SPDX-License-Identifier: Apache-2.0
// Goal: headers and frames have exactly the documented bytes, and nothing
// else opens: no bit may differ, no length or size may be believed.
// Method: vectors computed once from the grammar; every bit flipped, every
// length cut; frames with a right tag over wrong fields.

#include <cstring>

#include "fs/object/frame.h"
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

constexpr uint64_t kOffset = 4242;

std::string Sealed(std::string_view raw) {
  return SealFrame(SealerOf(SampleHeader(ObjectKind::kPack)), kOffset, 3,
                   FrameType::kBlock, raw)
      .value();
}

Result<OpenedFrame> Open(std::string_view frame) {
  return OpenFrame(SealerOf(SampleHeader(ObjectKind::kPack)), kOffset, frame);
}

Status OpenRaw(const RawFrame& frame) {
  return Open(SealRaw(SampleHeader(ObjectKind::kPack), kOffset, frame))
      .status();
}

// Writes the right check over changed header bytes.
std::string WithCheck(std::string header) {
  const Hash256 hash = Sha256::Of(std::string_view(header).substr(0, 120));
  return header.replace(120, 8, hash.view().substr(0, 8));
}

TEST(ObjectHeaderTest, HasTheDocumentedBytes) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  std::string expected = "TREFOIL1";
  expected += std::string("\x01\x00\x02\x00\x04\x03\x02\x01", 8);
  expected.append(header.salt.data(), 32);
  expected.append(header.volume_id.data(), 16);
  expected += std::string("\x88\x77\x66\x55\x44\x33\x22\x11", 8);
  expected += std::string("\x00\xff\xee\xdd\xcc\xbb\xaa\x99", 8);
  expected += Sha256::Of("before").view();
  expected += std::string(8, '\0');
  expected += Sha256::Of(expected).view().substr(0, 8);
  EXPECT_EQ(EncodeObjectHeader(header), expected);
}

TEST(ObjectHeaderTest, EveryKindComesBackWhole) {
  for (const ObjectKind kind :
       {ObjectKind::kPack, ObjectKind::kCommit, ObjectKind::kCheckpoint,
        ObjectKind::kVolume, ObjectKind::kOwner}) {
    const ObjectHeader header = SampleHeader(kind);
    const ObjectHeader back =
        DecodeObjectHeader(EncodeObjectHeader(header)).value();
    EXPECT_EQ(back.kind, kind);
    EXPECT_EQ(back.key_id, header.key_id);
    EXPECT_EQ(back.salt, header.salt);
    EXPECT_EQ(back.volume_id, header.volume_id);
    EXPECT_EQ(back.generation, header.generation);
    EXPECT_EQ(back.number, header.number);
    EXPECT_EQ(back.previous, header.previous);
  }
}

TEST(ObjectHeaderTest, EveryBitFlipIsCorruption) {
  const std::string good =
      EncodeObjectHeader(SampleHeader(ObjectKind::kCommit));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_CODE(DecodeObjectHeader(bad).status(), kCorruption);
  }
}

TEST(ObjectHeaderTest, EveryTruncationIsCorruption) {
  const std::string good = EncodeObjectHeader(SampleHeader(ObjectKind::kPack));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_CODE(DecodeObjectHeader(good.substr(0, size)).status(), kCorruption);
  }
}

TEST(ObjectHeaderTest, ANewerVersionIsToldFromDamage) {
  std::string header = EncodeObjectHeader(SampleHeader(ObjectKind::kPack));
  header[8] = 2;
  EXPECT_CODE(DecodeObjectHeader(header).status(), kCorruption);
  EXPECT_CODE(DecodeObjectHeader(WithCheck(header)).status(), kNewerFormat);
  header[8] = 0;
  EXPECT_CODE(DecodeObjectHeader(WithCheck(header)).status(), kCorruption);
}

TEST(ObjectHeaderTest, UnknownKindCipherAndReservedBytesAreRefused) {
  const std::string good = EncodeObjectHeader(SampleHeader(ObjectKind::kPack));
  for (const size_t place : {10U, 11U, 112U, 119U}) {
    std::string bad = good;
    bad[place] = 77;
    EXPECT_CODE(DecodeObjectHeader(WithCheck(bad)).status(), kCorruption);
  }
  std::string bad = good;
  bad[10] = 0;
  EXPECT_CODE(DecodeObjectHeader(WithCheck(bad)).status(), kCorruption);
}

TEST(FrameTest, HasTheDocumentedBytes) {
  const std::string frame = Sealed("abc");
  const std::string fields("\x03\0\0\0\x03\0\0\0\x01\0\0\0\x03\0\0\0", 16);
  std::string prefix;
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  prefix.append(header.salt.data(), header.salt.size());
  AppendLe(&prefix, kOffset);
  prefix += fields;
  const auto tag = Xxh3_128("abc", Xxh3(prefix));
  EXPECT_EQ(frame, fields + std::string(tag.data(), tag.size()) + "abc");
}

TEST(FrameTest, AnOlderCompressorsFrameOpens) {
  // zstd 1.5.4, level 1, of 400 times 'a'.
  std::string payload;
  ASSERT_TRUE(FromHex("28b52ffd6090004d000010616101008b2ac002", &payload));
  RawFrame raw;
  raw.stored_length = static_cast<uint32_t>(payload.size());
  raw.raw_length = 400;
  raw.codec = static_cast<uint8_t>(Codec::kZstd);
  raw.payload = payload;
  const Result<OpenedFrame> opened =
      Open(SealRaw(SampleHeader(ObjectKind::kPack), kOffset, raw));
  ASSERT_OK(opened.status());
  EXPECT_EQ(opened->raw, std::string(400, 'a'));
}

TEST(FrameTest, EverySizeComesBack) {
  for (const size_t size :
       {0U, 1U, 2U, 63U, 64U, 65U, 4096U, 131072U, kMaxFrameBytes}) {
    for (const std::string& raw : {Noise(size, size), Text(size)}) {
      const std::string frame = Sealed(raw);
      EXPECT_LE(frame.size(), kFrameHeaderBytes + raw.size());
      const Result<OpenedFrame> opened = Open(frame + "what follows");
      ASSERT_OK(opened.status());
      EXPECT_EQ(opened->raw, raw);
      EXPECT_EQ(opened->type, FrameType::kBlock);
      EXPECT_EQ(opened->location,
                (FrameLocation{kOffset, static_cast<uint32_t>(frame.size()),
                               static_cast<uint32_t>(size), 3}));
      EXPECT_EQ(StoredFrameBytes(SealerOf(SampleHeader(ObjectKind::kPack)),
                                 kOffset, frame)
                    .value(),
                frame.size());
    }
  }
}

TEST(FrameTest, WhatShrinksIsCompressedAndWhatDoesNotIsStored) {
  const std::string text = Text(64U << 10);
  EXPECT_LT(Sealed(text).size(), text.size() / 3);
  const std::string noise = Noise(1, 64U << 10);
  EXPECT_EQ(Sealed(noise).size(), kFrameHeaderBytes + noise.size());
}

TEST(FrameTest, MoreThanTheBoundIsRefused) {
  const std::string raw(kMaxFrameBytes + 1, 'a');
  EXPECT_CODE(SealFrame(SealerOf(SampleHeader(ObjectKind::kPack)), 0, 0,
                        FrameType::kBlock, raw)
                  .status(),
              kInvalidArgument);
}

TEST(FrameTest, EveryBitFlipIsCorruption) {
  for (const std::string& good : {Sealed(Noise(2, 50)), Sealed(Text(2000))}) {
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_CODE(Open(bad).status(), kCorruption);
    }
  }
}

TEST(FrameTest, EveryTruncationIsCorruption) {
  for (const std::string& good : {Sealed(Noise(2, 50)), Sealed(Text(2000))}) {
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_CODE(Open(good.substr(0, size)).status(), kCorruption);
    }
  }
}

TEST(FrameTest, AFrameOpensOnlyAtItsPlaceInItsObject) {
  const std::string frame = Sealed("abc");
  ObjectHeader header = SampleHeader(ObjectKind::kPack);
  EXPECT_CODE(OpenFrame(SealerOf(header), kOffset + 1, frame).status(),
              kCorruption);
  header.salt[0] = static_cast<char>(header.salt[0] ^ 1);
  EXPECT_CODE(OpenFrame(SealerOf(header), kOffset, frame).status(),
              kCorruption);
}

TEST(HostileFrameTest, LengthsBeyondTheBoundAreRefusedBeforeMemoryIsTaken) {
  RawFrame frame{.stored_length = 0xffffffff, .raw_length = 0xffffffff};
  EXPECT_CODE(OpenRaw(frame), kCorruption);
  frame = {.stored_length = 3, .raw_length = 0xffffffff, .codec = 1};
  frame.payload = "abc";
  EXPECT_CODE(OpenRaw(frame), kCorruption);
  frame = {.stored_length = kMaxFrameBytes + 1,
           .raw_length = kMaxFrameBytes + 1};
  EXPECT_CODE(OpenRaw(frame), kCorruption);
}

TEST(HostileFrameTest, UnknownFieldsAreRefused) {
  const RawFrame good{.stored_length = 3, .raw_length = 3, .payload = "abc"};
  ASSERT_OK(OpenRaw(good));
  RawFrame bad = good;
  bad.type = 0;
  EXPECT_CODE(OpenRaw(bad), kCorruption);
  bad.type = 5;
  EXPECT_CODE(OpenRaw(bad), kCorruption);
  bad = good;
  bad.codec = 2;
  EXPECT_CODE(OpenRaw(bad), kCorruption);
  bad = good;
  bad.reserved = 1;
  EXPECT_CODE(OpenRaw(bad), kCorruption);
}

TEST(HostileFrameTest, StoredLengthsMustAgree) {
  EXPECT_CODE(OpenRaw({.stored_length = 3, .raw_length = 4, .payload = "abc"}),
              kCorruption);
  EXPECT_CODE(OpenRaw({.stored_length = 3, .raw_length = 2, .payload = "abc"}),
              kCorruption);
}

// A zip bomb declares little and holds much, or the other way round.
TEST(HostileFrameTest, TheDeclaredSizeMustBeTheRealOne) {
  const std::string payload = Compressed(std::string(1U << 20, 'a'));
  RawFrame frame{.stored_length = static_cast<uint32_t>(payload.size()),
                 .raw_length = 1U << 20,
                 .codec = 1,
                 .payload = payload};
  ASSERT_OK(OpenRaw(frame));
  for (const uint32_t wrong :
       {(1U << 20) - 1, (1U << 20) + 1, 500U, kMaxFrameBytes}) {
    frame.raw_length = wrong;
    EXPECT_CODE(OpenRaw(frame), kCorruption);
  }
}

TEST(HostileFrameTest, APayloadIsOneCompressedFrameAndNothingElse) {
  const std::string one = Compressed(std::string(1000, 'a'));
  const std::string skippable("\x50\x2a\x4d\x18\x01\0\0\0x", 9);
  for (const std::string& payload :
       {one + "x", one + one, one + Compressed(""), one + skippable,
        skippable + one, one.substr(0, one.size() - 1), std::string(50, 'x')}) {
    RawFrame frame{.stored_length = static_cast<uint32_t>(payload.size()),
                   .raw_length = 1000,
                   .codec = 1,
                   .payload = payload};
    EXPECT_CODE(OpenRaw(frame), kCorruption) << ToHex(payload);
  }
}

TEST(HostileFrameTest, ACompressedPayloadMustBeShorterThanItsContent) {
  const std::string payload = Compressed("a");
  EXPECT_CODE(OpenRaw({.stored_length = static_cast<uint32_t>(payload.size()),
                       .raw_length = 1,
                       .codec = 1,
                       .payload = payload}),
              kCorruption);
}

// Damage inside a compressed payload that the tag does not show, since a
// hostile writer sets the tag.
TEST(HostileFrameTest, DamagedCompressedDataNeverCrashes) {
  const std::string good = Compressed(Text(3000));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    RawFrame frame{.stored_length = static_cast<uint32_t>(good.size()),
                   .raw_length = 3000,
                   .codec = 1,
                   .payload = good};
    char& byte = frame.payload[bit / 8];
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    const Status status = OpenRaw(frame);
    EXPECT_TRUE(status.ok() || status.Is(StatusCode::kCorruption));
  }
}

}  // namespace
}  // namespace trefoil
