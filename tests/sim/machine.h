// SPDX-License-Identifier: Apache-2.0
// A simulated machine with a volume on its disk: it is opened, closed, loses
// power and is killed. Everything comes from one seed and runs in one thread.
// Thread rule: none.
#pragma once

#include <memory>
#include <string>

#include "fs/verify/verify.h"
#include "fs/volume/core.h"
#include "tests/support/sim_env.h"
#include "tests/support/sim_world.h"

namespace trefoil::sim {

enum class Death { kPowerCut, kKill };

class Machine {
 public:
  explicit Machine(uint64_t seed);

  [[nodiscard]] World world() { return {env_, clock_, random_}; }
  SimEnv& env() { return env_; }
  SimClock& clock() { return clock_; }
  Volume& volume() { return *volume_; }
  VolumeCore& core() { return *core_; }
  [[nodiscard]] bool is_open() const { return volume_ != nullptr; }
  static const std::string& path();

  Status Format();
  // Opens copies of the volume.
  Result<std::shared_ptr<const Secret>> VolumeKey();
  Status Open();
  Status Close();
  // Nothing more happens on the disk, whatever the dead process still tries;
  // its objects go, then the disk is as the next process finds it.
  // `drop_users` destroys what uses the volume.
  template <class DropUsers>
  void Die(Death death, DropUsers drop_users) {
    Stop();
    drop_users();
    Restart(death);
  }
  // While the volume is not open.
  Result<VerifyReport> Verify(bool read_data);
  Result<VerifyReport> VerifyCopy(ObjectStore& store);

  // The machine has crashed, or the volume has given up writing.
  [[nodiscard]] bool broken();
  // Something was struck by a fault since the last call of Forgive, or so
  // shortly before that somebody may remember it: the journal tries a second
  // later again to make a segment.
  [[nodiscard]] bool faulty();
  void Forgive();

  // Somebody else fills the disk, down to the reserve and a little; or not any
  // more.
  void Crowd(uint64_t left_over);
  void Uncrowd();
  [[nodiscard]] bool crowded() const { return crowded_; }
  [[nodiscard]] uint64_t trace_hash() const { return env_.trace_hash(); }
  [[nodiscard]] uint64_t faults() const { return env_.struck(); }
  // Whether nothing is planned to go wrong.
  [[nodiscard]] bool calm() const { return calm_; }
  void set_calm(bool calm) { calm_ = calm; }

 private:
  void Stop();
  void Restart(Death death);

  SimClock clock_;
  SeededRandom random_;
  SimEnv env_;
  std::unique_ptr<Volume> volume_;
  VolumeCore* core_ = nullptr;
  uint64_t forgiven_ = 0;  // strikes
  int64_t struck_nanos_ = 0;
  bool crowded_ = false;
  bool calm_ = true;
};

std::string Describe(const VerifyReport& report);

}  // namespace trefoil::sim
