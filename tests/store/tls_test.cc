// SPDX-License-Identifier: Apache-2.0
// Goal: only a server whose certificate is sound, for its name, and of a
// trusted authority is spoken to; of any other the message says what is wrong,
// where, and what to do.
// Method: real HTTPS servers with a good certificate and with bad ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/store/servers.h"
#include "tests/support/tls_servers.h"

namespace trefoil::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = TlsServers::Start();
    ASSERT_TRUE(started.ok()) << started.status().ToString();
    servers_ = std::move(*started).release();
  }
  static void TearDownTestSuite() {
    delete servers_;
    servers_ = nullptr;
  }

  static Result<std::string> Get(TlsServers::Certificate which,
                                 const std::string& ca_file,
                                 const std::string& host = "localhost") {
    S3Endpoint endpoint;
    endpoint.url.kind = TargetKind::kS3;
    endpoint.url.tls = true;
    endpoint.url.host = host;
    endpoint.url.port = servers_->port(which);
    endpoint.url.bucket = "bucket";
    endpoint.region = "us-east-1";
    endpoint.credentials = {"id", SecretBytes("hush"), {}};
    HttpClientOptions options;
    options.ca_file = ca_file;
    return NewS3Store(endpoint, options)->Get("pack/aa/x", {}, 100);
  }
  // The message of a refusal, which names the server.
  static std::string Refusal(TlsServers::Certificate which,
                             const std::string& ca_file = "-") {
    const Status status =
        Get(which, ca_file == "-" ? servers_->ca_file() : ca_file).status();
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("TLS: "), Not(HasSubstr("hush"))));
    return status.message();
  }
  static std::string Where(TlsServers::Certificate which) {
    return "https://localhost:" + std::to_string(servers_->port(which)) + " ";
  }

  static TlsServers* servers_;
};
TlsServers* TlsTest::servers_ = nullptr;

TEST_F(TlsTest, ASoundCertificateOfOnesOwnAuthorityIsTaken) {
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto got = Get(TlsServers::kGood, servers_->ca_file(), host);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_EQ(*got, "hello");
  }
  EXPECT_TRUE(Get(TlsServers::kStranger, servers_->strangers_ca_file()).ok());
}

TEST_F(TlsTest, AnUnknownAuthorityIsRefused) {
  EXPECT_THAT(Refusal(TlsServers::kGood, ""),
              AllOf(HasSubstr(Where(TlsServers::kGood)),
                    HasSubstr("this machine trusts"), HasSubstr("--ca-file")));
  EXPECT_THAT(
      Refusal(TlsServers::kStranger),
      AllOf(HasSubstr(Where(TlsServers::kStranger)),
            HasSubstr("not signed by an authority in " + servers_->ca_file())));
}

TEST_F(TlsTest, ACertificateForAnotherNameIsRefused) {
  EXPECT_THAT(Refusal(TlsServers::kOtherName),
              AllOf(HasSubstr(Where(TlsServers::kOtherName)),
                    HasSubstr("is for another host"),
                    HasSubstr("use the name that it has")));
}

TEST_F(TlsTest, ACertificateOfAnotherTimeIsRefused) {
  EXPECT_THAT(Refusal(TlsServers::kExpired),
              AllOf(HasSubstr(Where(TlsServers::kExpired)),
                    HasSubstr("has expired"), HasSubstr("clock")));
  EXPECT_THAT(Refusal(TlsServers::kEarly),
              AllOf(HasSubstr(Where(TlsServers::kEarly)),
                    HasSubstr("not valid yet"), HasSubstr("clock")));
}

TEST_F(TlsTest, AuthoritiesThatCanNotBeReadAreNamed) {
  EXPECT_THAT(Refusal(TlsServers::kGood, "/nonexistent/ca.pem"),
              AllOf(HasSubstr("/nonexistent/ca.pem"), HasSubstr("ca_file")));
  EXPECT_THAT(Refusal(TlsServers::kGood, "/etc/passwd"),
              HasSubstr("/etc/passwd"));
}

TEST_F(TlsTest, AServerWithoutTlsIsNotSpokenTo) {
  const Status status = Get(TlsServers::kNoTls, servers_->ca_file()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("is it the port for TLS?"));
}

}  // namespace
}  // namespace trefoil::testing
