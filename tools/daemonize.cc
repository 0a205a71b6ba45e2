// SPDX-License-Identifier: Apache-2.0
// The pipe carries one message: 'R', or 'F' and the line for the user. Its end
// without a message means that the daemon died.
#include "tools/daemonize.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "tools/report.h"

namespace trefoil {
namespace {

constexpr char kReady = 'R';
constexpr char kFailed = 'F';

void RedirectToNull(std::initializer_list<int> fds) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  for (const int fd : fds) dup2(null, fd);
  close(null);
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 1024> chunk;
  while (true) {
    const ssize_t n = read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(chunk.data(), static_cast<size_t>(n));
  }
}

std::string HowItEnded(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return "the daemon ended";
  }
  if (WIFSIGNALED(status)) {
    return fmt::format("the daemon was killed by signal {}", WTERMSIG(status));
  }
  return fmt::format("the daemon ended with exit status {}",
                     WEXITSTATUS(status));
}

int AwaitStart(int pipe_fd, pid_t child) {
  const std::string message = ReadAll(pipe_fd);
  close(pipe_fd);
  if (!message.empty() && message[0] == kReady) return kExitOk;
  const std::string line = !message.empty()
                               ? message.substr(1)
                               : fmt::format(
                                     "trefoil: mount: {} before the mount "
                                     "answered: see the system log",
                                     HowItEnded(child));
  fmt::print(stderr, "{}\n", OneLine(line));
  return kExitError;
}

}  // namespace

StartupReport::~StartupReport() {
  if (pipe_fd_ >= 0) close(pipe_fd_);
}

bool StartupReport::Send(char kind, std::string_view text) {
  const int fd = std::exchange(pipe_fd_, -1);
  std::string message(1, kind);
  message.append(text);
  const ssize_t n = write(fd, message.data(), message.size());
  close(fd);
  return n == static_cast<ssize_t>(message.size());
}

bool StartupReport::Ready() {
  if (!in_background()) return true;
  RedirectToNull({STDOUT_FILENO, STDERR_FILENO});
  return Send(kReady, "");
}

void StartupReport::Failed(std::string_view line) {
  if (in_background()) {
    Send(kFailed, line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
}

int RunInBackground(const std::function<int(StartupReport&)>& daemon) {
  std::array<int, 2> fds{};
  if (pipe2(fds.data(), O_CLOEXEC) != 0) {
    return Fail("mount", Status::FromErrno(errno, "pipe"));
  }
  const pid_t child = fork();
  if (child < 0) return Fail("mount", Status::FromErrno(errno, "fork"));
  if (child > 0) {
    close(fds[1]);
    return AwaitStart(fds[0], child);
  }
  close(fds[0]);
  setsid();
  if (chdir("/") != 0) _exit(kExitError);
  RedirectToNull({STDIN_FILENO});
  StartupReport report(fds[1]);
  std::exit(daemon(report));  // NOLINT(concurrency-mt-unsafe): threads ended
}

}  // namespace trefoil
