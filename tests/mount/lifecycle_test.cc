// SPDX-License-Identifier: Apache-2.0
// Goal: a mount begins and ends cleanly in every way that people and systems
// begin and end one, and a mistake gives one clear line and changes nothing.
// Method: the real program, umount(8), fusermount3 and signals; a file written
// before is there after the next mount.
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "fs/fuse/mount_table.h"
#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

class LifecycleTest : public ::testing::Test {
 protected:
  void SetUp() override { share_.Init(); }

  void Write(const std::string& name) {
    std::ofstream(share_.Path(name)) << name;
  }
  bool Holds(const std::string& name) {
    std::ifstream file(share_.Path(name));
    std::string text;
    return file >> text && text == name;
  }
  // `end` must end the mount and its daemon and lose nothing.
  void ExpectEnds(const std::function<void(int pid)>& end) {
    share_.Mount();
    Write("kept");
    const int pid = share_.DaemonPid();
    ASSERT_GT(pid, 0);
    end(pid);
    EXPECT_TRUE(share_.WaitUntilUnmounted());
    EXPECT_TRUE(Share::WaitForExit(pid));
    share_.ExpectClean();
    share_.Mount();
    EXPECT_TRUE(Holds("kept"));
    share_.Unmount();
  }
  // Exit status 1 and one line on stderr that holds `text`.
  static void ExpectRefused(const std::vector<std::string>& arguments,
                            const std::string& text) {
    const CommandResult result = Share::Trefoil(arguments);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1)
        << result.err;
  }
  void ExpectMountRefused(const std::string& text) {
    ExpectRefused({"mount", share_.volume(), share_.mountpoint()}, text);
  }
  std::string MountOptions() {
    std::ifstream mounts("/proc/mounts");
    std::string line;
    while (std::getline(mounts, line)) {
      if (line.find(" " + share_.mountpoint() + " ") != std::string::npos) {
        return line;
      }
    }
    return "";
  }

  Share share_;
};

TEST_F(LifecycleTest, ProcMountsTellsWhatIsMounted) {
  share_.Mount({"-o", "suid,noexec"});
  const std::string line = MountOptions();
  EXPECT_EQ(line.find(share_.volume() + " " + share_.mountpoint() +
                      " fuse.trefoil rw,"),
            0U)
      << line;
  EXPECT_EQ(line.find("nosuid"), std::string::npos) << line;
  for (const char* option :
       {"nodev", "noexec", "noatime", "default_permissions", "allow_other"}) {
    EXPECT_NE(line.find(option), std::string::npos) << option;
  }
}

TEST_F(LifecycleTest, UmountCommandEndsIt) {
  ExpectEnds([&](int pid) {
    share_.Unmount();
    // It returns when the volume is closed, no sooner.
    EXPECT_NE(kill(pid, 0) == 0 && share_.DaemonPid() != 0, true);
    const CommandResult check = Share::Trefoil({"fsck", share_.volume()});
    EXPECT_EQ(check.exit_code, 0) << check.err;
  });
}

TEST_F(LifecycleTest, UmountWithWaitEndsIt) {
  ExpectEnds([&](int) {
    const CommandResult result =
        Share::Trefoil({"umount", "--wait", share_.mountpoint()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  });
}

TEST_F(LifecycleTest, SystemUmountEndsIt) {
  ExpectEnds([&](int) {
    const CommandResult result = RunCommand({"umount", share_.mountpoint()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  });
}

TEST_F(LifecycleTest, FusermountEndsIt) {
  ExpectEnds([&](int) {
    const CommandResult result =
        RunCommand({"fusermount3", "-u", share_.mountpoint()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
  });
}

TEST_F(LifecycleTest, SignalsEndIt) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ExpectEnds([&](int pid) { kill(pid, number); });
  }
}

TEST_F(LifecycleTest, SignalEndsItWithFilesOpen) {
  ExpectEnds([&](int pid) {
    const Fd fd(share_.Path("open"), O_CREAT | O_WRONLY);
    ASSERT_EQ(write(fd, "x", 1), 1);
    kill(pid, SIGTERM);
    EXPECT_TRUE(Share::WaitForExit(pid));
    EXPECT_EQ(write(fd, "x", 1), -1);
    EXPECT_EQ(errno, ENOTCONN);
  });
}

TEST_F(LifecycleTest, RemountAtOnceAfterSystemUmount) {
  for (int i = 0; i < 5; ++i) {
    share_.Mount();
    Write("round-" + std::to_string(i));
    ASSERT_EQ(umount2(share_.mountpoint().c_str(), 0), 0);
  }
  share_.Mount();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Holds("round-" + std::to_string(i)));
  share_.Unmount();
  share_.ExpectClean();
}

TEST_F(LifecycleTest, BusyMountIsKept) {
  share_.Mount();
  {
    const Fd fd(share_.Path("open"), O_CREAT | O_WRONLY);
    ExpectRefused({"umount", share_.mountpoint()}, "still uses it");
    EXPECT_EQ(write(fd, "x", 1), 1);
  }
  share_.Unmount();
}

// As df does, which looks at every mount.
TEST_F(LifecycleTest, WhoIsGoneInAMomentIsWaitedFor) {
  share_.Mount();
  Fd fd(share_.mountpoint(), O_RDONLY | O_DIRECTORY);
  std::thread looking([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    fd.Close();
  });
  share_.Unmount();
  looking.join();
}

TEST_F(LifecycleTest, UmountSaysWhoElseHasTheMount) {
  share_.Mount();
  const int pid = share_.DaemonPid();
  const RunningCommand other(
      {"unshare", "--mount", "--propagation", "private", "sleep", "1000"});
  const std::string name = "/proc/" + std::to_string(other.pid()) + "/comm";
  std::string running;
  while (running != "sleep") std::ifstream(name) >> running;
  ExpectRefused({"umount", share_.mountpoint()},
                "still has it on " + share_.mountpoint());
  EXPECT_FALSE(share_.IsMounted());
  EXPECT_EQ(share_.DaemonPid(), pid);
  other.Signal(SIGKILL);
  EXPECT_TRUE(Share::WaitForExit(pid));
  share_.ExpectClean();
}

TEST_F(LifecycleTest, ForegroundTellsSystemd) {
  const std::string path = share_.root() + "/notify";
  const Fd notify(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(notify, reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  // Without PATH and HOME, as a unit may be.
  RunningCommand daemon(
      {Share::Program(), "mount", "-f", "--log-file", share_.log_file(),
       share_.volume(), share_.mountpoint()},
      {.environment = {"NOTIFY_SOCKET=" + path}, .own_environment = true});
  char text[64] = {};
  ASSERT_GT(recv(notify, text, sizeof(text) - 1, 0), 0);
  EXPECT_STREQ(text, "READY=1");
  EXPECT_TRUE(share_.IsMounted());
  Write("kept");
  daemon.Signal(SIGTERM);
  std::fill(std::begin(text), std::end(text), '\0');
  ASSERT_GT(recv(notify, text, sizeof(text) - 1, 0), 0);
  EXPECT_STREQ(text, "STOPPING=1");
  EXPECT_EQ(daemon.Wait(), 0);
  EXPECT_FALSE(share_.IsMounted());
}

TEST_F(LifecycleTest, SecondMountOfAVolumeIsRefused) {
  share_.Mount();
  Write("kept");
  const std::string other = share_.root() + "/other";
  ASSERT_EQ(mkdir(other.c_str(), 0755), 0);
  ExpectRefused({"mount", share_.volume(), other}, "mounted at");
  ExpectMountRefused("is mounted there already");
  EXPECT_TRUE(Holds("kept"));
  share_.Unmount();
}

TEST_F(LifecycleTest, BadMountpointsAreRefused) {
  ASSERT_EQ(rmdir(share_.mountpoint().c_str()), 0);
  ExpectMountRefused("no such directory");
  std::ofstream(share_.mountpoint()) << "a file";
  ExpectMountRefused("not a directory");
  ASSERT_EQ(unlink(share_.mountpoint().c_str()), 0);
  ASSERT_EQ(mkdir(share_.mountpoint().c_str(), 0755), 0);
  Write("something");
  ExpectMountRefused("not empty (there is 'something')");
  ASSERT_EQ(unlink(share_.Path("something").c_str()), 0);
  ASSERT_EQ(mount("none", share_.mountpoint().c_str(), "tmpfs", 0, ""), 0);
  ExpectMountRefused("type tmpfs");
  ASSERT_EQ(umount2(share_.mountpoint().c_str(), 0), 0);
}

TEST_F(LifecycleTest, BadVolumesAndOptionsAreRefused) {
  const std::string at = share_.mountpoint();
  ExpectRefused({"mount", share_.root() + "/none", at}, "no such volume");
  ExpectRefused({"mount", "/etc", at}, "/etc");
  ExpectRefused({"mount", share_.volume(), at, "-o", "ro,frobnicate"},
                "'frobnicate' is not known");
  ExpectRefused({"mount", share_.volume(), at, "-o", "journal_size=lots"},
                "a size from 256M to 1T");
  ExpectRefused({"umount", at}, "no Trefoil volume is mounted there");
  EXPECT_FALSE(share_.IsMounted());
}

TEST_F(LifecycleTest, DamagedConfigIsRefusedThroughTheDaemon) {
  std::ofstream(share_.volume() + "/config.toml") << "targets = [[[";
  ExpectMountRefused("config.toml");
  EXPECT_FALSE(share_.IsMounted());
}

TEST_F(LifecycleTest, RemountChangesReadOnly) {
  share_.Mount();
  Write("kept");
  const auto remount = [&](const std::string& option) {
    return RunCommand(
               {"mount", "-i", "-o", "remount," + option, share_.mountpoint()})
        .exit_code;
  };
  ASSERT_EQ(remount("ro"), 0);
  const Fd refused(share_.Path("new"), O_CREAT | O_WRONLY);
  EXPECT_LT(refused, 0);
  EXPECT_EQ(errno, EROFS);
  ASSERT_EQ(remount("rw"), 0);
  Write("new");
  EXPECT_TRUE(Holds("new"));
  EXPECT_TRUE(Holds("kept"));
  share_.Unmount();
}

TEST_F(LifecycleTest, ReadOnlyVolumeIsNotWrittenTo) {
  share_.Mount();
  Write("kept");
  share_.Unmount();
  share_.Mount({"--read-only"});
  EXPECT_TRUE(Holds("kept"));
  const Fd refused(share_.Path("new"), O_CREAT | O_WRONLY);
  EXPECT_LT(refused, 0);
  EXPECT_EQ(errno, EROFS);
  share_.Unmount();
  share_.ExpectClean();
}

TEST_F(LifecycleTest, MountOfADeadDaemonIsReplaced) {
  share_.Mount();
  Write("kept");
  share_.KillDaemon();
  EXPECT_FALSE(MountAnswers(share_.mountpoint()));
  share_.Mount();
  EXPECT_TRUE(Holds("kept"));
  share_.Unmount();
  EXPECT_FALSE(share_.IsMounted());
  share_.ExpectClean();
}

TEST_F(LifecycleTest, DeadMountCanBeUnmounted) {
  share_.Mount();
  share_.KillDaemon();
  share_.Unmount();
}

}  // namespace
}  // namespace trefoil::testing
