// SPDX-License-Identifier: Apache-2.0
// ObjectItem: an object on its way from one store to another. A value.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "fs/object/commit.h"

namespace trefoil {

struct ObjectItem {
  std::string key;
  Hash256 name;
  uint64_t size_bytes = 0;
};

inline ObjectItem ItemOf(const PackRef& pack) {
  return {PackKey(pack.name), pack.name, pack.size_bytes};
}

}  // namespace trefoil
