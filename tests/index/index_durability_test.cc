// SPDX-License-Identifier: Apache-2.0
// Goal: what the index says is flushed survives a crash, as a whole and never
// ahead of the journal (O2, O5); a full disk passes; damage is found.
// Method: a GateEnv under the index takes images of what is synced, fails
// writes and watches the manifest. Each batch puts its LSN into every family,
// so that any state can be checked against one number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <thread>

#include "fs/base/bytes.h"
#include "fs/index/index.h"
#include "tests/index/gate_env.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

constexpr std::array<Family, kFamilies> kAllFamilies = {
    Family::kLive, Family::kHistory, Family::kLocal};
constexpr uint64_t kKeys = 50;

// Batch `n` sets the key n % kKeys of each family to n.
std::string KeyOfBatch(uint64_t n) {
  std::string key = "E";
  AppendBe64(&key, n % kKeys);
  return key;
}

IndexBatch Batch(uint64_t n, size_t padding) {
  IndexBatch batch;
  for (const Family family : kAllFamilies) {
    batch.Put(family, KeyOfBatch(n),
              std::to_string(n) + std::string(padding, ' '));
  }
  return batch;
}

// OK when the index holds exactly the batches 1..applied().
Status CheckState(Index& index) {
  const uint64_t last = index.applied().value;
  const uint64_t keys = std::min(last, kKeys);
  for (const Family family : kAllFamilies) {
    const std::unique_ptr<IndexCursor> cursor = index.NewCursor(family, "", "");
    uint64_t seen = 0;
    for (cursor->Seek(""); cursor->Valid(); cursor->Next(), ++seen) {
      const uint64_t n = std::stoull(std::string(cursor->value()));
      EXPECT_EQ(cursor->key(), KeyOfBatch(n));
      EXPECT_LE(n, last);
      EXPECT_GT(n + kKeys, last);
    }
    TREFOIL_TRY(cursor->status());
    EXPECT_EQ(seen, keys);
  }
  return OkStatus();
}

class IndexDurabilityTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    index_.reset();
    Result<std::unique_ptr<Index>> index =
        Index::Open(env_, dir_.Path("index"), options_);
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    index_ = *std::move(index);
  }

  Status ApplyTo(uint64_t last, size_t padding = 0) {
    for (uint64_t n = index_->applied().value + 1; n <= last; ++n) {
      TREFOIL_TRY(index_->Apply(Batch(n, padding), Lsn(n)));
    }
    return OkStatus();
  }

  // A crash now; the applied LSN that is found after it.
  Lsn AppliedAfterCrash() {
    const std::string image = dir_.Path("image");
    EXPECT_TRUE(env_.TakeImage(dir_.Path("index"), image).ok());
    Lsn applied;
    {
      Result<std::unique_ptr<Index>> index =
          Index::Open(image_env_, image, IndexOptions());
      EXPECT_TRUE(index.ok()) << index.status().ToString();
      if (!index.ok()) return applied;
      applied = (*index)->applied();
      EXPECT_EQ((*index)->flushed(), applied);
      const Status state = CheckState(**index);
      EXPECT_TRUE(state.ok()) << state.ToString();
    }
    EXPECT_TRUE(Env::Posix().RemoveTree(image).ok());
    return applied;
  }

  TempDir dir_;
  GateEnv env_{Env::Posix()};
  GateEnv image_env_{Env::Posix()};
  IndexOptions options_;
  std::unique_ptr<Index> index_;
};

TEST_F(IndexDurabilityTest, NewIndexHasNoLsn) {
  EXPECT_EQ(index_->applied(), Lsn(0));
  EXPECT_EQ(index_->flushed(), Lsn(0));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(0));
}

TEST_F(IndexDurabilityTest, FlushedSurvivesAndTheRestDoesNot) {
  ASSERT_TRUE(ApplyTo(70).ok());
  EXPECT_EQ(index_->applied(), Lsn(70));
  EXPECT_EQ(index_->flushed(), Lsn(0));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(0));

  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(index_->flushed(), Lsn(70));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(70));

  ASSERT_TRUE(ApplyTo(90).ok());
  EXPECT_EQ(index_->flushed(), Lsn(70));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(70));

  Open();
  EXPECT_EQ(index_->applied(), Lsn(70));
  EXPECT_EQ(index_->flushed(), Lsn(70));
  EXPECT_TRUE(CheckState(*index_).ok());
}

TEST_F(IndexDurabilityTest, FlushOfNothingIsOk) {
  ASSERT_TRUE(index_->Flush().ok());
  ASSERT_TRUE(ApplyTo(1).ok());
  ASSERT_TRUE(index_->Flush().ok());
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(index_->flushed(), Lsn(1));
}

// Crashes at any time while flushes and compactions run in the background.
TEST_F(IndexDurabilityTest, FlushedIsNeverTooHighWhateverTheMoment) {
  options_.write_buffer_bytes = 256 << 10;
  Open();
  std::atomic<bool> done = false;
  std::thread applier([&] {
    while (!done) {
      EXPECT_TRUE(index_->WaitForRoom().ok());
      EXPECT_TRUE(ApplyTo(index_->applied().value + 1, 1000).ok());
    }
  });
  uint64_t moved = 0;
  Lsn before;
  for (int crash = 0; crash < 40 || moved < 5; ++crash) {
    const Lsn flushed = index_->flushed();
    moved += flushed > before ? 1 : 0;  // by flushes in the background
    before = flushed;
    EXPECT_GE(AppliedAfterCrash(), flushed);
  }
  done = true;
  applier.join();
}

TEST_F(IndexDurabilityTest, HookRunsBeforeEachManifestAppend) {
  std::atomic<int> calls = 0;
  std::atomic<int> appends = 0;
  std::atomic<bool> durable = false;
  env_.SetGate([&](const std::string& path) {
    if (path.find("MANIFEST-") != std::string::npos) {
      ++appends;
      EXPECT_TRUE(durable.exchange(false)) << path;
    }
    return OkStatus();
  });
  options_.before_manifest = [&] {
    ++calls;
    durable = true;
    return OkStatus();
  };
  Open();
  EXPECT_GT(appends, 0) << "opening starts a manifest";
  const int before = appends;
  ASSERT_TRUE(ApplyTo(5).ok());
  EXPECT_EQ(appends, before);
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_GT(appends, before);
  EXPECT_EQ(appends, calls);
  index_.reset();
}

TEST_F(IndexDurabilityTest, HookErrorFailsTheFlush) {
  std::atomic<bool> failing = false;
  options_.before_manifest = [&] {
    if (!failing) return OkStatus();
    return Status(StatusCode::kIoError, "the journal is stuck");
  };
  Open();
  ASSERT_TRUE(ApplyTo(60).ok());
  ASSERT_TRUE(index_->Flush().ok());
  ASSERT_TRUE(ApplyTo(80).ok());
  failing = true;
  const Status flushed = index_->Flush();
  EXPECT_TRUE(flushed.Is(StatusCode::kIoError)) << flushed.ToString();
  EXPECT_THAT(flushed.message(), HasSubstr("the journal is stuck"));
  EXPECT_EQ(index_->flushed(), Lsn(60));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(60));
  // Reads go on; changes do not.
  EXPECT_TRUE(CheckState(*index_).ok());
  EXPECT_TRUE(ApplyTo(81).Is(StatusCode::kIoError));
  EXPECT_EQ(index_->applied(), Lsn(80));
  index_.reset();
}

TEST_F(IndexDurabilityTest, HookErrorFailsOpening) {
  options_.before_manifest = [] {
    return Status(StatusCode::kIoError, "the journal is stuck");
  };
  index_.reset();
  const Status status =
      Index::Open(env_, dir_.Path("index"), options_).status();
  EXPECT_TRUE(status.Is(StatusCode::kIoError)) << status.ToString();
}

// The file whose writes find the disk full.
class FullDiskTest : public IndexDurabilityTest,
                     public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    env_.SetGate([this](const std::string& path) {
      if (!full_ || path.find(GetParam()) == std::string::npos) {
        return OkStatus();
      }
      return Status::FromErrno(ENOSPC, "write " + path);
    });
    options_.write_buffer_bytes = 1 << 20;
    Open();
  }
  std::atomic<bool> full_ = false;
};

TEST_P(FullDiskTest, IsReportedAndPasses) {
  ASSERT_TRUE(ApplyTo(60, 1000).ok());
  ASSERT_TRUE(index_->Flush().ok());

  full_ = true;
  ASSERT_TRUE(ApplyTo(3000, 1000).ok()) << "memory takes them";
  for (const Status& status : {index_->WaitForRoom(), index_->Flush()}) {
    EXPECT_TRUE(status.Is(StatusCode::kNoSpace)) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(dir_.Path("index")));
  }
  EXPECT_TRUE(CheckState(*index_).ok());
  EXPECT_EQ(AppliedAfterCrash(), Lsn(60));
  ASSERT_TRUE(ApplyTo(3010).ok());

  full_ = false;
  EXPECT_TRUE(index_->WaitForRoom().ok());
  EXPECT_LT(index_->memory_bytes(), 4u << 20);
  ASSERT_TRUE(ApplyTo(3100, 1000).ok());
  EXPECT_TRUE(CheckState(*index_).ok());
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(index_->flushed(), Lsn(3100));
  EXPECT_EQ(AppliedAfterCrash(), Lsn(3100));

  // A second time, met by a flush that somebody asked for.
  full_ = true;
  ASSERT_TRUE(ApplyTo(3110).ok());
  EXPECT_TRUE(index_->WaitForRoom().ok()) << "there is room in memory";
  EXPECT_TRUE(index_->Flush().Is(StatusCode::kNoSpace));
  full_ = false;
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(AppliedAfterCrash(), Lsn(3110));
}

TEST_P(FullDiskTest, GoesOnByItself) {
  full_ = true;
  ASSERT_TRUE(ApplyTo(2000, 1000).ok());
  EXPECT_TRUE(index_->WaitForRoom().Is(StatusCode::kNoSpace));
  full_ = false;
  while (index_->flushed() == Lsn(0)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_GE(AppliedAfterCrash(), index_->flushed());
}

TEST_P(FullDiskTest, IndexClosesWhileTheDiskIsFull) {
  ASSERT_TRUE(ApplyTo(60).ok());
  ASSERT_TRUE(index_->Flush().ok());
  full_ = true;
  ASSERT_TRUE(ApplyTo(2000, 1000).ok());
  EXPECT_TRUE(index_->WaitForRoom().Is(StatusCode::kNoSpace));
  index_.reset();
  full_ = false;
  Open();
  EXPECT_EQ(index_->applied(), Lsn(60));
  EXPECT_TRUE(CheckState(*index_).ok());
}

// The fourth flush makes a compaction due. The disk has room for the table
// files of the four flushes and for no others.
TEST_F(IndexDurabilityTest, FullDiskInACompactionStopsNothing) {
  constexpr size_t kFlushedFiles = size_t{4} * kFamilies;
  Mutex mu;
  std::set<std::string> files;
  std::atomic<bool> full = true;
  std::atomic<int> failures = 0;
  env_.SetGate([&](const std::string& path) {
    const MutexLock lock(mu);
    if (path.find(".sst") != std::string::npos) files.insert(path);
    if (!full || files.size() <= kFlushedFiles) return OkStatus();
    files.erase(path);
    ++failures;
    return Status::FromErrno(ENOSPC, "write " + path);
  });
  for (uint64_t n = 1; n <= 4; ++n) {
    ASSERT_TRUE(ApplyTo(n * 10).ok());
    ASSERT_TRUE(index_->Flush().ok());
  }
  for (int wait = 0; failures == 0 && wait < 12'000; ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_GT(failures, 0);
  ASSERT_TRUE(ApplyTo(50).ok());
  full = false;
  ASSERT_TRUE(index_->Flush().ok());
  EXPECT_EQ(AppliedAfterCrash(), Lsn(50));
  index_.reset();
}

INSTANTIATE_TEST_SUITE_P(OfEachFile, FullDiskTest,
                         ::testing::Values(".sst", "MANIFEST-"));

// An index of three flushes, then one file damaged: opening and reading it
// answers kCorruption, or shows the state after one of the flushes.
class DamagedIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GateEnv env(Env::Posix());
    Result<std::unique_ptr<Index>> index =
        Index::Open(env, dir_.Path("built"), IndexOptions());
    ASSERT_TRUE(index.ok()) << index.status().ToString();
    for (uint64_t n = 1; n <= 60; ++n) {
      ASSERT_TRUE((*index)->Apply(Batch(n, 0), Lsn(n)).ok());
      if (n % 20 == 0) {
        ASSERT_TRUE((*index)->Flush().ok());
      }
    }
    ASSERT_TRUE(env.TakeImage(dir_.Path("built"), dir_.Path("good")).ok());
    files_ = Env::Posix().List(dir_.Path("good")).value();
  }

  // Names of the files that hold state, by the start or end of the name.
  std::vector<std::string> FilesLike(std::string_view part) {
    std::vector<std::string> names;
    for (const DirEntry& entry : files_) {
      if (entry.name.find(part) != std::string::npos) {
        names.push_back(entry.name);
      }
    }
    EXPECT_FALSE(names.empty()) << part;
    return names;
  }

  std::string Content(const std::string& name) {
    return Env::Posix()
        .ReadFile(JoinPath(dir_.Path("good"), name), 1 << 30)
        .value();
  }

  // Opens a copy in which `name` is `content`, or missing, and reads it all.
  Status OpenWith(const std::string& name,
                  const std::optional<std::string>& content) {
    GateEnv env(Env::Posix());
    const std::string dir = dir_.Path("damaged");
    EXPECT_TRUE(env.RemoveTree(dir).ok());
    EXPECT_TRUE(env.CreateDir(dir).ok());
    for (const DirEntry& entry : files_) {
      const std::string to = JoinPath(dir, entry.name);
      if (entry.name != name) {
        EXPECT_TRUE(env.Link(JoinPath(dir_.Path("good"), entry.name), to).ok());
      } else if (content.has_value()) {
        EXPECT_TRUE(env.WriteFileAtomically(to, *content).ok());
      }
    }
    TREFOIL_ASSIGN(const std::unique_ptr<Index> index,
                   Index::Open(env, dir, IndexOptions()));
    EXPECT_EQ(index->applied().value % 20, 0u);
    return CheckState(*index);
  }

  void ExpectFoundOrHarmless(const Status& status) {
    EXPECT_TRUE(status.ok() || status.Is(StatusCode::kCorruption))
        << status.ToString();
    if (!status.ok()) {
      ++found_;
      EXPECT_THAT(status.message(), HasSubstr(dir_.Path("damaged")));
    }
  }

  TempDir dir_;
  std::vector<DirEntry> files_;
  int found_ = 0;
};

TEST_F(DamagedIndexTest, IntactCopyOpens) {
  EXPECT_TRUE(OpenWith("", std::nullopt).ok());
}

TEST_F(DamagedIndexTest, MissingFilesAreFound) {
  for (const char* part : {"CURRENT", "MANIFEST-", ".sst"}) {
    for (const std::string& name : FilesLike(part)) {
      SCOPED_TRACE(name);
      const Status status = OpenWith(name, std::nullopt);
      EXPECT_TRUE(status.Is(StatusCode::kCorruption)) << status.ToString();
    }
  }
}

TEST_F(DamagedIndexTest, TruncationIsFoundOrHarmless) {
  for (const char* part : {"CURRENT", "MANIFEST-", ".sst"}) {
    found_ = 0;
    const std::string name = FilesLike(part).back();
    const std::string content = Content(name);
    const size_t step = std::max<size_t>(1, content.size() / 50);
    for (size_t size = 0; size < content.size(); size += step) {
      SCOPED_TRACE(name + " cut at " + std::to_string(size));
      ExpectFoundOrHarmless(OpenWith(name, content.substr(0, size)));
    }
    EXPECT_GT(found_, 0) << name;
  }
}

TEST_F(DamagedIndexTest, FlippedBitsAreFoundOrHarmless) {
  for (const char* part : {"CURRENT", "MANIFEST-", ".sst"}) {
    found_ = 0;
    const std::string name = FilesLike(part).back();
    const std::string content = Content(name);
    const size_t step = std::max<size_t>(1, content.size() / 100);
    for (size_t at = 0; at < content.size(); at += step) {
      SCOPED_TRACE(name + " flipped at " + std::to_string(at));
      std::string flipped = content;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
      ExpectFoundOrHarmless(OpenWith(name, flipped));
    }
    EXPECT_GT(found_, 0) << name;
  }
}

TEST_F(DamagedIndexTest, FileInItsPlaceIsAnError) {
  Env& env = Env::Posix();
  const std::string path = dir_.Path("file");
  ASSERT_TRUE(env.WriteFileAtomically(path, "not a directory").ok());
  EXPECT_FALSE(Index::Open(env, path, IndexOptions()).ok());
}

}  // namespace
}  // namespace trefoil
