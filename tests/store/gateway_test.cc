// SPDX-License-Identifier: Apache-2.0
// Goal: what goes wrong between us and a real store is told apart and told in
// a way that helps; TLS and both address styles work; a gateway that comes
// back is used again.
// Method: a real Ceph gateway with wrong keys, a wrong clock, a missing
// bucket, a used-up quota, an unknown authority, and a kill.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "replicator/store/probe.h"
#include "tests/store/servers.h"

namespace trefoil::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Status PutOne(ObjectStore& store, const std::string& key = "pack/aa/one") {
  MemorySource source("one");
  return store.Put(key, source, PutMode::kImmutable);
}

// Whole operations on the endpoint: write, read, list, delete.
std::string Exercise(const S3Endpoint& endpoint,
                     HttpClientOptions options = {}) {
  const auto store = NewS3Store(endpoint, std::move(options));
  const auto can = ProbeTarget(*store, Random::System());
  return can.ok() ? can->ToString() : can.status().ToString();
}

class FixedClock : public Clock {
 public:
  explicit FixedClock(int64_t wall_nanos) : wall_nanos_(wall_nanos) {}
  int64_t WallNanos() override { return wall_nanos_; }
  int64_t MonotonicNanos() override { return Real().MonotonicNanos(); }

 private:
  const int64_t wall_nanos_;
};

TEST(GatewayTest, AMissingBucketIsNamed) {
  CephGateway& gateway = SharedGateway();
  const auto store = NewS3Store(gateway.Endpoint("no-such-bucket"));
  const auto expected =
      AllOf(HasSubstr("bucket no-such-bucket does not exist at 127.0.0.1:"),
            HasSubstr("create it or check the URL"));
  const Status put = PutOne(*store);
  EXPECT_EQ(put.code(), StatusCode::kNotFound);
  EXPECT_THAT(put.message(), expected);
  const Status list =
      store->List("", "", [](const ObjectInfo&) { return true; });
  EXPECT_THAT(list.message(), expected);
  EXPECT_THAT(store->Delete("pack/aa/x").message(), expected);
}

TEST(GatewayTest, WrongKeysAreRefusedWithAHint) {
  CephGateway& gateway = SharedGateway();
  S3Endpoint endpoint = gateway.Endpoint(kBucket);
  endpoint.credentials.secret_access_key =
      SecretBytes(std::string_view("wrong-secret"));
  Status status = PutOne(*NewS3Store(endpoint));
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("SignatureDoesNotMatch"));
  EXPECT_THAT(status.message(),
              HasSubstr("check the credentials: the access key"));
  EXPECT_THAT(status.message(), Not(HasSubstr("wrong-secret")));
  endpoint.credentials.access_key_id = "nobody";
  status = PutOne(*NewS3Store(endpoint));
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("InvalidAccessKeyId"));
}

TEST(GatewayTest, AWrongClockIsSaidToBeOne) {
  constexpr int64_t kTwentyMinutes = 20LL * 60 * 1'000'000'000;
  for (const int64_t skew : {-kTwentyMinutes, kTwentyMinutes}) {
    FixedClock clock(Clock::Real().WallNanos() + skew);
    const Status status =
        PutOne(*NewS3Store(SharedGateway().Endpoint(kBucket), {}, clock));
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr("set the clock"));
  }
}

TEST(GatewayTest, AUsedUpQuotaIsNoSpace) {
  CephGateway& gateway = SharedGateway();
  const auto admin = [&](std::vector<std::string> arguments) {
    const auto done = gateway.Admin(arguments);
    ASSERT_TRUE(done.ok()) << done.status().ToString();
  };
  admin({"user", "create", "--uid=small", "--display-name=small",
         "--access-key=smallkey", "--secret-key=smallsecret"});
  S3Endpoint endpoint = gateway.Endpoint("small-bucket");
  endpoint.credentials = {"smallkey", SecretBytes("smallsecret"), {}};
  ASSERT_EQ(CreateBucket(endpoint).ToString(), "ok");
  admin(
      {"quota", "set", "--quota-scope=user", "--uid=small", "--max-objects=0"});
  admin({"quota", "enable", "--quota-scope=user", "--uid=small"});
  const Status status = PutOne(*NewS3Store(endpoint));
  EXPECT_EQ(status.code(), StatusCode::kNoSpace) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr("quota"));
}

TEST(GatewayTest, BothAddressStylesWork) {
  S3Endpoint endpoint = SharedGateway().Endpoint(kBucket, NewPrefix());
  EXPECT_THAT(Exercise(endpoint), HasSubstr("conditional PUT: yes"));
  // Names below localhost lead to this machine without any resolver.
  endpoint.url.host = "s3.localhost";
  EXPECT_THAT(Exercise(endpoint), HasSubstr("conditional PUT: yes"));
  endpoint.virtual_host = true;
  EXPECT_THAT(Exercise(endpoint), HasSubstr("conditional PUT: yes"));
}

TEST(GatewayTest, TlsWorksWithTheRightAuthorityOnly) {
  CephGateway& gateway = SharedGateway();
  S3Endpoint endpoint = gateway.Endpoint(kBucket, NewPrefix());
  endpoint.url.tls = true;
  endpoint.url.port = gateway.tls_port();
  HttpClientOptions trusting;
  trusting.ca_file = gateway.ca_file();
  EXPECT_THAT(Exercise(endpoint, trusting), HasSubstr("conditional PUT: yes"));
  EXPECT_THAT(Exercise(endpoint),
              AllOf(HasSubstr("permission"), HasSubstr("is not signed by")));
  HttpClientOptions misled;
  misled.ca_file = "/nonexistent/ca.pem";
  EXPECT_THAT(Exercise(endpoint, misled), HasSubstr("ca_file"));
  // The certificate is for other names than this one.
  endpoint.url.host = "elsewhere.localhost";
  EXPECT_THAT(Exercise(endpoint, trusting), HasSubstr("is for another host"));
}

TEST(GatewayTest, AKilledGatewayIsUnavailableUntilItIsBack) {
  CephGateway& gateway = SharedGateway();
  const auto store = NewS3Store(gateway.Endpoint(kBucket, NewPrefix()));
  ASSERT_EQ(PutOne(*store).ToString(), "ok");
  ASSERT_EQ(gateway.Kill().ToString(), "ok");
  EXPECT_EQ(PutOne(*store, "pack/aa/two").code(), StatusCode::kUnavailable);
  EXPECT_EQ(store->Head("pack/aa/one").status().code(),
            StatusCode::kUnavailable);
  ASSERT_EQ(gateway.Restart().ToString(), "ok");
  EXPECT_EQ(PutOne(*store, "pack/aa/two").ToString(), "ok");
  EXPECT_TRUE(store->Head("pack/aa/one").ok());
}

}  // namespace
}  // namespace trefoil::testing
