// SPDX-License-Identifier: Apache-2.0
// trefoil umount: takes the mount away and waits until its daemon has closed
// the volume, so that everything is in the journal on stable storage.
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "fs/fuse/mount_table.h"
#include "tools/json_fields.h"
#include "tools/mount.h"
#include "tools/mount_point.h"
#include "tools/report.h"
#include "tools/volume_client.h"

namespace trefoil {
namespace {

// Closing writes out an index of some dozen MiB and syncs; a slow disk with a
// full queue takes its time.
constexpr int kCloseTimeoutMillis = 300'000;
// After so long it is asked who else has the mount: that one's end may be near.
constexpr int kLookMillis = 3'000;

// Whoever only looks at the mounts, as df does, is gone in a moment.
constexpr std::chrono::milliseconds kBusyTime{2'000};
constexpr std::chrono::milliseconds kBusyPause{20};

struct UmountArguments {
  std::string mountpoint;
  bool wait = false;
  SyncRequest sync;
};

// A process that can be waited for without being its parent.
class Daemon {
 public:
  Daemon() = default;
  explicit Daemon(uint64_t pid)
      : fd_(static_cast<int>(
            syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))) {}

  // False when it still runs after so long.
  bool WaitForEnd(int timeout_millis) const {
    if (fd_.get() < 0) return true;
    pollfd poll_fd{fd_.get(), POLLIN, 0};
    while (true) {
      const int result = poll(&poll_fd, 1, timeout_millis);
      if (result < 0 && errno == EINTR) continue;
      return result > 0;
    }
  }

 private:
  UniqueFd fd_;
};

Result<MountTableEntry> FindOurMount(const std::string& mountpoint) {
  TREFOIL_ASSIGN(const std::string path, CanonicalPath(mountpoint));
  TREFOIL_ASSIGN(const auto table, ReadMountTable());
  const auto entry = FindMount(table, path);
  if (!entry || entry->type != kFuseTypeName) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: no Trefoil volume is mounted there", path));
  }
  return *entry;
}

Status UnmountWhenFree(const std::string& mountpoint) {
  const auto until = std::chrono::steady_clock::now() + kBusyTime;
  while (true) {
    Status unmounted = Unmount(mountpoint, /*lazily=*/false);
    if (!unmounted.Is(StatusCode::kBusy) ||
        std::chrono::steady_clock::now() >= until) {
      return unmounted;
    }
    std::this_thread::sleep_for(kBusyPause);
  }
}

// The daemon ends when nobody has the mount any more.
Status WaitForDaemon(const Daemon& daemon, const MountTableEntry& mount) {
  if (daemon.WaitForEnd(kLookMillis)) return OkStatus();
  if (const auto user = FindMountUser(mount)) {
    return {StatusCode::kBusy,
            fmt::format("{}: unmounted from {}, but process {} ({}) still has "
                        "it on {}: its daemon goes on until it is unmounted "
                        "there too",
                        mount.source, mount.mountpoint, user->pid,
                        user->command, user->mountpoint)};
  }
  if (daemon.WaitForEnd(kCloseTimeoutMillis)) return OkStatus();
  return {StatusCode::kTimedOut,
          fmt::format("{}: unmounted, but its daemon is still closing the "
                      "volume",
                      mount.source)};
}

int RunUmount(const UmountArguments& arguments) {
  const Result<MountTableEntry> mount = FindOurMount(arguments.mountpoint);
  if (!mount.ok()) return Fail("umount", mount.status());
  Daemon daemon;
  // A mount whose daemon has died is taken away all the same.
  if (auto client = ControlClient::Connect(mount->source); client.ok()) {
    const Result<Json> ping =
        (*client)->Call("ping", Json::object(), kControlTimeoutNanos);
    if (ping.ok()) daemon = Daemon(CountField(*ping, "pid"));
    if (arguments.wait) {
      const Status synced = SyncTargets(**client, arguments.sync);
      if (!synced.ok()) {
        return Fail("umount", synced,
                    "still mounted; without --wait it unmounts, and the copies "
                    "catch up after the next mount");
      }
    }
  } else if (arguments.wait) {
    return Fail("umount", client.status());
  }
  const Status unmounted = UnmountWhenFree(mount->mountpoint);
  if (!unmounted.ok()) {
    return Fail("umount", unmounted,
                unmounted.Is(StatusCode::kBusy)
                    ? "'fuser -vm " + mount->mountpoint + "' shows which"
                    : "");
  }
  const Status ended = WaitForDaemon(daemon, *mount);
  return ended.ok() ? kExitOk : Fail("umount", ended);
}

}  // namespace

void AddUmountCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<UmountArguments>();
  CLI::App* umount = trefoil.add_subcommand(
      "umount", "Unmount a volume; everything written is in its journal then");
  umount
      ->add_option("MOUNTPOINT", arguments->mountpoint,
                   "Where the volume is mounted")
      ->required();
  CLI::Option* wait = umount->add_flag("--wait", arguments->wait,
                                       "Bring every copy up to date first");
  AddTimeoutOption(*umount, &arguments->sync)->needs(wait);
  umount->callback([=] { *action = [=] { return RunUmount(*arguments); }; });
}

}  // namespace trefoil
