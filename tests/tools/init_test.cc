// SPDX-License-Identifier: Apache-2.0
// Goal: init makes a volume and its targets, or one clear line and nothing at
// all.
// Method: run the built program against directories, a port where nobody
// listens, and a real gateway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fs/volume/config.h"
#include "tests/mount/share.h"
#include "tests/support/rgw.h"
#include "tests/support/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Env& env() { return Env::Posix(); }

bool IsEmpty(const std::string& path) {
  const auto entries = env().List(path);
  return entries.ok() && entries->empty();
}

class InitTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string Volume() const { return dir_.Path("volume"); }
  [[nodiscard]] std::string Second() const { return dir_.Path("second"); }
  CommandResult Init(std::vector<std::string> more,
                     const CommandOptions& options = {}) {
    std::vector<std::string> command = {Share::Program(), "init", Volume()};
    command.insert(command.end(), more.begin(), more.end());
    return RunCommand(command, options);
  }
  // It failed with one `trefoil: init:` line and left nothing behind.
  void ExpectNothingMade(const CommandResult& result, int exit_code) {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    EXPECT_THAT(result.err, HasSubstr("trefoil: init: "));
    EXPECT_FALSE(env().Exists(Volume()));
    EXPECT_FALSE(env().Exists(Second()));
  }
  VolumeConfig Config() {
    auto config = LoadConfig(env(), Volume());
    EXPECT_TRUE(config.ok()) << config.status().ToString();
    return config.ok() ? *config : VolumeConfig();
  }

  const TempDir dir_;
};

// Nobody listens on this port.
std::string DeadUrl() {
  return "s3+http://127.0.0.1:" + std::to_string(FreePort()) + "/bucket";
}

CommandOptions WithKeys(const Credentials& keys) {
  CommandOptions options;
  options.own_environment = true;
  options.environment = {
      "AWS_ACCESS_KEY_ID=" + keys.access_key_id,
      "AWS_SECRET_ACCESS_KEY=" + std::string(keys.secret_access_key.view())};
  return options;
}

TEST_F(InitTest, AVolumeAndASecondMediumAreMade) {
  const CommandResult result = Init({"--second", "dir:" + Second()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("conditional PUT: yes"));
  EXPECT_THAT(result.out, HasSubstr("trefoil mount " + Volume()));
  EXPECT_TRUE(env().Exists(Second() + "/trefoil-target"));
  const VolumeConfig config = Config();
  ASSERT_EQ(config.targets.size(), 1U);
  EXPECT_EQ(config.targets[0].name, "second");
  EXPECT_EQ(config.targets[0].url, "dir:" + Second());
  EXPECT_EQ(config.targets[0].options.at("conditional_put"), "true");
  EXPECT_TRUE(IsEmpty(Second() + "/probe"));
}

TEST_F(InitTest, CopiesOnOneDiskAreWarnedAbout) {
  const CommandResult result = Init({"--second", "dir:" + Second()});
  EXPECT_THAT(result.err, HasSubstr("same block device"));
}

TEST_F(InitTest, AVolumeIsNeverMadeTwice) {
  ASSERT_EQ(Init({}).exit_code, 0);
  const std::string before =
      *env().ReadFile(Volume() + "/config.toml", 1 << 20);
  const CommandResult again = Init({"--second", "dir:" + Second()});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("is a volume already"));
  EXPECT_EQ(*env().ReadFile(Volume() + "/config.toml", 1 << 20), before);
}

TEST_F(InitTest, ADirectoryThatIsInUseIsLeftAlone) {
  ASSERT_TRUE(env().CreateDir(Volume()).ok());
  ASSERT_TRUE(env().WriteFileAtomically(Volume() + "/mine", "x").ok());
  const CommandResult result = Init({"--second", "dir:" + Second()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(env().List(Volume())->size(), 1U);
  EXPECT_FALSE(env().Exists(Second()));
}

TEST_F(InitTest, AnEmptyDirectoryIsUsed) {
  ASSERT_TRUE(env().CreateDir(Volume()).ok());
  ASSERT_TRUE(env().CreateDir(Second()).ok());
  EXPECT_EQ(Init({"--second", "dir:" + Second()}).exit_code, 0);
}

TEST_F(InitTest, UrlsThatAreNoneAreUsageErrors) {
  for (const char* url : {"/mnt/x", "dir:relative", "ftp://host/x",
                          "s3+http://host", "s3+http://u:secret@host/b"}) {
    const CommandResult result = Init({"--offsite", url});
    ExpectNothingMade(result, 2);
    EXPECT_THAT(result.err, HasSubstr("--offsite"));
    EXPECT_THAT(result.err, Not(HasSubstr("secret")));
  }
}

TEST_F(InitTest, ACopyInsideTheVolumeIsAUsageError) {
  ExpectNothingMade(Init({"--second", "dir:" + Volume() + "/copy"}), 2);
  ExpectNothingMade(Init({"--second", "dir:" + dir_.path()}), 2);
  ExpectNothingMade(
      Init({"--second", "dir:" + Second(), "--offsite", "dir:" + Second()}), 2);
}

TEST_F(InitTest, ADirectoryOfAnotherVolumeIsRefused) {
  ASSERT_EQ(Init({"--second", "dir:" + Second()}).exit_code, 0);
  const CommandResult other =
      RunCommand({Share::Program(), "init", dir_.Path("other"), "--second",
                  "dir:" + Second()});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("another volume"));
  EXPECT_FALSE(env().Exists(dir_.Path("other")));
  EXPECT_TRUE(env().Exists(Second() + "/trefoil-target"));
}

TEST_F(InitTest, AnUnreachableStoreIsAnErrorThatLeavesNothing) {
  const CommandResult result =
      Init({"--second", "dir:" + Second(), "--offsite", DeadUrl()},
           WithKeys({"k", SecretBytes("s"), {}}));
  ExpectNothingMade(result, 1);
  EXPECT_THAT(result.err, HasSubstr("offsite: "));
  EXPECT_THAT(result.err, HasSubstr("--force"));
}

TEST_F(InitTest, ForceAcceptsATargetForLater) {
  const CommandResult result =
      Init({"--force", "--offsite", DeadUrl(), "--region", "eu-1"},
           WithKeys({"k", SecretBytes("s"), {}}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("offsite accepted as it is (--force)"));
  const VolumeConfig config = Config();
  ASSERT_EQ(config.targets.size(), 1U);
  EXPECT_EQ(config.targets[0].options.at("region"), "eu-1");
  EXPECT_EQ(config.targets[0].options.count("probed"), 0U);
}

TEST_F(InitTest, WhatForceAcceptedIsCompletedByTheSameInit) {
  const std::string url = "dir:" + dir_.Path("usb/copy");
  ASSERT_EQ(Init({"--second", url}).exit_code, 1);
  ASSERT_EQ(Init({"--second", url, "--force"}).exit_code, 0);
  EXPECT_EQ(Init({"--second", url}).exit_code, 1) << "still not there";
  ASSERT_TRUE(env().CreateDir(dir_.Path("usb")).ok());
  const CommandResult result = Init({"--second", url});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(env().Exists(dir_.Path("usb/copy/trefoil-target")));
  EXPECT_EQ(Config().targets[0].options.count("probed"), 1U);
}

TEST_F(InitTest, PlainHttpToAnotherMachineMustBeInsistedOn) {
  const std::string url = "s3+http://store.invalid/bucket";
  const CommandResult refused = Init({"--offsite", url, "--force"});
  ExpectNothingMade(refused, 2);
  EXPECT_THAT(refused.err, HasSubstr("--allow-plain-http"));
  const CommandResult made =
      Init({"--offsite", url, "--force", "--allow-plain-http"},
           WithKeys({"id", SecretBytes("hush"), {}}));
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(Config().targets[0].options.at("allow_plain_http"), "true");
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"fsck", url}, {"recover", "--from", url, dir_.Path("recovered")}}) {
    const CommandResult other = Share::Trefoil(command);
    EXPECT_NE(other.exit_code, 0);
    EXPECT_THAT(other.err, HasSubstr("--allow-plain-http"));
  }
}

TEST_F(InitTest, MissingCredentialsAreSaidSo) {
  CommandOptions options;
  options.own_environment = true;
  options.environment = {"HOME=" + dir_.path()};
  const CommandResult result = Init({"--offsite", DeadUrl()}, options);
  ExpectNothingMade(result, 1);
  EXPECT_THAT(result.err, HasSubstr("AWS_ACCESS_KEY_ID"));
}

class InitGatewayTest : public InitTest {
 protected:
  static void SetUpTestSuite() {
    auto gateway = CephGateway::Start({.tls = true});
    ASSERT_TRUE(gateway.ok()) << gateway.status().ToString();
    gateway_ = gateway->release();
    ASSERT_TRUE(CreateBucket(gateway_->Endpoint("bucket")).ok());
  }
  static void TearDownTestSuite() {
    delete gateway_;
    gateway_ = nullptr;
  }
  static CephGateway* gateway_;
};
CephGateway* InitGatewayTest::gateway_ = nullptr;

TEST_F(InitGatewayTest, ABucketIsProbedAndNoted) {
  const CommandResult result = Init({"--second", "dir:" + Second(), "--offsite",
                                     gateway_->Url("bucket", "probed")},
                                    WithKeys(gateway_->credentials()));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const VolumeConfig config = Config();
  ASSERT_EQ(config.targets.size(), 2U);
  EXPECT_EQ(config.targets[1].name, "offsite");
  EXPECT_EQ(config.targets[1].options.at("conditional_put"), "true");
  const auto text = env().ReadFile(Volume() + "/config.toml", 1 << 20);
  EXPECT_THAT(*text, Not(HasSubstr(std::string(
                         gateway_->credentials().secret_access_key.view()))));
}

TEST_F(InitGatewayTest, AnOwnAuthorityIsNamedAndNoted) {
  const std::string url =
      "s3+https://127.0.0.1:" + std::to_string(gateway_->tls_port()) +
      "/bucket/tls";
  const CommandOptions keys = WithKeys(gateway_->credentials());
  const CommandResult refused = Init({"--offsite", url}, keys);
  ExpectNothingMade(refused, 1);
  EXPECT_THAT(refused.err, HasSubstr("--ca-file"));
  EXPECT_THAT(refused.err, Not(HasSubstr("check the credentials")));
  const CommandResult made =
      Init({"--offsite", url, "--ca-file", gateway_->ca_file()}, keys);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_EQ(Config().targets[0].options.at("ca_file"), gateway_->ca_file());
}

TEST_F(InitGatewayTest, WrongCredentialsAreSaidSo) {
  const CommandResult result =
      Init({"--offsite", gateway_->Url("bucket")},
           WithKeys({"testkey", SecretBytes("wrong"), {}}));
  ExpectNothingMade(result, 1);
  EXPECT_THAT(result.err, HasSubstr("check the credentials"));
}

TEST_F(InitGatewayTest, ABucketThatDoesNotExistIsSaidSo) {
  const CommandResult result = Init({"--offsite", gateway_->Url("absent")},
                                    WithKeys(gateway_->credentials()));
  ExpectNothingMade(result, 1);
  EXPECT_THAT(result.err, HasSubstr("buckets"));
}

}  // namespace
}  // namespace trefoil::testing
