// SPDX-License-Identifier: Apache-2.0
// Goal: what ObjectWriter puts into a file is the documented object, named by
// its hash, and an unfinished one leaves nothing.
// Method: known answers for every kind with a Random that repeats itself;
// round trips through a store; an Env whose writes and syncs fail.
#include "fs/object/object_writer.h"

#include "fs/object/object_reader.h"
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

class ObjectWriterTest : public testing::Test {
 protected:
  std::unique_ptr<ObjectWriter> Create(const ObjectHeader& header) {
    return ObjectWriter::Create(env_, random_, Keyring::Plain(), path_, header)
        .value();
  }
  std::string Written() { return env_.ReadFile(path_, 1U << 30).value(); }

  FaultyEnv env_;
  SeededRandom random_{1};
  const ScratchDir dir_;
  const std::string path_ = dir_.Path("object");
};

struct KnownAnswer {
  ObjectKind kind;
  const char* name;
};

// The payloads are too short to shrink, so that these hold for every zstd.
TEST_F(ObjectWriterTest, EveryKindHasItsKnownBytes) {
  for (const KnownAnswer& known : {
           KnownAnswer{ObjectKind::kPack,
                       "17a38159332885f82338599f19aa4c17be61f41deb290dc68df5c81"
                       "643a6fe05"},
           KnownAnswer{ObjectKind::kCommit,
                       "eb3ba76af45f03140495c6d40b2cb50b4c75120c02e74188194fd9f"
                       "f5d5de9b5"},
           KnownAnswer{ObjectKind::kCheckpoint,
                       "245d10e9895e167afa3606c3df48b76cc8f2ce1d621ecf7341966d1"
                       "f0f09b42a"},
           KnownAnswer{ObjectKind::kVolume,
                       "ab12e09c24012e68e204819c62066e8613c5f47b784aab6d75ffd1e"
                       "e469cc9d3"},
           KnownAnswer{ObjectKind::kOwner,
                       "2e1a39cc125c5254f1a94b4513e48c6531e3bb9487e056188c920f9"
                       "9277634ca"},
       }) {
    random_ = SeededRandom(1);
    const auto writer = Create(SampleHeader(known.kind));
    ASSERT_OK(writer->Append(FrameType::kMeta, "meta").status());
    ASSERT_OK(writer->Append(FrameType::kBlock, "a block").status());
    ASSERT_OK(writer->Append(FrameType::kBlock, "").status());
    const FinishedObject finished = writer->Finish().value();
    EXPECT_EQ(finished.name.ToHex(), known.name)
        << "kind " << static_cast<int>(known.kind);
    EXPECT_EQ(finished.name, Sha256::Of(Written()));
    EXPECT_EQ(finished.size_bytes, Written().size());
  }
}

TEST_F(ObjectWriterTest, WhatIsWrittenIsRead) {
  std::vector<std::string> raws;
  for (uint64_t i = 0; i < 300; ++i) {
    raws.push_back(i % 2 == 0 ? Noise(i, i * 100) : Text(i * 3000));
  }
  const ObjectHeader header = SampleHeader(ObjectKind::kPack);
  const auto writer = Create(header);
  std::vector<FrameLocation> locations;
  for (const std::string& raw : raws) {
    const uint64_t offset = writer->size_bytes();
    locations.push_back(writer->Append(FrameType::kBlock, raw).value());
    EXPECT_EQ(locations.back().offset, offset);
    EXPECT_EQ(writer->size_bytes(), offset + locations.back().stored_bytes);
  }
  EXPECT_EQ(writer->frame_count(), raws.size());
  const FinishedObject finished = writer->Finish().value();
  MapStore store;
  const std::string key = PackKey(finished.name);
  store.objects[key] = Written();
  size_t next = 0;
  ASSERT_OK(ReadObject(store, Keyring::Plain(), key, kMaxObjectBytes,
                       [&](const ObjectHeader&, const OpenedFrame& frame) {
                         EXPECT_EQ(frame.raw, raws[next]);
                         EXPECT_EQ(frame.location, locations[next]);
                         ++next;
                         return OkStatus();
                       }));
  EXPECT_EQ(next, raws.size());
}

TEST_F(ObjectWriterTest, TheSameContentNeverHasTheSameName) {
  Hash256 names[2];
  for (Hash256& name : names) {
    const auto writer = Create(SampleHeader(ObjectKind::kPack));
    ASSERT_OK(writer->Append(FrameType::kBlock, "same").status());
    name = writer->Finish().value().name;
  }
  EXPECT_NE(names[0], names[1]);
}

TEST_F(ObjectWriterTest, AnUnfinishedObjectLeavesNoFile) {
  {
    const auto writer = Create(SampleHeader(ObjectKind::kPack));
    ASSERT_OK(writer->Append(FrameType::kBlock, "lost").status());
    EXPECT_TRUE(env_.Exists(path_));
  }
  EXPECT_FALSE(env_.Exists(path_));
}

TEST_F(ObjectWriterTest, ALongerLeftoverIsReplaced) {
  ASSERT_OK(env_.WriteFileAtomically(path_, std::string(100'000, 'x')));
  const FinishedObject finished =
      Create(SampleHeader(ObjectKind::kPack))->Finish().value();
  EXPECT_EQ(Written().size(), finished.size_bytes);
  EXPECT_EQ(Sha256::Of(Written()), finished.name);
}

TEST_F(ObjectWriterTest, AFrameBeyondTheBoundIsRefusedAndNothingIsLost) {
  const auto writer = Create(SampleHeader(ObjectKind::kPack));
  EXPECT_CODE(
      writer->Append(FrameType::kBlock, std::string(kMaxFrameBytes + 1, 'a'))
          .status(),
      kInvalidArgument);
  ASSERT_OK(writer->Append(FrameType::kBlock, "kept").status());
  EXPECT_OK(writer->Finish().status());
}

TEST_F(ObjectWriterTest, APackDoesNotOutgrowWhatReadersAccept) {
  const auto writer = Create(SampleHeader(ObjectKind::kPack));
  const std::string raw = Noise(1, kMaxFrameBytes);
  Status status;
  while (status.ok()) {
    ASSERT_LE(writer->size_bytes(), kMaxObjectBytes);
    status = writer->Append(FrameType::kBlock, raw).status();
  }
  EXPECT_CODE(status, kInvalidArgument);
  EXPECT_LE(writer->Finish().value().size_bytes, kMaxObjectBytes);
}

TEST_F(ObjectWriterTest, AfterAFailedWriteTheObjectIsLostForGood) {
  const auto writer = Create(SampleHeader(ObjectKind::kPack));
  env_.write_error = Status::FromErrno(ENOSPC, "write");
  EXPECT_CODE(
      writer->Append(FrameType::kBlock, Noise(1, kMaxFrameBytes)).status(),
      kNoSpace);
  env_.write_error = OkStatus();
  EXPECT_CODE(writer->Append(FrameType::kBlock, "more").status(), kNoSpace);
  EXPECT_CODE(writer->Finish().status(), kNoSpace);
}

TEST_F(ObjectWriterTest, AFailedSyncIsNotRetriedIntoSuccess) {
  {
    const auto writer = Create(SampleHeader(ObjectKind::kPack));
    env_.sync_error = Status::FromErrno(EIO, "sync");
    EXPECT_CODE(writer->Finish().status(), kIoError);
    env_.sync_error = OkStatus();
    EXPECT_CODE(writer->Finish().status(), kIoError);
  }
  EXPECT_FALSE(env_.Exists(path_));
}

TEST_F(ObjectWriterTest, WithoutADirectoryNothingIsCreated) {
  EXPECT_CODE(ObjectWriter::Create(env_, random_, Keyring::Plain(),
                                   dir_.Path("no/object"), {})
                  .status(),
              kNotFound);
}

}  // namespace
}  // namespace trefoil
