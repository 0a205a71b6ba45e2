// SPDX-License-Identifier: Apache-2.0
// A volume and a mountpoint in a directory of their own, driven through the
// real program. What a test leaves mounted is taken down with the object.
#pragma once

#include <string>
#include <vector>

#include "tests/mount/process.h"

namespace trefoil::testing {

class Share {
 public:
  Share();  // an empty directory; nothing is made yet
  ~Share();
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  [[nodiscard]] std::string root() const { return root_; }
  [[nodiscard]] std::string volume() const { return root_ + "/volume"; }
  [[nodiscard]] std::string mountpoint() const { return root_ + "/share"; }
  [[nodiscard]] std::string log_file() const { return root_ + "/log"; }
  // A path on the mount.
  [[nodiscard]] std::string Path(const std::string& name) const {
    return mountpoint() + "/" + name;
  }

  // `trefoil ARGUMENTS...`.
  static CommandResult Trefoil(const std::vector<std::string>& arguments);
  static std::string Program();  // its path

  // Each fails the test when the program does.
  void Init();
  void Mount(const std::vector<std::string>& more = {});
  void Unmount();
  // fsck --read-data finds nothing. The volume is not mounted.
  void ExpectClean();

  // Of the daemon, asked through its socket; 0 when there is none.
  [[nodiscard]] int DaemonPid() const;
  // SIGKILL, and waits until it is gone.
  void KillDaemon() const;
  [[nodiscard]] bool IsMounted() const;
  // False when it takes longer than ten seconds.
  [[nodiscard]] bool WaitUntilUnmounted() const;
  // Until the process has ended; false after thirty seconds.
  static bool WaitForExit(int pid);

 private:
  std::string root_;
};

}  // namespace trefoil::testing
