// SPDX-License-Identifier: Apache-2.0
// Fetching many objects from a store into a local tree, several at a time.
//
// Keeps O10: an object is adopted only when its bytes hash to its name. What
// is there already is not fetched again, so that a fetch can be continued.
// Thread rule: one Fetcher, one thread; `progress` runs in that thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fs/object/copies.h"
#include "fs/object/local_tree.h"
#include "replicator/object_item.h"

namespace trefoil {

struct FetchOptions {
  int parallel = 8;  // 0: in the calling thread
  // Tries per object; the store has retries of its own for requests.
  int attempts = 3;
  int64_t pause_nanos = 500'000'000;  // before another try
  // Goes on past objects that the store lacks or has damaged.
  bool skip_bad = false;
  // Asked, in this order, for what the store lacks or has damaged; it may be
  // among them.
  ObjectCopies others = {};
  // Asked before each object: ends the fetch, with kUnavailable.
  std::function<bool()> stop = nullptr;
  // Asked before each object: waits a little, since somebody else needs the
  // link more.
  std::function<bool()> hold = nullptr;
};

// Takes `items` in their order. All of them are in `to`, durably, when OK; else
// the first error, naming the object. `progress` is told the bytes that are
// there, now and then.
Status FetchObjects(ObjectStore& from, LocalTree& to,
                    const std::vector<ObjectItem>& items,
                    const FetchOptions& options,
                    const std::function<void(uint64_t bytes)>& progress);

}  // namespace trefoil
