// SPDX-License-Identifier: Apache-2.0
// Unix sockets that talk in lines, with a bound on every wait and every line.
// The path of a socket may be longer than sockaddr_un holds: its directory is
// opened and named through /proc/self/fd.
//
// Thread rule: a LineSocket is used by one thread at a time; Shutdown may be
// called by any.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fs/base/status.h"

namespace trefoil {

// A descriptor, closed when destroyed.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd();
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

// A listening socket `name` in `directory`, mode 0600. What a dead process
// left there is replaced: the caller holds the volume's lock.
Result<UniqueFd> ListenUnix(const std::string& directory, std::string_view name,
                            int backlog);
// kNotFound when there is no socket, kUnavailable when nobody listens.
Result<UniqueFd> ConnectUnix(const std::string& directory,
                             std::string_view name);
// The effective user of the process at the other end when it connected.
Result<uid_t> PeerUser(int fd);

// A connected socket.
class LineSocket {
 public:
  // Lines longer than `line_bytes_max`, newline included, are refused.
  LineSocket(UniqueFd fd, size_t line_bytes_max)
      : fd_(std::move(fd)), line_bytes_max_(line_bytes_max) {}

  // The next line without its newline. A negative timeout waits for ever.
  // kNotFound when the peer has closed, kTimedOut, kInvalidArgument for a line
  // that is too long, kIoError.
  Result<std::string> ReadLine(int64_t timeout_nanos);
  // Sends `line` and a newline. kTimedOut when the peer does not take it.
  Status WriteLine(std::string_view line, int64_t timeout_nanos);
  // True once the peer has closed; what it sent before is kept.
  bool PeerClosed();
  // Ends every wait of ReadLine and WriteLine, now and later.
  void Shutdown();

 private:
  UniqueFd fd_;
  size_t line_bytes_max_;
  std::string buffer_;  // received, not yet returned
};

}  // namespace trefoil
