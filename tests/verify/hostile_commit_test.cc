// SPDX-License-Identifier: Apache-2.0
// Goal: a well-formed commit that holds nonsense is named, and crashes nobody.
// Method: commits written with the volume's own writer, each with one kind of
// nonsense; then many with random entries, from a printed seed.
#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <map>
#include <random>

#include "fs/index/history.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

class HostileCommitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeDir("dir");
    volume_.MakeFile("dir/file", RandomBytes(100'000, 1));
    ASSERT_TRUE(volume_->CreateSnapshot("").ok());
    volume_.MakeFile("dir/other", RandomBytes(100'000, 2));
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.Close();
  }
  [[nodiscard]] std::string path() const { return volume_.path(); }
  // What the verifier says when the chain ends with such a commit.
  VerifyReport After(
      const std::vector<DeltaEntry>& entries,
      const std::function<void(ObjectHeader*, CommitInfo*)>& edit = nullptr) {
    AddCommit(path(), entries, edit);
    VerifyReport report = VerifyObjects(path(), false);
    std::filesystem::remove(
        ObjectPath(path(), ObjectKeys(path(), "commit/").back()));
    return report;
  }

  TestVolume volume_;
};

TEST_F(HostileCommitTest, MalformedEntriesAreNamed) {
  const std::string zero(1, '\0');
  for (const DeltaEntry& entry : std::vector<DeltaEntry>{
           {0, "", "x"},
           {0, "Q", "x"},
           {0, "I", "x"},
           {0, InodeKey(InodeId(7)), "x"},
           {0, InodeKey(InodeId(7)), ""},
           {0, "X1234567", "x"},
           {0, KeyOf('X', 7) + "a" + zero + "b" + zero, "x"},
           {1, "I", "x"},
           {1, InodeKey(InodeId(7)), "x"},
           {1, HistoryKey(InodeKey(InodeId(7)), kLiveEpoch),
            InodeRecord().Encode()},
           {1, BlockKey(BlockNo(7)), "x"},
           {0, SnapshotKey(SnapshotId(7)), ""},
           {0, CounterKey(kInodeCounter), std::string(20, '\xff')}}) {
    ExpectFinding(After({entry}), "bad-commit", "malformed");
  }
}

TEST_F(HostileCommitTest, NumbersAtTheirLimitsAreNamed) {
  ExtentRecord extent;
  extent.birth = Epoch(1);
  extent.length = kMaxExtentBytes;
  extent.block = BlockNo(kHuge);
  EXPECT_FALSE(
      After({{0, ExtentKey(InodeId(kHuge), kHuge), extent.Encode()}}).clean());
  EXPECT_FALSE(
      After({{0, CountKey(BlockNo(kHuge)), EncodeNumber(kHuge)}}).clean());
  BlockRecord block;
  block.pack = PackNo(kHuge);
  block.location = {kHuge, ~0U, ~0U, ~0U};
  EXPECT_FALSE(After({{0, BlockKey(BlockNo(kHuge)), block.Encode()}}).clean());
  InodeRecord inode;
  inode.birth = Epoch(kHuge);
  inode.mode = S_IFDIR;
  inode.nlink = ~0U;
  inode.size_bytes = kHuge;
  inode.parent = InodeId(kHuge);
  EXPECT_FALSE(After({{0, InodeKey(InodeId(kHuge)), inode.Encode()}}).clean());
  SnapshotRecord snapshot;
  snapshot.epoch = Epoch(kHuge);
  snapshot.name = "x";
  EXPECT_FALSE(
      After({{0, SnapshotKey(SnapshotId(kHuge)), snapshot.Encode()}}).clean());
}

TEST_F(HostileCommitTest, WhatACommitSaysOfItselfIsChecked) {
  ExpectFinding(After({}, [](ObjectHeader*,
                             CommitInfo* info) { info->epoch = Epoch(1); }),
                "bad-commit", "cut");
  ExpectFinding(
      After({}, [](ObjectHeader*, CommitInfo* info) { info->cut = Lsn(1); }),
      "bad-commit", "cut");
  ExpectFinding(After({}, [](ObjectHeader*,
                             CommitInfo* info) { info->pack_no = PackNo(1); }),
                "bad-commit", "holder of blocks");
  ExpectFinding(After({}, [](ObjectHeader* header,
                             CommitInfo*) { header->volume_id = {}; }),
                "bad-commit", "another volume");
  ExpectFinding(After({},
                      [](ObjectHeader*, CommitInfo* info) {
                        info->packs_added.push_back({PackNo(5), Hash256(), 1});
                      }),
                "bad-commit", "list of new packs");
}

TEST_F(HostileCommitTest, AnOlderGenerationOnTopIsNoChain) {
  const std::string before = DescribeFindings(VerifyObjects(path(), false));
  AddCommit(path(), {}, [](ObjectHeader* header, CommitInfo* info) {
    header->generation = info->generation = Generation(0);
  });
  const VerifyReport report = VerifyObjects(path(), false);
  ExpectFinding(report, "newer-commit", ObjectKeys(path(), "commit/").front());
}

TEST_F(HostileCommitTest, AChainThatPointsAtItselfEnds) {
  // Its predecessor is of its own number.
  AddCommit(path(), {}, [](ObjectHeader* header, CommitInfo* info) {
    header->number += 5;
    info->seq = CommitSeq(header->number);
  });
  ExpectFinding(VerifyObjects(path(), false), "broken-chain", "missing");
}

// Random records, many of them well-formed.
class Nonsense {
 public:
  explicit Nonsense(uint64_t seed) : random_(seed) {}

  std::vector<DeltaEntry> Entries() {
    std::map<std::pair<uint8_t, std::string>, std::optional<std::string>> all;
    for (uint64_t count = 1 + Below(60); count > 0; --count) {
      auto [key, value] = Record();
      const bool versioned = IsVersioned(key);
      const bool history = versioned && Below(3) == 0;
      if (history) key = HistoryKey(key, Epoch(Number()));
      if (Below(8) == 0) value.reset();
      if (value && Below(10) == 0) value->resize(Below(value->size() + 1));
      if (Below(20) == 0) key.resize(Below(key.size() + 1));
      all[{history ? 1 : 0, key}] = value;
    }
    // The rest may be harmless by chance; a pack that the commit does not list
    // never is.
    all[{0, PackNoKey(PackNo(1000))}] = PackRecord().Encode();
    std::vector<DeltaEntry> entries;
    for (const auto& [key, value] : all) {
      entries.push_back({key.first, key.second, value});
    }
    return entries;
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  // Mostly what is there, sometimes far out.
  uint64_t Number() {
    switch (Below(12)) {
      case 0:
        return kHuge - Below(3);
      case 1:
        return random_();
      case 2:
        return 1ULL << Below(64);
      default:
        return Below(8);
    }
  }

  std::pair<std::string, std::optional<std::string>> Record() {
    const InodeId inode(Number());
    const Epoch birth(Number());
    switch (Below(9)) {
      case 0:
        return {InodeKey(inode), Inode(birth)};
      case 1:
        return {DirentKey(inode, DirPosition(Number())),
                DirentRecord{birth, InodeId(Number()),
                             static_cast<uint8_t>(Below(16)), Name()}
                    .Encode()};
      case 2:
        return {ExtentKey(inode, Number()),
                ExtentRecord{birth, 1 + Below(kMaxExtentBytes),
                             BlockNo(Number()), Below(kMaxFrameBytes)}
                    .Encode()};
      case 3:
        return {XattrKey(inode, Name()), XattrRecord{birth, "v"}.Encode()};
      case 4:
        return {BlockKey(BlockNo(Number())), Block()};
      case 5:
        return {CountKey(BlockNo(Number())), EncodeNumber(Number())};
      case 6:
        return {OrphanKey(inode), EncodeNumber(Number())};
      case 7:
        return {SnapshotKey(SnapshotId(Number())),
                SnapshotRecord{birth, 0, Name(), ""}.Encode()};
      default:
        // A pack that the commit does not list. (A commit without blocks may
        // be on record and not there: a checkpoint stands for it.)
        return {PackNoKey(PackNo(Number())),
                PackRecord{ObjectKind::kPack, Hash256(), Number(),
                           Generation(Number()), Number()}
                    .Encode()};
    }
  }

  std::string Inode(Epoch birth) {
    InodeRecord record;
    record.birth = birth;
    record.mode =
        static_cast<uint32_t>(Below(2) == 0 ? S_IFDIR : Below(1U << 16));
    record.nlink = static_cast<uint32_t>(Number());
    record.flags = static_cast<uint32_t>(Below(2));
    record.size_bytes = Number();
    record.parent = InodeId(Number());
    return record.Encode();
  }

  std::string Block() {
    BlockRecord record;
    record.pack = PackNo(Number());
    record.location = {Number(), static_cast<uint32_t>(Number()),
                       static_cast<uint32_t>(Number()),
                       static_cast<uint32_t>(Number())};
    return record.Encode();
  }

  std::string Name() {
    return std::string(1 + Below(3), static_cast<char>('.' + Below(4)));
  }

  std::mt19937_64 random_;
};

TEST_F(HostileCommitTest, RandomEntriesNeverCrash) {
  uint64_t seed = std::random_device{}();
  if (const char* given = std::getenv("TREFOIL_SEED"); given != nullptr) {
    seed = std::stoull(given);
  }
  SCOPED_TRACE("TREFOIL_SEED=" + std::to_string(seed));
  Nonsense nonsense(seed);
  for (int round = 0; round < 60; ++round) {
    EXPECT_FALSE(After(nonsense.Entries()).clean()) << round;
  }
}

}  // namespace
}  // namespace trefoil
