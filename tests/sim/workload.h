// SPDX-License-Identifier: Apache-2.0
// Random POSIX operations, each made on the volume and on the model, with what
// the two answer compared.
//
// An answer may differ from the model's only where something was done to the
// machine: an error then leaves the file as it was, or, when the volume is
// broken by it, there or not after the restart.
// Thread rule: none.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/history.h"
#include "tests/sim/machine.h"

namespace trefoil::sim {

class Workload {
 public:
  Workload(uint64_t seed, Machine& machine, History& history);

  // One operation. An error is a fault of the volume: an answer that is wrong.
  Status Step();
  Status Sync();
  Status CreateSnapshot();
  Status DeleteSnapshot();
  // Compares everything that the volume shows with the model.
  Status Check(bool rot);
  // Nobody has a file open any more, nor the deleted snapshots' pages.
  void Restarted() {
    unlinked_.clear();
    deleted_snapshots_.clear();
  }

  [[nodiscard]] uint64_t operations() const { return operations_; }

 private:
  // A file without a name that somebody has open.
  struct Unlinked {
    NodeId node;
    std::shared_ptr<const std::string> content;
  };
  struct Place {
    NodeId directory;
    std::string name;
  };

  uint64_t Below(uint64_t bound) { return random_.Below(bound); }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  // Paths: of something that is there, of a regular file, of anything.
  std::string AnyPath();
  std::string FilePath();
  std::string NewPath();
  std::string Data();
  [[nodiscard]] int64_t now();

  Result<NodeId> Find(const std::string& path);
  Result<Place> FindPlace(const std::string& path);

  // Judges the volume's answer `got` to an operation that the model answers
  // with the errno `expected` and, when that is 0, the state `next`.
  Status Judge(const std::string& what, int expected, const Status& got,
               ModelState next, bool frees_space = false);
  Status Look(const std::string& what, const Status& got, ModelState next);

  Status Make();
  Status MakeLink();
  Status Remove();
  Status Rename();
  Status Write();
  Status Truncate();
  Status ChangeAttributes();
  Status ChangeXattr();
  Status Allocate();
  Status Copy();
  Status Read();
  Status ReadSnapshot();
  Status ReadUnlinked();

  SeededRandom random_;
  Machine& machine_;
  History& history_;
  std::vector<Unlinked> unlinked_;
  std::set<std::string> deleted_snapshots_;  // since the volume was opened
  std::vector<std::string> blobs_;  // data that is written again and again
  uint64_t operations_ = 0;
};

}  // namespace trefoil::sim
