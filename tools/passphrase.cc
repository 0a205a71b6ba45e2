// SPDX-License-Identifier: Apache-2.0
#include "tools/passphrase.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "fs/base/clock.h"
#include "fs/control/socket.h"
#include "fs/volume/recovery_key.h"

namespace trefoil {
namespace {

constexpr size_t kMaxPassphraseBytes = 1024;
constexpr size_t kMaxSecretFileBytes = 16U << 10;  // a kit, with its QR code
constexpr int64_t kKeyCommandNanos = 60'000'000'000;
constexpr int64_t kNanosPerMilli = 1'000'000;

// No echo, and each key as it is typed: an interruption is a character, so that
// no signal leaves the terminal mute.
class MuteTerminal {
 public:
  MuteTerminal() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    known_ = true;
    termios mute = before_;
    mute.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    mute.c_cc[VMIN] = 1;
    mute.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &mute);
  }
  ~MuteTerminal() {
    if (known_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  MuteTerminal(const MuteTerminal&) = delete;
  MuteTerminal& operator=(const MuteTerminal&) = delete;

 private:
  termios before_{};
  bool known_ = false;
};

// One UTF-8 character less.
size_t Erased(std::string_view line) {
  size_t size = line.size();
  while (size > 0 &&
         (static_cast<unsigned char>(line[--size]) & 0xC0) == 0x80) {
  }
  return size;
}

// Until the line ends; false when it was broken off.
bool ReadLine(SecretBytes* line, size_t* size) {
  constexpr char kInterrupt = 3;
  constexpr char kEndOfInput = 4;
  constexpr char kBackspace = 8;
  constexpr char kKill = 21;
  constexpr char kDelete = 127;
  for (*size = 0;;) {
    char c = 0;
    const ssize_t got = read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == kInterrupt || c == kEndOfInput) return false;
    if (c == '\n' || c == '\r') return true;
    if (c == kBackspace || c == kDelete) {
      *size = Erased(line->view().substr(0, *size));
    } else if (c == kKill) {
      *size = 0;
    } else if (*size < line->size()) {
      line->span()[(*size)++] = c;
    }
  }
}

// Everything until the end, at most `max` bytes. `wait` answers false when
// there is no more time.
template <class Wait>
Result<SecretBytes> ReadAll(int fd, size_t max, const std::string& what,
                            Wait wait) {
  SecretBytes bytes(max + 1);
  size_t size = 0;
  while (size < bytes.size()) {
    if (!wait()) return Status(StatusCode::kTimedOut, what + ": no answer");
    const ssize_t got =
        read(fd, bytes.span().data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::FromErrno(errno, what);
    if (got == 0) return SecretBytes(bytes.view().substr(0, size));
    size += static_cast<size_t>(got);
  }
  return Status(StatusCode::kInvalidArgument, what + ": too long for a secret");
}

bool WaitUntilReadable(int fd, int64_t until_monotonic_nanos) {
  for (;;) {
    const int64_t left = until_monotonic_nanos - Clock::Real().MonotonicNanos();
    if (left <= 0) return false;
    pollfd waiting{fd, POLLIN, 0};
    const int ready =
        poll(&waiting, 1, static_cast<int>(left / kNanosPerMilli));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

enum class OthersMayRead { kNo, kYes };

Result<SecretBytes> ReadSecretFile(const std::string& path,
                                   OthersMayRead others) {
  const auto forever = [] { return true; };
  if (path == "-") {
    return ReadAll(STDIN_FILENO, kMaxSecretFileBytes, "standard input",
                   forever);
  }
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) {
    return Status::FromErrno(errno, path);
  }
  if (others == OthersMayRead::kNo && S_ISREG(info.st_mode) &&
      (info.st_mode & 0077) != 0) {
    return Status(StatusCode::kPermissionDenied,
                  path +
                      ": other users may read this passphrase; 'chmod 600' "
                      "it, and think of who has seen it");
  }
  return ReadAll(fd.get(), kMaxSecretFileBytes, path, forever);
}

// `command` with its standard output in `write_fd`.
Result<pid_t> Spawn(const std::string& command, int write_fd) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY,
                                   0);
  posix_spawn_file_actions_adddup2(&files, write_fd, STDOUT_FILENO);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::string shell = "sh";
  std::string option = "-c";
  std::string text = command;
  char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return Status::FromErrno(error, "starting the key command");
  return pid;
}

}  // namespace

bool CanAsk() {
  return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

Result<SecretBytes> Ask(std::string_view prompt) {
  SecretBytes line(kMaxPassphraseBytes);
  size_t size = 0;
  bool ended = false;
  {
    // Mute before it asks: what is typed earlier is thrown away.
    const MuteTerminal mute;
    fmt::print(stderr, "{}", prompt);
    ended = ReadLine(&line, &size);
  }
  fmt::print(stderr, "\n");
  if (!ended) return Status(StatusCode::kInvalidArgument, "interrupted");
  return SecretBytes(line.view().substr(0, size));
}

Result<SecretBytes> AskNewPassphrase(std::string_view prompt) {
  TREFOIL_ASSIGN(SecretBytes first, Ask(prompt));
  if (first.empty()) return first;
  TREFOIL_ASSIGN(const SecretBytes second, Ask("The same again: "));
  if (!first.Equals(second.view())) {
    return Status(StatusCode::kInvalidArgument,
                  "the two passphrases differ; try again");
  }
  return first;
}

Result<SecretBytes> ReadPassphraseFile(const std::string& path) {
  TREFOIL_ASSIGN(const SecretBytes text,
                 ReadSecretFile(path, OthersMayRead::kNo));
  std::string_view line = text.view();
  line = line.substr(0, line.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty() || line.size() > kMaxPassphraseBytes) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: its first line must be a passphrase of 1 to "
                              "{} bytes",
                              path, kMaxPassphraseBytes));
  }
  return SecretBytes(line);
}

Result<SecretBytes> ReadRecoveryKeyFile(const std::string& path) {
  TREFOIL_ASSIGN(const SecretBytes text,
                 ReadSecretFile(path, OthersMayRead::kYes));
  auto key = FindRecoveryKey(text.view());
  if (!key.ok()) return key.status().WithContext(path);
  return key;
}

Result<Secret> RunKeyCommand(const std::string& command) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) return Status::FromErrno(errno, "pipe");
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  TREFOIL_ASSIGN(const pid_t pid, Spawn(command, writing.get()));
  writing = UniqueFd();
  const int64_t until = Clock::Real().MonotonicNanos() + kKeyCommandNanos;
  const auto text =
      ReadAll(reading.get(), kMaxPassphraseBytes, "the key command",
              [&] { return WaitUntilReadable(reading.get(), until); });
  if (!text.ok()) kill(pid, SIGKILL);
  int state = 0;
  while (waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  TREFOIL_TRY(text.status());
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
    return Status(
        StatusCode::kUnavailable,
        fmt::format("the key command failed ({} {})",
                    WIFEXITED(state) ? "exit status" : "signal",
                    WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state)));
  }
  auto key = ParseVolumeKey(text->view());
  if (!key.ok())
    return key.status().WithContext("what the key command printed");
  return key;
}

}  // namespace trefoil
