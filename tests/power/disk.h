// SPDX-License-Identifier: Apache-2.0
// A small disk of its own for a share's volume: ext4 on a loop device whose
// file lies in memory. Its power can be cut, and it can be made to fail.
#pragma once

#include <cstdint>
#include <string>

#include "tests/mount/share.h"

namespace trefoil::testing {

// A share whose volume is the root of such a disk.
class DiskShare {
 public:
  // `memory_bytes` is what the disk's file may take: less than the disk's size
  // makes a disk that can't hold what it promises.
  DiskShare(uint64_t disk_bytes, uint64_t memory_bytes);
  ~DiskShare();
  DiskShare(const DiskShare&) = delete;
  DiskShare& operator=(const DiskShare&) = delete;

  Share& share() { return share_; }
  // A volume on a disk that is made anew.
  void Renew();
  // Mounts the share; false when the volume does not open.
  bool MountShare();
  // What was not written out is gone from this moment on; then the daemon
  // dies, and the disk is mounted again.
  void CutPower();
  // The disk takes nothing any more for which its file would have to grow;
  // and takes it again.
  void Exhaust() const;
  void Relieve() const;
  // As a machine that is started anew: the daemon and both mounts are gone,
  // then the disk is there again.
  void Restart();

 private:
  [[nodiscard]] std::string Memory() const { return share_.root() + "/memory"; }
  [[nodiscard]] std::string Image() const { return Memory() + "/disk"; }
  void MountDisk() const;
  void TakeDown();

  const uint64_t disk_bytes_;
  Share share_;
  int daemon_ = 0;
};

}  // namespace trefoil::testing
