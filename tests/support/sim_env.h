// SPDX-License-Identifier: Apache-2.0
// SimEnv: a machine's disk in memory, for tests. It loses power when told, as
// described in sim_disk.h, and fails as told: errors, a full disk, short
// reads, flipped bits, misdirected writes.
//
// A test runs against it, calls CrashAt(n), runs again until everything fails,
// drops its objects, calls Crash() and looks at what is left. Objects that
// were open before a Crash() or Kill() answer errors from then on, so that
// they may also be dropped later.
//
// The same calls from one thread give the same results, traces included; with
// several threads the order of their operations is the scheduler's.
//
// Thread rule: thread-safe. Fork, Crash and Kill while nobody else calls.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "tests/support/sim_disk.h"

namespace trefoil {

enum class SimOp : uint8_t {
  kOpen,
  kRead,
  kStat,  // of a path or of an open file
  kList,
  kLock,
  kSpace,
  // What follows changes something.
  kCreate,  // an Open that makes a file
  kWrite,
  kTruncate,
  kSync,
  kSyncDir,
  kCreateDir,
  kRename,
  kLink,
  kRemove,
  kRemoveDir,
};
inline constexpr size_t kSimOps = 16;
[[nodiscard]] constexpr bool Changes(SimOp op) { return op >= SimOp::kCreate; }
[[nodiscard]] std::string_view SimOpName(SimOp op);

// One operation, as rules and traces see it.
struct SimOperation {
  SimOp op = SimOp::kOpen;
  std::string path;  // the present name of an open file; the new of a rename
  uint64_t offset = 0;
  uint64_t length = 0;  // of a truncate: the new size
  uint64_t hash = 0;    // in traces: of the data read or written
};

// A rule: the first `skip` operations that match pass, the next `times` are
// struck.
struct SimFault {
  enum class Kind : uint8_t {
    kError,      // answers `error`; a failing sync loses as FailSync says
    kShortRead,  // a read gets only part of what is there
    kFlip,       // a read gets a bit turned over; the disk is as it was
    kMisdirect,  // a write lands `shift_bytes` further on and answers OK
    kDropWrite,  // a write or sync answers OK and does nothing
  };
  Kind kind = Kind::kError;
  SimOp op = SimOp::kRead;  // with `matches`: not looked at
  std::string path_part;    // only paths that contain it
  std::function<bool(const SimOperation&)> matches;  // instead of the two
  uint64_t skip = 0;
  uint64_t times = 1;
  int error = EIO;
  uint64_t shift_bytes = 4096;
};

struct SimEnvOptions {
  uint64_t seed = 1;
  uint64_t capacity_bytes = 64ULL << 30;
  Clock* clock = nullptr;  // for modification times; borrowed
  // As Env::single_threaded answers.
  bool single_threaded = false;
  // A cut may leave a new end of a file without the data below it.
  bool unordered = false;
};

class SimEnv final : public Env {
 public:
  explicit SimEnv(const SimEnvOptions& options = {});
  ~SimEnv() override;

  // Another machine with the same disk contents, unsynced ones included, and
  // nothing open; without faults, counts or trace.
  [[nodiscard]] std::unique_ptr<SimEnv> Fork(uint64_t seed) const;

  // --- Ends ------------------------------------------------------------------
  // The machine stops at the `nth` operation from now on (1 is the next) that
  // changes something: that one is done or not, the seed decides, and answers
  // an error, like everything that follows until Crash or Kill.
  void CrashAt(uint64_t nth);
  [[nodiscard]] bool crashed() const;
  // Power cut and restart: a part of what was not synced is lost.
  void Crash();
  // kill -9 and restart of the process: all that was written is there. A
  // CrashAt that has not come stays.
  void Kill();
  // Decides anew what the seed decides.
  void Reseed(uint64_t seed);

  // --- Faults ----------------------------------------------------------------
  void Inject(SimFault fault);
  void ClearFaults();
  // Operations struck since construction.
  [[nodiscard]] uint64_t struck() const;
  void SetCapacity(uint64_t bytes);
  // Somebody else's files fill the disk up to where `bytes` are left.
  void FillUpTo(uint64_t bytes);
  // Bit rot: turns `bits` of a byte over, for good.
  Status Flip(const std::string& path, uint64_t offset, char bits = 1);

  // --- What happened ---------------------------------------------------------
  [[nodiscard]] uint64_t count(SimOp op) const;
  // Operations that changed something, failed ones included.
  [[nodiscard]] uint64_t changes() const;
  // From now on a hash of all operations is kept, and with `lines` the
  // operations themselves. Of files whose path contains `without_data` the
  // data are left out: RocksDB's name a session that is different each time.
  void StartTrace(bool lines, std::string without_data = {});
  [[nodiscard]] uint64_t trace_hash() const;
  [[nodiscard]] std::vector<std::string> trace() const;

  // --- Env -------------------------------------------------------------------
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Status CreateDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;
  [[nodiscard]] bool single_threaded() const override {
    return single_threaded_;
  }

 private:
  class SimFile;
  class SimLock;
  struct Rule {
    SimFault fault;
    uint64_t seen = 0;
  };
  // What becomes of an operation.
  struct Fate {
    bool happens = true;
    Status answer;
    std::optional<SimFault> fault;  // one that does not answer an error
  };

  Fate Begin(const SimOperation& operation) REQUIRES(mu_);
  void Strike(const SimOperation& operation, Fate* fate) REQUIRES(mu_);
  void Note(const SimOperation& operation, std::string_view data) REQUIRES(mu_);
  Status Run(SimOp op, const std::string& path,
             const std::function<Status()>& body) REQUIRES(mu_);
  void Restart() REQUIRES(mu_);
  void Touch(SimDisk::InodeNo inode) REQUIRES(mu_);

  Result<size_t> ReadFile(const SimFile& file, uint64_t offset,
                          std::span<char> out);
  Status WriteFile(const SimFile& file, uint64_t offset,
                   std::span<const std::string_view> parts);
  Status SyncFile(const SimFile& file);
  Status TruncateFile(const SimFile& file, uint64_t size);
  Result<uint64_t> SizeOf(const SimFile& file);
  void CloseFile(const SimFile& file);
  void Unlock(const SimLock& lock);

  Clock* const clock_;
  const bool single_threaded_;

  mutable Mutex mu_;  // a leaf
  SimDisk disk_ GUARDED_BY(mu_);
  SimDisk::Generator random_ GUARDED_BY(mu_);
  uint64_t life_ GUARDED_BY(mu_) = 1;  // what was opened in another is dead
  bool crashed_ GUARDED_BY(mu_) = false;
  uint64_t crash_at_ GUARDED_BY(mu_) = 0;  // a value of changes_; 0: never
  uint64_t changes_ GUARDED_BY(mu_) = 0;
  std::array<uint64_t, kSimOps> counts_ GUARDED_BY(mu_){};
  std::vector<Rule> rules_ GUARDED_BY(mu_);
  uint64_t struck_ GUARDED_BY(mu_) = 0;
  std::set<SimDisk::InodeNo> locked_ GUARDED_BY(mu_);
  bool tracing_ GUARDED_BY(mu_) = false;
  bool keeping_lines_ GUARDED_BY(mu_) = false;
  std::string without_data_ GUARDED_BY(mu_);
  uint64_t trace_hash_ GUARDED_BY(mu_) = 0;
  std::vector<std::string> trace_ GUARDED_BY(mu_);
};

}  // namespace trefoil
