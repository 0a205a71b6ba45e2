// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/share.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "fs/base/env.h"
#include "fs/control/client.h"
#include "fs/fuse/mount_table.h"

namespace trefoil::testing {
namespace {

// Only a test that fails waits so long; a busy machine may need much of it.
constexpr auto kPatience = std::chrono::seconds(120);
constexpr int64_t kAnswerNanos = std::chrono::nanoseconds(kPatience).count();

bool Eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// A zombie whose parent has not looked yet has ended all the same.
bool HasEnded(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return true;
  const size_t name_end = text.rfind(") ");
  return name_end == std::string::npos || text[name_end + 2] == 'Z';
}

}  // namespace

Share::Share() {
  std::string name = "/tmp/trefoil-mount-XXXXXX";
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  root_ = name;
  // Other users come by here.
  EXPECT_EQ(chmod(root_.c_str(), 0755), 0);
  EXPECT_EQ(mkdir(mountpoint().c_str(), 0755), 0);
}

Share::~Share() {
  const int pid = DaemonPid();
  while (IsMounted() && trefoil::Unmount(mountpoint(), /*lazily=*/true).ok()) {
  }
  if (pid > 0 && !WaitForExit(pid)) kill(pid, SIGKILL);
  if (::testing::Test::HasFailure()) {
    std::ifstream log(log_file());
    std::cerr << log.rdbuf();
  }
  EXPECT_TRUE(Env::Posix().RemoveTree(root_).ok());
}

std::string Share::Program() { return TREFOIL_PROGRAM; }

CommandResult Share::Trefoil(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{Program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunCommand(command);
}

void Share::Init() {
  const CommandResult result = Trefoil({"init", volume()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void Share::Mount(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"mount", volume(), mountpoint(),
                                     "--log-file", log_file()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const CommandResult result = Trefoil(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ASSERT_TRUE(IsMounted());
}

void Share::Unmount() {
  const CommandResult result = Trefoil({"umount", mountpoint()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  ASSERT_FALSE(IsMounted());
}

void Share::ExpectClean() {
  const CommandResult result = Trefoil({"fsck", volume(), "--read-data"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

int Share::DaemonPid() const {
  const auto client = ControlClient::Connect(volume());
  if (!client.ok()) return 0;
  const auto ping = (*client)->Call("ping", Json::object(), kAnswerNanos);
  return ping.ok() ? ping->value("pid", 0) : 0;
}

void Share::KillDaemon() const {
  const int pid = DaemonPid();
  ASSERT_GT(pid, 0);
  kill(pid, SIGKILL);
  ASSERT_TRUE(WaitForExit(pid));
}

bool Share::IsMounted() const {
  const auto table = ReadMountTable();
  EXPECT_TRUE(table.ok());
  return FindMount(*table, mountpoint()).has_value();
}

bool Share::WaitUntilUnmounted() const {
  return Eventually([&] { return !IsMounted(); });
}

bool Share::WaitForExit(int pid) {
  return Eventually([&] { return HasEnded(pid); });
}

}  // namespace trefoil::testing
