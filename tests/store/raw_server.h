// SPDX-License-Identifier: Apache-2.0
// RawServer: answers each HTTP request on 127.0.0.1 with bytes that the test
// chose, whether they are HTTP or not, and remembers the requests.
// Thread rule: construct and destroy by one thread; the rest by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "fs/base/mutex.h"
#include "replicator/store/s3_request.h"

namespace trefoil::testing {

struct RawAnswer {
  std::string bytes;
  // After the bytes: close, or keep the connection open and silent.
  bool stall = false;
  // Sent again and again until the client closes; empty: nothing.
  std::string endless;
};

// "HTTP/1.1 200 OK" with a body and a true Content-Length.
RawAnswer HttpAnswer(const std::string& status, const std::string& body,
                     const std::string& headers = "");

class RawServer {
 public:
  // `answer` is given the request's head (request line and headers).
  explicit RawServer(std::function<RawAnswer(const std::string&)> answer);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] S3Endpoint Endpoint() const;
  // The heads of all requests so far.
  std::vector<std::string> Requests();

 private:
  void AcceptLoop();
  void Serve(int fd);

  const std::function<RawAnswer(const std::string&)> answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread accepter_;

  Mutex mu_;
  std::vector<std::string> requests_ GUARDED_BY(mu_);
  std::vector<std::thread> servers_ GUARDED_BY(mu_);
};

}  // namespace trefoil::testing
