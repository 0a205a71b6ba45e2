// SPDX-License-Identifier: Apache-2.0
// The journal: the write-ahead log on the primary disk. Every transaction is
// one record; a record has opaque metadata and, for writes, file data that
// stays here until it is destaged.
//
// Keeps O1 (Sync returns when every record up to an LSN is on stable storage;
// replies wait for WaitWritten), O2 (a torn tail is cut, corruption below what
// was claimed durable is an error, never guessed), O5 (segments leave only
// through Trim), O10 (data are checked per 4 KiB when read).
//
// Thread rule: Reserve is called by one thread at a time (the volume's
// sequencer); everything else may be called by any thread at any time.
// After an I/O error the journal is poisoned: every later Write and Sync
// answers with the first error, reads go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/types.h"

namespace trefoil {

struct JournalOptions {
  uint64_t segment_size_bytes = 64ULL << 20;
  // Bound on all segments together, recycled ones included.
  uint64_t capacity_bytes = 4ULL << 30;
  // Open: somebody has seen every record up to this one.
  Lsn needed{};
};

// Bounds on one record.
inline constexpr uint64_t kMaxRecordMetaBytes = 2ULL << 20;
inline constexpr uint64_t kMaxRecordDataBytes = 2ULL << 20;
// Granularity of the checksums over a record's data.
inline constexpr uint32_t kJournalCheckBytes = 4096;

// Where a byte of a record's data lies. Stays valid until Trim passes the
// record.
struct JournalPosition {
  uint64_t segment_no = 0;     // never reused
  uint32_t record_offset = 0;  // of the record's header, in the segment
  uint32_t data_offset = 0;    // inside the record's data
  auto operator<=>(const JournalPosition&) const = default;
};

// One record as replay finds it. Views are valid during the callback.
struct JournalRecord {
  Lsn lsn;
  Epoch epoch;  // as given to Reserve
  std::string_view meta;
  JournalPosition data;  // data_offset 0
  uint32_t data_length_bytes = 0;
};

// A place in the journal for one record, in LSN order.
struct JournalReservation {
  Lsn lsn;
  Epoch epoch;
  JournalPosition position;  // of the data's first byte
  uint32_t meta_length_bytes = 0;
  uint32_t data_length_bytes = 0;
};

struct JournalStats {
  uint64_t used_bytes = 0;  // segments that Trim has not passed
  uint64_t capacity_bytes = 0;
  Lsn reserved;  // the last LSN handed out
  Lsn written;   // every record up to it is in the file
  Lsn durable;   // every record up to it is on stable storage
  uint64_t syncs = 0;
};

class Journal {
 public:
  virtual ~Journal() = default;

  // Opens the journal in `dir` (created when absent), replays every record
  // with LSN > `from` in order, then starts a new segment with a fresh
  // incarnation. `replay` returns an error to stop. A journal that has records
  // but not the one after `from` is kCorruption, unless it is empty or wholly
  // at or below `from` (then numbering continues at from + 1). kNotFound, and
  // nothing is changed, when it ends below `options.needed`.
  static Result<std::unique_ptr<Journal>> Open(
      Env& env, Clock& clock, Random& random, const std::string& dir,
      const JournalOptions& options, Lsn from,
      const std::function<Status(const JournalRecord&)>& replay);

  // Sets aside room for `bytes` of records (record overhead is added): what
  // the caller then reserves is taken from it, and Cancel gives the rest back.
  // So Reserve can't fail: used + set aside never exceeds the capacity. Near
  // the bound it waits a little longer each time, at the bound it waits until
  // Trim makes room: writers slow smoothly. `urgent` callers (destage,
  // operations that free things) take from a reserve and do not wait. Call
  // without locks. kNoSpace when the disk can't hold another segment and
  // nothing is left.
  virtual Status Admit(uint64_t bytes, bool urgent) = 0;
  // Gives back `bytes` of an Admit: those that were not reserved.
  virtual void Cancel(uint64_t bytes) = 0;

  // `on_failure` is called once, by whoever meets the first error that poisons
  // the journal, maybe with the sequencer's lock held: it takes note, no more.
  // Set before the first Admit.
  virtual void NotifyFailure(std::function<void(const Status&)> on_failure) = 0;

  // The next LSN and its place. Under the caller's sequencer lock, after
  // Admit for at least this many bytes.
  virtual JournalReservation Reserve(Epoch epoch, uint32_t meta_length_bytes,
                                     uint32_t data_length_bytes) = 0;
  // Writes the record into its place (page cache). Exactly once for each
  // reservation, also when the caller has since met another error.
  virtual Status Write(const JournalReservation& reservation,
                       std::string_view meta, std::string_view data) = 0;
  // Returns when every record up to `lsn` is in the file.
  virtual Status WaitWritten(Lsn lsn) = 0;
  // Returns when every record up to `lsn` is on stable storage; concurrent
  // callers share one fdatasync. `lsn` may be at most reserved.
  virtual Status Sync(Lsn lsn) = 0;
  Status SyncAll() { return Sync(stats().reserved); }

  // Reads data of a record, from `position` on, `out.size()` bytes (inside the
  // record's data), verified. kNotFound when Trim has passed the record, also
  // when that happened while reading: the caller looks again where the bytes
  // are now. kCorruption names segment and offset.
  virtual Status ReadData(const JournalPosition& position,
                          std::span<char> out) = 0;

  // Records with LSN <= `lsn` are no longer needed (O5); segments wholly at
  // or below it are recycled. Readers may still hold positions in them: see
  // ReadData.
  virtual Status Trim(Lsn lsn) = 0;

  [[nodiscard]] virtual JournalStats stats() const = 0;
};

}  // namespace trefoil
