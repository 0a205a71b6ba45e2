// SPDX-License-Identifier: Apache-2.0
// BlockReader: opened blocks by number, through the index and the local tree,
// with a bounded cache. Everything returned was verified (O10). What the local
// tree lacks or has damaged comes from another copy, through the healer.
// Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "fs/base/mutex.h"
#include "fs/index/index.h"
#include "fs/index/records.h"
#include "fs/object/local_tree.h"
#include "fs/volume/healer.h"

namespace trefoil {

class BlockReader {
 public:
  BlockReader(Index& index, LocalTree& objects, const Keyring& keyring,
              Healer& healer, uint64_t cache_bytes)
      : index_(index),
        objects_(objects),
        keyring_(keyring),
        healer_(healer),
        cache_bytes_(cache_bytes) {}

  // The block's plaintext. kNotFound: the caller's plan is out of date; any
  // other error names the object, and no copy was there to heal it.
  Result<std::shared_ptr<const std::string>> Read(BlockNo block);
  [[nodiscard]] uint64_t memory_bytes() const;

 private:
  struct Entry {
    BlockNo block;
    std::shared_ptr<const std::string> data;
  };

  std::shared_ptr<const std::string> FindCached(BlockNo block);
  void Remember(BlockNo block, std::shared_ptr<const std::string> data);
  // What a pack record says of its object.
  struct PackObject {
    std::string key;
    uint64_t size_bytes = 0;
  };

  Result<std::string> ReadUncached(BlockNo block);
  Result<BlockRecord> Find(BlockNo block);
  Result<PackObject> FindPack(PackNo pack);
  Result<PackObject> LoadPack(PackNo pack);
  // The frame from another copy, after the local one failed with `why`.
  Result<OpenedFrame> Heal(BlockNo block, const BlockRecord& record,
                           const PackObject& pack, const Status& why);

  Index& index_;
  LocalTree& objects_;
  const Keyring& keyring_;
  Healer& healer_;
  const uint64_t cache_bytes_;

  mutable Mutex mu_;
  std::list<Entry> lru_ GUARDED_BY(mu_);  // most recent first
  std::unordered_map<BlockNo, std::list<Entry>::iterator> by_block_
      GUARDED_BY(mu_);
  uint64_t used_bytes_ GUARDED_BY(mu_) = 0;
  std::unordered_map<PackNo, PackObject> packs_ GUARDED_BY(mu_);
};

}  // namespace trefoil
