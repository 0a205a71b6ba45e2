// SPDX-License-Identifier: Apache-2.0
// Goal: a URL and options become a working store, or one clear error that
// names the target; a target that is away can be opened.
// Method: directories and the real gateway, behind the fault proxy too.
#include "replicator/store/open_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "replicator/store/probe.h"
#include "tests/store/raw_server.h"
#include "tests/store/servers.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Result<std::unique_ptr<ObjectStore>> Open(const TargetConfig& config) {
  return OpenTarget(config, Env::Posix(), Clock::Real(), Random::System());
}

TargetConfig Config(const std::string& url) {
  TargetConfig config;
  config.name = "offsite";
  config.url = url;
  return config;
}

// A variable of this process's environment, set or unset (null) for a while.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    // NOLINTBEGIN(concurrency-mt-unsafe): no thread looks meanwhile.
    if (const char* before = std::getenv(name)) before_ = before;
    Set(value);
  }
  ~ScopedVariable() { Set(before_ ? before_->c_str() : nullptr); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  void Set(const char* value) {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
    // NOLINTEND(concurrency-mt-unsafe)
  }

  const char* const name_;
  std::optional<std::string> before_;
};

class OpenTargetTest : public ::testing::Test {
 protected:
  // A credentials file for `server`.
  std::string WriteCredentials(const S3Server& server) {
    const Credentials credentials = server.credentials();
    std::string path = dir_.path() + "/credentials";
    EXPECT_TRUE(
        Env::Posix()
            .WriteFileAtomically(
                path,
                "[office]\naws_access_key_id = " + credentials.access_key_id +
                    "\naws_secret_access_key = " +
                    std::string(credentials.secret_access_key.view()) + "\n")
            .ok());
    return path;
  }

  TempDir dir_;
};

TEST_F(OpenTargetTest, AStoreBehindFaultsWorks) {
  TargetConfig config = Config(SharedProxy().Url(kBucket, NewPrefix()));
  config.options.credentials_file = WriteCredentials(SharedProxy());
  config.options.profile = "office";
  config.retry.attempts_max = 40;
  auto store = Open(config);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  for (int i = 0; i < 5; ++i) {
    const auto can = ProbeTarget(**store, Random::System());
    ASSERT_TRUE(can.ok()) << can.status().ToString();
    EXPECT_TRUE(can->conditional_put);
  }
}

TEST_F(OpenTargetTest, AnAwayTargetOpensAndIsUnavailable) {
  TargetConfig config = Config("s3+http://127.0.0.1:9/bucket");
  config.options.credentials_file = WriteCredentials(SharedGateway());
  config.options.profile = "office";
  config.retry.attempts_max = 2;
  auto store = Open(config);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  EXPECT_EQ((*store)->Head("pack/aa/x").status().code(),
            StatusCode::kUnavailable);
  auto dir = Open(Config("dir:" + dir_.path() + "/none"));
  ASSERT_TRUE(dir.ok()) << dir.status().ToString();
  EXPECT_EQ((*dir)->Head("pack/aa/x").status().code(),
            StatusCode::kUnavailable);
}

TEST_F(OpenTargetTest, ADirectoryTargetWorks) {
  const std::string root = dir_.path() + "/disk";
  const auto id =
      InitDirTarget(Env::Posix(), root, std::string(32, 'c'), Random::System());
  ASSERT_TRUE(id.ok());
  TargetConfig config = Config("dir:" + root);
  config.expected_id = *id;
  auto store = Open(config);
  ASSERT_TRUE(store.ok());
  EXPECT_TRUE(ProbeTarget(**store, Random::System()).ok());
  EXPECT_EQ((*store)->Describe(), "dir:" + root);
}

TEST_F(OpenTargetTest, ErrorsNameTheTarget) {
  EXPECT_THAT(Open(Config("ftp://x")).status().message(),
              AllOf(HasSubstr("target offsite"), HasSubstr("ftp://x")));
  TargetConfig config = Config("s3+http://127.0.0.1:9/bucket");
  config.options.credentials_file = dir_.path() + "/none";
  EXPECT_THAT(Open(config).status().message(),
              AllOf(HasSubstr("target offsite"), HasSubstr("/none")));
}

TEST_F(OpenTargetTest, PlainHttpToAnotherMachineIsRefused) {
  TargetConfig config = Config("s3+http://store.example.com/bucket");
  config.options.credentials_file = WriteCredentials(SharedGateway());
  config.options.profile = "office";
  const Status refused = Open(config).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("target offsite"),
                                       HasSubstr("allow_plain_http")));
  config.options.allow_plain_http = true;
  EXPECT_TRUE(Open(config).ok());
}

// A proxy of the surroundings would see what is meant for this machine.
TEST_F(OpenTargetTest, WhatIsForThisMachineGoesThroughNoProxy) {
  RawServer server(
      [](const std::string&) { return HttpAnswer("200 OK", "x"); });
  const ScopedVariable proxy("http_proxy", "http://127.0.0.1:9");
  const ScopedVariable none("no_proxy", nullptr);
  TargetConfig config = Config(server.Endpoint().url.ToString());
  config.options.credentials_file = WriteCredentials(SharedGateway());
  config.options.profile = "office";
  config.retry.attempts_max = 1;
  auto store = Open(config);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  const auto got = (*store)->Get("pack/aa/x", {}, 100);
  EXPECT_TRUE(got.ok()) << got.status().ToString();
}

TEST_F(OpenTargetTest, ACancelledTargetGivesUpAtOnce) {
  TargetConfig config = Config("s3+http://127.0.0.1:9/bucket");
  config.options.credentials_file = WriteCredentials(SharedGateway());
  config.options.profile = "office";
  config.retry.attempts_max = 1000;
  config.retry.backoff_min = std::chrono::seconds(100);
  config.retry.backoff_max = std::chrono::seconds(100);
  const auto cancel = std::make_shared<CancelToken>();
  auto store =
      OpenTarget(config, Env::Posix(), Clock::Real(), Random::System(), cancel);
  ASSERT_TRUE(store.ok());
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel->Cancel();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE((*store)->Delete("pack/aa/x").ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  canceller.join();
}

}  // namespace
}  // namespace trefoil::testing
