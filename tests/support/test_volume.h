// SPDX-License-Identifier: Apache-2.0
// A volume in a directory of its own, for tests: opened without background
// threads, closed or "crashed" (dropped without Close) and opened again.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "fs/base/clock.h"
#include "fs/volume/volume.h"

namespace trefoil {

// The real clock, put forward at will.
class ForwardClock final : public Clock {
 public:
  int64_t WallNanos() override { return Real().WallNanos() + ahead_; }
  int64_t MonotonicNanos() override { return Real().MonotonicNanos() + ahead_; }
  void Pass(int64_t seconds) { ahead_ += seconds * 1'000'000'000; }

 private:
  std::atomic<int64_t> ahead_{0};
};

class TestVolume {
 public:
  // Opened through `env`, which outlives it.
  explicit TestVolume(Env& env = Env::Posix());
  ~TestVolume();  // removes the directory

  Volume& operator*() { return *volume_; }
  Volume* operator->() { return volume_.get(); }
  [[nodiscard]] std::string path() const { return directory_ + "/volume"; }
  // Opens copies of it.
  [[nodiscard]] Secret secret() const;

  // Closes and opens.
  void Reopen();
  // Opens as after kill -9: dropped without Close.
  void CrashAndReopen();
  // Drops it without Close, as kill -9 does.
  void Crash();
  void Close();
  void Open();

  // The node of a path like "a/b" below `root`; fails the test when absent.
  NodeId Find(const std::string& path, NodeId root = kRootNode);
  NodeId MakeFile(const std::string& path, const std::string& content);
  NodeId MakeDir(const std::string& path);
  // The whole content.
  std::string Content(NodeId node);
  std::string Content(const std::string& path) { return Content(Find(path)); }
  void WriteAt(NodeId node, uint64_t offset, const std::string& data);

  // One line for each file, directory, link and attribute below `root`, with
  // everything that a user can see but access times; contents by hash.
  std::string Describe(NodeId root = kRootNode);

  // Lets so many seconds pass, for the volume.
  void Pass(int64_t seconds) { clock_.Pass(seconds); }

  VolumeOptions options;

  World world() { return {env_, clock_, Random::System()}; }

 private:
  Env& env_;
  ForwardClock clock_;
  std::string directory_;
  std::unique_ptr<Volume> volume_;
};

// `size` bytes that do not compress, from a seed.
std::string RandomBytes(size_t size, uint64_t seed);

}  // namespace trefoil
