// SPDX-License-Identifier: Apache-2.0
// A simulated machine with one volume on its disk, and operations by path that
// are one transaction each.
// Thread rule: one thread; operations on the open volume by any.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "fs/verify/verify.h"
#include "fs/volume/volume.h"
#include "tests/support/model_tree.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_world.h"

namespace trefoil {

// Everything that a user can see: the live tree is "", the others are
// snapshots by label.
using Shown = std::map<std::string, ShownTree>;

// What differs first; empty when nothing does.
std::string DifferenceOf(const Shown& expected, const Shown& found);

struct MachineOptions {
  uint64_t seed = 1;
  // With threads the volume works as on a real machine; without, the same
  // calls give the same I/O.
  bool threads = false;
  // As SimEnvOptions::unordered.
  bool unordered = false;
};

class Machine {
 public:
  // With an empty volume.
  static Result<std::unique_ptr<Machine>> Format(const MachineOptions& options);
  // Another machine with the same disk at the same time, its volume not open.
  [[nodiscard]] std::unique_ptr<Machine> Fork(uint64_t seed);

  Status Open();
  // An orderly end.
  Status Close();
  // The process ends without one.
  void Drop() { volume_.reset(); }
  // Close and Open.
  Status Reopen();
  // kill -9, then Open.
  Status KillAndOpen();
  // Without its index, after Close.
  Status LoseIndex();

  SimEnv& env() { return *env_; }
  Volume& volume() { return *volume_; }
  SimClock& clock() { return clock_; }
  [[nodiscard]] World world();

  Status MakeFile(const std::string& path);
  Status MakeDir(const std::string& path);
  Status MakeSymlink(const std::string& path, const std::string& target);
  // `size` bytes of a pattern that `seed` tells from others.
  Status Write(const std::string& path, uint64_t offset, uint64_t size,
               uint64_t seed);
  // The whole content.
  Result<std::string> Read(const std::string& path);
  Status Append(const std::string& path, uint64_t size, uint64_t seed);
  Status Truncate(const std::string& path, uint64_t size);
  Status Allocate(const std::string& path, int mode, uint64_t offset,
                  uint64_t length);
  Status Link(const std::string& from, const std::string& to);
  Status Rename(const std::string& from, const std::string& to,
                uint32_t flags = 0);
  Status Remove(const std::string& path);
  Status RemoveDir(const std::string& path);
  Status SetXattr(const std::string& path, const std::string& name,
                  const std::string& value);
  Status RemoveXattr(const std::string& path, const std::string& name);
  Status Snapshot(const std::string& label);
  Status DeleteSnapshot(const std::string& label);
  Status Sync() { return volume_->Sync(); }
  Status Commit() { return volume_->Commit().status(); }
  Status Checkpoint() { return volume_->Checkpoint().status(); }
  Status Release();

  Result<Shown> Look();
  // The volume is not open.
  Result<VerifyReport> Verify();

 private:
  struct Place {
    NodeId directory;
    std::string name;
  };

  Machine(std::unique_ptr<SimEnv> env, uint64_t seed)
      : env_(std::move(env)), random_(seed) {}
  Result<NodeId> Find(const std::string& path);
  Result<Place> FindParent(const std::string& path);

  std::unique_ptr<SimEnv> env_;  // outlives the volume
  SimClock clock_;
  SeededRandom random_;
  std::unique_ptr<Volume> volume_;
};

}  // namespace trefoil
