// SPDX-License-Identifier: Apache-2.0
// Goal: every kind of store keeps the contract.
// Method: the conformance suite over directories, a real Ceph gateway, a real
// Swift, and the retrying store behind a proxy that refuses, drops and loses
// the answers of two requests in five.
#include <utility>

#include "replicator/store/dir_store.h"
#include "replicator/store/retry_store.h"
#include "tests/store/conformance.h"
#include "tests/store/servers.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

class DirectoryTestStore : public TestStore {
 public:
  explicit DirectoryTestStore(bool with_id) {
    if (with_id) {
      const std::string root = dir_.path() + "/target";
      const auto id = InitDirTarget(Env::Posix(), root, std::string(32, 'a'),
                                    Random::System());
      EXPECT_TRUE(id.ok()) << id.status().ToString();
      store_ = std::make_unique<DirStore>(Env::Posix(), root, *id);
    } else {
      store_ = std::make_unique<LocalTree>(Env::Posix(), dir_.path());
    }
  }
  ObjectStore& store() override { return *store_; }

 private:
  TempDir dir_;
  std::unique_ptr<ObjectStore> store_;
};

class OwnedTestStore : public TestStore {
 public:
  explicit OwnedTestStore(std::unique_ptr<ObjectStore> store)
      : store_(std::move(store)) {}
  ObjectStore& store() override { return *store_; }

 private:
  std::unique_ptr<ObjectStore> store_;
};

std::unique_ptr<TestStore> OnServer(const S3Server& server) {
  return std::make_unique<OwnedTestStore>(
      NewS3Store(server.Endpoint(kBucket, NewPrefix())));
}

std::unique_ptr<TestStore> RetryingOnProxy() {
  RetryOptions options;
  options.attempts_max = 40;
  options.backoff_max = std::chrono::milliseconds(200);
  return std::make_unique<OwnedTestStore>(std::make_unique<RetryStore>(
      NewS3Store(SharedProxy().Endpoint(kBucket, NewPrefix())), options,
      Clock::Real(), Random::System(), std::make_shared<CancelToken>()));
}

INSTANTIATE_TEST_SUITE_P(
    Stores, ConformanceTest,
    ::testing::Values(
        StoreCase{"LocalTree",
                  [] { return std::make_unique<DirectoryTestStore>(false); }},
        StoreCase{"DirStore",
                  [] { return std::make_unique<DirectoryTestStore>(true); }},
        StoreCase{"CephGateway", [] { return OnServer(SharedGateway()); }},
        StoreCase{"Swift", [] { return OnServer(SharedSwift()); }, false},
        StoreCase{"RetryBehindFaults", RetryingOnProxy}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace trefoil::testing
