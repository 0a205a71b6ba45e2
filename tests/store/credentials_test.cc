// SPDX-License-Identifier: Apache-2.0
// Goal: credentials are found where AWS's tools find them, and no message
// gives one away.
// Method: an environment of the test's own and files in a temporary directory.
#include "replicator/store/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFile =
    "# office keys\n"
    "[default]\n"
    "aws_access_key_id = AKDEFAULT\r\n"
    "aws_secret_access_key=secret/default+1=\n"
    "\n"
    "[ office ]\n"
    "aws_secret_access_key = hush-office\n"
    "aws_access_key_id =\tAKOFFICE  \n"
    "aws_session_token = token-office\n"
    "region = mars-1\n"
    "[half]\n"
    "aws_access_key_id = AKHALF\n"
    "aws_secret_access_key =\n"
    "[noid]\n"
    "aws_secret_access_key = hush-noid";

class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() : file_(dir_.path() + "/.aws/credentials") {
    EXPECT_TRUE(Env::Posix().CreateDirs(dir_.path() + "/.aws").ok());
    EXPECT_TRUE(Env::Posix().WriteFileAtomically(file_, kFile).ok());
  }

  Result<Credentials> Find(const std::map<std::string, std::string>& variables,
                           const TargetOptions& options = {}) {
    return FindCredentials(Env::Posix(), options,
                           [&](const char* name) -> std::optional<std::string> {
                             const auto found = variables.find(name);
                             if (found == variables.end()) return std::nullopt;
                             return found->second;
                           });
  }

  TempDir dir_;
  const std::string file_;
};

TEST_F(CredentialsTest, TheEnvironmentGoesBeforeTheUsualFile) {
  const auto found = Find({{"HOME", dir_.path()},
                           {"AWS_ACCESS_KEY_ID", "AKENV"},
                           {"AWS_SECRET_ACCESS_KEY", "hush"},
                           {"AWS_SESSION_TOKEN", "token"}});
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(found->access_key_id, "AKENV");
  EXPECT_EQ(found->secret_access_key.view(), "hush");
  EXPECT_EQ(found->session_token.view(), "token");
}

TEST_F(CredentialsTest, AnOptionGoesBeforeTheEnvironment) {
  const std::map<std::string, std::string> variables = {
      {"HOME", dir_.path()},
      {"AWS_ACCESS_KEY_ID", "AKENV"},
      {"AWS_SECRET_ACCESS_KEY", "hush"}};
  EXPECT_EQ(Find(variables, {.region = {},
                             .credentials_file = file_,
                             .profile = {},
                             .ca_file = {}})
                ->access_key_id,
            "AKDEFAULT");
  EXPECT_EQ(Find(variables, {.region = {},
                             .credentials_file = {},
                             .profile = "office",
                             .ca_file = {}})
                ->access_key_id,
            "AKOFFICE");
}

TEST_F(CredentialsTest, TheFileIsFoundThroughHomeOrItsOwnVariable) {
  const auto home = Find({{"HOME", dir_.path()}});
  ASSERT_TRUE(home.ok()) << home.status().ToString();
  EXPECT_EQ(home->access_key_id, "AKDEFAULT");
  EXPECT_EQ(home->secret_access_key.view(), "secret/default+1=");
  EXPECT_EQ(home->session_token.view(), "");
  EXPECT_EQ(Find({{"AWS_SHARED_CREDENTIALS_FILE", file_}})->access_key_id,
            "AKDEFAULT");
}

TEST_F(CredentialsTest, TheProfileIsChosen) {
  const auto office = Find({{"HOME", dir_.path()}, {"AWS_PROFILE", "office"}});
  ASSERT_TRUE(office.ok()) << office.status().ToString();
  EXPECT_EQ(office->access_key_id, "AKOFFICE");
  EXPECT_EQ(office->secret_access_key.view(), "hush-office");
  EXPECT_EQ(office->session_token.view(), "token-office");
}

TEST_F(CredentialsTest, WhatIsMissingIsNamedAndNoSecretIs) {
  const auto error = [&](const std::string& profile) {
    const Status status =
        Find({{"HOME", dir_.path()}, {"AWS_PROFILE", profile}}).status();
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr(file_));
    EXPECT_THAT(status.message(), HasSubstr("[" + profile + "]"));
    EXPECT_THAT(status.message(), Not(HasSubstr("hush")));
    return status.message();
  };
  EXPECT_THAT(error("none"), HasSubstr("no profile"));
  EXPECT_THAT(error("half"), HasSubstr("no aws_secret_access_key"));
  EXPECT_THAT(error("noid"), HasSubstr("no aws_access_key_id"));
}

TEST_F(CredentialsTest, HalfAnEnvironmentIsAnError) {
  const Status status =
      Find({{"HOME", dir_.path()}, {"AWS_SECRET_ACCESS_KEY", "hush"}}).status();
  EXPECT_THAT(status.message(), HasSubstr("AWS_ACCESS_KEY_ID is not"));
  EXPECT_THAT(status.message(), Not(HasSubstr("hush")));
}

TEST_F(CredentialsTest, NoCredentialsAnywhereSaysWhatToDo) {
  const Status status = Find({{"HOME", dir_.path() + "/nobody"}}).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("AWS_ACCESS_KEY_ID"));
  EXPECT_THAT(status.message(), HasSubstr("--credentials-file"));
}

TEST_F(CredentialsTest, AFileThatWasNamedMustBeThere) {
  const Status status = Find({}, {.region = {},
                                  .credentials_file = dir_.path() + "/none",
                                  .profile = {},
                                  .ca_file = {}})
                            .status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/none"));
}

TEST_F(CredentialsTest, TheConfigFileComesLast) {
  const std::string config = dir_.path() + "/config";
  ASSERT_TRUE(Env::Posix()
                  .WriteFileAtomically(config,
                                       "[default]\nregion = mars-1\n"
                                       "[profile branch]\n"
                                       "region = venus-2\n"
                                       "aws_access_key_id = AKBRANCH\n"
                                       "aws_secret_access_key = hush\n")
                  .ok());
  std::map<std::string, std::string> variables = {{"HOME", dir_.path()},
                                                  {"AWS_CONFIG_FILE", config}};
  const auto region = [&](const TargetOptions& options) {
    return FindRegion(Env::Posix(), options,
                      [&](const char* name) -> std::optional<std::string> {
                        const auto found = variables.find(name);
                        if (found == variables.end()) return std::nullopt;
                        return found->second;
                      });
  };
  EXPECT_EQ(Find(variables)->access_key_id, "AKDEFAULT");
  EXPECT_EQ(region({}), "mars-1");
  variables["AWS_PROFILE"] = "branch";
  EXPECT_EQ(Find(variables)->access_key_id, "AKBRANCH");
  EXPECT_EQ(region({}), "venus-2");
  variables["AWS_REGION"] = "pluto-9";
  EXPECT_EQ(region({}), "pluto-9");
}

TEST_F(CredentialsTest, NonsenseInTheFileIsNoCrash) {
  for (const char* text :
       {"", "[", "]", "[]", "=", "[default", "\n\n\n", "[default]\n=x\nx"}) {
    EXPECT_FALSE(ParseCredentialsFile(text, "file", "default").ok()) << text;
  }
}

TEST(RegionTest, OptionThenEnvironmentThenDefault) {
  const auto with = [](const char* set) {
    return [set](const char* name) -> std::optional<std::string> {
      if (std::string(name) == set) return "mars-1";
      return std::nullopt;
    };
  };
  TargetOptions options;
  EXPECT_EQ(FindRegion(Env::Posix(), options, with("")), "us-east-1");
  EXPECT_EQ(FindRegion(Env::Posix(), options, with("AWS_REGION")), "mars-1");
  EXPECT_EQ(FindRegion(Env::Posix(), options, with("AWS_DEFAULT_REGION")),
            "mars-1");
  options.region = "venus-2";
  EXPECT_EQ(FindRegion(Env::Posix(), options, with("AWS_REGION")), "venus-2");
}

}  // namespace
}  // namespace trefoil::testing
