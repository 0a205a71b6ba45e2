// SPDX-License-Identifier: Apache-2.0
// Durations and sizes as people write and read them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trefoil {

// Seconds of "90s", "5m", "2h", "1d" or "90"; nothing for anything else and
// for more than 100 years.
std::optional<int64_t> ParseDuration(std::string_view text);
// "0s", "42s", "5m 3s", "2h 10m", "3d 4h".
std::string FormatDuration(int64_t seconds);
// "0 B", "1023 B", "1.5 KiB", "4.0 GiB".
std::string FormatBytes(uint64_t bytes);

}  // namespace trefoil
