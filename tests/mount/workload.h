// SPDX-License-Identifier: Apache-2.0
// A writer with a directory of its own, who remembers every operation, and
// after a crash says whether what is there is one of the states that the
// directory may be in: never older than what was promised, never a mixture.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace trefoil::testing {

class Workload {
 public:
  // What a crash must leave: everything acknowledged (the process died), or
  // everything up to the last fsync (the machine did).
  enum class Promise { kAcknowledged, kSynced };

  Workload(std::string directory, uint64_t seed);

  // Makes the directory, the first time, and works in it until `stop` or until
  // an operation fails.
  void Run(const std::atomic<bool>& stop);
  // What is wrong with what is there now; empty when nothing is. The next Run
  // goes on from what is there.
  std::string CheckAfterCrash(Promise promise);

  [[nodiscard]] uint64_t operations() const { return operations_; }
  [[nodiscard]] uint64_t fsyncs() const { return fsyncs_; }

 private:
  using State = std::map<std::string, std::string>;  // name, content
  enum class Kind {
    kMakeDirectory,
    kCreate,
    kWrite,
    kTruncate,
    kRename,
    kRemove,
    kSync
  };
  struct Operation {
    Kind kind = Kind::kSync;
    std::string name;
    std::string to;       // kRename
    uint64_t offset = 0;  // kWrite; the size of kTruncate
    std::string data;     // kWrite
  };

  // One acknowledged operation more; false when it failed.
  bool Do(Operation operation);
  bool Perform(const Operation& operation) const;
  static void Apply(const Operation& operation, State* state);

  // What the kernel makes of it: a write(2) may reach the daemon as several
  // requests, cut between pages.
  static std::vector<Operation> Pieces(const Operation& operation);
  // Goes on from there; answers that nothing is wrong.
  std::string Adopt(State found);

  bool Step();
  bool Overwrite(const std::string& name);
  bool Append(const std::string& name);
  bool Replace(const std::string& name);
  uint64_t Draw(uint64_t bound) { return random_() % bound; }
  std::string Data(uint64_t bytes_max);
  // Nothing when it can't be read, with the reason in `*why`.
  bool ReadState(State* state, std::string* why) const;

  const std::string directory_;
  std::mt19937_64 random_;
  State before_;  // all operations of this round
  State now_;
  bool made_ = false;
  std::vector<Operation> log_;  // of this round, a failed one included
  size_t acknowledged_ = 0;     // of log_
  size_t synced_ = 0;           // of log_
  uint64_t operations_ = 0;
  uint64_t fsyncs_ = 0;
};

}  // namespace trefoil::testing
