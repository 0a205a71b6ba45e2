// SPDX-License-Identifier: Apache-2.0
#include "tools/point_in_time.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <ctime>

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// A form, and how far the moment that it names reaches.
struct Form {
  const char* format;
  int64_t seconds;
};
constexpr Form kForms[] = {
    {"%Y-%m-%d %H:%M:%S", 1},         {"%Y-%m-%d %H:%M", 60},
    {"%Y-%m-%dT%H:%M:%SZ", 1},        {"%Y-%m-%dT%H:%MZ", 60},
    {"%Y-%m-%d", int64_t{24} * 3600}, {"@GMT-%Y.%m.%d-%H.%M.%S", 1},
};

}  // namespace

std::optional<PointInTime> ParsePointInTime(const std::string& text) {
  PointInTime point;
  const bool is_number =
      !text.empty() && std::all_of(text.begin(), text.end(),
                                   [](char c) { return c >= '0' && c <= '9'; });
  if (is_number) {
    uint64_t number = 0;
    const auto parsed =
        std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || number == 0) return std::nullopt;
    point.commit = number;
    return point;
  }
  for (const Form& form : kForms) {
    tm parts{};
    const char* const end = strptime(text.c_str(), form.format, &parts);
    if (end == nullptr || *end != '\0') continue;
    const int64_t seconds = timegm(&parts);
    if (seconds < 0) return std::nullopt;
    point.wall_nanos = (seconds + form.seconds) * kNanosPerSecond - 1;
    return point;
  }
  return std::nullopt;
}

std::string CheckPointInTime(const std::string& text) {
  if (ParsePointInTime(text)) return "";
  return text +
         ": expected a commit's number or a time (UTC) as in '2026-11-23 "
         "14:05'";
}

}  // namespace trefoil
