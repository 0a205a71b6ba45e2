// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/report.h"
#include "tools/status_text.h"

namespace trefoil {
namespace {

constexpr int kFine = 0;
constexpr int kWarning = 1;
constexpr int kCritical = 2;
constexpr std::array<const char*, 3> kLevelNames = {"OK", "WARNING",
                                                    "CRITICAL"};
// A disk with less free than this part of it needs somebody.
constexpr uint64_t kLowDiskDivisor = 20;
// With less for writers they are as good as refused.
constexpr uint64_t kFullBytes = 1ULL << 20;

// Collects what is wrong, and how bad the worst of it is.
class Judgement {
 public:
  void Add(int level, std::string_view text) {
    level_ = std::max(level_, level);
    text_ += fmt::format("{}{}", text_.empty() ? "" : "; ", text);
  }
  [[nodiscard]] int level() const { return level_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  int level_ = kFine;
  std::string text_;
};

// A part of the disk is kept from writers, of a small one much.
void JudgePrimaryDisk(const Json& disk, Judgement* judgement) {
  const uint64_t total = CountField(disk, "total_bytes");
  const uint64_t usable = CountField(
      disk, disk.contains("usable_bytes") ? "usable_bytes" : "available_bytes");
  if (total == 0) return;
  if (usable < std::min(kFullBytes, total / kLowDiskDivisor)) {
    judgement->Add(kCritical, "primary disk full: it takes no more data");
  } else if (usable < total / kLowDiskDivisor) {
    judgement->Add(kWarning, fmt::format("primary disk nearly full: {} left",
                                         FormatBytes(usable)));
  }
}

void JudgeVolume(const Json& status, Judgement* judgement) {
  const std::string state = TextField(status, "state");
  if (state != "ok") {
    judgement->Add(kCritical, fmt::format("volume {}: {}", state,
                                          TextField(status, "reason")));
  }
  if (FlagField(status, "detached")) {
    judgement->Add(kWarning, "detached: ships nothing");
  }
  const Json& primary = NestedField(status, "primary");
  const std::string error = TextField(primary, "last_error");
  if (!error.empty()) {
    judgement->Add(kWarning, fmt::format("primary: {}", error));
  }
  for (const Json& scrub : NestedField(status, "scrub")) {
    const size_t bad = NestedField(scrub, "bad").size();
    if (bad == 0) continue;
    judgement->Add(kCritical, fmt::format("{}: {} objects bad in every copy",
                                          TextField(scrub, "name"), bad));
  }
  const Json& lost = NestedField(status, "lost_files");
  if (!lost.empty()) {
    judgement->Add(kCritical,
                   fmt::format("{} files can't be read from any copy, {} first",
                               lost.size(), TextField(lost[0], "path")));
  }
  if (!FlagField(status, "mounted") &&
      CountField(primary, "waiting_bytes") +
              CountField(primary, "waiting_changes") >
          0) {
    judgement->Add(kWarning,
                   "not mounted, and the journal holds changes that no copy "
                   "has");
  }
  JudgePrimaryDisk(NestedField(status, "disk"), judgement);
}

void JudgeCopy(const Json& copy, int64_t max_age_seconds,
               Judgement* judgement) {
  const std::string name = TextField(copy, "name");
  const std::string state = TextField(copy, "state");
  const int64_t age = NumberField(copy, "age_seconds");
  const Json& drill = NestedField(copy, "drill");
  if (TextField(drill, "verdict") == "failed") {
    judgement->Add(kCritical, fmt::format("{} failed its last drill: {}", name,
                                          TextField(drill, "conclusion")));
  }
  if (state == "fenced") {
    judgement->Add(kCritical, fmt::format("{} fenced", name));
  } else if (age > max_age_seconds) {
    judgement->Add(kCritical, fmt::format("{} {}, {} behind", name, state,
                                          FormatDuration(age)));
  } else if (state != "up to date" && state != "catching up" &&
             state != "re-basing") {
    judgement->Add(kWarning, fmt::format("{} {}, {} behind", name, state,
                                         FormatDuration(age)));
  }
}

void JudgeCopyDisk(const Json& copy, Judgement* judgement) {
  const Json& space = NestedField(copy, "space");
  const uint64_t available = CountField(space, "available_bytes");
  const bool is_low =
      available < CountField(space, "total_bytes") / kLowDiskDivisor;
  // A full one that lacks something says so by its state.
  if (is_low && TextField(copy, "state") != "full") {
    judgement->Add(
        kWarning, fmt::format("{} nearly full: {} left",
                              TextField(copy, "name"), FormatBytes(available)));
  }
}

std::string Summary(const Json& status) {
  std::string text = FlagField(status, "mounted") ? "" : "not mounted; ";
  for (const Json& copy : NestedField(status, "copies")) {
    text += fmt::format("{} {} behind, ", TextField(copy, "name"),
                        FormatDuration(NumberField(copy, "age_seconds")));
  }
  return text.substr(0, text.size() - 2);
}

// Performance data as Nagios plugins print them: 'label'=value;warn;crit
std::string PerformanceData(const Json& status, int64_t max_age_seconds) {
  std::string text = " |";
  for (const Json& copy : NestedField(status, "copies")) {
    text += fmt::format(" {}_age={}s;;{}", TextField(copy, "name"),
                        NumberField(copy, "age_seconds"), max_age_seconds);
  }
  return text;
}

}  // namespace

StatusVerdict JudgeStatus(const Json& status, int64_t max_age_seconds) {
  Judgement judgement;
  JudgeVolume(status, &judgement);
  const Json& copies = NestedField(status, "copies");
  if (copies.empty()) {
    judgement.Add(kWarning, "no copy besides the primary is set up");
  }
  for (const Json& copy : copies) {
    JudgeCopy(copy, max_age_seconds, &judgement);
    JudgeCopyDisk(copy, &judgement);
  }
  const std::string text =
      judgement.level() == kFine ? Summary(status) : judgement.text();
  std::string line =
      fmt::format("TREFOIL {} - {}",
                  kLevelNames[static_cast<size_t>(judgement.level())], text);
  // A bar would begin the performance data.
  std::replace(line.begin(), line.end(), '|', '/');
  if (!copies.empty()) line += PerformanceData(status, max_age_seconds);
  return {judgement.level(), OneLine(line)};
}

}  // namespace trefoil
