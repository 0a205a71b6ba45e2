// SPDX-License-Identifier: Apache-2.0
// Writers on a share, each with its own Workload, and someone who makes
// commits and snapshots beside them, so that a crash meets all of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/mount/share.h"
#include "tests/mount/workload.h"

namespace trefoil::testing {

class CrashLoad {
 public:
  CrashLoad(Share& share, int writers, uint64_t seed);
  ~CrashLoad() { Join(); }
  CrashLoad(const CrashLoad&) = delete;
  CrashLoad& operator=(const CrashLoad&) = delete;

  // Everybody works until the mount dies.
  void Start();
  // Ends and waits for all.
  void Join();
  // The first thing that is wrong with what a crash left; empty: nothing is.
  std::string Check(Workload::Promise promise);

  [[nodiscard]] uint64_t operations() const;
  [[nodiscard]] uint64_t fsyncs() const;

 private:
  // Asks the daemon for commits and snapshots until it does not answer.
  void Shake();

  Share& share_;
  std::vector<std::unique_ptr<Workload>> writers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
};

// TREFOIL_ROUNDS, or what is usual.
int RoundsFromEnvironment(int usual);

}  // namespace trefoil::testing
