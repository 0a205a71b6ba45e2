// SPDX-License-Identifier: Apache-2.0
// Goal: whatever an object's bytes have become, reading it ends in the right
// content or in kCorruption naming the object.
// Method: small objects with every bit flipped and every length cut, under
// their old name and under a name that fits the damaged bytes (so that frames
// and trailer have to notice by themselves); objects made wrong on purpose.
#include "fs/object/object_reader.h"

#include "fs/object/frame.h"
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

constexpr uint64_t kMaxBytes = 1U << 30;

Status Read(ObjectStore& store, std::string_view key,
            std::vector<std::string>* raws = nullptr,
            uint64_t max_bytes = kMaxBytes) {
  return ReadObject(store, Keyring::Plain(), key, max_bytes,
                    [&](const ObjectHeader&, const OpenedFrame& frame) {
                      if (raws != nullptr) raws->push_back(frame.raw);
                      return OkStatus();
                    });
}

Status ReadBytes(const ObjectHeader& header, const std::string& bytes) {
  MapStore store;
  const std::string key = KeyOf(header, bytes);
  store.objects[key] = bytes;
  return Read(store, key);
}

std::string SmallObject(const ObjectHeader& header) {
  return BuildObject(header, {{FrameType::kBlock, "first"},
                              {FrameType::kMeta, Text(300)},
                              {FrameType::kBlock, ""}});
}

class ReadObjectOfKindTest : public testing::TestWithParam<ObjectKind> {
 protected:
  const ObjectHeader header_ = SampleHeader(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, ReadObjectOfKindTest,
                         testing::Values(ObjectKind::kPack, ObjectKind::kCommit,
                                         ObjectKind::kCheckpoint,
                                         ObjectKind::kVolume));

TEST_P(ReadObjectOfKindTest, EveryFrameIsSeenInOrder) {
  MapStore store;
  const std::string bytes = SmallObject(header_);
  const std::string key = KeyOf(header_, bytes);
  store.objects[key] = bytes;
  std::vector<std::string> raws;
  ASSERT_OK(Read(store, key, &raws));
  EXPECT_EQ(raws, (std::vector<std::string>{"first", Text(300), ""}));
  EXPECT_EQ(ReadObjectHeader(store, key).value().salt, header_.salt);
  EXPECT_OK(VerifyObjectHash(store, key, bytes.size()));
}

TEST_P(ReadObjectOfKindTest, EveryBitFlipIsCorruptionThatNamesTheObject) {
  MapStore store;
  std::string bytes = SmallObject(header_);
  const std::string key = KeyOf(header_, bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1 << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    store.objects[key] = bytes;
    const Status status = Read(store, key);
    EXPECT_CODE(status, kCorruption);
    EXPECT_NE(status.message().find(key), std::string::npos);
    EXPECT_CODE(VerifyObjectHash(store, key, bytes.size()), kCorruption);
    EXPECT_CODE(ReadBytes(header_, bytes), kCorruption) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

TEST_P(ReadObjectOfKindTest, EveryTruncationIsCorruption) {
  const std::string bytes = SmallObject(header_);
  const std::string key = KeyOf(header_, bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    MapStore store;
    store.objects[key] = bytes.substr(0, size);
    EXPECT_CODE(Read(store, key), kCorruption);
    EXPECT_CODE(VerifyObjectHash(store, key, bytes.size()), kCorruption);
    EXPECT_CODE(ReadBytes(header_, bytes.substr(0, size)), kCorruption);
  }
}

TEST_P(ReadObjectOfKindTest, BytesAfterTheTrailerAreCorruption) {
  const std::string bytes = SmallObject(header_);
  const std::string key = KeyOf(header_, bytes);
  EXPECT_CODE(ReadBytes(header_, bytes + '\0'), kCorruption);
  EXPECT_CODE(ReadBytes(header_, bytes + bytes), kCorruption);
  MapStore store;
  store.objects[key] = bytes + '\0';
  EXPECT_CODE(VerifyObjectHash(store, key, bytes.size()), kCorruption);
}

TEST(ReadObjectTest, AnObjectUnderAnothersKeyIsCorruption) {
  const ObjectHeader commit = SampleHeader(ObjectKind::kCommit);
  const std::string bytes = SmallObject(commit);
  const Hash256 name = Sha256::Of(bytes);
  MapStore store;
  for (const std::string& key :
       {PackKey(name),
        CheckpointKey(commit.generation, CommitSeq(commit.number), name),
        CommitKey(commit.generation, CommitSeq(commit.number + 1), name),
        CommitKey(commit.generation.Next(), CommitSeq(commit.number), name)}) {
    store.objects[key] = bytes;
    EXPECT_CODE(Read(store, key), kCorruption);
    EXPECT_CODE(ReadObjectHeader(store, key).status(), kCorruption);
  }
}

TEST(ReadObjectTest, AMissingObjectIsNotFoundAndABadKeyInvalid) {
  MapStore store;
  EXPECT_CODE(Read(store, PackKey(Sha256::Of("x"))), kNotFound);
  EXPECT_CODE(Read(store, "pack/../../etc/passwd"), kInvalidArgument);
  EXPECT_CODE(VerifyObjectHash(store, "owner/1", 1), kInvalidArgument);
}

TEST(ReadObjectTest, TheVisitorsErrorStopsAndComesBackAsItIs) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  const std::string bytes = SmallObject(header);
  MapStore store;
  store.objects[KeyOf(header, bytes)] = bytes;
  int visits = 0;
  const Status status =
      ReadObject(store, Keyring::Plain(), KeyOf(header, bytes), kMaxBytes,
                 [&](const ObjectHeader&, const OpenedFrame&) {
                   ++visits;
                   return Status(StatusCode::kNoSpace, "enough");
                 });
  EXPECT_CODE(status, kNoSpace);
  EXPECT_EQ(status.message(), "enough");
  EXPECT_EQ(visits, 1);
}

TEST(ReadObjectTest, FramesOutOfSequenceAreCorruption) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  for (const uint32_t first_no : {1U, 0xffffffffU}) {
    std::string bytes = EncodeObjectHeader(header);
    bytes += SealFrame(SealerOf(header), bytes.size(), first_no,
                       FrameType::kBlock, "a")
                 .value();
    bytes += SealFrame(SealerOf(header), bytes.size(), 1, FrameType::kTrailer,
                       TrailerRaw(1, bytes.size()))
                 .value();
    EXPECT_CODE(ReadBytes(header, bytes), kCorruption);
  }
}

TEST(ReadObjectTest, ATrailerThatDoesNotFitIsCorruption) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  const std::string before = BuildFrames(header, {{FrameType::kBlock, "a"}});
  for (const std::string& raw :
       {TrailerRaw(0, before.size()), TrailerRaw(2, before.size()),
        TrailerRaw(1, before.size() - 1), TrailerRaw(1, before.size()) + "x",
        TrailerRaw(1, before.size()).substr(0, 11), std::string()}) {
    const std::string bytes =
        before +
        SealFrame(SealerOf(header), before.size(), 1, FrameType::kTrailer, raw)
            .value();
    EXPECT_CODE(ReadBytes(header, bytes), kCorruption);
  }
}

TEST(ReadObjectTest, AnEmptyObjectIsValid) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  EXPECT_OK(ReadBytes(header, BuildObject(header, {})));
}

// Frames lie across the pieces that are read; sizes around a piece.
TEST(ReadObjectTest, ObjectsOfManyPiecesAreReadWhole) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  std::vector<FrameSpec> frames;
  for (uint64_t i = 0; i < 7; ++i) {
    frames.push_back({FrameType::kBlock, Noise(i, kMaxFrameBytes - i * 1000)});
  }
  const std::string bytes = BuildObject(header, frames);
  MapStore store;
  const std::string key = KeyOf(header, bytes);
  store.objects[key] = bytes;
  std::vector<std::string> raws;
  ASSERT_OK(Read(store, key, &raws));
  ASSERT_EQ(raws.size(), frames.size());
  for (size_t i = 0; i < raws.size(); ++i) EXPECT_EQ(raws[i], frames[i].raw);
  EXPECT_OK(VerifyObjectHash(store, key, bytes.size()));
  for (const size_t size : {8U << 20, (8U << 20) + 1, 16U << 20}) {
    EXPECT_CODE(ReadBytes(header, bytes.substr(0, size)), kCorruption);
  }
}

TEST(ReadObjectTest, AnObjectThatFillsItsPiecesExactlyIsReadWhole) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  constexpr size_t kTarget = 8U << 20;
  const size_t overhead = kHeaderBytes + 4 * kFrameHeaderBytes + 12;
  const size_t last = kTarget - overhead - kMaxFrameBytes - 1000;
  const std::string bytes =
      BuildObject(header, {{FrameType::kBlock, Noise(1, kMaxFrameBytes)},
                           {FrameType::kBlock, Noise(2, 1000)},
                           {FrameType::kBlock, Noise(3, last)}});
  ASSERT_EQ(bytes.size(), kTarget);
  EXPECT_OK(ReadBytes(header, bytes));
  EXPECT_CODE(ReadBytes(header, bytes + "x"), kCorruption);
  MapStore store;
  store.objects[KeyOf(header, bytes)] = bytes;
  EXPECT_OK(VerifyObjectHash(store, KeyOf(header, bytes), bytes.size()));
}

TEST(ReadObjectTest, MoreBytesThanTheBoundAreCorruption) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  const std::string bytes = SmallObject(header);
  MapStore store;
  const std::string key = KeyOf(header, bytes);
  store.objects[key] = bytes;
  EXPECT_OK(Read(store, key, nullptr, bytes.size()));
  EXPECT_CODE(Read(store, key, nullptr, bytes.size() - 1), kCorruption);
}

TEST(ReadObjectTest, WhatIsTooLargeToBeAnObjectIsNotEvenRead) {
  MapStore store;  // where nothing is
  const std::string name(64, 'a');
  EXPECT_CODE(VerifyObjectHash(store, "pack/aa/" + name, kMaxObjectBytes + 1),
              kCorruption);
  EXPECT_CODE(VerifyObjectHash(store, "pack/aa/" + name, kMaxObjectBytes),
              kNotFound);
}

TEST(ReadObjectTest, NoiseUnderAFittingNameIsCorruption) {
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  const std::string good = EncodeObjectHeader(header);
  for (uint64_t seed = 0; seed < 500; ++seed) {
    EXPECT_CODE(ReadBytes(header, good + Noise(seed, seed)), kCorruption)
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace trefoil
