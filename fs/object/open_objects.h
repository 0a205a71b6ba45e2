// SPDX-License-Identifier: Apache-2.0
// A bounded cache of open objects of a local tree with their keys, so that
// reading a block costs one pread. Thread-safe.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "fs/object/seal.h"

namespace trefoil {

struct OpenObject {
  std::unique_ptr<File> file;
  Sealer sealer;
};

// For reading. kCorruption where there is a pipe, a device, a link or the like:
// whoever opened that might wait for ever.
Result<std::unique_ptr<File>> OpenPlainFile(Env& env, const std::string& path);

class OpenObjects {
 public:
  static constexpr size_t kMaxOpen = 128;

  OpenObjects(Env& env, std::string root) : env_(env), root_(std::move(root)) {}

  // The object, its header checked against `key`. Stays usable after it left
  // the cache.
  Result<std::shared_ptr<OpenObject>> Get(std::string_view key,
                                          const Keyring& keyring);
  // The file of `key` is not, or no longer, what it was.
  void Forget(std::string_view key);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<OpenObject> object;
  };
  using Order = std::list<Entry>;

  Result<std::shared_ptr<OpenObject>> Open(std::string_view key,
                                           const Keyring& keyring);
  std::shared_ptr<OpenObject> Find(std::string_view key) REQUIRES(mu_);
  void Insert(std::string_view key, std::shared_ptr<OpenObject> object)
      REQUIRES(mu_);

  Env& env_;
  const std::string root_;

  Mutex mu_;                     // a leaf: no I/O is done under it
  Order order_ GUARDED_BY(mu_);  // the last used first
  // By views of the keys in order_.
  std::unordered_map<std::string_view, Order::iterator> by_key_ GUARDED_BY(mu_);
  uint64_t forgotten_ GUARDED_BY(mu_) = 0;  // calls of Forget
};

}  // namespace trefoil
