// SPDX-License-Identifier: Apache-2.0
// What is known of the verification of one copy. A value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trefoil {

struct ScrubStatus {
  std::string name;
  uint64_t objects = 0;
  uint64_t due = 0;             // of them, in this pass
  int64_t oldest_nanos = 0;     // wall clock; 0: one was never verified
  uint64_t bytes_verified = 0;  // since the mount
  uint64_t healed = 0;
  std::vector<std::string> bad;  // keys that no copy has good; at most 20
  std::string last_error;        // why the last pass ended early
};

}  // namespace trefoil
