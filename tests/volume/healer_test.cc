// SPDX-License-Identifier: Apache-2.0
// Goal: many readers, many objects and copies that hang or change are no
// obstacle to healing: each object is asked for once, none waits for another,
// nobody waits for ever, and nothing that is not whole is put in place.
// Method: readers in threads; a store that hangs until it is told; copies that
// are damaged while they heal each other.
#include "fs/volume/healer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <future>
#include <thread>

#include "fs/object/object_reader.h"
#include "tests/support/expect_clean.h"
#include "tests/support/fault_store.h"
#include "tests/support/test_volume.h"
#include "tests/volume/heal_fixture.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;

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
    volume_.MakeFile("file" + std::to_string(i),
                     RandomBytes(kLarge, static_cast<uint64_t>(7 + i)));
    ASSERT_TRUE(volume_->Commit().ok());
  }
  CopyAside();
  const std::vector<std::string> keys = Keys("pack/");
  ASSERT_EQ(keys.size(), 3U);
  LocalTree objects(Env::Posix(), Objects());
  // These outlive the healer's threads.
  std::atomic<bool> hangs{true};
  std::atomic<int> asked{0};
  Healer healer(objects, Clock::Real(), {});
  healer.SetCopies(Copies());
  for (const std::string& key : keys) Damage(key);
  const Status bad(StatusCode::kCorruption, "bad");
  // From here on a thread is idle.
  ASSERT_TRUE(healer.Fetch(keys[0], 0, bad).ok());
  faults_.before = [&](const std::string&, std::string_view) {
    ++asked;
    while (hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return OkStatus();
  };
  healer.FetchSoon(keys[1], 0, bad);
  healer.FetchSoon(keys[2], 0, bad);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
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
  // The copy may be asked before its reader has begun to wait.
  while (asked == 0 || volume_->status().heals.waiting == 0) {
    std::this_thread::yield();
  }
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

TEST_F(HealTest, WhatIsWholeByNowIsNotFetched) {
  const std::string key = OneFile("file");
  LocalTree objects(Env::Posix(), Objects());
  Healer healer(objects, Clock::Real(), {});
  healer.SetCopies(Copies());
  const Status bad(StatusCode::kCorruption, "bad when it was read");
  EXPECT_TRUE(healer.Fetch(key, 0, bad).ok());
  EXPECT_TRUE(faults_.done().empty());
  healer.SetCopies({});
}

}  // namespace
}  // namespace trefoil::testing
