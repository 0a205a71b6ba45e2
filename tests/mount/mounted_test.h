// SPDX-License-Identifier: Apache-2.0
// A fixture whose tests share one mount, each in a directory of its own; at
// the end the volume is unmounted and must be clean.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tests/mount/share.h"

namespace trefoil::testing {

// A descriptor, closed with the object.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const std::string& path, int flags, mode_t mode = 0644)
      : fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  operator int() const { return fd_; }  // NOLINT(*-explicit-*)
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

class MountedTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  // In this test's directory.
  [[nodiscard]] std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }
  static Share& share() { return *share_; }
  // Unmounts, mounts again and forgets what the kernel had cached.
  static void Remount();

  static void WriteFile(const std::string& path, std::string_view data);
  static std::string ReadFile(const std::string& path);
  // Runs `body` in a child process as an ordinary user; whether it was true.
  static bool AsOrdinaryUser(const std::function<bool()>& body);

 private:
  static std::unique_ptr<Share> share_;
  std::string directory_;
};

// Bytes that don't compress, the same for the same seed.
std::string RandomBytes(size_t size, uint64_t seed);

}  // namespace trefoil::testing
