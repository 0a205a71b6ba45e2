// SPDX-License-Identifier: Apache-2.0
// Goal: what passes through the program never ends in a core dump, and other
// processes of its user can't look into it.
// Method: the daemon of a real mount, started where dumps are allowed, ends by
// a signal that dumps; /proc tells what was allowed meanwhile.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/mount/share.h"

namespace trefoil::testing {
namespace {

constexpr uid_t kUser = 65534;

// Runs in a child: where dumps are allowed, `trefoil mount -f` of `share`.
[[noreturn]] void RunDaemon(const Share& share) {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &unlimited);
  if (chdir(share.root().c_str()) != 0) _exit(99);
  execl(Share::Program().c_str(), "trefoil", "mount", "-f",
        share.volume().c_str(), share.mountpoint().c_str(), "--log-file",
        share.log_file().c_str(), nullptr);
  _exit(98);
}

std::string CoreLimit(pid_t pid) {
  std::ifstream limits("/proc/" + std::to_string(pid) + "/limits");
  std::string line;
  while (std::getline(limits, line)) {
    if (line.rfind("Max core file size", 0) == 0) return line;
  }
  return "";
}

TEST(DumpsTest, ADaemonThatCrashesLeavesNoCore) {
  ASSERT_EQ(geteuid(), 0U) << "raising the limit needs root";
  Share share;
  share.Init();
  const pid_t pid = fork();
  if (pid == 0) RunDaemon(share);
  for (int i = 0; i < 12'000 && share.DaemonPid() == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_EQ(share.DaemonPid(), pid);
  EXPECT_EQ(CoreLimit(pid),
            "Max core file size        0                    0                  "
            "  bytes     ");
  kill(pid, SIGABRT);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_FALSE(WCOREDUMP(status));
}

// A command of an ordinary user that waits for an answer on `port`.
[[noreturn]] void RunAsUser(const std::string& program, int port) {
  if (setgid(kUser) != 0 || setuid(kUser) != 0) _exit(99);
  const std::string url =
      "s3+http://127.0.0.1:" + std::to_string(port) + "/bucket";
  const char* const environment[] = {"AWS_ACCESS_KEY_ID=id",
                                     "AWS_SECRET_ACCESS_KEY=hush", nullptr};
  execle(program.c_str(), "trefoil", "fsck", url.c_str(), nullptr, environment);
  _exit(98);
}

// The files of a process in /proc belong to its user only while that user's
// other processes may attach to it.
TEST(DumpsTest, ProcessesOfItsUserCanNotLookIn) {
  ASSERT_EQ(geteuid(), 0U) << "this test changes users and needs root";
  const Share share;
  const std::string program = share.root() + "/trefoil";
  std::filesystem::copy_file(Share::Program(), program);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener, generic, size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, generic, &size), 0);
  const pid_t pid = fork();
  if (pid == 0) RunAsUser(program, ntohs(address.sin_port));
  pollfd asked{listener, POLLIN, 0};
  EXPECT_EQ(poll(&asked, 1, /*timeout=*/30'000), 1);
  struct stat st {};
  EXPECT_EQ(stat(("/proc/" + std::to_string(pid) + "/mem").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 0U);
  kill(pid, SIGKILL);
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  close(listener);
}

}  // namespace
}  // namespace trefoil::testing
