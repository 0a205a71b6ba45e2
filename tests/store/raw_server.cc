// SPDX-License-Identifier: Apache-2.0
#include "tests/store/raw_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "fs/base/check.h"

namespace trefoil::testing {
namespace {

constexpr int kPollMillis = 20;

// Waits for something to read; false when `stop` was set meanwhile.
bool WaitReadable(int fd, const std::atomic<bool>& stop) {
  while (!stop) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, kPollMillis) > 0) return true;
  }
  return false;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

size_t ContentLength(const std::string& head) {
  const size_t at = head.find("Content-Length: ");
  if (at == std::string::npos) return 0;
  return std::strtoul(head.c_str() + at + 16, nullptr, 10);
}

// One request's head; its body is read and dropped. Empty at the end.
std::string ReadRequest(int fd, const std::atomic<bool>& stop) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos &&
        text.size() >= end + 4 + ContentLength(text.substr(0, end))) {
      return text.substr(0, end);
    }
    if (!WaitReadable(fd, stop)) return {};
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return {};
    text.append(buffer.data(), static_cast<size_t>(got));
  }
}

}  // namespace

RawAnswer HttpAnswer(const std::string& status, const std::string& body,
                     const std::string& headers) {
  return {fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n{}\r\n{}", status,
                      body.size(), headers, body),
          false, ""};
}

RawServer::RawServer(std::function<RawAnswer(const std::string&)> answer)
    : answer_(std::move(answer)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  TREFOIL_CHECK(listener_ >= 0 && bind(listener_, generic, size) == 0);
  TREFOIL_CHECK(listen(listener_, 64) == 0);
  TREFOIL_CHECK(getsockname(listener_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  accepter_ = std::thread([this] { AcceptLoop(); });
}

RawServer::~RawServer() {
  stop_ = true;
  accepter_.join();
  close(listener_);
  std::vector<std::thread> servers;
  {
    const MutexLock lock(mu_);
    servers.swap(servers_);
  }
  for (std::thread& server : servers) server.join();
}

S3Endpoint RawServer::Endpoint() const {
  const auto url =
      ParseTargetUrl(fmt::format("s3+http://127.0.0.1:{}/bucket", port_));
  TREFOIL_CHECK(url.ok());
  return {*url, "us-east-1", false, {"key", SecretBytes("hush"), {}}};
}

std::vector<std::string> RawServer::Requests() {
  const MutexLock lock(mu_);
  return requests_;
}

void RawServer::AcceptLoop() {
  while (WaitReadable(listener_, stop_)) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const MutexLock lock(mu_);
    servers_.emplace_back([this, fd] {
      Serve(fd);
      close(fd);
    });
  }
}

void RawServer::Serve(int fd) {
  const std::string head = ReadRequest(fd, stop_);
  if (head.empty()) return;
  {
    const MutexLock lock(mu_);
    requests_.push_back(head);
  }
  const RawAnswer answer = answer_(head);
  bool open = SendAll(fd, answer.bytes);
  while (open && !stop_ && !answer.endless.empty())
    open = SendAll(fd, answer.endless);
  // A client that gives up closes: then there is something to read, the end.
  if (answer.stall) static_cast<void>(WaitReadable(fd, stop_));
}

}  // namespace trefoil::testing
