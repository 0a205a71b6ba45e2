// SPDX-License-Identifier: Apache-2.0
// A FUSE mount of a volume: translates kernel requests to Volume calls and
// decides nothing itself.
//
// What it tells the kernel: names and attributes may be cached for a day (this
// mount is the only writer) except those of `.snapshots` directories; open and
// flush need not be asked; locks are the kernel's own; there is no writeback
// cache, so that a write that returned is in the journal (O1).
//
// Thread rule: Create, Mount and Run by one thread, one after the other; Stop
// by any thread. Volume calls come from threads of the session.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/base/status.h"
#include "fs/volume/volume.h"

namespace trefoil {

struct FuseOptions {
  std::string fsname;  // the source that /proc/mounts shows
  bool allow_other = false;
  bool default_permissions = true;
  bool read_only = false;
  bool acls = true;   // as in VolumeOptions
  bool suid = false;  // honour setuid bits
  bool dev = false;   // honour device files
  // Further options that fusermount3(1) knows: "noexec", "sync" ...
  std::vector<std::string> kernel_options;
  unsigned threads_max = 16;
  unsigned readahead_kib = 4096;  // set when the process may (root)
};

class FuseSession {
 public:
  // `mountpoint` is an absolute path of a directory. Borrows `volume`.
  static Result<std::unique_ptr<FuseSession>> Create(
      Volume& volume, const std::string& mountpoint,
      const FuseOptions& options);
  // Unmounts what Run has not ended.
  virtual ~FuseSession() = default;

  // The mount stands and answers when this is OK.
  virtual Status Mount() = 0;
  // Returns when somebody unmounted it or after Stop, when no Volume call runs
  // any more and the mountpoint is free.
  virtual Status Run() = 0;
  // Makes Run unmount and return; files that are open then answer ENOTCONN.
  virtual void Stop() = 0;
};

}  // namespace trefoil
