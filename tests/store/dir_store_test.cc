// SPDX-License-Identifier: Apache-2.0
// Goal: a `dir:` target is only ever written where its own disk is; an
// unmounted disk's mountpoint stays empty whatever the timing; a full disk is
// told as one.
// Method: target directories that are moved away, swapped and removed, at
// every single operation of a write too; and a real disk image, loop-mounted,
// filled, and unmounted while writers run.
#include "replicator/store/dir_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kVolume(32, 'a');
const std::string kOtherVolume(32, 'b');

std::string Names(const std::string& path) {
  Result<std::vector<DirEntry>> entries = Env::Posix().List(path);
  if (!entries.ok()) return entries.status().ToString();
  std::vector<std::string> names;
  for (const DirEntry& entry : *entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) joined += name + " ";
  return joined;
}

Status PutBytes(ObjectStore& store, const std::string& key,
                const std::string& bytes) {
  MemorySource source(bytes);
  return store.Put(key, source, PutMode::kImmutable);
}

class DirStoreTest : public ::testing::Test {
 protected:
  DirStoreTest() : root_(dir_.path() + "/disk") {}

  Result<DirTargetId> Init(const std::string& volume = kVolume) {
    return InitDirTarget(Env::Posix(), root_, volume, Random::System());
  }
  DirTargetId MustInit() {
    Result<DirTargetId> id = Init();
    EXPECT_TRUE(id.ok()) << id.status().ToString();
    return *id;
  }
  // As umount(8): an empty directory remains.
  void Unplug() {
    ASSERT_TRUE(Env::Posix().Rename(root_, root_ + ".away").ok());
    ASSERT_TRUE(Env::Posix().CreateDir(root_).ok());
  }
  void Plug() {
    ASSERT_TRUE(Env::Posix().RemoveDir(root_).ok());
    ASSERT_TRUE(Env::Posix().Rename(root_ + ".away", root_).ok());
  }

  TempDir dir_;
  const std::string root_;
};

TEST_F(DirStoreTest, InitMakesTheWholeTargetAndIsRepeatable) {
  const DirTargetId id = MustInit();
  EXPECT_EQ(id.volume_id, kVolume);
  EXPECT_EQ(id.target_id.size(), 32U);
  EXPECT_EQ(Names(root_),
            "checkpoint commit owner pack probe quarantine tmp trefoil-target "
            "volume ");
  EXPECT_EQ(*Init(), id);
  EXPECT_EQ(*ReadDirTargetId(Env::Posix(), root_), id);
}

TEST_F(DirStoreTest, InitGoesOnWhereItWasInterrupted) {
  ASSERT_TRUE(Env::Posix().CreateDirs(root_ + "/tmp").ok());
  ASSERT_TRUE(Env::Posix().CreateDirs(root_ + "/pack").ok());
  ASSERT_TRUE(Env::Posix().CreateDirs(root_ + "/lost+found").ok());
  EXPECT_TRUE(Init().ok());
}

TEST_F(DirStoreTest, InitRefusesWhatIsNotEmpty) {
  ASSERT_TRUE(Env::Posix().CreateDirs(root_ + "/photos").ok());
  Status status = Init().status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("photos"), HasSubstr("choose an empty")));
  EXPECT_EQ(Names(root_), "photos ");
  ASSERT_TRUE(Env::Posix().RemoveTree(root_).ok());
  ASSERT_TRUE(Env::Posix().CreateDirs(root_ + "/pack/aa").ok());
  EXPECT_EQ(Init().status().code(), StatusCode::kAlreadyExists);
}

TEST_F(DirStoreTest, InitRefusesAnotherVolumesTarget) {
  MustInit();
  const Status status = Init(kOtherVolume).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("another volume"), HasSubstr(kVolume)));
}

TEST_F(DirStoreTest, InitNeedsTheParent) {
  const Status status = InitDirTarget(Env::Posix(), dir_.path() + "/no/disk",
                                      kVolume, Random::System())
                            .status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/no does not exist"));
}

TEST_F(DirStoreTest, ABadIdFileIsNamed) {
  MustInit();
  const std::string file = root_ + "/" + kTargetIdFile;
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("[1]"),
        std::string("{\"format\":1,\"volume_id\":\"x\",\"target_id\":\"y\"}"),
        std::string("{\"format\":0,\"volume_id\":1,\"target_id\":2}"),
        std::string(100'000, '[')}) {
    ASSERT_TRUE(Env::Posix().WriteFileAtomically(file, text).ok());
    const Status status = ReadDirTargetId(Env::Posix(), root_).status();
    EXPECT_EQ(status.code(), StatusCode::kCorruption) << text.substr(0, 50);
    EXPECT_THAT(status.message(), HasSubstr(file));
    EXPECT_FALSE(Init().ok());
  }
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(file, "{\"format\":2}").ok());
  EXPECT_EQ(ReadDirTargetId(Env::Posix(), root_).status().code(),
            StatusCode::kNewerFormat);
}

TEST_F(DirStoreTest, AnUnpluggedDiskIsNotThereAndNothingIsCreated) {
  DirStore store(Env::Posix(), root_, MustInit());
  ASSERT_EQ(PutBytes(store, "pack/aa/1", "one").ToString(), "ok");
  Unplug();
  const auto expect_gone = [&](const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("not there: " + root_),
                      HasSubstr("trefoil-target id file (disk not plugged")));
  };
  expect_gone(PutBytes(store, "pack/aa/2", "two"));
  expect_gone(store.Get("pack/aa/1", {}, 10).status());
  expect_gone(store.Head("pack/aa/1").status());
  expect_gone(store.List("", "", [](const ObjectInfo&) { return true; }));
  expect_gone(store.Delete("pack/aa/1"));
  expect_gone(store.RemoveTemporaries());
  expect_gone(store.Space().status());
  EXPECT_EQ(Names(root_), "");
  Plug();
  EXPECT_EQ(*store.Get("pack/aa/1", {}, 10), "one");
  EXPECT_EQ(PutBytes(store, "pack/aa/2", "two").ToString(), "ok");
}

TEST_F(DirStoreTest, AMissingDirectoryIsNotThereEither) {
  const DirTargetId id = MustInit();
  ASSERT_TRUE(Env::Posix().RemoveTree(root_).ok());
  DirStore store(Env::Posix(), root_, id);
  EXPECT_EQ(PutBytes(store, "pack/aa/1", "x").code(), StatusCode::kUnavailable);
  EXPECT_FALSE(Env::Posix().Exists(root_));
}

TEST_F(DirStoreTest, AnotherDiskInThePlaceIsNotTheTarget) {
  const DirTargetId id = MustInit();
  Unplug();
  const DirTargetId other = MustInit();
  ASSERT_NE(other, id);
  DirStore store(Env::Posix(), root_, id);
  const Status status = PutBytes(store, "pack/aa/1", "x");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("right disk"));
  EXPECT_EQ(Names(root_ + "/pack"), "");
  // Whoever does not know which target to expect takes this one.
  DirStore any(Env::Posix(), root_, std::nullopt);
  EXPECT_EQ(PutBytes(any, "pack/aa/1", "x").ToString(), "ok");
}

TEST_F(DirStoreTest, OnlyObjectsHaveAPlaceInATarget) {
  DirStore store(Env::Posix(), root_, MustInit());
  for (const char* key :
       {"trefoil-target", "tmp/x", "pack", "other/x", "lost", "tmp"}) {
    EXPECT_EQ(PutBytes(store, key, "x").code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(store.Delete(key).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(store.Get(key, {}, 1000).status().code(),
              StatusCode::kInvalidArgument);
  }
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(root_ + "/tmp/left", "x").ok());
  int listed = 0;
  EXPECT_TRUE(
      store.List("", "", [&](const ObjectInfo&) { return ++listed; }).ok());
  EXPECT_EQ(listed, 0);
  EXPECT_TRUE(store.RemoveTemporaries().ok());
  EXPECT_EQ(Names(root_ + "/tmp"), "");
}

// Unplugs the disk just before the Nth operation on it.
class UnplugEnv : public MountedEnv {
 public:
  UnplugEnv(std::string root, std::function<void()> unplug)
      // No path is directly below this root: everything passes through.
      : MountedEnv(Env::Posix(), "/nowhere"),
        root_(std::move(root)),
        unplug_(std::move(unplug)) {}

  void UnplugAt(int operation) { left_ = operation; }
  [[nodiscard]] bool unplugged() const { return left_ == 0; }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override {
    Count();
    return MountedEnv::Open(path, mode);
  }
  Result<FileInfo> Stat(const std::string& path) override {
    Count();
    return MountedEnv::Stat(path);
  }
  Status CreateDir(const std::string& path) override {
    Count();
    return MountedEnv::CreateDir(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    Count();
    return MountedEnv::Rename(from, to);
  }
  Status SyncDir(const std::string& path) override {
    Count();
    return MountedEnv::SyncDir(path);
  }

 private:
  void Count() {
    if (left_ > 0 && --left_ == 0) unplug_();
  }

  const std::string root_;
  const std::function<void()> unplug_;
  int left_ = -1;
};

TEST_F(DirStoreTest, ADiskUnpluggedAtAnyMomentOfAWriteLeavesItsPlaceEmpty) {
  const DirTargetId id = MustInit();
  UnplugEnv env(root_, [this] { Unplug(); });
  bool done = false;
  for (int operation = 1; !done; ++operation) {
    DirStore store(env, root_, id);  // knows no directories yet
    env.UnplugAt(operation);
    const Status put = PutBytes(
        store, fmt::format("pack/{:02x}/x{}", operation, operation), "x");
    done = !env.unplugged();
    if (done) {
      EXPECT_EQ(put.ToString(), "ok");
      EXPECT_GT(operation, 8) << "the sweep did not reach the write";
    } else {
      EXPECT_EQ(put.code(), StatusCode::kUnavailable)
          << operation << ": " << put.ToString();
      EXPECT_EQ(Names(root_), "") << operation;
      Plug();
      // What was left is in the way of the next temporary file.
      ASSERT_TRUE(Env::Posix().RemoveTree(root_ + "/tmp").ok());
      ASSERT_TRUE(Env::Posix().CreateDir(root_ + "/tmp").ok());
    }
  }
}

// A disk image of its own on a loop device.
class LoopDisk {
 public:
  LoopDisk(std::string image, std::string mountpoint, const char* size)
      : image_(std::move(image)), mountpoint_(std::move(mountpoint)) {
    Run({"truncate", "-s", size, image_});
    Run({"mkfs.ext4", "-q", "-F", image_});
    Run({"mkdir", "-p", mountpoint_});
    Mount();
  }
  ~LoopDisk() {
    if (mounted_) Run({"umount", mountpoint_});
  }
  LoopDisk(const LoopDisk&) = delete;
  LoopDisk& operator=(const LoopDisk&) = delete;

  void Mount() {
    Run({"mount", "-o", "loop", image_, mountpoint_});
    mounted_ = true;
  }
  // Tries until nothing is open on it.
  void Unmount() { Detach(0); }
  // At once; what is open stays usable until it is closed.
  void UnmountLazily() { Detach(MNT_DETACH); }

 private:
  void Detach(int flags) {
    while (umount2(mountpoint_.c_str(), flags) != 0) {
      ASSERT_EQ(errno, EBUSY);
      std::this_thread::yield();
    }
    mounted_ = false;
  }
  static void Run(const std::vector<std::string>& command) {
    const auto done = RunProgram(command);
    EXPECT_TRUE(done.ok()) << done.status().ToString();
  }

  const std::string image_;
  const std::string mountpoint_;
  bool mounted_ = false;
};

TEST_F(DirStoreTest, AFullDiskIsNoSpaceAndTheDiskStaysUsable) {
  LoopDisk disk(dir_.path() + "/image", root_, "16M");
  DirStore store(Env::Posix(), root_, MustInit());
  const std::string bytes(1U << 20, 'x');
  Status status;
  int written = 0;
  while (status.ok() && written < 100) {
    status = PutBytes(store, fmt::format("pack/aa/{}", written), bytes);
    if (status.ok()) ++written;
  }
  EXPECT_EQ(status.code(), StatusCode::kNoSpace) << status.ToString();
  EXPECT_GT(written, 2);
  EXPECT_EQ(Names(root_ + "/tmp"), "");
  int listed = 0;
  EXPECT_TRUE(
      store.List("", "", [&](const ObjectInfo&) { return ++listed; }).ok());
  EXPECT_EQ(listed, written);
  EXPECT_EQ(store.Delete("pack/aa/0").ToString(), "ok");
  EXPECT_EQ(PutBytes(store, "pack/aa/again", "small").ToString(), "ok");
}

TEST_F(DirStoreTest, UnmountingWhileWritersRunNeverFillsTheMountpoint) {
  LoopDisk disk(dir_.path() + "/image", root_, "256M");
  DirStore store(Env::Posix(), root_, MustInit());
  constexpr int kWriters = 3;
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> written = 0;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; !stop; ++i) {
        const std::string key =
            fmt::format("pack/{:02x}/{}-{}", i % 256, writer, i);
        const Status status = PutBytes(store, key, std::string(2000, 'x'));
        if (status.ok()) ++written;
        // An orderly umount needs moments in which nothing is open.
        std::this_thread::sleep_for(std::chrono::microseconds(i * 37 % 3000));
        if (!status.ok() && !status.Is(StatusCode::kUnavailable)) {
          ADD_FAILURE() << status.ToString();
          ++wrong;
          return;
        }
      }
    });
  }
  for (int round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    round % 2 == 0 ? disk.Unmount() : disk.UnmountLazily();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(Names(root_), "");
    disk.Mount();
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(wrong, 0);
  int listed = 0;
  EXPECT_TRUE(
      store.List("", "", [&](const ObjectInfo&) { return ++listed; }).ok());
  EXPECT_GE(listed, written);
  EXPECT_GT(written, 0);
}

}  // namespace
}  // namespace trefoil::testing
