// SPDX-License-Identifier: Apache-2.0
// Goal: config.toml comes back as it was written, and a mistake in it is one
// clear line with file and line number, never a default.
// Method: round trips, a table of mistakes, random damage.
#include "fs/volume/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  Result<VolumeConfig> Parse(const std::string& text) {
    EXPECT_TRUE(
        Env::Posix().WriteFileAtomically(dir_.Path("config.toml"), text).ok());
    return LoadConfig(Env::Posix(), dir_.path());
  }
  std::string ErrorOf(const std::string& text) {
    const auto config = Parse(text);
    EXPECT_FALSE(config.ok()) << text;
    return config.status().message();
  }

  const testing::TempDir dir_;
};

VolumeConfig Example() {
  VolumeConfig config;
  config.journal_capacity_bytes = 3ULL << 20 << 10;
  config.commit_interval_seconds = 9;
  config.key_command = "pass show \"office\"";
  config.detached = true;
  config.scrub_days = 7;
  config.scrub_bytes_per_second = 5ULL << 20;
  config.scrub_offsite_bytes_per_day = 100ULL << 20;
  config.targets.push_back({"second", "dir:/mnt/a \"b\"\\c", {}});
  config.targets.push_back({"offsite",
                            "s3+https://example.com/bucket/prefix",
                            {{"region", "eu-central-1"},
                             {"conditional_put", "true"},
                             {"credentials_file", "/etc/tr\u00e9foil/key"}}});
  return config;
}

TEST_F(ConfigTest, WhatWasSavedIsLoaded) {
  const VolumeConfig saved = Example();
  ASSERT_TRUE(SaveConfig(Env::Posix(), dir_.path(), saved).ok());
  const auto loaded = LoadConfig(Env::Posix(), dir_.path());
  ASSERT_TRUE(loaded.ok()) << loaded.status().ToString();
  EXPECT_EQ(loaded->journal_capacity_bytes, saved.journal_capacity_bytes);
  EXPECT_EQ(loaded->commit_interval_seconds, 9);
  EXPECT_EQ(loaded->key_command, saved.key_command);
  EXPECT_TRUE(loaded->detached);
  EXPECT_EQ(loaded->scrub_days, 7);
  EXPECT_EQ(loaded->scrub_bytes_per_second, saved.scrub_bytes_per_second);
  EXPECT_EQ(loaded->scrub_offsite_bytes_per_day,
            saved.scrub_offsite_bytes_per_day);
  ASSERT_EQ(loaded->targets.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(loaded->targets[i].name, saved.targets[i].name);
    EXPECT_EQ(loaded->targets[i].url, saved.targets[i].url);
    EXPECT_EQ(loaded->targets[i].options, saved.targets[i].options);
  }
}

TEST_F(ConfigTest, TheSmallestFileGivesTheDefaults) {
  const auto config = Parse("format = 1\n");
  ASSERT_TRUE(config.ok()) << config.status().ToString();
  EXPECT_EQ(config->journal_capacity_bytes,
            VolumeConfig().journal_capacity_bytes);
  EXPECT_FALSE(config->detached);
  EXPECT_EQ(config->scrub_days, 30);
  EXPECT_TRUE(config->targets.empty());
}

TEST_F(ConfigTest, SizesMayBeWrittenInUnitsOrBytes) {
  const std::string head = "format = 1\n[journal]\ncapacity = ";
  EXPECT_EQ(Parse(head + "\"512MiB\"")->journal_capacity_bytes, 512U << 20);
  EXPECT_EQ(Parse(head + "\"2GiB\"")->journal_capacity_bytes, 2ULL << 30);
  EXPECT_EQ(Parse(head + "33554432")->journal_capacity_bytes, 32U << 20);
}

TEST_F(ConfigTest, MistakesSayWhereAndWhat) {
  const std::string target =
      "format = 1\n[[target]]\nname = \"a\"\nurl = \"dir:/x\"\n";
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"format = \n", "config.toml:1: "},
      {"format = 1\nx = [\n", "config.toml:"},
      {"", "config.toml:1: 'format = 1' is missing"},
      {"format = \"1\"", "config.toml:1: 'format' must be 1"},
      {"format = 0", "config.toml:1: 'format' must be 1"},
      {"format = 1\n\njurnal = 1",
       ":3: unknown key 'jurnal'; did you mean "
       "'journal'?"},
      {"format = 1\nzzzzzzzzzzzz = 1", "known here: commit, detached"},
      {"format = 1\ndetached = 1", ":2: 'detached' must be true or false"},
      {"format = 1\njournal = 1", ":2: 'journal' must be a table"},
      {"format = 1\n[journal]\ncapacty = 1", "did you mean 'capacity'?"},
      {"format = 1\n[journal]\ncapacity = 1", ":3: 'capacity' must be"},
      {"format = 1\n[journal]\ncapacity = \"4GB\"", ":3: 'capacity' must be"},
      {"format = 1\n[journal]\ncapacity = \"99999999999TiB\"", ":3: "},
      {"format = 1\n[journal]\ncapacity = -1", ":3: "},
      {"format = 1\n[commit]\ninterval_seconds = 0", ":3: "},
      {"format = 1\n[commit]\ninterval_seconds = 1.5", ":3: "},
      {"format = 1\n[encryption]\npassphrase_file = \"here\"",
       ":3: 'passphrase_file' must be an absolute path"},
      {"format = 1\n[encryption]\nkey_command = \"\"",
       ":3: 'key_command' must be a command"},
      {"format = 1\n[encryption]\nkey_command = \"a\"\n"
       "passphrase_file = \"/b\"",
       ":2: either 'key_command' or 'passphrase_file', not both"},
      {"format = 1\ntarget = 1", ":2: targets are written as [[target]]"},
      {"format = 1\ntarget = [1]", ":2: a target is a [[target]] table"},
      {"format = 1\n[[target]]\nurl = \"dir:/x\"", "a target's 'name'"},
      {"format = 1\n[[target]]\nname = \"A\"\nurl = \"dir:/x\"",
       "a target's 'name'"},
      {"format = 1\n[[target]]\nname = \"all\"\nurl = \"dir:/x\"",
       "can't be named 'all'"},
      {"format = 1\n[[target]]\nname = \"a\"", "target 'a' has no 'url'"},
      {target + "regoin = \"x\"",
       ":5: unknown key 'regoin'; did you mean "
       "'region'?"},
      {target + "region = [1]", ":5: 'region' must be a string"},
      {target + "[[target]]\nname = \"a\"\nurl = \"dir:/y\"",
       ":5: a second target 'a'"},
  };
  for (const auto& [text, expected] : mistakes) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, HasSubstr(expected)) << text;
    EXPECT_THAT(error, HasSubstr(dir_.path()));
    EXPECT_EQ(error.find('\n'), std::string::npos) << text;
  }
}

TEST_F(ConfigTest, ANewerFormatIsRefusedBeforeAnythingElse) {
  const auto config = Parse("format = 2\nfuture = true\n");
  EXPECT_TRUE(config.status().Is(StatusCode::kNewerFormat));
  EXPECT_THAT(config.status().message(), HasSubstr(":1: format 2 is newer"));
}

TEST_F(ConfigTest, AnAbsentFileIsNotFound) {
  EXPECT_TRUE(
      LoadConfig(Env::Posix(), dir_.path()).status().Is(StatusCode::kNotFound));
}

TEST_F(ConfigTest, WhatCouldNotBeReadAgainIsNotWritten) {
  ASSERT_TRUE(SaveConfig(Env::Posix(), dir_.path(), Example()).ok());
  VolumeConfig bad = Example();
  bad.targets[0].url = "dir:/mnt/\xff";
  EXPECT_FALSE(SaveConfig(Env::Posix(), dir_.path(), bad).ok());
  bad = Example();
  bad.targets[0].options["no_such_option"] = "x";
  EXPECT_FALSE(SaveConfig(Env::Posix(), dir_.path(), bad).ok());
  EXPECT_EQ(LoadConfig(Env::Posix(), dir_.path())->targets.size(), 2U);
}

TEST_F(ConfigTest, RandomDamageNeverCrashes) {
  ASSERT_TRUE(SaveConfig(Env::Posix(), dir_.path(), Example()).ok());
  const std::string good =
      *Env::Posix().ReadFile(dir_.Path("config.toml"), 1 << 20);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::string text = good;
    for (size_t edits = random() % 5 + 1; edits > 0; --edits) {
      text[random() % text.size()] = static_cast<char>(random() % 256);
    }
    const auto config = Parse(text);
    if (!config.ok()) {
      EXPECT_THAT(config.status().message(), HasSubstr("config.toml:"));
    }
  }
}

}  // namespace
}  // namespace trefoil
