// SPDX-License-Identifier: Apache-2.0
// Goal: on a real mount a failed sync of the journal is never followed by one
// that claims success: the volume is read-only from there on, status says so
// and why, reads go on, and after a restart everything is there that was
// acknowledged before.
// Method: one sync of a disk that works fails (then the kernel would answer
// the next one with success); and a disk that really can't write any more.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "fs/control/protocol.h"
#include "tests/mount/crash_load.h"
#include "tests/mount/mounted_test.h"
#include "tests/power/disk.h"

namespace trefoil::testing {
namespace {

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool WriteAndSync(const std::string& path, const std::string& data) {
  const Fd fd(path, O_CREAT | O_WRONLY);
  return fd >= 0 &&
         write(fd, data.data(), data.size()) ==
             static_cast<ssize_t>(data.size()) &&
         fsync(fd) == 0;
}

// The volume takes nothing, says so, and shows what it has.
void ExpectReadOnly(Share& share, const std::string& reason) {
  const Fd refused(share.Path("refused"), O_CREAT | O_WRONLY);
  EXPECT_LT(refused, 0);
  EXPECT_EQ(errno, EROFS);
  const CommandResult text = Share::Trefoil({"status", share.mountpoint()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("read-only: "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find(reason), std::string::npos) << text.out;
  const CommandResult json =
      Share::Trefoil({"status", "--json", share.mountpoint()});
  const Json status = Json::parse(json.out);
  EXPECT_EQ(status["state"], "read-only");
  EXPECT_NE(status["reason"].get<std::string>().find(reason),
            std::string::npos);
  const CommandResult check =
      Share::Trefoil({"status", "--check", share.mountpoint()});
  EXPECT_EQ(check.exit_code, 2);
  EXPECT_EQ(check.out.find("TREFOIL CRITICAL - volume read-only: "), 0U)
      << check.out;
}

TEST(FailingDiskTest, OneFailedSyncEndsAllSuccess) {
  Share share;
  share.Init();
  const std::string trigger = share.root() + "/fail-now";
  setenv("LD_PRELOAD", TREFOIL_SYNC_STUB, 1);
  setenv("TREFOIL_SYNC_STUB", ("fail:" + trigger).c_str(), 1);
  share.Mount();
  unsetenv("LD_PRELOAD");
  unsetenv("TREFOIL_SYNC_STUB");
  const std::string data = RandomBytes(500'000, 1);
  ASSERT_TRUE(WriteAndSync(share.Path("kept"), data));
  const Fd open_file(share.Path("open"), O_CREAT | O_RDWR);
  ASSERT_EQ(write(open_file, "acknowledged", 12), 12);
  std::ofstream(trigger).flush();
  EXPECT_EQ(fsync(open_file), -1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(fsync(open_file), -1) << "a lie";
    EXPECT_EQ(write(open_file, "x", 1), -1);
  }
  ExpectReadOnly(share, "fdatasync ");
  EXPECT_TRUE(Content(share.Path("kept")) == data);
  EXPECT_EQ(Content(share.Path("open")), "acknowledged");
  const CommandResult synced = Share::Trefoil({"sync", share.mountpoint()});
  EXPECT_NE(synced.exit_code, 0);

  share.KillDaemon();
  share.Mount();
  EXPECT_TRUE(Content(share.Path("kept")) == data);
  EXPECT_TRUE(WriteAndSync(share.Path("new"), "it works again"));
  share.Unmount();
  share.ExpectClean();
}

TEST(FailingDiskTest, ADiskThatCantWriteKeepsWhatItAcknowledged) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  DiskShare disk(1ULL << 30, 400ULL << 20);
  disk.Renew();
  CrashLoad load(disk.share(), 4, seed);
  ASSERT_TRUE(disk.MountShare());
  const std::string data = RandomBytes(500'000, 1);
  ASSERT_TRUE(WriteAndSync(disk.share().Path("kept"), data));
  load.Start();
  usleep(500'000);
  disk.Exhaust();
  // Until the volume notices.
  int written = 0;
  const std::string block = RandomBytes(1 << 20, 2);
  while (
      written < 1000 &&
      WriteAndSync(disk.share().Path("b" + std::to_string(written)), block)) {
    ++written;
  }
  ASSERT_LT(written, 1000);
  load.Join();
  ExpectReadOnly(disk.share(), "journal");
  EXPECT_TRUE(Content(disk.share().Path("kept")) == data);
  // Nor when the disk takes writes again.
  disk.Relieve();
  ExpectReadOnly(disk.share(), "journal");

  disk.Restart();
  ASSERT_TRUE(disk.MountShare());
  EXPECT_EQ(load.Check(Workload::Promise::kSynced), "");
  EXPECT_TRUE(Content(disk.share().Path("kept")) == data);
  for (int i = 0; i < written; ++i) {
    EXPECT_TRUE(Content(disk.share().Path("b" + std::to_string(i))) == block);
  }
  EXPECT_TRUE(WriteAndSync(disk.share().Path("new"), "it works again"));
  disk.share().Unmount();
  disk.share().ExpectClean();
}

}  // namespace
}  // namespace trefoil::testing
