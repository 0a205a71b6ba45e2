// SPDX-License-Identifier: Apache-2.0
// ProbeTarget: finds out by trying what a target can do, and leaves nothing
// behind there but, when it breaks off, keys below probe/.
// Thread rule: a pure function of the store.
#pragma once

#include <string>

#include "fs/base/clock.h"
#include "fs/object/object_store.h"

namespace trefoil {

struct TargetCapabilities {
  // What a target must do; where it does not, ProbeTarget fails.
  bool read_after_write = false;
  bool range_read = false;
  bool list_after_write = false;
  bool remove = false;
  // Without it claims (O9) are settled by waiting.
  bool conditional_put = false;

  // "write, read, list, delete: yes; conditional PUT: no (...)"
  [[nodiscard]] std::string ToString() const;
};

// The error says which step failed and, from the store, why.
Result<TargetCapabilities> ProbeTarget(ObjectStore& store, Random& random);

// Whether `other` shows what is put into `store`: one place under two names. A
// place that can't be asked is taken for another one.
Result<bool> IsSamePlace(ObjectStore& store, ObjectStore& other,
                         Random& random);

}  // namespace trefoil
