// SPDX-License-Identifier: Apache-2.0
// BlockReader: opened blocks by number, through the index and the local tree,
// with a bounded cache. Everything returned was verified (O10). What the local
// tree lacks or has damaged comes from another copy, through the healer. Where
// no copy has the whole object good, a block that is good by itself is taken.
// Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "fs/base/mutex.h"
#include "fs/base/secret.h"
#include "fs/index/index.h"
#include "fs/index/records.h"
#include "fs/object/local_tree.h"
#include "fs/volume/healer.h"

namespace trefoil {

// The block from the first of `damaged`, what copies have of the object `key`,
// that has it good by itself: it opens in its place, and hashes to its id. The
// tag alone would do against chance; the id proves it as the object's name
// would have (O4), whoever wrote to that copy. kCorruption: none has.
Result<std::string> OpenDamagedBlock(const std::vector<std::string>& damaged,
                                     const Keyring& keyring,
                                     const SecretBytes& block_key,
                                     const std::string& key,
                                     const BlockRecord& record);

class BlockReader {
 public:
  BlockReader(Index& index, LocalTree& objects, const Keyring& keyring,
              Healer& healer, const SecretBytes& block_key,
              uint64_t cache_bytes)
      : index_(index),
        objects_(objects),
        keyring_(keyring),
        healer_(healer),
        block_key_(block_key),
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
  // The block from another copy, after the local one failed with `why`.
  Result<std::string> Heal(BlockNo block, const BlockRecord& record,
                           const PackObject& pack, const Status& why);

  Index& index_;
  LocalTree& objects_;
  const Keyring& keyring_;
  Healer& healer_;
  const SecretBytes& block_key_;
  const uint64_t cache_bytes_;

  mutable Mutex mu_;
  std::list<Entry> lru_ GUARDED_BY(mu_);  // most recent first
  std::unordered_map<BlockNo, std::list<Entry>::iterator> by_block_
      GUARDED_BY(mu_);
  uint64_t used_bytes_ GUARDED_BY(mu_) = 0;
  std::unordered_map<PackNo, PackObject> packs_ GUARDED_BY(mu_);
};

}  // namespace trefoil
