// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/mounted_test.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
#include <random>

namespace trefoil::testing {

namespace {
constexpr unsigned kOrdinaryUser = 65534;
}  // namespace

std::unique_ptr<Share> MountedTest::share_;

void MountedTest::SetUpTestSuite() {
  share_ = std::make_unique<Share>();
  share_->Init();
  share_->Mount();
}

void MountedTest::TearDownTestSuite() {
  share_->Unmount();
  share_->ExpectClean();
  share_.reset();
}

void MountedTest::SetUp() {
  ASSERT_TRUE(share_->IsMounted());
  directory_ = share_->Path(
      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  ASSERT_EQ(mkdir(directory_.c_str(), 0755), 0);
}

void MountedTest::Remount() {
  share_->Unmount();
  share_->Mount();
}

void MountedTest::WriteFile(const std::string& path, std::string_view data) {
  const Fd fd(path, O_CREAT | O_TRUNC | O_WRONLY);
  ASSERT_GE(fd, 0) << path;
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = write(fd, data.data() + done, data.size() - done);
    ASSERT_GT(n, 0) << path;
    done += static_cast<size_t>(n);
  }
}

std::string MountedTest::ReadFile(const std::string& path) {
  const Fd fd(path, O_RDONLY);
  EXPECT_GE(fd, 0) << path;
  std::string data;
  std::string chunk(1 << 20, '\0');
  ssize_t n = 0;
  while ((n = read(fd, chunk.data(), chunk.size())) > 0) {
    data.append(chunk.data(), static_cast<size_t>(n));
  }
  EXPECT_EQ(n, 0) << path;
  return data;
}

bool MountedTest::AsOrdinaryUser(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    const bool changed =
        setgid(kOrdinaryUser) == 0 && setuid(kOrdinaryUser) == 0;
    _exit(changed && body() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(size + sizeof(uint64_t));
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace trefoil::testing
