// SPDX-License-Identifier: Apache-2.0
// Goal: commits and checkpoints say what they were given, in the documented
// bytes, and a hostile one is refused before anything of it counts.
// Method: round trips, a known answer, and frames with right tags and wrong
// content.
#include "fs/object/commit.h"

#include "fs/object/local_tree.h"
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

CommitInfo SampleInfo(const ObjectHeader& header) {
  CommitInfo info;
  info.seq = CommitSeq(header.number);
  info.generation = header.generation;
  info.epoch = Epoch(5);
  info.cut = Lsn(6);
  info.time_nanos = -7;
  info.pack_no = PackNo(8);
  info.packs_added = {{PackNo(1), Sha256::Of("one"), 111},
                      {PackNo(2), Sha256::Of("two"), 222}};
  info.packs_retired = {{PackNo(3), Sha256::Of("three"), 333}};
  return info;
}

void ExpectSame(const CommitInfo& a, const CommitInfo& b) {
  EXPECT_EQ(a.seq, b.seq);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.cut, b.cut);
  EXPECT_EQ(a.time_nanos, b.time_nanos);
  EXPECT_EQ(a.pack_no, b.pack_no);
  const auto same = [](const PackRef& x, const PackRef& y) {
    return x.pack_no == y.pack_no && x.name == y.name &&
           x.size_bytes == y.size_bytes;
  };
  EXPECT_TRUE(std::equal(a.packs_added.begin(), a.packs_added.end(),
                         b.packs_added.begin(), b.packs_added.end(), same));
  EXPECT_TRUE(std::equal(a.packs_retired.begin(), a.packs_retired.end(),
                         b.packs_retired.begin(), b.packs_retired.end(), same));
}

std::string InfoRaw(const ObjectHeader& header) {
  std::string raw;
  ByteWriter writer(&raw);
  writer.U8(1);
  writer.U64(header.number);
  writer.U64(header.generation.value);
  for (const uint64_t field : {5U, 6U, 7U, 8U}) writer.U64(field);
  writer.U8(0);
  writer.Varint(0);
  writer.Varint(0);
  return raw;
}

std::string Entry(uint8_t family, uint8_t op, std::string_view key,
                  std::string_view value) {
  std::string raw;
  ByteWriter writer(&raw);
  writer.U8(family);
  writer.U8(op);
  writer.Sized(key);
  if (op == 1) writer.Sized(value);
  return raw;
}

std::string Delta(const std::string& entries) { return "\x02" + entries; }

struct Seen {
  CommitInfo info;
  std::vector<DeltaEntry> entries;
};

Result<Seen> ReadAll(ObjectStore& store, std::string_view key) {
  Seen seen;
  TREFOIL_TRY(ReadCommit(
      store, Keyring::Plain(), key,
      [&](const ObjectHeader&, const CommitInfo& info) {
        seen.info = info;
        return OkStatus();
      },
      [&](const DeltaEntry& entry) {
        seen.entries.push_back(entry);
        return OkStatus();
      }));
  return seen;
}

// A hostile commit of these frames, under a fitting name.
Status ReadFrames(ObjectKind kind, const std::vector<FrameSpec>& frames) {
  const ObjectHeader header = SampleHeader(kind);
  const std::string bytes = BuildObject(header, frames);
  MapStore store;
  store.objects[KeyOf(header, bytes)] = bytes;
  return ReadAll(store, KeyOf(header, bytes)).status();
}

Status ReadDelta(ObjectKind kind, const std::string& entries) {
  return ReadFrames(kind, {{FrameType::kMeta, InfoRaw(SampleHeader(kind))},
                           {FrameType::kMeta, Delta(entries)}});
}

class CommitTest : public testing::Test {
 protected:
  std::unique_ptr<CommitWriter> Create(const ObjectHeader& header) {
    return CommitWriter::Create(env_, random_, Keyring::Plain(),
                                tree_.NewTemporaryPath().value(), header,
                                SampleInfo(header))
        .value();
  }
  std::string Adopt(const ObjectHeader& header, CommitWriter& writer) {
    const FinishedObject finished = writer.Finish().value();
    const CommitSeq seq(header.number);
    std::string key =
        header.kind == ObjectKind::kCommit
            ? CommitKey(header.generation, seq, finished.name)
            : CheckpointKey(header.generation, seq, finished.name);
    EXPECT_OK(tree_.Adopt(finished, key));
    return key;
  }

  Env& env_ = Env::Posix();
  SeededRandom random_{1};
  const ScratchDir dir_;
  LocalTree tree_{env_, dir_.path()};
};

// Its frames don't shrink, so that this holds for every zstd.
TEST_F(CommitTest, HasItsKnownBytes) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  CommitInfo info;
  info.seq = CommitSeq(header.number);
  info.generation = header.generation;
  info.epoch = Epoch(random_.Next64());
  info.cut = Lsn(random_.Next64());
  info.time_nanos = 0x1234567890abcdef;
  info.pack_no = PackNo(random_.Next64());
  info.packs_added = {
      {PackNo(random_.Next64()), Sha256::Of("one"), random_.Next64()}};
  const auto writer =
      CommitWriter::Create(env_, random_, Keyring::Plain(),
                           tree_.NewTemporaryPath().value(), header, info)
          .value();
  ASSERT_OK(writer->AppendBlock("a block").status());
  ASSERT_OK(writer->AddDelta(0, "key", "value"));
  ASSERT_OK(writer->AddDelta(1, "gone", std::nullopt));
  EXPECT_EQ(writer->Finish().value().name.ToHex(),
            "8b63f472d7f7e87c34e2125c563637278e3d86121ed54b319e6ef5e763b2ec9d");
}

TEST_F(CommitTest, ACommitComesBackWhole) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  const auto writer = Create(header);
  const FrameLocation block = writer->AppendBlock("a block").value();
  ASSERT_OK(writer->AddDelta(0, "", "empty key"));
  ASSERT_OK(writer->AddDelta(0, "a", ""));
  ASSERT_OK(writer->AddDelta(0, std::string("a\0", 2), std::nullopt));
  ASSERT_OK(writer->AddDelta(0, "\xff", "high"));
  ASSERT_OK(writer->AddDelta(1, "", "next family"));
  const std::string key = Adopt(header, *writer);

  const Seen seen = ReadAll(tree_, key).value();
  ExpectSame(seen.info, SampleInfo(header));
  ASSERT_EQ(seen.entries.size(), 5U);
  EXPECT_EQ(seen.entries[0].value, "empty key");
  EXPECT_EQ(seen.entries[1].value, "");
  EXPECT_EQ(seen.entries[2].key, std::string("a\0", 2));
  EXPECT_FALSE(seen.entries[2].value.has_value());
  EXPECT_EQ(seen.entries[3].key, "\xff");
  EXPECT_EQ(seen.entries[4].family, 1);
  EXPECT_EQ(tree_.ReadFrame(key, block, Keyring::Plain()).value().raw,
            "a block");
  ExpectSame(ReadCommitInfo(tree_, Keyring::Plain(), key).value(),
             SampleInfo(header));
}

TEST_F(CommitTest, ACommitThatChangesNothingIsValid) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  const std::string key = Adopt(header, *Create(header));
  EXPECT_TRUE(ReadAll(tree_, key).value().entries.empty());
}

TEST_F(CommitTest, ALargeCheckpointComesBackWholeInBoundedFrames) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCheckpoint);
  const auto writer = Create(header);
  constexpr uint64_t kEntries = 60'000;
  for (uint64_t i = 0; i < kEntries; ++i) {
    std::string key;
    AppendBe64(&key, i);
    ASSERT_OK(writer->AddDelta(0, key, Noise(i, i % 150)));
  }
  ASSERT_OK(writer->AddDelta(1, "big", Noise(1, 3U << 20)));
  ASSERT_OK(writer->AddDelta(1, "last", "one"));
  const std::string key = Adopt(header, *writer);
  const Seen seen = ReadAll(tree_, key).value();
  ASSERT_EQ(seen.entries.size(), kEntries + 2);
  for (uint64_t i = 0; i < kEntries; i += 97) {
    EXPECT_EQ(seen.entries[i].value, Noise(i, i % 150));
  }
  EXPECT_EQ(seen.entries[kEntries].value, Noise(1, 3U << 20));
  EXPECT_EQ(seen.entries[kEntries + 1].key, "last");
  ASSERT_OK(ReadObject(tree_, Keyring::Plain(), key, kMaxObjectBytes,
                       [](const ObjectHeader&, const OpenedFrame& frame) {
                         EXPECT_LE(frame.raw.size(), 4U << 20);
                         return OkStatus();
                       }));
}

TEST_F(CommitTest, AnEntryThatFitsNoFrameIsRefused) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  const auto writer = Create(header);
  EXPECT_CODE(writer->AddDelta(0, "k", std::string(kMaxFrameBytes, 'v')),
              kInvalidArgument);
  EXPECT_OK(writer->AddDelta(0, "k", "small"));
  EXPECT_OK(writer->Finish().status());
}

TEST_F(CommitTest, ADescriptionLargerThanOneReadIsRead) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  CommitInfo info = SampleInfo(header);
  for (uint64_t i = 0; i < 5000; ++i) {
    info.packs_added.push_back(
        {PackNo(i), Hash256::FromBytes(Noise(i, 32)), i});
  }
  const auto writer =
      CommitWriter::Create(env_, random_, Keyring::Plain(),
                           tree_.NewTemporaryPath().value(), header, info)
          .value();
  const std::string key = Adopt(header, *writer);
  ExpectSame(ReadCommitInfo(tree_, Keyring::Plain(), key).value(), info);
}

using CommitDeathTest = CommitTest;

TEST_F(CommitDeathTest, TheWriterHoldsTheOrder) {
  const auto commit = Create(SampleHeader(ObjectKind::kCommit));
  ASSERT_OK(commit->AddDelta(0, "b", "1"));
  EXPECT_DEATH(static_cast<void>(commit->AddDelta(0, "b", "2")), "CHECK");
  EXPECT_DEATH(static_cast<void>(commit->AddDelta(0, "a", "2")), "CHECK");
  EXPECT_DEATH(static_cast<void>(commit->AddDelta(2, "c", "2")), "CHECK");
  EXPECT_DEATH(static_cast<void>(commit->AppendBlock("late")), "CHECK");
  const auto checkpoint = Create(SampleHeader(ObjectKind::kCheckpoint));
  EXPECT_DEATH(static_cast<void>(checkpoint->AppendBlock("block")), "CHECK");
  EXPECT_DEATH(static_cast<void>(checkpoint->AddDelta(0, "a", std::nullopt)),
               "CHECK");
}

TEST_F(CommitTest, EveryBitFlipIsCorruption) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  const auto writer = Create(header);
  ASSERT_OK(writer->AppendBlock("a block").status());
  ASSERT_OK(writer->AddDelta(0, "key", "value"));
  const std::string key = Adopt(header, *writer);
  MapStore store;
  std::string bytes = tree_.Get(key, {}, 1U << 20).value();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<char>(1 << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    store.objects[key] = bytes;
    EXPECT_CODE(ReadAll(store, key).status(), kCorruption);
    const Result<CommitInfo> info =
        ReadCommitInfo(store, Keyring::Plain(), key);
    if (info.ok()) ExpectSame(*info, SampleInfo(header));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
}

TEST_F(CommitTest, OnlyKeysOfCommitsAreRead) {
  EXPECT_CODE(ReadAll(tree_, PackKey(Sha256::Of("x"))).status(),
              kInvalidArgument);
  EXPECT_CODE(ReadCommitInfo(tree_, Keyring::Plain(), "owner/1").status(),
              kInvalidArgument);
  EXPECT_CODE(
      ReadCommitInfo(tree_, Keyring::Plain(), CommitKey({}, {}, {})).status(),
      kNotFound);
}

TEST(HostileCommitTest, TheFirstFrameMustBeItsOwnDescription) {
  const ObjectHeader header = SampleHeader(ObjectKind::kCommit);
  const std::string good = InfoRaw(header);
  EXPECT_OK(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, good}}));
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {}), kCorruption);
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kBlock, good}}),
              kCorruption);
  for (const size_t place : {0U, 1U, 9U, 49U}) {  // tag, seq, generation, flags
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] + 1);
    EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, bad}}),
                kCorruption);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_CODE(ReadFrames(ObjectKind::kCommit,
                           {{FrameType::kMeta, good.substr(0, size)}}),
                kCorruption);
  }
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, good + "x"}}),
              kCorruption);
}

TEST(HostileCommitTest, CountsOfPacksAreBoundedByTheBytesThatFollow) {
  const std::string good = InfoRaw(SampleHeader(ObjectKind::kCommit));
  for (const uint64_t count : {1ULL, 1ULL << 32, 1ULL << 60, ~0ULL}) {
    for (const size_t cut : {1U, 2U}) {
      std::string bad = good.substr(0, good.size() - cut);
      ByteWriter(&bad).Varint(count);
      EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, bad}}),
                  kCorruption);
    }
  }
}

TEST(HostileCommitTest, FramesStandInTheirOrder) {
  const std::string info = InfoRaw(SampleHeader(ObjectKind::kCommit));
  const std::string delta = Delta(Entry(0, 1, "k", "v"));
  EXPECT_OK(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, info},
                                             {FrameType::kBlock, "b"},
                                             {FrameType::kMeta, delta}}));
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, info},
                                               {FrameType::kMeta, delta},
                                               {FrameType::kBlock, "b"}}),
              kCorruption);
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit,
                         {{FrameType::kMeta, info}, {FrameType::kMeta, info}}),
              kCorruption);
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit,
                         {{FrameType::kMeta, info}, {FrameType::kMeta, ""}}),
              kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, ""), kCorruption);
  EXPECT_CODE(ReadFrames(ObjectKind::kCheckpoint,
                         {{FrameType::kMeta, info}, {FrameType::kBlock, "b"}}),
              kCorruption);
}

TEST(HostileCommitTest, EntriesAreSortedAndUniqueOverFrames) {
  const std::string a = Entry(0, 1, "a", "1");
  const std::string b = Entry(0, 1, "b", "1");
  const std::string next_family = Entry(1, 1, "a", "1");
  EXPECT_OK(ReadDelta(ObjectKind::kCommit, a + b + next_family));
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, b + a), kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, a + a), kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, next_family + b), kCorruption);
  const std::string info = InfoRaw(SampleHeader(ObjectKind::kCommit));
  EXPECT_CODE(ReadFrames(ObjectKind::kCommit, {{FrameType::kMeta, info},
                                               {FrameType::kMeta, Delta(b)},
                                               {FrameType::kMeta, Delta(a)}}),
              kCorruption);
}

TEST(HostileCommitTest, FamiliesAndOperationsAreKnown) {
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, Entry(2, 1, "k", "v")),
              kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, Entry(255, 1, "k", "v")),
              kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, Entry(0, 0, "k", "")),
              kCorruption);
  EXPECT_CODE(ReadDelta(ObjectKind::kCommit, Entry(0, 3, "k", "")),
              kCorruption);
  EXPECT_OK(ReadDelta(ObjectKind::kCommit, Entry(0, 2, "k", "")));
  EXPECT_CODE(ReadDelta(ObjectKind::kCheckpoint, Entry(0, 2, "k", "")),
              kCorruption);
}

TEST(HostileCommitTest, LengthsInADeltaAreBoundedByItsBytes) {
  const std::string good = Entry(0, 1, "key", "value");
  for (size_t size = 1; size < good.size(); ++size) {
    EXPECT_CODE(ReadDelta(ObjectKind::kCommit, good.substr(0, size)),
                kCorruption);
  }
  for (const uint64_t length : {100ULL, 1ULL << 40, ~0ULL}) {
    std::string bad("\0\x01", 2);
    ByteWriter(&bad).Varint(length);
    EXPECT_CODE(ReadDelta(ObjectKind::kCommit, bad + "key"), kCorruption);
  }
}

}  // namespace
}  // namespace trefoil
