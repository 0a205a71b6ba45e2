// SPDX-License-Identifier: Apache-2.0
#include "replicator/sources.h"

namespace trefoil {

Status CountingSource::ReadAt(uint64_t offset, std::span<char> out) {
  TREFOIL_TRY(inner_.ReadAt(offset, out));
  on_bytes_(out.size());
  return OkStatus();
}

}  // namespace trefoil
