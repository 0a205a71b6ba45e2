// SPDX-License-Identifier: Apache-2.0
// BlockReader: opened blocks by number, through the index and the local tree,
// with a bounded cache. Everything returned was verified (O10). Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "fs/base/mutex.h"
#include "fs/index/index.h"
#include "fs/index/records.h"
#include "fs/object/local_tree.h"

namespace trefoil {

class BlockReader {
 public:
  BlockReader(Index& index, LocalTree& objects, const Keyring& keyring,
              uint64_t cache_bytes)
      : index_(index),
        objects_(objects),
        keyring_(keyring),
        cache_bytes_(cache_bytes) {}

  // The block's plaintext. kCorruption names the object.
  Result<std::shared_ptr<const std::string>> Read(BlockNo block);
  [[nodiscard]] uint64_t memory_bytes() const;

 private:
  struct Entry {
    BlockNo block;
    std::shared_ptr<const std::string> data;
  };

  std::shared_ptr<const std::string> FindCached(BlockNo block);
  void Remember(BlockNo block, std::shared_ptr<const std::string> data);
  Result<std::string> ReadUncached(BlockNo block);
  Result<std::string> KeyOfPack(PackNo pack);

  Index& index_;
  LocalTree& objects_;
  const Keyring& keyring_;
  const uint64_t cache_bytes_;

  mutable Mutex mu_;
  std::list<Entry> lru_ GUARDED_BY(mu_);  // most recent first
  std::unordered_map<BlockNo, std::list<Entry>::iterator> by_block_
      GUARDED_BY(mu_);
  uint64_t used_bytes_ GUARDED_BY(mu_) = 0;
  std::unordered_map<PackNo, std::string> pack_keys_ GUARDED_BY(mu_);
};

}  // namespace trefoil
