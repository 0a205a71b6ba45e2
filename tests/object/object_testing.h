// SPDX-License-Identifier: Apache-2.0
// What the tests of fs/object share: a Random that repeats itself, a scratch
// directory, an ObjectStore over a map into which any bytes can be put, and
// objects built by hand.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/bytes.h"
#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "fs/object/seal.h"

namespace trefoil {

testing::AssertionResult IsOk(const Status& status);
testing::AssertionResult HasCode(const Status& status, StatusCode code);
#define ASSERT_OK(expr) ASSERT_TRUE(::trefoil::IsOk(expr))
#define EXPECT_OK(expr) EXPECT_TRUE(::trefoil::IsOk(expr))
#define EXPECT_CODE(expr, code) \
  EXPECT_TRUE(::trefoil::HasCode((expr), ::trefoil::StatusCode::code))

// The same bytes for the same seed, on every machine.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void Fill(std::span<char> out) override {
    for (char& c : out) c = static_cast<char>(Step() >> 56);
  }
  uint64_t Below(uint64_t bound) { return (Step() >> 8) % bound; }

 private:
  // splitmix64.
  uint64_t Step() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

std::string Noise(uint64_t seed, size_t size);
std::string Text(size_t size);

class ScratchDir {
 public:
  ScratchDir();
  ~ScratchDir();
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }

 private:
  std::string path_;
};

// The real Env, counting some calls and failing others while told to.
class FaultyEnv final : public Env {
 public:
  std::atomic<int> dir_syncs{0};
  std::atomic<int> opens{0};
  Status link_error;
  Status rename_error;
  Status write_error;  // of all files
  Status sync_error;   // of all files

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<FileKind> KindOf(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Status CreateDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;

 private:
  Env& base_ = Env::Posix();
};

// Holds what it is given, right or wrong. Not thread-safe.
class MapStore final : public ObjectStore {
 public:
  std::map<std::string, std::string, std::less<>> objects;

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override { return "map"; }
};

// Of an object that is not encrypted.
Sealer SealerOf(const ObjectHeader& header);

// A header with every field set.
ObjectHeader SampleHeader(ObjectKind kind);

// The key that `bytes` would have as an object of `header`: the name is right
// whatever the bytes are.
std::string KeyOf(const ObjectHeader& header, std::string_view bytes);

struct FrameSpec {
  FrameType type;
  std::string raw;
};
// A well-formed object of these frames, the trailer added.
std::string BuildObject(const ObjectHeader& header,
                        const std::vector<FrameSpec>& frames);
// The bytes of an object before its trailer, and a right trailer for them.
std::string BuildFrames(const ObjectHeader& header,
                        const std::vector<FrameSpec>& frames);
std::string TrailerRaw(uint32_t frame_count, uint64_t size_before);

// A frame with any fields at all and the right tag over them: what a hostile
// writer can make.
struct RawFrame {
  uint32_t stored_length = 0;
  uint32_t raw_length = 0;
  uint8_t type = 1;
  uint8_t codec = 0;
  uint16_t reserved = 0;
  uint32_t frame_no = 0;
  std::string payload = {};
};
std::string SealRaw(const ObjectHeader& header, uint64_t offset,
                    const RawFrame& frame);
// As zstd makes it, whatever the size.
std::string Compressed(std::string_view raw);

}  // namespace trefoil
