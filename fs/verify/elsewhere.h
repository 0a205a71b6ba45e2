// SPDX-License-Identifier: Apache-2.0
// Which packs are on other copies: for a volume that was recovered and does
// not have all of its own yet. Memory: one name per pack. A value.
#pragma once

#include <set>
#include <string>

#include "fs/object/copies.h"
#include "fs/verify/findings.h"

namespace trefoil {

class Elsewhere {
 public:
  // Lists the packs of all copies. One that can't be asked is reported, and
  // may have anything.
  static Elsewhere List(const ObjectCopies& copies, Findings& findings);

  [[nodiscard]] bool MayHave(const Hash256& name) const {
    return anything_ || names_.contains(name);
  }

 private:
  bool anything_ = false;
  std::set<Hash256> names_;
};

}  // namespace trefoil
