// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/reaper.h"

#include "fs/index/keys.h"
#include "fs/volume/extents.h"

namespace trefoil {
namespace {

constexpr size_t kExtentsPerTransaction = 1000;
constexpr size_t kPurgesPerTransaction = 500;
// Attributes are up to 64 KiB each, and each may move to history.
constexpr size_t kXattrsPerTransaction = 8;

VolumeCore::ChangeSpec Spec() {
  VolumeCore::ChangeSpec spec;
  spec.urgent = true;
  spec.meta_bytes = kMaxTransactionBytes;
  return spec;
}

}  // namespace

Status Reaper::ReapOrphans() {
  std::vector<InodeId> waiting;
  const std::vector<InodeId> due = references_.TakeDue();
  for (size_t i = 0; i < due.size(); ++i) {
    const auto reaped = ReapOrphan(due[i]);
    if (!reaped.ok()) {
      waiting.insert(waiting.end(), due.begin() + static_cast<ptrdiff_t>(i),
                     due.end());
      references_.PutBack(waiting);
      return reaped.status();
    }
    if (!*reaped) waiting.push_back(due[i]);
  }
  references_.PutBack(waiting);
  return OkStatus();
}

Result<bool> Reaper::ReapOrphan(InodeId inode) {
  TREFOIL_ASSIGN(const auto orphan,
                 core_.index->Get(Family::kLive, OrphanKey(inode)));
  if (!orphan) return true;  // reaped already
  TREFOIL_ASSIGN(const uint64_t death, DecodeNumber(*orphan));
  Epoch now;
  {
    MutexLock sequencer(core_.sequencer_mu);
    now = core_.epoch;
  }
  bool has_layer = false;
  {
    DirtyMap::Stripe& stripe = core_.dirty.StripeOf(inode);
    ReaderLock lock(stripe.mu);
    if (const auto at = stripe.inodes.find(inode); at != stripe.inodes.end()) {
      // Older layers belong to snapshots or to the next commit.
      if (at->second.layers.begin()->first != now) return false;
      has_layer = true;
    }
  }
  if (has_layer) TREFOIL_TRY(DropLayer(inode, now));
  TREFOIL_TRY(RemoveExtents(inode, Epoch(death)));
  TREFOIL_TRY(RemoveXattrs(inode));
  TREFOIL_TRY(core_.Change(Spec(), [&](Transaction& tx) -> Status {
    tx.Delete(Family::kLive, OrphanKey(inode));
    return tx.DeleteVersioned(InodeKey(inode));
  }));
  return true;
}

Status Reaper::DropLayer(InodeId inode, Epoch epoch) {
  VolumeCore::ChangeSpec spec = Spec();
  spec.inodes = {inode};
  return core_.Change(spec, [&](Transaction& tx) {
    Effect effect;
    effect.type = EffectType::kDrop;
    effect.inode = inode;
    effect.epoch = epoch;
    tx.Add(effect);
    return OkStatus();
  });
}

Status Reaper::RemoveExtents(InodeId inode, Epoch death) {
  for (;;) {
    TREFOIL_ASSIGN(const auto extents,
                   FirstLiveExtents(*core_.index, inode, 0, kMaxFileBytes,
                                    kExtentsPerTransaction));
    if (extents.empty()) return OkStatus();
    VolumeCore::ChangeSpec spec = Spec();
    spec.inodes = {inode};
    TREFOIL_TRY(core_.ChangeInEpoch(spec, death, [&](Transaction& tx) {
      return ClearRange(tx, inode, 0, kMaxFileBytes, extents);
    }));
  }
}

Status Reaper::RemoveXattrs(InodeId inode) {
  const std::string prefix = XattrPrefix(inode);
  for (;;) {
    std::vector<std::string> keys;
    TREFOIL_TRY(VisitAt(*core_.index, prefix, AfterPrefix(prefix), kLiveEpoch,
                        [&keys](std::string_view key, std::string_view) {
                          keys.emplace_back(key);
                          return keys.size() < kXattrsPerTransaction;
                        }));
    if (keys.empty()) return OkStatus();
    TREFOIL_TRY(core_.Change(Spec(), [&](Transaction& tx) -> Status {
      for (const std::string& key : keys) {
        TREFOIL_TRY(tx.DeleteVersioned(key));
      }
      return OkStatus();
    }));
  }
}

Status Reaper::PurgeHistory() {
  std::string from;
  for (;;) {
    // Gather a batch, then remove it; the cursor must not live over changes.
    std::vector<std::pair<std::string, BlockNo>> useless;
    {
      const RetainedEpochs retained = core_.snapshots.Retained();
      auto cursor = core_.index->NewCursor(Family::kHistory, from, "");
      cursor->Seek(from);
      for (; cursor->Valid() && useless.size() < kPurgesPerTransaction;
           cursor->Next()) {
        const std::string_view key = cursor->key();
        from = key;
        TREFOIL_ASSIGN(const Epoch birth, BirthOf(cursor->value()));
        if (retained.AnyIn(birth, LastOfHistory(key))) continue;
        BlockNo block;
        if (key[0] == 'E') {
          TREFOIL_ASSIGN(const ExtentRecord extent,
                         ExtentRecord::Decode(cursor->value()));
          block = extent.block;
        }
        useless.emplace_back(key, block);
      }
      TREFOIL_TRY(cursor->status());
    }
    if (useless.empty()) return OkStatus();
    TREFOIL_TRY(core_.Change(Spec(), [&](Transaction& tx) -> Status {
      for (const auto& [key, block] : useless) {
        tx.Delete(Family::kHistory, key);
        if (block != BlockNo()) TREFOIL_TRY(tx.Count(block, -1));
      }
      return OkStatus();
    }));
  }
}

}  // namespace trefoil
