// SPDX-License-Identifier: Apache-2.0
#include "tools/duration.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace trefoil {
namespace {

constexpr int64_t kMinute = 60;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kMaxSeconds = 36525 * kDay;

std::optional<int64_t> UnitSeconds(std::string_view unit) {
  if (unit.empty() || unit == "s") return 1;
  if (unit == "m") return kMinute;
  if (unit == "h") return kHour;
  if (unit == "d") return kDay;
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> ParseDuration(std::string_view text) {
  const char* const end = text.data() + text.size();
  uint32_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::optional<int64_t> unit =
      UnitSeconds({rest, static_cast<size_t>(end - rest)});
  if (!unit) return std::nullopt;
  const int64_t seconds = int64_t{number} * *unit;
  if (seconds > kMaxSeconds) return std::nullopt;
  return seconds;
}

std::string FormatDuration(int64_t seconds) {
  if (seconds < kMinute) return fmt::format("{}s", seconds);
  if (seconds < kHour) {
    return fmt::format("{}m {}s", seconds / kMinute, seconds % kMinute);
  }
  if (seconds < kDay) {
    return fmt::format("{}h {}m", seconds / kHour, seconds % kHour / kMinute);
  }
  return fmt::format("{}d {}h", seconds / kDay, seconds % kDay / kHour);
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB",
                                                        "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1024; value >= 1024; value /= 1024) ++unit;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace trefoil
