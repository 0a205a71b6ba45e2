// SPDX-License-Identifier: Apache-2.0
// Goal: a read that meets a bad, truncated or missing object takes it from
// another copy, answers the right bytes and puts the good object in place; it
// never takes bytes that do not hash to the name, never waits for ever, and
// what no copy has is an error with the file's name.
// Method: a real volume whose objects are copied aside, in files and behind a
// store that fails, hangs and counts; random bits are flipped in its packs and
// commits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "fs/object/object_reader.h"
#include "fs/volume/healer.h"
#include "tests/support/expect_clean.h"
#include "tests/support/fault_env.h"
#include "tests/support/fault_store.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;

// Does not travel in a commit.
constexpr size_t kLarge = 600'000;

class HealTest : public ::testing::Test {
 protected:
  HealTest() {
    // Every block is asked for anew.
    volume_.options.block_cache_bytes = 1;
    volume_.Reopen();
  }

  [[nodiscard]] std::string Objects() const {
    return volume_.path() + "/objects";
  }
  [[nodiscard]] std::string Copy() const { return volume_.path() + "/../copy"; }
  void CopyAside() {
    stdfs::copy(Objects(), Copy(), stdfs::copy_options::recursive);
  }
  ObjectCopies Copies() {
    return {{"copy",
             std::make_shared<FaultStore>(
                 std::make_unique<LocalTree>(Env::Posix(), Copy()), faults_)}};
  }
  // Of packs, and of commits that hold blocks.
  std::vector<std::string> Keys(std::string_view prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(volume_->objects()
                    .List(prefix, "",
                          [&](const ObjectInfo& info) {
                            keys.push_back(info.key);
                            return true;
                          })
                    .ok());
    return keys;
  }
  static void FlipABit(const std::string& path, uint64_t random) {
    auto bytes = Env::Posix().ReadFile(path, 1U << 30);
    ASSERT_TRUE(bytes.ok());
    const uint64_t bit = random % (bytes->size() * 8);
    (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << bit % 8));
    auto file = Env::Posix().Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, *bytes).ok());
  }
  // In the frame of a pack's first block.
  void Damage(const std::string& key) {
    FlipABit(Objects() + "/" + key, (kHeaderBytes + 40) * 8);
  }
  void ExpectWhole(const std::string& key) {
    LocalTree tree(Env::Posix(), Objects());
    const auto info = tree.Head(key);
    ASSERT_TRUE(info.ok()) << key;
    EXPECT_TRUE(VerifyObjectHash(tree, key, info->size_bytes).ok()) << key;
  }
  Status Read(const std::string& path) {
    std::string buffer(16, '\0');
    return volume_->Read(volume_.Find(path), 0, buffer).status();
  }
  // One pack with `name` in it, copied aside.
  std::string OneFile(const std::string& name) {
    volume_.MakeFile(name, RandomBytes(kLarge, 7));
    EXPECT_TRUE(volume_->Commit().ok());
    CopyAside();
    return Keys("pack/").front();
  }

  TestVolume volume_;
  TargetFaults faults_;
};

TEST_F(HealTest, EveryFlippedBitThatAReadMeetsIsHealed) {
  constexpr int kFiles = 220;
  std::map<std::string, std::string> files;
  for (int i = 0; i < kFiles; ++i) {
    // Small ones travel in commits.
    const std::string name = "file" + std::to_string(i);
    files[name] = RandomBytes(i % 2 == 0 ? kLarge : 900, 100U + i);
    volume_.MakeFile(name, files[name]);
    ASSERT_TRUE(volume_->Commit().ok());
  }
  ASSERT_TRUE(volume_->CreateSnapshot("all").ok());
  ASSERT_TRUE(volume_->Unlink(kRootNode, "file0").ok());
  ASSERT_TRUE(volume_->Commit().ok());
  CopyAside();
  volume_->SetCopies(Copies());
  const std::string expected = volume_.Describe();
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> keys = Keys("pack/");
  ASSERT_GE(keys.size(), 100U);
  for (const std::string& key : Keys("commit/")) keys.push_back(key);
  for (const std::string& key : keys) {
    ASSERT_NO_FATAL_FAILURE(FlipABit(Objects() + "/" + key, random()));
  }
  volume_.Reopen();
  volume_->SetCopies(Copies());
  EXPECT_EQ(volume_.Describe(), expected);
  const SnapshotInfo snapshot = volume_->ListSnapshots()->front();
  const NodeId root = NodeId::Make(snapshot.id, kRootInode);
  for (const auto& [name, content] : files) {
    ASSERT_EQ(volume_.Content(volume_.Find(name, root)), content) << name;
  }
  const VolumeStatus status = volume_->status();
  // A read meets what is wrong with its own blocks only.
  EXPECT_GE(status.heals.healed, 130U);
  EXPECT_EQ(status.heals.failed, 0U);
  EXPECT_TRUE(status.lost_files.empty());
}

TEST_F(HealTest, WhatIsMissingOrTruncatedComesBack) {
  const std::string key = OneFile("file");
  volume_->SetCopies(Copies());
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  ExpectWhole(key);
  EXPECT_EQ(volume_->status().heals.fetched, 1U);
  stdfs::resize_file(Objects() + "/" + key, 1000);
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  ExpectWhole(key);
  EXPECT_EQ(volume_->status().heals.healed, 1U);
  volume_.Close();
  ExpectCleanAt(volume_.path());
}

TEST_F(HealTest, WithoutAGoodCopyTheFileIsNamedAndTheObjectLeft) {
  volume_.MakeDir("docs");
  const std::string key = OneFile("docs/file");
  volume_->SetCopies(Copies());
  Damage(key);
  FlipABit(Copy() + "/" + key, 77);
  const auto before = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
  EXPECT_EQ(Read("docs/file").posix_errno(), EIO);
  auto lost = volume_->status().lost_files;
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].path, "docs/file");
  EXPECT_THAT(lost[0].reason, HasSubstr(key));
  EXPECT_EQ(*Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30), *before);

  // The copies are asked again after a while.
  FlipABit(Copy() + "/" + key, 77);
  EXPECT_EQ(Read("docs/file").posix_errno(), EIO);
  volume_.Pass(6);
  EXPECT_TRUE(Read("docs/file").ok());
  EXPECT_TRUE(volume_->status().lost_files.empty());
  ExpectWhole(key);
}

TEST_F(HealTest, TheNextCopyIsAskedWhereOneIsBadOrAway) {
  const std::string key = OneFile("file");
  stdfs::copy(Copy(), Copy() + "2", stdfs::copy_options::recursive);
  ObjectCopies copies = Copies();
  copies.push_back(
      {"other", std::make_shared<LocalTree>(Env::Posix(), Copy() + "2")});
  volume_->SetCopies(copies);
  Damage(key);
  FlipABit(Copy() + "/" + key, 99);
  EXPECT_TRUE(Read("file").ok());
  ExpectWhole(key);
  volume_.Reopen();  // the last block is kept in memory
  volume_->SetCopies(copies);
  Damage(key);
  faults_.SetDown(true);
  EXPECT_TRUE(Read("file").ok());
  ExpectWhole(key);
}

TEST_F(HealTest, ManyReadersFetchAnObjectOnce) {
  const std::string key = OneFile("file");
  volume_->SetCopies(Copies());
  Damage(key);
  const NodeId node = volume_.Find("file");
  std::vector<std::thread> readers;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) {
    readers.emplace_back([&] {
      std::string buffer(100, '\0');
      if (volume_->Read(node, 0, buffer).ok()) ++good;
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(good, 16);
  EXPECT_EQ(faults_.done().size(), 1U);
  EXPECT_EQ(volume_->status().heals.healed, 1U);
}

TEST_F(HealTest, NoObjectWaitsForAnother) {
  for (int i = 0; i < 3; ++i) {
    volume_.MakeFile("file" + std::to_string(i), RandomBytes(kLarge, 7U + i));
    ASSERT_TRUE(volume_->Commit().ok());
  }
  CopyAside();
  const std::vector<std::string> keys = Keys("pack/");
  ASSERT_EQ(keys.size(), 3U);
  LocalTree objects(Env::Posix(), Objects());
  Healer healer(objects, Clock::Real(), {});
  healer.SetCopies(Copies());
  for (const std::string& key : keys) Damage(key);
  const Status bad(StatusCode::kCorruption, "bad");
  // From here on a thread is idle.
  ASSERT_TRUE(healer.Fetch(keys[0], 0, bad).ok());
  std::atomic<bool> hangs{true};
  std::atomic<int> asked{0};
  faults_.before = [&](const std::string&, std::string_view) {
    ++asked;
    while (hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return OkStatus();
  };
  healer.FetchSoon(keys[1], 0, bad);
  healer.FetchSoon(keys[2], 0, bad);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (asked < 2 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(asked, 2);
  hangs = false;
}

TEST_F(HealTest, ACopyThatHangsHoldsUpItsReadersOnlyAndNotForEver) {
  const std::string key = OneFile("file");
  std::atomic<bool> hangs{true};
  std::atomic<int> asked{0};
  faults_.before = [&](const std::string&, std::string_view) {
    ++asked;
    while (hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return OkStatus();
  };
  volume_->SetCopies(Copies());
  Damage(key);
  std::atomic<int> waiting{0};
  volume_->OnHealWait([&](int change) { waiting += change; });
  Status read;
  std::thread reader([&] { read = Read("file"); });
  while (asked == 0) std::this_thread::yield();
  EXPECT_EQ(waiting, 1);
  // Everybody else goes on.
  volume_.MakeFile("other", RandomBytes(kLarge, 8));
  EXPECT_TRUE(volume_->Commit().ok());
  EXPECT_TRUE(volume_->Checkpoint().ok());
  EXPECT_TRUE(Read("other").ok());
  volume_.Pass(60);
  reader.join();
  EXPECT_EQ(read.posix_errno(), EIO);
  EXPECT_EQ(waiting, 0);
  hangs = false;
  // The fetch went on meanwhile, and ended well.
  volume_->SetCopies({});
  EXPECT_TRUE(Read("file").ok());
  ExpectWhole(key);
}

// No more is asked of the copies than somebody waits for: what they are away
// for would gather without a bound.
TEST_F(HealTest, WhatNobodyMayWaitForIsNotAskedFor) {
  const std::string key = OneFile("file");
  volume_.MakeFile("other", RandomBytes(kLarge, 8));
  ASSERT_TRUE(volume_->Commit().ok());
  const std::vector<std::string> packs = Keys("pack/");
  ASSERT_EQ(packs.size(), 2U);
  const std::string other = packs[0] == key ? packs[1] : packs[0];
  LocalTree objects(Env::Posix(), Objects());
  ASSERT_TRUE(objects.Delete(key).ok());
  ASSERT_TRUE(objects.Delete(other).ok());
  std::promise<void> go_on;
  faults_.before = [hang = go_on.get_future().share()](const std::string&,
                                                       std::string_view) {
    hang.wait();
    return OkStatus();
  };
  const Status gone(StatusCode::kNotFound, "gone");
  {
    Healer healer(objects, Clock::Real(), {});
    healer.SetCopies(Copies());
    std::vector<std::thread> readers;
    for (int i = 0; i < kMaxWaitingReads; ++i) {
      readers.emplace_back(
          [&] { EXPECT_TRUE(healer.Fetch(key, 0, gone).ok()); });
    }
    while (healer.counts().waiting < kMaxWaitingReads) {
      std::this_thread::yield();
    }
    EXPECT_EQ(healer.Fetch(other, 0, gone).status().code(),
              StatusCode::kTimedOut);
    EXPECT_EQ(healer.counts().failed, 1U);
    go_on.set_value();
    for (std::thread& reader : readers) reader.join();
    healer.SetCopies({});
  }
  for (const std::string& done : faults_.done()) {
    EXPECT_THAT(done, ::testing::Not(HasSubstr(other)));
  }
}

TEST_F(HealTest, AReadOnlyVolumeAnswersAndWritesNothing) {
  const std::string key = OneFile("file");
  volume_.Close();
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  volume_.options.read_only = true;
  volume_.Open();
  volume_->SetCopies(Copies());
  EXPECT_EQ(volume_.Content("file"), RandomBytes(kLarge, 7));
  EXPECT_EQ(faults_.done().size(), 1U);  // once for all of its blocks
  const Status gone(StatusCode::kNotFound, "gone");
  EXPECT_FALSE(volume_->Heal(key, gone).ok());
  EXPECT_FALSE(stdfs::exists(Objects() + "/" + key));
}

TEST(HealSpaceTest, AHealLeavesTheLastRoomToWriters) {
  FaultEnv env(Env::Posix());
  TestVolume volume(env);
  volume.options.block_cache_bytes = 1;
  volume.Reopen();
  volume.MakeFile("file", RandomBytes(kLarge, 7));
  ASSERT_TRUE(volume->Commit().ok());
  const std::string objects = volume.path() + "/objects";
  const std::string copy = volume.path() + "/../copy";
  stdfs::copy(objects, copy, stdfs::copy_options::recursive);
  std::string key;
  ASSERT_TRUE(volume->objects()
                  .List("pack/", "",
                        [&](const ObjectInfo& info) {
                          key = info.key;
                          return true;
                        })
                  .ok());
  volume->SetCopies(
      {{"copy", std::make_shared<LocalTree>(Env::Posix(), copy)}});
  ASSERT_TRUE(stdfs::remove(objects + "/" + key));

  // Writers would still get some of this, and read meanwhile.
  env.SetAvailable(600ULL << 20);
  volume.Pass(1);
  EXPECT_EQ(volume.Content("file"), RandomBytes(kLarge, 7));
  EXPECT_FALSE(stdfs::exists(objects + "/" + key));
  const Status gone(StatusCode::kNotFound, "gone");
  EXPECT_EQ(volume->Heal(key, gone).code(), StatusCode::kNoSpace);
  EXPECT_FALSE(stdfs::exists(objects + "/" + key));
  const NodeId other = volume.MakeFile("other", "there is room for this");
  EXPECT_EQ(volume.Content(other), "there is room for this");

  // There is some to spare, and the object is larger.
  env.SetAvailable(3 * (256ULL << 20) + kLarge / 2);
  volume.Pass(1);
  EXPECT_FALSE(volume->Heal(key, gone).ok());
  EXPECT_FALSE(stdfs::exists(objects + "/" + key));

  env.SetAvailable(~0ULL);
  volume.Pass(1);
  EXPECT_TRUE(volume->Heal(key, gone).ok());
  EXPECT_TRUE(stdfs::exists(objects + "/" + key));
}

TEST_F(HealTest, AnOldVolumeObjectIsNotBroughtBack) {
  OneFile("file");
  volume_->SetCopies(Copies());
  const std::string newest = Keys("volume/").front();
  const auto bytes = Env::Posix().ReadFile(Objects() + "/" + newest, 1 << 20);
  const std::string old = VolumeKey(0, Sha256::Of(*bytes));
  std::ofstream(Copy() + "/" + old, std::ios::binary) << *bytes;
  const Status bad(StatusCode::kCorruption, "bad");
  EXPECT_EQ(volume_->Heal(old, bad).code(), StatusCode::kTrimmed);
  EXPECT_EQ(Keys("volume/").size(), 1U);
}

// A change of the ways in comes between.
TEST_F(HealTest, AVolumeObjectThatIsReplacedWhileItIsHealedGoesAgain) {
  OneFile("file");
  const std::string old = Keys("volume/").front();
  const auto bytes = Env::Posix().ReadFile(Objects() + "/" + old, 1 << 20);
  const std::string newer = VolumeKey(9, Sha256::Of(*bytes));
  faults_.after = [&](const std::string& operation, std::string_view) {
    if (operation == "GET") {
      std::ofstream(Objects() + "/" + newer, std::ios::binary) << *bytes;
    }
    return OkStatus();
  };
  volume_->SetCopies(Copies());
  const Status bad(StatusCode::kCorruption, "bad");
  EXPECT_EQ(volume_->Heal(old, bad).code(), StatusCode::kTrimmed);
  EXPECT_THAT(Keys("volume/"), ::testing::ElementsAre(newer));
}

// What a heal leaves behind when the machine or the disk gives up at any of its
// steps: the bad object or the good one, whole, and the copy as it was.
TEST_F(HealTest, ABrokenOffHealLeavesTheOldObjectOrTheGoodOne) {
  const std::string key = OneFile("file");
  volume_.Close();
  Damage(key);
  const auto bad = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
  const auto good = Env::Posix().ReadFile(Copy() + "/" + key, 1U << 30);
  bool whole = false;
  int steps = 0;
  for (; !whole && steps < 100; ++steps) {
    FaultEnv env(Env::Posix());
    LocalTree tree(env, Objects());
    env.Arm({.op = FaultOp::kAnyChange,
             .nth = static_cast<uint64_t>(steps) + 1,
             .sticky = true,
             .torn_bytes = 1000});
    const auto healed = HealObject(Copies(), key, 0, tree);
    const auto now = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
    ASSERT_TRUE(now.ok());
    EXPECT_TRUE(*now == *bad || *now == *good) << steps;
    EXPECT_TRUE(!healed.ok() || *now == *good);
    whole = healed.ok();
    EXPECT_EQ(*Env::Posix().ReadFile(Copy() + "/" + key, 1U << 30), *good);
    // For the next try; a leftover is no object.
    if (!whole) {
      std::ofstream(Objects() + "/" + key, std::ios::binary) << *bad;
    }
  }
  EXPECT_TRUE(whole);
  EXPECT_GT(steps, 4);
}

// Two copies that are healed from each other at the same time, each with
// another object bad: whoever reads a bad one refuses it.
TEST_F(HealTest, CopiesThatAreHealedFromEachOtherLoseNothing) {
  const std::string key = OneFile("file");
  volume_.MakeFile("other", RandomBytes(kLarge, 8));
  ASSERT_TRUE(volume_->Commit().ok());
  const std::vector<std::string> packs = Keys("pack/");
  volume_.Close();
  stdfs::remove_all(Copy());
  CopyAside();
  LocalTree one(Env::Posix(), Objects());
  LocalTree two(Env::Posix(), Copy());
  ASSERT_GE(packs.size(), 2U);
  const auto heal_all = [&](const std::string& from, LocalTree& to) {
    const ObjectCopies copies{
        {"it", std::make_shared<LocalTree>(Env::Posix(), from)}};
    for (const std::string& pack : packs) {
      static_cast<void>(HealObject(copies, pack, 0, to));
    }
  };
  for (unsigned round = 0; round < 20; ++round) {
    FlipABit(Objects() + "/" + packs[0], 12345 + round);
    FlipABit(Copy() + "/" + packs[1], 54321 + round);
    std::thread first([&] { heal_all(Copy(), one); });
    std::thread second([&] { heal_all(Objects(), two); });
    first.join();
    second.join();
    for (const std::string& pack : packs) {
      for (LocalTree* tree : {&one, &two}) {
        const auto info = tree->Head(pack);
        ASSERT_TRUE(info.ok());
        EXPECT_TRUE(VerifyObjectHash(*tree, pack, info->size_bytes).ok());
      }
    }
  }
}

// A source that changes between its verification and its transfer.
TEST_F(HealTest, WhatChangesOnTheWayIsNotPutInPlace) {
  const std::string key = OneFile("file");
  volume_.Close();
  const auto before = Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30);
  LocalTree from(Env::Posix(), Copy());
  LocalTree to(Env::Posix(), Objects());
  const ParsedKey parsed = *ParseObjectKey(key);
  for (const bool truncated : {false, true}) {
    if (truncated) {
      stdfs::resize_file(Copy() + "/" + key, before->size() - 1);
    } else {
      FlipABit(Copy() + "/" + key, 99);
    }
    StoreSource source(from, key, parsed.name, before->size());
    EXPECT_EQ(to.Put(key, source, PutMode::kReplace).code(),
              StatusCode::kCorruption);
    EXPECT_EQ(*Env::Posix().ReadFile(Objects() + "/" + key, 1U << 30), *before);
  }
}

TEST_F(HealTest, WhatCollectionLetGoIsNotBroughtBack) {
  const std::string key = OneFile("file");
  volume_->SetCopies(Copies());
  const Status missing(StatusCode::kNotFound, "gone");
  EXPECT_TRUE(volume_->Heal(key, missing).ok());
  ASSERT_TRUE(volume_->Unlink(kRootNode, "file").ok());
  for (int i = 0; i < 6; ++i) {
    volume_.Pass(60);
    volume_.MakeFile("later" + std::to_string(i), "x");
    ASSERT_TRUE(volume_->Commit().ok());
  }
  ASSERT_FALSE(stdfs::exists(Objects() + "/" + key));
  EXPECT_EQ(volume_->Heal(key, missing).code(), StatusCode::kTrimmed);
  EXPECT_FALSE(stdfs::exists(Objects() + "/" + key));
}

TEST_F(HealTest, MissingPacksAreThoseThatHoldBlocks) {
  const std::string key = OneFile("file");
  EXPECT_TRUE(volume_->MissingPacks()->empty());
  const uint64_t size = stdfs::file_size(Objects() + "/" + key);
  ASSERT_TRUE(stdfs::remove(Objects() + "/" + key));
  const auto missing = volume_->MissingPacks();
  ASSERT_EQ(missing->size(), 1U);
  EXPECT_EQ(missing->front().key, key);
  EXPECT_EQ(missing->front().size_bytes, size);
}

}  // namespace
}  // namespace trefoil::testing
