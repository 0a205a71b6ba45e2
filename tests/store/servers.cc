// SPDX-License-Identifier: Apache-2.0
#include "tests/store/servers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace trefoil::testing {
namespace {

constexpr uint32_t kSmallPage = 10;

std::unique_ptr<CephGateway> gateway;
std::unique_ptr<SwiftServer> swift;
std::unique_ptr<FaultProxy> proxy;

// Stops the servers while the binary is still whole.
class StopServers : public ::testing::Environment {
 public:
  void TearDown() override {
    proxy.reset();
    gateway.reset();
    swift.reset();
  }
};
[[maybe_unused]] ::testing::Environment* const kStopServers =
    ::testing::AddGlobalTestEnvironment(new StopServers);

[[noreturn]] void Die(const char* server, const Status& status) {
  std::fprintf(stderr, "%s did not start: %s\n", server,
               status.ToString().c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

template <class Server>
void Take(const char* name, Result<std::unique_ptr<Server>> started,
          std::unique_ptr<Server>* out) {
  if (!started.ok()) Die(name, started.status());
  *out = std::move(started).value();
  const Status created = CreateBucket((*out)->Endpoint(kBucket));
  // A bucket made through a faulty proxy is another server's already.
  if (!created.ok() && !created.Is(StatusCode::kUnavailable))
    Die(name, created);
}

}  // namespace

CephGateway& SharedGateway() {
  if (gateway == nullptr)
    Take("Ceph gateway", CephGateway::Start({.tls = true}), &gateway);
  return *gateway;
}

SwiftServer& SharedSwift() {
  if (swift == nullptr) Take("Swift", SwiftServer::Start(), &swift);
  return *swift;
}

FaultProxy& SharedProxy() {
  if (proxy == nullptr) {
    Take("fault proxy",
         FaultProxy::Start(
             SharedGateway(),
             {.percent_503 = 20, .percent_dropped = 10, .percent_lost = 10}),
         &proxy);
  }
  return *proxy;
}

std::string NewPrefix() {
  static std::atomic<int> next = 1;
  return "test-" + std::to_string(next++);
}

std::unique_ptr<S3Store> NewS3Store(S3Endpoint endpoint,
                                    HttpClientOptions options, Clock& clock) {
  auto client = std::make_unique<HttpClient>(std::move(options),
                                             std::make_shared<CancelToken>());
  return std::make_unique<S3Store>(std::move(endpoint), std::move(client),
                                   clock, kSmallPage);
}

}  // namespace trefoil::testing
