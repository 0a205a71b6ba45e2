// SPDX-License-Identifier: Apache-2.0
// Goal: an object is in a local tree whole or not at all, never overwritten
// by accident, listed in order, and read back checked.
// Method: a real directory; damage, leftovers and races made by hand; an Env
// that fails or counts a chosen call. What every ObjectStore owes is tested by
// the conformance suite.
#include "fs/object/local_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

class LocalTreeTest : public testing::Test {
 protected:
  Status Put(std::string_view key, std::string_view bytes,
             PutMode mode = PutMode::kImmutable) {
    MemorySource source(bytes);
    return tree_.Put(key, source, mode);
  }
  std::string Get(std::string_view key) {
    return tree_.Get(key, {}, 1U << 30).value();
  }
  void WriteFile(std::string_view name, std::string_view bytes) {
    const std::string path = dir_.Path(name);
    ASSERT_OK(env_.CreateDirs(DirName(path)));
    ASSERT_OK(env_.WriteFileAtomically(path, bytes));
  }
  std::vector<std::string> Keys(std::string_view prefix = "",
                                std::string_view start_after = "") {
    std::vector<std::string> keys;
    EXPECT_OK(tree_.List(prefix, start_after, [&](const ObjectInfo& info) {
      keys.push_back(info.key);
      return true;
    }));
    return keys;
  }
  size_t Temporaries() {
    const auto entries = env_.List(dir_.Path("tmp"));
    return entries.ok() ? entries->size() : 0;
  }
  FinishedObject WritePack(const std::vector<std::string>& blocks,
                           std::vector<FrameLocation>* locations) {
    auto writer = ObjectWriter::Create(env_, random_, Keyring::Plain(),
                                       tree_.NewTemporaryPath().value(), {})
                      .value();
    for (const std::string& block : blocks) {
      locations->push_back(writer->Append(FrameType::kBlock, block).value());
    }
    return writer->Finish().value();
  }

  FaultyEnv env_;
  SeededRandom random_{1};
  const ScratchDir dir_;
  LocalTree tree_{env_, dir_.path()};
};

TEST_F(LocalTreeTest, WhatIsPutIsThereUnderItsKey) {
  const std::string bytes = Noise(1, 3U << 20);
  ASSERT_OK(Put("pack/ab/cd", bytes));
  EXPECT_EQ(Get("pack/ab/cd"), bytes);
  EXPECT_EQ(env_.ReadFile(dir_.Path("pack/ab/cd"), 1U << 30).value(), bytes);
  EXPECT_EQ(tree_.Head("pack/ab/cd").value().size_bytes, bytes.size());
  EXPECT_EQ(Temporaries(), 0U);
  ASSERT_OK(Put("empty", ""));
  EXPECT_EQ(Get("empty"), "");
}

TEST_F(LocalTreeTest, APipeInAnObjectsPlaceKeepsNobodyWaitingAndIsReplaced) {
  ASSERT_OK(Put("pack/ab/good", "bytes"));
  ASSERT_OK(env_.Remove(dir_.Path("pack/ab/good")));
  ASSERT_EQ(mkfifo(dir_.Path("pack/ab/good").c_str(), 0600), 0);
  EXPECT_CODE(tree_.Get("pack/ab/good", {}, 10).status(), kCorruption);
  EXPECT_CODE(tree_.OpenSource("pack/ab/good", Hash256()).status(),
              kCorruption);
  tree_.DropCache("pack/ab/good");
  EXPECT_EQ(Keys("pack/"), std::vector<std::string>{"pack/ab/good"});
  EXPECT_CODE(Put("pack/ab/good", "bytes"), kCorruption);
  ASSERT_OK(Put("pack/ab/good", "bytes", PutMode::kReplace));
  EXPECT_EQ(Get("pack/ab/good"), "bytes");
}

TEST_F(LocalTreeTest, OnlyAnEmptyDirectoryMakesRoomForAnObject) {
  ASSERT_OK(env_.CreateDirs(dir_.Path("pack/ab/good")));
  ASSERT_OK(Put("pack/ab/good", "bytes", PutMode::kReplace));
  EXPECT_EQ(Get("pack/ab/good"), "bytes");
  WriteFile("pack/ab/other/mine", "m");
  const Status put = Put("pack/ab/other", "bytes", PutMode::kReplace);
  EXPECT_NE(put.message().find("move it elsewhere"), std::string::npos);
  EXPECT_EQ(env_.ReadFile(dir_.Path("pack/ab/other/mine"), 10).value(), "m");
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, RangesEndWhereTheObjectEnds) {
  ASSERT_OK(Put("a", "0123456789"));
  EXPECT_EQ(tree_.Get("a", {3, 4}, 4).value(), "3456");
  EXPECT_EQ(tree_.Get("a", {8, 100}, 100).value(), "89");
  EXPECT_EQ(tree_.Get("a", {8, ~0ULL}, 100).value(), "89");
  EXPECT_EQ(tree_.Get("a", {5, 0}, 100).value(), "56789");
  EXPECT_EQ(tree_.Get("a", {10, 5}, 100).value(), "");
  EXPECT_EQ(tree_.Get("a", {~0ULL, 5}, 100).value(), "");
  EXPECT_CODE(tree_.Get("a", {0, 0}, 9).status(), kCorruption);
  EXPECT_CODE(tree_.Get("a", {0, 5}, 4).status(), kCorruption);
}

TEST_F(LocalTreeTest, WhatIsNotThereIsNotFound) {
  ASSERT_OK(Put("dir/a", "x"));
  for (const std::string_view key : {"b", "dir", "dir/b", "other/b"}) {
    EXPECT_CODE(tree_.Get(key, {}, 10).status(), kNotFound);
    EXPECT_CODE(tree_.Head(key).status(), kNotFound);
  }
  EXPECT_OK(tree_.Delete("b"));
  EXPECT_OK(tree_.Delete("other/b"));
  ASSERT_OK(tree_.Delete("dir/a"));
  EXPECT_CODE(tree_.Head("dir/a").status(), kNotFound);
}

TEST_F(LocalTreeTest, BadKeysAndTheTemporaryDirectoryAreRefused) {
  WriteFile("tmp/x", "in the making");
  for (const std::string_view key :
       {"", "../x", "a/../../x", "/etc/passwd", "A", "tmp", "tmp/x", "a/"}) {
    EXPECT_CODE(Put(key, "x"), kInvalidArgument);
    EXPECT_CODE(tree_.Get(key, {}, 10).status(), kInvalidArgument);
    EXPECT_CODE(tree_.Head(key).status(), kInvalidArgument);
    EXPECT_CODE(tree_.Delete(key), kInvalidArgument);
    EXPECT_CODE(tree_.OpenSource(key, {}).status(), kInvalidArgument);
    EXPECT_CODE(tree_.Adopt({}, key), kInvalidArgument);
    EXPECT_CODE(tree_.ReadFrame(key, {0, 100, 0, 0}, Keyring::Plain()).status(),
                kInvalidArgument);
  }
}

TEST_F(LocalTreeTest, AnImmutableObjectIsLeftAsItIs) {
  ASSERT_OK(Put("a", "first"));
  EXPECT_OK(Put("a", "other"));
  EXPECT_EQ(Get("a"), "first");
  const Status damaged = Put("a", "longer than the first");
  EXPECT_CODE(damaged, kCorruption);
  EXPECT_NE(damaged.message().find(dir_.Path("a")), std::string::npos);
  EXPECT_EQ(Get("a"), "first");
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, ReplacePutsTheNewBytes) {
  ASSERT_OK(Put("a", "first"));
  ASSERT_OK(Put("a", "second one", PutMode::kReplace));
  EXPECT_EQ(Get("a"), "second one");
  ASSERT_OK(Put("b", "new", PutMode::kReplace));
  EXPECT_EQ(Get("b"), "new");
}

TEST_F(LocalTreeTest, OfManyRacersForAnAbsentKeyOneWins) {
  for (int round = 0; round < 20; ++round) {
    const std::string key = "owner/" + std::to_string(round);
    std::atomic<int> winner{-1};
    std::atomic<int> losers{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const Status status =
            Put(key, "racer " + std::to_string(i), PutMode::kIfAbsent);
        if (status.ok()) {
          EXPECT_EQ(winner.exchange(i), -1);
        } else {
          EXPECT_CODE(status, kAlreadyExists);
          ++losers;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(losers, 7);
    EXPECT_EQ(Get(key), "racer " + std::to_string(winner));
  }
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, WithoutHardLinksIfAbsentIsNotSupported) {
  env_.link_error = Status::FromErrno(EPERM, "link");
  EXPECT_CODE(Put("a", "x", PutMode::kIfAbsent), kNotSupported);
  EXPECT_CODE(tree_.Head("a").status(), kNotFound);
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, ASourceThatDoesNotHashToItsNameIsNotStored) {
  MemorySource source("damaged", Sha256::Of("original"));
  for (const PutMode mode :
       {PutMode::kImmutable, PutMode::kIfAbsent, PutMode::kReplace}) {
    EXPECT_CODE(tree_.Put("a", source, mode), kCorruption);
  }
  EXPECT_CODE(tree_.Head("a").status(), kNotFound);
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, AFailedRenameLeavesNothing) {
  env_.rename_error = Status::FromErrno(ENOSPC, "rename");
  EXPECT_CODE(Put("a", "x"), kNoSpace);
  EXPECT_CODE(tree_.Head("a").status(), kNotFound);
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, AFailedWriteOrSyncLeavesNothing) {
  env_.write_error = Status::FromErrno(ENOSPC, "write");
  EXPECT_CODE(Put("a", "x"), kNoSpace);
  env_.write_error = OkStatus();
  env_.sync_error = Status::FromErrno(EIO, "sync");
  EXPECT_CODE(Put("a", "x"), kIoError);
  EXPECT_CODE(tree_.Head("a").status(), kNotFound);
  EXPECT_EQ(Temporaries(), 0U);
}

TEST_F(LocalTreeTest, InTheSteadyStateAPutSyncsOneDirectory) {
  ASSERT_OK(Put("pack/ab/one", "x"));
  const int before = env_.dir_syncs;
  ASSERT_OK(Put("pack/ab/two", "x"));
  EXPECT_EQ(env_.dir_syncs, before + 1);
}

TEST_F(LocalTreeTest, DirectoriesTakenAwayAreMadeAgain) {
  ASSERT_OK(Put("pack/ab/one", "x"));
  ASSERT_OK(env_.RemoveTree(dir_.Path("pack")));
  EXPECT_CODE(Put("pack/ab/two", "x"), kNotFound);
  EXPECT_OK(Put("pack/ab/two", "x"));
}

TEST_F(LocalTreeTest, AMissingRootIsNotMade) {
  LocalTree tree(env_, dir_.Path("absent"));
  MemorySource source("x");
  EXPECT_CODE(tree.Put("a", source, PutMode::kImmutable), kNotFound);
  EXPECT_FALSE(env_.Exists(dir_.Path("absent")));
  EXPECT_CODE(tree.List("", "", [](const ObjectInfo&) { return true; }),
              kNotFound);
}

TEST_F(LocalTreeTest, TemporaryPathsStepOverLeftovers) {
  WriteFile("tmp/object-1", "a crash left this");
  WriteFile("tmp/object-2", "and this");
  const std::string path = tree_.NewTemporaryPath().value();
  EXPECT_NE(path, dir_.Path("tmp/object-1"));
  EXPECT_NE(path, dir_.Path("tmp/object-2"));
  EXPECT_NE(path, tree_.NewTemporaryPath().value());
  LocalTree other(env_, dir_.path());
  EXPECT_NE(path, other.NewTemporaryPath().value());
}

TEST_F(LocalTreeTest, LeftoversAreHarmlessAndRemovedOnDemand) {
  WriteFile("tmp/object-1", "a crash left this");
  WriteFile("tmp/dir/deep", "and somebody this");
  ASSERT_OK(Put("a", "x"));
  EXPECT_EQ(Keys(), std::vector<std::string>{"a"});
  EXPECT_EQ(Temporaries(), 2U);
  ASSERT_OK(tree_.RemoveTemporaries());
  EXPECT_EQ(Temporaries(), 0U);
  EXPECT_OK(tree_.RemoveTemporaries());
  EXPECT_OK(LocalTree(env_, dir_.Path("absent")).RemoveTemporaries());
}

TEST_F(LocalTreeTest, ListsInByteOrderOfWholeKeys) {
  // '-' is below '/', digits and letters are above it.
  std::vector<std::string> keys{"a/b",    "a-b",   "a/b-c/d", "aa",
                                "a/b0",   "a-b-c", "z",       "0/a",
                                "a0/b/c", "a/a/z", "tmp-1/a", "tmpx"};
  for (const std::string& key : keys) ASSERT_OK(Put(key, key));
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(Keys(), keys);
  for (const std::string_view prefix :
       {"a", "a/", "a-", "a/b", "a0/", "zz", "tmp"}) {
    for (const std::string_view after :
         {"", "a", "a-b", "a/", "a/b", "a/b-c/d", "a/c", "z"}) {
      std::vector<std::string> expected;
      for (const std::string& key : keys) {
        if (key.starts_with(prefix) && key > after) expected.push_back(key);
      }
      EXPECT_EQ(Keys(prefix, after), expected) << prefix << " " << after;
    }
  }
}

TEST_F(LocalTreeTest, ListingStopsWhenToldAndGivesSizes) {
  for (const std::string_view key : {"a/1", "a/2", "b/1"}) {
    ASSERT_OK(Put(key, std::string(key) + "!"));
  }
  std::vector<std::string> seen;
  EXPECT_OK(tree_.List("", "", [&](const ObjectInfo& info) {
    EXPECT_EQ(info.size_bytes, 4U);
    seen.push_back(info.key);
    return info.key != "a/2";
  }));
  EXPECT_EQ(seen, (std::vector<std::string>{"a/1", "a/2"}));
}

TEST_F(LocalTreeTest, NamesThatAreNoKeysAreNotListed) {
  ASSERT_OK(Put("good", "x"));
  WriteFile("Bad", "x");
  WriteFile(".hidden", "x");
  WriteFile("lost+found/x", "x");
  WriteFile("dir/b_d", "x");
  WriteFile("dir/good", "x");
  EXPECT_EQ(Keys(), (std::vector<std::string>{"dir/good", "good"}));
  const std::string deep(100, 'd');
  WriteFile(deep + "/" + deep + "/" + deep, "a key too long");
  EXPECT_EQ(Keys().size(), 2U);
}

TEST_F(LocalTreeTest, AFinishedObjectIsAdopted) {
  std::vector<FrameLocation> locations;
  const std::vector<std::string> blocks{"one", Text(5000), Noise(1, 200'000)};
  const FinishedObject object = WritePack(blocks, &locations);
  const std::string key = PackKey(object.name);
  ASSERT_OK(tree_.Adopt(object, key));
  EXPECT_EQ(Temporaries(), 0U);
  EXPECT_EQ(Sha256::Of(Get(key)), object.name);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const OpenedFrame frame =
        tree_.ReadFrame(key, locations[i], Keyring::Plain()).value();
    EXPECT_EQ(frame.raw, blocks[i]);
    EXPECT_EQ(frame.type, FrameType::kBlock);
  }
}

TEST_F(LocalTreeTest, AdoptingNeverOverwrites) {
  std::vector<FrameLocation> locations;
  const FinishedObject object = WritePack({"one"}, &locations);
  const std::string key = PackKey(object.name);
  WriteFile(key, "damaged");
  EXPECT_CODE(tree_.Adopt(object, key), kCorruption);
  EXPECT_EQ(Get(key), "damaged");
  EXPECT_TRUE(env_.Exists(object.temporary_path));
  const std::string same_size(object.size_bytes, 'x');
  WriteFile(key, same_size);
  EXPECT_OK(tree_.Adopt(object, key));
  EXPECT_EQ(Get(key), same_size);
  EXPECT_FALSE(env_.Exists(object.temporary_path));
}

TEST_F(LocalTreeTest, OnlyTheFrameThatWasLookedForIsReturned) {
  std::vector<FrameLocation> locations;
  const FinishedObject object = WritePack({"one", "two"}, &locations);
  const std::string key = PackKey(object.name);
  ASSERT_OK(tree_.Adopt(object, key));
  const FrameLocation good = locations[1];
  for (FrameLocation bad :
       {FrameLocation{good.offset, good.stored_bytes, good.raw_bytes, 0},
        FrameLocation{good.offset, good.stored_bytes, 4, 1},
        FrameLocation{good.offset, good.stored_bytes + 1, good.raw_bytes, 1},
        FrameLocation{good.offset, good.stored_bytes - 1, good.raw_bytes, 1},
        FrameLocation{good.offset + 1, good.stored_bytes, good.raw_bytes, 1},
        FrameLocation{~0ULL >> 1, good.stored_bytes, good.raw_bytes, 1},
        FrameLocation{good.offset, 0, 0, 1},
        FrameLocation{good.offset, 0xffffffff, 0xffffffff, 1}}) {
    const Status status = tree_.ReadFrame(key, bad, Keyring::Plain()).status();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find(key), std::string::npos);
  }
  EXPECT_OK(tree_.ReadFrame(key, good, Keyring::Plain()).status());
  EXPECT_CODE(tree_.ReadFrame(PackKey({}), good, Keyring::Plain()).status(),
              kNotFound);
}

TEST_F(LocalTreeTest, AHealedObjectIsReadAnew) {
  std::vector<FrameLocation> locations;
  const FinishedObject object = WritePack({"one"}, &locations);
  const std::string key = PackKey(object.name);
  ASSERT_OK(tree_.Adopt(object, key));
  const std::string good = Get(key);
  ASSERT_OK(tree_.ReadFrame(key, locations[0], Keyring::Plain()).status());

  std::string bad = good;
  bad[locations[0].offset + kFrameHeaderBytes] = 'X';
  ASSERT_OK(Put(key, bad, PutMode::kReplace));
  EXPECT_CODE(tree_.ReadFrame(key, locations[0], Keyring::Plain()).status(),
              kCorruption);
  ASSERT_OK(Put(key, good, PutMode::kReplace));
  EXPECT_EQ(tree_.ReadFrame(key, locations[0], Keyring::Plain()).value().raw,
            "one");
  ASSERT_OK(tree_.Delete(key));
  EXPECT_CODE(tree_.ReadFrame(key, locations[0], Keyring::Plain()).status(),
              kNotFound);
}

TEST_F(LocalTreeTest, OpenFilesAreKeptAndBounded) {
  std::vector<std::string> keys;
  std::vector<FrameLocation> locations;
  for (int i = 0; i < 200; ++i) {
    const FinishedObject object =
        WritePack({"block " + std::to_string(i)}, &locations);
    keys.push_back(PackKey(object.name));
    ASSERT_OK(tree_.Adopt(object, keys.back()));
  }
  const auto read = [&](size_t i) {
    EXPECT_EQ(
        tree_.ReadFrame(keys[i], locations[i], Keyring::Plain()).value().raw,
        "block " + std::to_string(i));
  };
  for (size_t i = 0; i < keys.size(); ++i) read(i);
  int before = env_.opens;
  for (size_t i = 72; i < keys.size(); ++i) read(i);
  EXPECT_EQ(env_.opens, before) << "the last 128 are open";
  read(0);
  EXPECT_EQ(env_.opens, before + 1);
  read(73);
  read(72);
  EXPECT_EQ(env_.opens, before + 2) << "the least recently used one went";
}

TEST_F(LocalTreeTest, ManyThreadsReadWhileObjectsAreReplaced) {
  std::vector<FrameLocation> locations;
  const FinishedObject object = WritePack({Text(9000)}, &locations);
  const std::string key = PackKey(object.name);
  ASSERT_OK(tree_.Adopt(object, key));
  const std::string bytes = Get(key);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        EXPECT_EQ(
            tree_.ReadFrame(key, locations[0], Keyring::Plain()).value().raw,
            Text(9000));
      }
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_OK(Put(key, bytes, PutMode::kReplace));
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_F(LocalTreeTest, AnObjectIsTheSourceOfAnother) {
  const std::string bytes = Noise(1, 3'000'000);
  ASSERT_OK(Put("pack/ab/cd", bytes));
  const auto source = tree_.OpenSource("pack/ab/cd", Sha256::Of(bytes)).value();
  EXPECT_EQ(source->size_bytes(), bytes.size());
  LocalTree other(env_, dir_.Path("pack"));
  ASSERT_OK(other.Put("copy", *source, PutMode::kImmutable));
  EXPECT_EQ(other.Get("copy", {}, 1U << 30).value(), bytes);
  std::string out(10, '\0');
  EXPECT_CODE(source->ReadAt(bytes.size() - 5, out), kCorruption);
  EXPECT_CODE(tree_.OpenSource("absent", {}).status(), kNotFound);
}

}  // namespace
}  // namespace trefoil
