// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fs/base/check.h"

namespace trefoil::testing {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// -1 when it can't be started. Output goes to the two descriptors.
int Spawn(std::vector<std::string> command, CommandOptions options, int out,
          int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                   O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  const std::vector<char*> argv = Pointers(command);
  const std::vector<char*> own = Pointers(options.environment);
  int pid = -1;
  const int error =
      posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(),
                   options.own_environment ? own.data() : environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

int WaitFor(int pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A file without a name: unlike a pipe it can be read without waiting for
// those whom a daemon keeps it open for.
int ScratchFile() {
  std::string name = "/tmp/trefoil-output-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  TREFOIL_CHECK(fd >= 0);
  unlink(name.c_str());
  return fd;
}

std::string TakeAll(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  const ssize_t n = pread(fd, text.data(), text.size(), 0);
  TREFOIL_CHECK(n == static_cast<ssize_t>(text.size()));
  close(fd);
  return text;
}

}  // namespace

CommandResult RunCommand(const std::vector<std::string>& command,
                         const CommandOptions& options) {
  const int out = ScratchFile();
  const int err = ScratchFile();
  const int pid = Spawn(command, options, out, err);
  CommandResult result;
  if (pid > 0) result.exit_code = WaitFor(pid);
  result.out = TakeAll(out);
  result.err = TakeAll(err);
  return result;
}

RunningCommand::RunningCommand(const std::vector<std::string>& command,
                               const CommandOptions& options)
    : pid_(Spawn(command, options, STDOUT_FILENO, STDERR_FILENO)) {
  TREFOIL_CHECK(pid_ > 0);
}

RunningCommand::~RunningCommand() {
  if (pid_ <= 0) return;
  Signal(SIGKILL);
  Wait();
}

void RunningCommand::Signal(int number) const { kill(pid_, number); }

int RunningCommand::Wait() { return WaitFor(std::exchange(pid_, -1)); }

}  // namespace trefoil::testing
