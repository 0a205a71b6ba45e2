// SPDX-License-Identifier: Apache-2.0
// Ways in which tests break this code, to prove that the crash sweep and the
// simulation notice. Nothing else ever sets the switch.
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace trefoil {

enum class Sabotage : uint8_t {
  kNone,
  kSkipJournalSync,     // a sync of the journal answers OK and does nothing
  kTrimEarly,           // the journal goes before index files have what it has
  kMoveWatermarkEarly,  // before the target confirmed the commit
};

inline std::atomic<Sabotage> active_sabotage = Sabotage::kNone;

inline bool IsSabotaged(Sabotage what) {
  return active_sabotage.load(std::memory_order_relaxed) == what;
}

}  // namespace trefoil
