// SPDX-License-Identifier: Apache-2.0
// Goal: status, sync, snapshot and fsck do what they say on a mounted volume
// and on one at rest, and looking changes nothing.
// Method: the built program, a real mount and a second medium.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "fs/base/env.h"
#include "fs/base/hash.h"
#include "tests/mount/share.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

class StatusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const CommandResult made =
        Share::Trefoil({"init", share_.volume(), "--second",
                        "dir:" + share_.root() + "/second"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(share_.Path(name)) << content;
  }
  static Json StatusOf(const std::string& place) {
    const CommandResult result = Share::Trefoil({"status", "--json", place});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out, nullptr, false);
  }
  // Every file below the volume but its lock, by content.
  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> files;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(share_.volume())) {
      if (!entry.is_regular_file()) continue;
      const auto bytes =
          Env::Posix().ReadFile(entry.path().string(), 1ULL << 30);
      EXPECT_TRUE(bytes.ok());
      files[entry.path().string()] = Sha256::Of(*bytes).ToHex();
    }
    return files;
  }

  Share share_;
};

TEST_F(StatusTest, AMountedVolumeIsShownByEitherName) {
  share_.Mount();
  Write("a", "content");
  ASSERT_EQ(Share::Trefoil({"sync", share_.mountpoint()}).exit_code, 0);
  // It is called so when the shipper has looked for more.
  while (StatusOf(share_.mountpoint())["copies"][0]["state"] == "catching up") {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const std::string& place : {share_.mountpoint(), share_.volume()}) {
    const Json status = StatusOf(place);
    EXPECT_EQ(status["mounted"], true);
    EXPECT_EQ(status["mountpoint"], share_.mountpoint());
    EXPECT_EQ(status["volume"], share_.volume());
    ASSERT_EQ(status["copies"].size(), 1U);
    EXPECT_EQ(status["copies"][0]["state"], "up to date");
    EXPECT_EQ(status["copies"][0]["watermark"], status["primary"]["head"]);
    EXPECT_GT(status["copies"][0]["space"]["total_bytes"], 0);
    EXPECT_LT(status["disk"]["usable_bytes"],
              status["disk"]["available_bytes"]);
  }
  const CommandResult text = Share::Trefoil({"status", share_.mountpoint()});
  EXPECT_THAT(text.out, ::testing::ContainsRegex("second +up to date"));
  const CommandResult check =
      Share::Trefoil({"status", share_.mountpoint(), "--check"});
  EXPECT_EQ(check.exit_code, 0) << check.out;
  EXPECT_THAT(check.out, StartsWith("TREFOIL OK - second 0s behind"));
  share_.Unmount();
}

TEST_F(StatusTest, AVolumeAtRestIsShownFromWhatItKept) {
  share_.Mount();
  Write("a", "content");
  ASSERT_EQ(Share::Trefoil({"umount", "--wait", share_.mountpoint()}).exit_code,
            0);
  const Json status = StatusOf(share_.volume());
  EXPECT_EQ(status["mounted"], false);
  EXPECT_EQ(status["copies"][0]["watermark"], status["primary"]["head"]);
  EXPECT_EQ(status["copies"][0]["age_seconds"], 0);
  const CommandResult check =
      Share::Trefoil({"status", share_.volume(), "--check"});
  EXPECT_EQ(check.exit_code, 0) << check.out;
}

TEST_F(StatusTest, LookingAtACrashedVolumeChangesNothing) {
  share_.Mount();
  Write("a", "content that only the journal has");
  share_.KillDaemon();
  const CommandResult stopped =
      Share::Trefoil({"status", "--check", share_.mountpoint()});
  EXPECT_EQ(stopped.exit_code, 2);
  EXPECT_THAT(stopped.out, HasSubstr("the process behind the mount"));
  Share::Trefoil({"umount", share_.mountpoint()});
  const auto before = Contents();
  const Json status = StatusOf(share_.volume());
  EXPECT_EQ(status["mounted"], false);
  EXPECT_EQ(Share::Trefoil({"snapshot", "list", share_.volume()}).exit_code, 0);
  EXPECT_EQ(Contents(), before);
  share_.Mount();
  std::ifstream file(share_.Path("a"));
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "content that only the journal has");
  file.close();
  share_.Unmount();
}

TEST_F(StatusTest, CommandsForMountsSaySoWhenThereIsNone) {
  for (const char* command : {"sync"}) {
    const CommandResult result = Share::Trefoil({command, share_.volume()});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("not mounted"));
    EXPECT_THAT(result.err, HasSubstr("trefoil mount"));
  }
}

TEST_F(StatusTest, SyncNamesWhatLags) {
  share_.Mount();
  ASSERT_EQ(rename((share_.root() + "/second").c_str(),
                   (share_.root() + "/away").c_str()),
            0);
  Write("a", "content");
  const CommandResult result =
      Share::Trefoil({"sync", share_.mountpoint(), "--timeout", "1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("second"));
  EXPECT_EQ(result.err.find('\r'), std::string::npos) << "no terminal, no bar";
  const CommandResult unknown =
      Share::Trefoil({"sync", share_.mountpoint(), "--target", "third"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("third"));
  const CommandResult check = Share::Trefoil(
      {"status", share_.mountpoint(), "--check", "--max-age", "0s"});
  EXPECT_NE(check.exit_code, 0) << check.out;
  ASSERT_EQ(rename((share_.root() + "/away").c_str(),
                   (share_.root() + "/second").c_str()),
            0);
  EXPECT_EQ(Share::Trefoil({"sync", share_.mountpoint()}).exit_code, 0);
  share_.Unmount();
}

TEST_F(StatusTest, SnapshotsAreMadeListedAndDeleted) {
  share_.Mount();
  Write("a", "before");
  const CommandResult made = Share::Trefoil(
      {"snapshot", "create", share_.mountpoint(), "--label", "a label"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, StartsWith("@GMT-"));
  const std::string name = made.out.substr(0, made.out.size() - 1);
  EXPECT_TRUE(
      std::filesystem::exists(share_.Path(".snapshots/" + name + "/a")));
  const CommandResult list =
      Share::Trefoil({"snapshot", "list", share_.mountpoint()});
  EXPECT_THAT(list.out, HasSubstr(name));
  EXPECT_THAT(list.out, HasSubstr("a label"));
  EXPECT_EQ(Share::Trefoil({"snapshot", "delete", share_.mountpoint(), name})
                .exit_code,
            0);
  const CommandResult again =
      Share::Trefoil({"snapshot", "delete", share_.mountpoint(), name});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("snapshot list"));
  share_.Unmount();
}

TEST_F(StatusTest, FsckRefusesAMountedVolumeAndChecksEveryCopy) {
  share_.Mount();
  Write("a", std::string(100'000, 'x'));
  const CommandResult refused = Share::Trefoil({"fsck", share_.volume()});
  EXPECT_EQ(refused.exit_code, 8);
  EXPECT_THAT(refused.err, HasSubstr("umount"));
  EXPECT_EQ(Share::Trefoil({"fsck", share_.mountpoint()}).exit_code, 8);
  ASSERT_EQ(Share::Trefoil({"umount", "--wait", share_.mountpoint()}).exit_code,
            0);
  for (const std::string& place :
       {share_.volume(), "dir:" + share_.root() + "/second"}) {
    const CommandResult result =
        Share::Trefoil({"fsck", "--read-data", "--json", place});
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    const Json report = Json::parse(result.out, nullptr, false);
    EXPECT_EQ(report["clean"], true);
    EXPECT_GT(report["objects"], 0);
  }
}

}  // namespace
}  // namespace trefoil::testing
