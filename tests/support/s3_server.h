// SPDX-License-Identifier: Apache-2.0
// Real servers for tests, each in a directory of its own, on loopback and free
// ports. A guard process stops a server and removes its directory when the
// object goes, and also when the test itself is killed.
// Thread rule: use by one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fs/base/status.h"
#include "replicator/store/s3_request.h"

namespace trefoil::testing {

using Variables = std::vector<std::pair<std::string, std::string>>;

// Runs a program to its end with `extra` added to the environment; what it
// wrote to stdout, or kIoError with its exit status. stderr passes through.
Result<std::string> RunProgram(const std::vector<std::string>& command,
                               const Variables& extra = {});

// A port that nobody listens on now.
uint16_t FreePort();

// Stops `DIR` with `SCRIPT stop DIR --rm` when destroyed or orphaned.
class ServerGuard {
 public:
  ServerGuard(const std::string& script, const std::string& dir);
  ~ServerGuard();
  ServerGuard(const ServerGuard&) = delete;
  ServerGuard& operator=(const ServerGuard&) = delete;

 private:
  int pipe_ = -1;
  pid_t pid_ = -1;
};

// The path of a script in tests/support.
std::string SupportScript(const std::string& name);
// A fresh directory below the system's temporary one.
std::string NewServerDir(const std::string& name);

// Anything that answers S3 requests on 127.0.0.1.
class S3Server {
 public:
  virtual ~S3Server() = default;
  [[nodiscard]] virtual uint16_t port() const = 0;
  [[nodiscard]] virtual Credentials credentials() const = 0;
  // s3+http://127.0.0.1:PORT/BUCKET[/PREFIX]
  [[nodiscard]] std::string Url(const std::string& bucket,
                                const std::string& prefix = "") const;
  [[nodiscard]] S3Endpoint Endpoint(const std::string& bucket,
                                    const std::string& prefix = "") const;
};

// OpenStack Swift with s3api (swift-s3.sh); takes a dozen seconds to start.
class SwiftServer : public S3Server {
 public:
  static Result<std::unique_ptr<SwiftServer>> Start();
  [[nodiscard]] uint16_t port() const override { return port_; }
  [[nodiscard]] Credentials credentials() const override;

 private:
  uint16_t port_ = 0;
  std::unique_ptr<ServerGuard> guard_;
};

struct FaultRates {
  int percent_503 = 0;      // refused with SlowDown
  int percent_dropped = 0;  // connection closed without an answer
  int percent_lost = 0;     // applied, but answered with 502
};

// nginx in front of another server (faultproxy.sh).
class FaultProxy : public S3Server {
 public:
  // `backend` outlives the proxy.
  static Result<std::unique_ptr<FaultProxy>> Start(const S3Server& backend,
                                                   const FaultRates& rates);
  [[nodiscard]] uint16_t port() const override { return port_; }
  [[nodiscard]] Credentials credentials() const override {
    return credentials_;
  }

 private:
  uint16_t port_ = 0;
  Credentials credentials_;
  std::unique_ptr<ServerGuard> guard_;
};

// Makes the endpoint's bucket; OK when it is there already.
Status CreateBucket(const S3Endpoint& endpoint);

}  // namespace trefoil::testing
