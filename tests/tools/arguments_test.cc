// SPDX-License-Identifier: Apache-2.0
// Goal: every command explains itself, and a wrong call is one line and the
// documented exit code.
// Method: run the built program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/mount/share.h"
#include "tests/support/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

// One line, from trefoil, with this exit code.
void ExpectFailure(const CommandResult& result, int exit_code) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_THAT(result.err, StartsWith("trefoil: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
      << result.err;
}

TEST(ArgumentsTest, EveryCommandHasHelp) {
  const std::vector<Words> commands = {{},
                                       {"init"},
                                       {"mount"},
                                       {"umount"},
                                       {"status"},
                                       {"sync"},
                                       {"snapshot"},
                                       {"snapshot", "create"},
                                       {"snapshot", "list"},
                                       {"snapshot", "delete"},
                                       {"fsck"},
                                       {"recover"},
                                       {"takeover"},
                                       {"key"},
                                       {"key", "list"},
                                       {"key", "add"},
                                       {"key", "remove"},
                                       {"key", "change-passphrase"},
                                       {"key", "recovery-kit"},
                                       {"key", "rotate"},
                                       {"scrub"},
                                       {"samba-conf"}};
  for (Words words : commands) {
    const std::string name = words.empty() ? "Usage" : words.back();
    words.emplace_back("--help");
    const CommandResult result = Share::Trefoil(words);
    EXPECT_EQ(result.exit_code, 0) << name;
    EXPECT_THAT(result.out, HasSubstr(name));
    EXPECT_THAT(result.out, HasSubstr("--help"));
    EXPECT_EQ(result.err, "");
  }
}

TEST(ArgumentsTest, TheVersionIsOneLine) {
  const CommandResult result = Share::Trefoil({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, ::testing::MatchesRegex("trefoil [0-9.]+\n"));
}

TEST(ArgumentsTest, WrongCallsAreUsageErrors) {
  const std::vector<Words> calls = {
      {},
      {"unknown"},
      {"--unknown"},
      {"init"},
      {"init", "a", "b"},
      {"init", "a", "--path-style", "other"},
      {"mount", "a"},
      {"umount"},
      {"status"},
      {"status", "v", "--max-age", "5m"},
      {"status", "v", "--check", "--max-age", "5x"},
      {"status", "v", "--check", "--json"},
      {"sync", "m", "--timeout", "soon"},
      {"sync", "m", "--timeout", "-1"},
      {"snapshot"},
      {"snapshot", "create"},
      {"snapshot", "delete", "m"},
      {"recover", "v"},
      {"takeover"}};
  for (const Words& words : calls) {
    SCOPED_TRACE(::testing::PrintToString(words));
    const CommandResult result = Share::Trefoil(words);
    ExpectFailure(result, 2);
    EXPECT_THAT(result.err, HasSubstr("--help'"));
  }
}

TEST(ArgumentsTest, FsckHasItsOwnExitCodes) {
  ExpectFailure(Share::Trefoil({"fsck"}), 16);
  ExpectFailure(Share::Trefoil({"fsck", "v", "--unknown"}), 16);
  ExpectFailure(Share::Trefoil({"fsck", "--repair", "dir:/nowhere"}), 16);
  ExpectFailure(Share::Trefoil({"fsck", "/nowhere/at/all"}), 8);
  ExpectFailure(Share::Trefoil({"fsck", "dir:/nowhere/at/all"}), 8);
  ExpectFailure(Share::Trefoil({"fsck", "s3+http://bad url/"}), 8);
}

TEST(ArgumentsTest, FsckUnderItsOtherNameTakesWhatFsck8Passes) {
  const TempDir dir;
  const std::string helper = dir.Path("fsck.trefoil");
  ASSERT_EQ(symlink(Share::Program().c_str(), helper.c_str()), 0);
  ExpectFailure(RunCommand({helper, "-a", "-C0", "/nowhere/at/all"}), 8);
  ExpectFailure(RunCommand({helper, "-a"}), 16);
}

TEST(ArgumentsTest, WhatIsNoVolumeIsSaidSo) {
  const TempDir dir;
  const std::vector<Words> calls = {{"status", dir.path()},
                                    {"sync", dir.path()},
                                    {"snapshot", "create", dir.path()},
                                    {"snapshot", "list", dir.path()},
                                    {"snapshot", "delete", dir.path(), "name"},
                                    {"takeover", dir.path()}};
  for (const Words& words : calls) {
    SCOPED_TRACE(::testing::PrintToString(words));
    const CommandResult result = Share::Trefoil(words);
    ExpectFailure(result, 1);
    EXPECT_THAT(result.err, HasSubstr("neither a Trefoil volume nor"));
  }
}

TEST(ArgumentsTest, CheckIsCriticalWhenThereIsNoStatus) {
  const TempDir dir;
  const CommandResult result =
      Share::Trefoil({"status", "--check", dir.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, StartsWith("TREFOIL CRITICAL - no status: "));
}

}  // namespace
}  // namespace trefoil::testing
