// SPDX-License-Identifier: Apache-2.0
// VolumeCore: what the parts of a volume share, and Change, the one way in
// which anything changes.
//
// The way of a change: room in the journal (Admit) -> the gate -> the locks of
// the inodes whose data change -> the sequencer: read, decide, LSN, index ->
// the record's bytes into the journal -> the dirty map -> unlock -> wait until
// every earlier record is in the journal too (O1) -> answer.
//
// Lock order: gate, stripes (ascending), sequencer_mu, then leaf locks (the
// journal's, references_mu, snapshots_mu). Nobody waits for a target, or for
// journal room, with any of these held.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/index/history.h"
#include "fs/index/index.h"
#include "fs/journal/journal.h"
#include "fs/object/local_tree.h"
#include "fs/volume/dirty_map.h"
#include "fs/volume/gate.h"
#include "fs/volume/healer.h"
#include "fs/volume/identity.h"
#include "fs/volume/recovery_rules.h"
#include "fs/volume/snapshot_table.h"
#include "fs/volume/space_guard.h"
#include "fs/volume/transaction.h"
#include "fs/volume/volume.h"

namespace trefoil {

// The keys of the index that changed since the last cut: what the next commit
// carries. A value type.
class ChangedKeys {
 public:
  void Add(const IndexBatch& batch);
  void Add(Family family, std::string_view key);
  void Merge(ChangedKeys other);
  [[nodiscard]] size_t size() const { return keys_.size(); }
  [[nodiscard]] bool empty() const { return keys_.empty(); }
  [[nodiscard]] bool Contains(Family family, std::string_view key) const;
  // (family, key), each once, sorted.
  [[nodiscard]] std::vector<std::pair<Family, std::string>> Sorted() const;

 private:
  std::unordered_set<std::string> keys_;  // family byte, then the key
};

// Numbers handed out in memory; what is on disk is a ceiling above all of
// them, so that a crash skips numbers but never reuses one.
struct Counter {
  uint64_t next = 1;
  uint64_t ceiling = 1;          // persisted; every number used is below it
  uint64_t pending_ceiling = 0;  // in the transaction being built
};

// Most operations change a few small records.
inline constexpr uint64_t kSmallMetaBytes = 32ULL << 10;
// ACLs and attributes, the old value moving to history beside the new one.
inline constexpr uint64_t kXattrMetaBytes = 256ULL << 10;

struct VolumeCore {
  VolumeCore(World world_in, std::string path_in, VolumeOptions options_in)
      : world(world_in),
        path(std::move(path_in)),
        options(std::move(options_in)) {}

  // --- Constant after opening ----------------------------------------------
  World world;
  const std::string path;
  const VolumeOptions options;
  VolumeIdentity identity;
  Secret volume_key;  // kNone: the volume is not encrypted
  std::shared_ptr<Keyring> keyring;
  Generation generation;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<LocalTree> objects;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Index> index;
  std::unique_ptr<SpaceGuard> space;
  std::vector<Found> found;  // by opening it, in this order

  // --- Shared state ----------------------------------------------------------
  OperationGate gate;
  DirtyMap dirty;
  SnapshotTable snapshots;

  Mutex sequencer_mu;
  Epoch epoch GUARDED_BY(sequencer_mu){1};  // changes with the gate closed only
  Lsn replayed GUARDED_BY(sequencer_mu);    // while opening: the last LSN seen
  ChangedKeys changed GUARDED_BY(sequencer_mu);
  // Changes by operations, not by destage, since the last cut.
  uint64_t changes_since_cut GUARDED_BY(sequencer_mu) = 0;
  Counter inodes GUARDED_BY(sequencer_mu);

  std::atomic<uint64_t> dirty_bytes_estimate{0};

  // Of what is in `objects`. It goes before what its threads ask.
  std::unique_ptr<Healer> healer;

  // --- Failure ---------------------------------------------------------------
  // The first failure of journal or index ends all changes; reads go on.
  void Fail(const Status& why) EXCLUDES(failure_mu);
  Status CheckWritable() EXCLUDES(failure_mu);
  Status failure() EXCLUDES(failure_mu);
  // An error that did not stop the volume, for status.
  void NoteError(const Status& error) EXCLUDES(failure_mu);
  std::string last_error() EXCLUDES(failure_mu);

  // --- Changes ---------------------------------------------------------------
  struct ChangeSpec {
    // Inodes whose data change; their stripes are locked.
    std::vector<InodeId> inodes;
    // Frees space or is internal: never slowed down, uses the reserve.
    bool urgent = false;
    // Its keys belong to the next cut; those of destage go into the commit of
    // their own round instead.
    bool by_operation = true;
    // A commit is not made for its sake.
    bool lazy = false;
    // Bound on the transaction's encoding.
    uint64_t meta_bytes = kSmallMetaBytes;
    std::string_view data;
  };
  using Build = std::function<Status(Transaction&)>;
  // Runs `build` under the sequencer and makes its changes durable and visible
  // as one (O2). When `build` fails nothing happens and its error is returned.
  Status Change(const ChangeSpec& spec, const Build& build);
  // The same for an epoch of the past: destage. `epoch` is the layer's.
  Status ChangeInEpoch(const ChangeSpec& spec, Epoch layer_epoch,
                       const Build& build);

  // Ends the current epoch, if that is still `epoch`. Waits for changes that
  // are under way, for microseconds.
  void AdvanceEpoch(Epoch epoch);

  // The state at a cut: everything up to an LSN, nothing after it.
  struct Cut {
    Lsn lsn;
    Epoch epoch;  // the one that ended
    int64_t time_nanos = 0;
    std::unique_ptr<IndexView> view;
    ChangedKeys changed;
  };
  // Nothing when there is no reason for a commit: no operation has changed
  // anything since the last cut; with `even_lazy`, when nothing has changed.
  std::optional<Cut> MakeCut(bool even_lazy = false);
  // Gives a cut's keys back after its commit failed.
  void RestoreChanged(ChangedKeys keys);

  // A new inode number, as part of `tx`.
  InodeId NewInode(Transaction& tx) REQUIRES(sequencer_mu);

 private:
  // Bounds the memory of the index when changes come faster than the disk
  // takes them. Called without locks.
  Status WaitForIndexRoom();
  Status Submit(const ChangeSpec& spec, std::optional<Epoch> layer_epoch,
                const Build& build, Lsn* lsn);
  // The part under the sequencer's lock.
  Status Sequence(const ChangeSpec& spec, std::optional<Epoch> layer_epoch,
                  const Build& build, JournalReservation* reservation,
                  std::string* meta, std::vector<Effect>* effects);
  void ApplyEffects(const std::vector<Effect>& effects,
                    const JournalPosition& data);

  Mutex failure_mu;
  Status failure_ GUARDED_BY(failure_mu);
  Status last_error_ GUARDED_BY(failure_mu);
};

// The inode as `node`'s tree shows it, and the epoch of that tree.
struct InodeView {
  InodeRecord inode;
  Epoch epoch;
};
// ENOENT (ESTALE for a snapshot that is gone) when there is none.
Result<InodeView> LoadInode(VolumeCore& core, NodeId node);
// EROFS for a node that is not in the live tree.
Status CheckLive(NodeId node);
// The inode inside a transaction; ENOENT when it is gone.
Result<InodeRecord> RequireInode(Transaction& tx, InodeId inode);
Result<InodeRecord> RequireDirectory(Transaction& tx, InodeId inode);

}  // namespace trefoil
