// SPDX-License-Identifier: Apache-2.0
#include "fs/control/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace trefoil {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kReceiveBytes = 16U << 10;

// The same directory under a path that sockaddr_un always holds.
struct ShortPath {
  UniqueFd directory;
  sockaddr_un address{};
};

Result<ShortPath> Shorten(const std::string& directory, std::string_view name) {
  ShortPath path;
  path.directory =
      UniqueFd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (path.directory.get() < 0) {
    return Status::FromErrno(errno, "open " + directory);
  }
  const std::string text =
      fmt::format("/proc/self/fd/{}/{}", path.directory.get(), name);
  if (text.size() >= sizeof(path.address.sun_path)) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: too long for a socket's name", name));
  }
  path.address.sun_family = AF_UNIX;
  std::memcpy(path.address.sun_path, text.data(), text.size());
  return path;
}

const sockaddr* AsSockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Result<UniqueFd> NewSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Status::FromErrno(errno, "socket");
  return fd;
}

// When a wait that may last `timeout_nanos` ends; for ever when negative.
class Deadline {
 public:
  explicit Deadline(int64_t timeout_nanos)
      : for_ever_(timeout_nanos < 0),
        end_(SteadyClock::now() + std::chrono::nanoseconds(timeout_nanos)) {}

  // For poll(2): milliseconds left, -1 for ever, 0 when it is over.
  [[nodiscard]] int PollTimeout() const {
    constexpr int64_t kPollMax = 60'000;  // no need for a longer one
    if (for_ever_) return -1;
    const int64_t left =
        std::chrono::ceil<std::chrono::milliseconds>(end_ - SteadyClock::now())
            .count();
    if (left <= 0) return 0;
    return static_cast<int>(left < kPollMax ? left : kPollMax);
  }

 private:
  const bool for_ever_;
  const SteadyClock::time_point end_;
};

// Waits until `fd` is ready for `events`.
Status WaitReady(int fd, short events, const Deadline& deadline) {
  for (;;) {
    pollfd wait{fd, events, 0};
    const int timeout = deadline.PollTimeout();
    const int ready = poll(&wait, 1, timeout);
    if (ready > 0) return OkStatus();
    if (ready < 0 && errno != EINTR) return Status::FromErrno(errno, "poll");
    if (ready == 0 && timeout == 0) {
      return {StatusCode::kTimedOut, "control socket: no answer in time"};
    }
  }
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Result<UniqueFd> ListenUnix(const std::string& directory, std::string_view name,
                            int backlog) {
  TREFOIL_ASSIGN(const ShortPath path, Shorten(directory, name));
  TREFOIL_ASSIGN(UniqueFd fd, NewSocket());
  const std::string what = fmt::format("{}/{}", directory, name);
  if (unlink(path.address.sun_path) != 0 && errno != ENOENT) {
    return Status::FromErrno(errno, "unlink " + what);
  }
  if (bind(fd.get(), AsSockaddr(path.address), sizeof(path.address)) != 0) {
    return Status::FromErrno(errno, "bind " + what);
  }
  // Nobody can connect before listen, so that the mode is in time.
  if (chmod(path.address.sun_path, 0600) != 0) {
    return Status::FromErrno(errno, "chmod " + what);
  }
  if (listen(fd.get(), backlog) != 0) {
    return Status::FromErrno(errno, "listen " + what);
  }
  return fd;
}

Result<UniqueFd> ConnectUnix(const std::string& directory,
                             std::string_view name) {
  TREFOIL_ASSIGN(const ShortPath path, Shorten(directory, name));
  TREFOIL_ASSIGN(UniqueFd fd, NewSocket());
  const std::string what = fmt::format("connect {}/{}", directory, name);
  while (connect(fd.get(), AsSockaddr(path.address), sizeof(path.address)) !=
         0) {
    if (errno == EINTR) continue;
    if (errno == ECONNREFUSED || errno == EAGAIN) {
      return Status(StatusCode::kUnavailable, what + ": nobody listens");
    }
    return Status::FromErrno(errno, what);
  }
  return fd;
}

Result<uid_t> PeerUser(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return Status::FromErrno(errno, "getsockopt SO_PEERCRED");
  }
  return peer.uid;
}

Result<std::string> LineSocket::ReadLine(int64_t timeout_nanos) {
  const Deadline deadline(timeout_nanos);
  size_t searched = 0;
  for (;;) {
    const size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos && newline < line_bytes_max_) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    if (buffer_.size() >= line_bytes_max_) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("control socket: a line of more than {} bytes",
                                line_bytes_max_));
    }
    searched = buffer_.size();
    TREFOIL_TRY(WaitReady(fd_.get(), POLLIN, deadline));
    std::array<char, kReceiveBytes> part;
    const ssize_t got = recv(fd_.get(), part.data(), part.size(), MSG_DONTWAIT);
    if (got == 0) {
      return Status(StatusCode::kNotFound,
                    "control socket: closed by the other end");
    }
    if (got > 0) {
      buffer_.append(part.data(), static_cast<size_t>(got));
    } else if (errno != EAGAIN && errno != EINTR) {
      return Status::FromErrno(errno, "control socket: receive");
    }
  }
}

Status LineSocket::WriteLine(std::string_view line, int64_t timeout_nanos) {
  const Deadline deadline(timeout_nanos);
  std::string whole(line);
  whole.push_back('\n');
  std::string_view left = whole;
  while (!left.empty()) {
    TREFOIL_TRY(WaitReady(fd_.get(), POLLOUT, deadline));
    const ssize_t sent =
        send(fd_.get(), left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      left.remove_prefix(static_cast<size_t>(sent));
    } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return Status::FromErrno(errno, "control socket: send");
    }
  }
  return OkStatus();
}

bool LineSocket::PeerClosed() {
  char byte = 0;
  const ssize_t got = recv(fd_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  if (got < 0) return errno != EAGAIN && errno != EINTR;
  return got == 0;
}

void LineSocket::Shutdown() { shutdown(fd_.get(), SHUT_RDWR); }

}  // namespace trefoil
