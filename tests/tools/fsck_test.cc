// SPDX-License-Identifier: Apache-2.0
// Goal: `trefoil fsck` says in its exit status, as fsck(8) has it, what it
// found and what it did about that; it names a watermark that its target
// belies, moves strangers away on a real target, and shows how far it is where
// that disturbs nobody.
// Method: the built program on a volume with a second medium, filled through a
// mount; files damaged below.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/mount/share.h"
#include "tools/state_file.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

class FsckTest : public ::testing::Test {
 protected:
  // Two packs, one with a file that a snapshot shows, too.
  void SetUp() override {
    ASSERT_EQ(setenv("XDG_STATE_HOME", StateHome().c_str(), 1), 0);
    Run(0, {"init", share_.volume(), "--second", Second()});
    ASSERT_NO_FATAL_FAILURE(share_.Mount());
    for (const char* name : {"early", "late"}) {
      std::ofstream(share_.Path(name)) << std::string(100'000, name[0]);
      std::ofstream(share_.Path(std::string(name) + ".bin"), std::ios::binary)
          << Random(2 << 20);
      Run(0, {"sync", share_.mountpoint()});
      if (name[0] == 'e') Run(0, {"snapshot", "create", share_.mountpoint()});
    }
    Run(0, {"umount", "--wait", share_.mountpoint()});
  }
  void TearDown() override { unsetenv("XDG_STATE_HOME"); }
  std::string StateHome() { return share_.root() + "/state-home"; }
  static std::string Random(size_t size) {
    std::ifstream source("/dev/urandom", std::ios::binary);
    std::string bytes(size, '\0');
    source.read(bytes.data(), static_cast<std::streamsize>(size));
    return bytes;
  }
  [[nodiscard]] std::string SecondPath() const {
    return share_.root() + "/second";
  }
  [[nodiscard]] std::string Second() const { return "dir:" + SecondPath(); }
  CommandResult Run(int exit_code, const std::vector<std::string>& arguments) {
    CommandResult result = Share::Trefoil(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    return result;
  }
  // fsck of the volume.
  CommandResult Fsck(int exit_code, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"fsck", share_.volume()});
    return Run(exit_code, more);
  }
  static std::vector<stdfs::path> Packs(const std::string& objects) {
    std::vector<stdfs::path> packs;
    for (const auto& entry :
         stdfs::recursive_directory_iterator(objects + "/pack")) {
      if (entry.is_regular_file()) packs.push_back(entry.path());
    }
    return packs;
  }
  std::string Objects() { return share_.volume() + "/objects"; }
  // What the volume says of its second medium.
  std::string StatePath() { return share_.volume() + "/targets/second.json"; }

  Share share_;
};

TEST_F(FsckTest, TheExitStatusSaysWhatWasFoundAndDone) {
  EXPECT_THAT(Fsck(0).err, IsEmpty());
  EXPECT_THAT(Run(0, {"fsck", Second(), "--read-data"}).err, IsEmpty());
  EXPECT_THAT(Fsck(0, {"--read-data", "--json"}).err, IsEmpty());
  const auto packs = Packs(Objects());
  ASSERT_GE(packs.size(), 2U);
  stdfs::resize_file(packs[0], stdfs::file_size(packs[0]) - 1);
  stdfs::remove(packs[1]);
  const std::string found = Fsck(4).out;
  EXPECT_THAT(found, HasSubstr("wrong-size: pack/"));
  EXPECT_THAT(found, HasSubstr("missing-pack: pack/"));
  EXPECT_THAT(found, HasSubstr("lost-data: /early.bin"));
  EXPECT_THAT(found, HasSubstr("lost-data: /late.bin"));
  EXPECT_THAT(found, HasSubstr("  also: /.snapshots/"));
  const Json json = Json::parse(Fsck(4, {"--json"}).out);
  int also = 0;
  for (const Json& finding : json.at("findings")) {
    also += finding.contains("also") ? 1 : 0;
  }
  EXPECT_GE(also, 1);
  EXPECT_THAT(Fsck(1, {"--repair"}).out, HasSubstr("repaired: pack/"));
  Fsck(0, {"--read-data"});

  Run(8, {"fsck", share_.root() + "/nothing"});
  Run(16, {"fsck", "--sample", "0", share_.volume()});
  Run(16, {"fsck", Second(), "--repair"});
  ASSERT_NO_FATAL_FAILURE(share_.Mount());
  Fsck(8);
  Fsck(8, {"--repair"});
  ASSERT_NO_FATAL_FAILURE(share_.Unmount());
}

TEST_F(FsckTest, AWatermarkIsHeldAgainstItsTarget) {
  std::ifstream in(StatePath());
  const Json good = Json::parse(in);
  ASSERT_GT(good["watermark"]["seq"], 0);
  const auto write = [&](const std::string& text) {
    std::ofstream(StatePath()) << text;
  };
  // Stale: the target has more than the volume knows.
  Json state = good;
  state["watermark"]["seq"] = 1;
  write(state.dump());
  EXPECT_THAT(Fsck(0).out, HasSubstr("stale-watermark: second"));
  // It can't be read.
  write("{");
  EXPECT_THAT(Fsck(4).out, HasSubstr("bad-watermark: "));
  EXPECT_THAT(Fsck(1, {"--repair"}).out, HasSubstr("watermark: forgotten"));
  Fsck(0);
  // Lying: somebody emptied the target.
  write(good.dump());
  for (const char* name : {"pack", "commit", "checkpoint"}) {
    for (const auto& entry :
         stdfs::directory_iterator(SecondPath() + "/" + name)) {
      stdfs::remove_all(entry.path());
    }
  }
  EXPECT_THAT(Fsck(4).out, HasSubstr("lying-watermark: second"));
  EXPECT_THAT(Fsck(1, {"--repair"}).out, HasSubstr("watermark: forgotten"));
  Fsck(0);
  // And a target that is away says nothing.
  write(good.dump());
  stdfs::rename(SecondPath(), SecondPath() + "-away");
  EXPECT_THAT(Fsck(0).out, HasSubstr("target-not-asked: second"));
  stdfs::rename(SecondPath() + "-away", SecondPath());
  write(good.dump());
  // The next mount fills it again.
  ASSERT_NO_FATAL_FAILURE(share_.Mount());
  std::ofstream(share_.Path("more")) << "something to ship";
  Run(0, {"umount", "--wait", share_.mountpoint()});
  Run(0, {"fsck", Second(), "--read-data"});
}

TEST_F(FsckTest, StrangersOnARealTargetAreMovedAway) {
  std::ofstream(SecondPath() + "/pack/holiday") << "a photo";
  EXPECT_THAT(Run(4, {"fsck", Second()}).out,
              HasSubstr("foreign-object: pack/holiday"));
  const std::string done =
      Run(1, {"fsck", Second(), "--repair", "--from", share_.volume()}).out;
  EXPECT_THAT(done, HasSubstr("quarantined: pack/holiday: is quarantine/"));
  Run(0, {"fsck", Second()});
}

TEST_F(FsckTest, AStateIsKeptUntilTheEndAndBesideNothingElse) {
  const std::string state = share_.root() + "/state";
  Run(0, {"fsck", Second(), "--read-data", "--state", state});
  EXPECT_FALSE(stdfs::exists(state));
  // Somebody's file is not replaced.
  std::ofstream(state) << "a letter to somebody";
  EXPECT_THAT(Run(8, {"fsck", Second(), "--read-data", "--state", state}).err,
              HasSubstr("name another file"));
  EXPECT_EQ(stdfs::file_size(state), 20U);
  stdfs::remove(state);

  // Interrupted before it began, it leaves a state and says how to go on.
  for (const char* more : {"", "--restart"}) {
    std::vector<std::string> command{Share::Program(), "fsck",    Second(),
                                     "--read-data",    "--state", state};
    if (*more != '\0') command.emplace_back(more);
    RunningCommand running(command);
    running.Signal(SIGSTOP);
    running.Signal(SIGINT);
    running.Signal(SIGCONT);
    const int code = running.Wait();
    // The signal may come before it is held, and after the last object.
    EXPECT_TRUE(code == 32 || code == 128 + SIGINT || code == 0) << code;
  }
  Run(0, {"fsck", Second(), "--read-data", "--state", state});
  EXPECT_FALSE(stdfs::exists(state));
}

TEST_F(FsckTest, AVolumeThatCannotBeRebuiltNamesTheWayOut) {
  stdfs::remove_all(share_.volume() + "/index");
  std::vector<stdfs::path> commits;
  for (const auto& entry :
       stdfs::recursive_directory_iterator(Objects() + "/commit")) {
    if (entry.is_regular_file()) commits.push_back(entry.path());
  }
  ASSERT_FALSE(commits.empty());
  std::sort(commits.begin(), commits.end());
  std::fstream(commits.back(), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(200)
      .write("damage", 6);
  stdfs::create_directory(share_.mountpoint());
  const std::string said =
      Run(1, {"mount", share_.volume(), share_.mountpoint()}).err;
  EXPECT_THAT(said, HasSubstr("'trefoil fsck --repair " + share_.volume() +
                              "' takes good ones from the volume's targets"));
  EXPECT_THAT(said, HasSubstr("'trefoil recover' makes a new volume"));
  EXPECT_FALSE(stdfs::exists(share_.volume() + "/index"));
  EXPECT_THAT(Fsck(1, {"--repair"}).out, HasSubstr("repaired: commit/"));
  ASSERT_NO_FATAL_FAILURE(share_.Mount());
  EXPECT_EQ(stdfs::file_size(share_.Path("early")), 100'000U);
  ASSERT_NO_FATAL_FAILURE(share_.Unmount());
}

TEST_F(FsckTest, WhatWasVerifiedOfAUrlIsKeptWhereItIsFoundAgain) {
  const auto file = UsualStateFile("fsck", Second());
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_TRUE(file->starts_with(StateHome() + "/trefoil/fsck-")) << *file;
  const std::vector<std::string> check{"fsck", Second(), "--read-data"};
  Run(0, check);
  EXPECT_FALSE(stdfs::exists(*file));

  // A signal that comes later and later, until it comes between two objects.
  std::vector<std::string> command = check;
  command.insert(command.begin(), Share::Program());
  for (int tries = 0; tries < 1000 && !stdfs::exists(*file); ++tries) {
    RunningCommand running(command);
    std::this_thread::sleep_for(std::chrono::milliseconds(tries));
    running.Signal(SIGINT);
    running.Wait();
  }
  ASSERT_TRUE(stdfs::exists(*file));
  EXPECT_EQ(stdfs::status(*file).permissions(),
            stdfs::perms::owner_read | stdfs::perms::owner_write);
  EXPECT_THAT(Run(0, check).out, HasSubstr("continued: "));
  EXPECT_FALSE(stdfs::exists(*file));

  // Anything else there is passed over with a line.
  std::ofstream(*file) << "not a state";
  EXPECT_THAT(Run(0, check).out, HasSubstr("state-ignored: "));
  EXPECT_FALSE(stdfs::exists(*file));
  // And where others can write nothing is kept.
  stdfs::permissions(StateHome() + "/trefoil", stdfs::perms::all);
  EXPECT_THAT(Run(0, check).err, HasSubstr("--state"));
}

}  // namespace
}  // namespace trefoil::testing
