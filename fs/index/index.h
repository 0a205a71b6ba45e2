// SPDX-License-Identifier: Apache-2.0
// The index: an ordered key-value store in three families, rebuildable from
// objects and journal (O6). RocksDB stands behind it (only index_rocksdb.cc and
// the rocksdb_* files know) and does all its file I/O through the Env.
//
// Keeps O2: before bytes are appended to a MANIFEST the `before_manifest`
// hook runs, so that the journal is durable up to everything that the
// manifest can make visible. RocksDB's own WAL is off; a batch carries the LSN
// that it stands for, and families flush atomically.
// Over an Env that is single_threaded() there is no background work: what
// RocksDB would do there is done by Flush, and by nobody else.
// Thread rule: Apply by one thread at a time, in LSN order; the rest by any.
// Views and cursors are destroyed before the index.
// Keys are not empty; a key that is answers nothing and can't be put.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/env.h"
#include "fs/base/status.h"
#include "fs/base/types.h"

namespace trefoil {

enum class Family : uint8_t {
  kLive = 0,     // the live metadata and block table; shipped in commits
  kHistory = 1,  // what snapshots need; shipped in commits
  kLocal = 2,    // derived from the others, or of this machine only
};
inline constexpr int kFamilies = 3;

// One put (or delete, when there is no value).
struct IndexChange {
  Family family = Family::kLive;
  std::string key;
  std::optional<std::string> value;
};

// Changes in the order they were made; the last one of a key counts.
class IndexBatch {
 public:
  void Put(Family family, std::string key, std::string value) {
    changes_.push_back({family, std::move(key), std::move(value)});
  }
  void Delete(Family family, std::string key) {
    changes_.push_back({family, std::move(key), std::nullopt});
  }
  [[nodiscard]] const std::vector<IndexChange>& changes() const {
    return changes_;
  }
  [[nodiscard]] bool empty() const { return changes_.empty(); }
  void Clear() { changes_.clear(); }

 private:
  std::vector<IndexChange> changes_;
};

// Walks the keys of a family in [lower, upper), at one point in time.
// Not thread-safe. Views are valid until the cursor moves.
class IndexCursor {
 public:
  virtual ~IndexCursor() = default;
  // To the first key >= `key` (and >= lower).
  virtual void Seek(std::string_view key) = 0;
  // To the last key <= `key` (and < upper).
  virtual void SeekBack(std::string_view key) = 0;
  virtual void Next() = 0;
  virtual void Prev() = 0;
  [[nodiscard]] virtual bool Valid()
      const = 0;  // false at the end and on error
  [[nodiscard]] virtual std::string_view key() const = 0;
  [[nodiscard]] virtual std::string_view value() const = 0;
  [[nodiscard]] virtual Status status() const = 0;
};

// A point in time of the index; keeps its data until destroyed. Thread-safe.
class IndexView {
 public:
  virtual ~IndexView() = default;
  virtual Result<std::optional<std::string>> Get(Family family,
                                                 std::string_view key) = 0;
  // Not positioned yet. An empty `upper` means no bound.
  virtual std::unique_ptr<IndexCursor> NewCursor(Family family,
                                                 std::string_view lower,
                                                 std::string_view upper) = 0;
};

struct IndexOptions {
  uint64_t block_cache_bytes = 64ULL << 20;
  uint64_t write_buffer_bytes = 48ULL << 20;  // over all families
  // Runs before a MANIFEST append, also in Open; makes the journal durable up
  // to the LSN of the latest Apply, finished or not. An error fails the flush
  // (O2) and every change until the index is opened anew. Called by any
  // thread, for the life of the index.
  std::function<Status()> before_manifest;
};

class Index : public IndexView {  // itself: the newest state
 public:
  // Opens `dir`, creating it when absent. kCorruption when RocksDB can't use
  // what is there (the caller may rebuild: O6).
  static Result<std::unique_ptr<Index>> Open(Env& env, const std::string& dir,
                                             const IndexOptions& options);
  // Everything applied becomes visible at once with `lsn` as applied LSN. Does
  // not wait for the disk or the journal. After an error nothing of it was
  // applied, and no change is taken until the index is opened anew.
  virtual Status Apply(const IndexBatch& batch, Lsn lsn) = 0;
  // Waits until what is not yet flushed fits into `write_buffer_bytes`: what
  // bounds memory when changes come faster than the disk takes them. kNoSpace
  // when the disk is full; the flush goes on by itself when there is room. Call
  // it before a change, holding nothing that Apply or the journal needs.
  virtual Status WaitForRoom() = 0;
  // LSN of the last Apply, kept with the data; 0 when nothing was applied.
  [[nodiscard]] virtual Lsn applied() const = 0;
  // Every Apply up to it survives a crash without the journal (O5).
  [[nodiscard]] virtual Lsn flushed() const = 0;
  // Makes everything applied so far survive; waits, but not for a full disk
  // (kNoSpace; may be called again). Destroying the index does
  // not: what was not flushed is then the journal's to give back.
  virtual Status Flush() = 0;
  // What ended all changes, background work included; OK when nothing did.
  [[nodiscard]] virtual Status failure() const = 0;
  virtual std::unique_ptr<IndexView> Snapshot() = 0;
  // Bytes in memtables and caches, for status.
  [[nodiscard]] virtual uint64_t memory_bytes() const = 0;
};

}  // namespace trefoil
