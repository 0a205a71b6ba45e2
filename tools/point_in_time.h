// SPDX-License-Identifier: Apache-2.0
// A point in a volume's past as people write it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace trefoil {

struct PointInTime {
  // One of the two.
  std::optional<uint64_t> commit;
  std::optional<int64_t> wall_nanos;
};

// "1234" (a commit), "2026-11-23 14:05[:06]" or "2026-11-23T14:05[:06]Z" (UTC),
// "2026-11-23" (its end), "@GMT-2026.11.23-14.05.06" (a snapshot's name);
// nothing for anything else.
std::optional<PointInTime> ParsePointInTime(const std::string& text);
// What is wrong with the text, for an option's check; empty when nothing is.
std::string CheckPointInTime(const std::string& text);

}  // namespace trefoil
