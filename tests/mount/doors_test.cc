// SPDX-License-Identifier: Apache-2.0
// Goal: other users of the machine get into a volume by no door: neither its
// files nor the socket that controls the mount.
// Method: the real program on a real mount; the modes of all that it makes,
// and an ordinary user who tries, where modes would let him too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "fs/base/env.h"
#include "tests/mount/share.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kUser = "65534";
constexpr const char* kOther = "65533";

class DoorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(geteuid(), 0U) << "this test changes users and needs root";
    program_ = share_.root() + "/trefoil";
    std::filesystem::copy_file(Share::Program(), program_);
  }

  CommandResult TrefoilAs(const std::string& user,
                          const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {"setpriv", "--reuid=" + user,
                                        "--regid=" + user, "--clear-groups",
                                        program_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunCommand(command);
  }

  Share share_;
  std::string program_;
};

// `path` and all below it.
void ExpectPrivate(const std::string& path) {
  std::vector<std::string> paths = {path};
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(path)) {
    paths.push_back(entry.path());
  }
  EXPECT_GT(paths.size(), 3U);
  for (const std::string& each : paths) {
    struct stat st {};
    ASSERT_EQ(stat(each.c_str(), &st), 0) << each;
    EXPECT_EQ(st.st_mode & 077, 0U) << each;
  }
}

TEST_F(DoorsTest, WhatIsMadeIsPrivateWhateverTheUmaskAllows) {
  const mode_t before = umask(0);
  const std::string second = share_.root() + "/second";
  const std::string recovered = share_.root() + "/recovered";
  ASSERT_EQ(mkdir(share_.volume().c_str(), 0777), 0);
  const std::string kit = share_.root() + "/kit";
  EXPECT_EQ(Share::Trefoil({"init", share_.volume(), "--second",
                            "dir:" + second, "--recovery-kit", kit})
                .exit_code,
            0);
  share_.Mount();
  EXPECT_EQ(
      Share::Trefoil({"snapshot", "create", share_.mountpoint()}).exit_code, 0);
  EXPECT_EQ(Share::Trefoil({"sync", share_.mountpoint()}).exit_code, 0);
  EXPECT_EQ(Share::Trefoil({"recover", "--from", "dir:" + second,
                            "--recovery-key-file", kit, recovered})
                .exit_code,
            0);
  umask(before);
  ExpectPrivate(share_.volume());
  ExpectPrivate(second);
  struct stat page {};
  ASSERT_EQ(stat(kit.c_str(), &page), 0);
  EXPECT_EQ(page.st_mode & 077, 0U);
  ExpectPrivate(recovered);
  struct stat socket {};
  ASSERT_EQ(stat((share_.volume() + "/control.sock").c_str(), &socket), 0);
  EXPECT_TRUE(S_ISSOCK(socket.st_mode));
  share_.Unmount();
}

TEST_F(DoorsTest, TheSocketAnswersRootAndTheOwnerAlone) {
  share_.Init();
  ASSERT_EQ(chown(share_.volume().c_str(), 65534, 65534), 0);
  share_.Mount();
  const std::string socket = share_.volume() + "/control.sock";
  // Open to everybody, so that what is checked at the other end decides.
  ASSERT_EQ(chmod(share_.volume().c_str(), 0755), 0);
  ASSERT_EQ(chmod(socket.c_str(), 0666), 0);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"status", share_.volume()},
        {"sync", share_.volume()},
        {"snapshot", "create", share_.volume()}}) {
    const CommandResult refused = TrefoilAs(kOther, command);
    EXPECT_EQ(refused.exit_code, 1) << command[0];
    EXPECT_THAT(refused.err, HasSubstr("only root and the volume's owner"));
    EXPECT_EQ(TrefoilAs(kUser, command).exit_code, 0) << command[0];
    EXPECT_EQ(Share::Trefoil(command).exit_code, 0) << command[0];
  }
  share_.Unmount();
}

}  // namespace
}  // namespace trefoil::testing
