// SPDX-License-Identifier: Apache-2.0
// One seed, one run: a volume under random operations, with two simulated
// targets, on a machine that loses power, has errors, fills up and rots, until
// the faults stop; then everything must come together.
//
// What is checked:
//   every answer             is the model's, or an error that has a reason
//   after every restart      fsynced is there; what is visible is a prefix of
//                            what was acknowledged (O1, O2); fsck finds nothing
//   every watermark          stands for a commit that is on the target (O3)
//   rotten objects           are found by fsck; reads give EIO or the right
//                            bytes (O10)
//   at the end               the watermarks reach the head, fsck of all copies
//                            finds nothing, and each target alone gives back
//                            the model's tree (O7)
//
// Thread rule: a Simulation belongs to one thread; several may run at once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/sim/target.h"
#include "tests/sim/workload.h"

namespace trefoil::sim {

struct SimulationOptions {
  uint64_t seed = 1;
  uint64_t rounds = 250;
  bool verbose = false;  // tells on stderr what happens
};

struct SimulationResult {
  Status status;            // what is wrong
  uint64_t trace_hash = 0;  // of all I/O, and of all calls of the targets
  uint64_t tree_hash = 0;   // of what is seen in the end
  uint64_t operations = 0;
  uint64_t restarts = 0;
  uint64_t faults = 0;
  uint64_t commits = 0;
};

SimulationResult Simulate(const SimulationOptions& options);

}  // namespace trefoil::sim
