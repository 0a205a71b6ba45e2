// SPDX-License-Identifier: Apache-2.0
#include "tools/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "fs/base/clock.h"
#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/report.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

std::string Time(int64_t seconds) {
  return seconds == 0 ? "never" : FormatUtc(seconds * kNanosPerSecond);
}

using Row = std::vector<std::string>;

// Columns as wide as their widest cell.
std::string Table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string StateText(const Json& status) {
  std::string text = "not mounted";
  if (FlagField(status, "mounted")) {
    text = fmt::format("mounted at {} (pid {})",
                       OneLine(TextField(status, "mountpoint")),
                       CountField(status, "pid"));
  }
  if (FlagField(status, "detached")) {
    text += ", detached: ships nothing before 'trefoil takeover'";
  }
  const std::string state = TextField(status, "state");
  if (state != "ok") {
    text += fmt::format(", {}: {}", OneLine(state),
                        OneLine(TextField(status, "reason")));
  }
  return text;
}

std::string SnapshotsText(const Json& status) {
  const Json& snapshots = NestedField(status, "snapshots");
  const std::string error = TextField(snapshots, "error");
  if (!error.empty()) return OneLine(error);
  const uint64_t count = CountField(snapshots, "count");
  if (count == 0) return "none";
  const Json& newest = NestedField(snapshots, "newest");
  const std::string label = TextField(newest, "label");
  return OneLine(fmt::format("{}, newest {}{}{}", count,
                             TextField(newest, "name"),
                             label.empty() ? "" : "  ", label));
}

Row PrimaryRow(const Json& status) {
  const Json& primary = NestedField(status, "primary");
  return {"primary",
          OneLine(TextField(primary, "state")),
          std::to_string(CountField(primary, "head")),
          Time(NumberField(primary, "head_time")),
          "0s",
          std::to_string(CountField(primary, "objects")),
          FormatBytes(CountField(primary, "bytes")),
          FormatBytes(CountField(primary, "waiting_bytes")),
          "-"};
}

Row CopyRow(const Json& copy) {
  return {OneLine(TextField(copy, "name")),
          OneLine(TextField(copy, "state")),
          std::to_string(CountField(copy, "watermark")),
          Time(NumberField(copy, "watermark_time")),
          FormatDuration(NumberField(copy, "age_seconds")),
          std::to_string(CountField(copy, "objects")),
          FormatBytes(CountField(copy, "bytes")),
          FormatBytes(CountField(copy, "bytes_waiting")),
          FormatBytes(CountField(copy, "bytes_per_second")) + "/s"};
}

// When each copy's objects were last verified.
std::string ScrubText(const Json& status) {
  std::string text;
  for (const Json& scrub : NestedField(status, "scrub")) {
    text +=
        OneLine(fmt::format("{}: verified {}{}", TextField(scrub, "name"),
                            NumberField(scrub, "oldest") == 0
                                ? "in part"
                                : "since " + Time(NumberField(scrub, "oldest")),
                            CountField(scrub, "healed") == 0
                                ? ""
                                : fmt::format(", {} objects healed",
                                              CountField(scrub, "healed")))) +
        "\n";
    for (const Json& key : NestedField(scrub, "bad")) {
      if (!key.is_string()) continue;
      text += OneLine(fmt::format("  bad in every copy: {}",
                                  key.get<std::string>())) +
              "\n";
    }
  }
  return text;
}

// The disks that take turns at a target's place, and which was away longest.
std::string DisksText(const Json& copy) {
  const Json& disks = NestedField(copy, "disks");
  const bool is_one = disks.size() == 1 && TextField(disks[0], "label").empty();
  if (is_one) return "";
  std::string text;
  // Within one second the watermarks tell which came first.
  const auto age = [](const Json& disk) {
    return std::pair(NumberField(disk, "complete_time"),
                     NumberField(disk, "watermark"));
  };
  const Json* oldest = nullptr;
  for (const Json& disk : disks) {
    if (oldest == nullptr || age(disk) < age(*oldest)) oldest = &disk;
  }
  for (const Json& disk : disks) {
    const int64_t complete = NumberField(disk, "complete_time");
    text += OneLine(fmt::format(
                "  disk {}: {}, {}{}",
                DiskName(TextField(disk, "id"), TextField(disk, "label")),
                FlagField(disk, "in") ? "in" : "away",
                complete == 0 ? "never up to date"
                              : "last up to date " + Time(complete),
                disks.size() > 1 && &disk == oldest ? " (the oldest)" : "")) +
            "\n";
  }
  return text;
}

std::string PlacesText(const Json& status) {
  std::string text;
  for (const Json& copy : NestedField(status, "copies")) {
    text += OneLine(fmt::format("{}: {}", TextField(copy, "name"),
                                TextField(copy, "url"))) +
            "\n" + DisksText(copy);
    const std::string notice = TextField(copy, "notice");
    if (!notice.empty()) {
      text +=
          OneLine(fmt::format("  noticed {}: {}",
                              Time(NumberField(copy, "notice_time")), notice)) +
          "\n";
    }
    const Json& drill = NestedField(copy, "drill");
    if (!drill.empty()) {
      text +=
          OneLine(fmt::format(
              "  drill {}: {}: {}", Time(NumberField(drill, "time")),
              TextField(drill, "verdict"), TextField(drill, "conclusion"))) +
          "\n";
    }
    const std::string error = TextField(copy, "last_error");
    if (error.empty()) continue;
    text += OneLine(fmt::format("  last error {}: {}",
                                Time(NumberField(copy, "last_error_time")),
                                error)) +
            "\n";
  }
  const std::string error =
      TextField(NestedField(status, "primary"), "last_error");
  if (!error.empty()) {
    text += OneLine(fmt::format("primary: last error: {}", error)) + "\n";
  }
  for (const Json& file : NestedField(status, "lost_files")) {
    text +=
        OneLine(fmt::format("can't be read: {}: {}", TextField(file, "path"),
                            TextField(file, "reason"))) +
        "\n";
  }
  return text;
}

// Of a recovered volume that is not whole yet.
void AddHydrationRow(const Json& status, std::vector<Row>* rows) {
  const Json& hydration = NestedField(status, "hydration");
  if (hydration.empty()) return;
  const uint64_t missing = CountField(hydration, "bytes_missing");
  const uint64_t total = CountField(hydration, "bytes_total");
  const uint64_t percent = total == 0 ? 0 : (total - missing) * 100 / total;
  std::string text = fmt::format(
      "{}%: {} objects ({}) not here yet, {}/s", percent,
      CountField(hydration, "objects_missing"), FormatBytes(missing),
      FormatBytes(CountField(hydration, "bytes_per_second")));
  const std::string error = TextField(hydration, "last_error");
  if (!error.empty()) text += "; last error: " + error;
  rows->push_back({"hydrating", OneLine(text)});
}

// Nothing to say of a volume that never met a bad or missing object.
void AddHealingRow(const Json& status, std::vector<Row>* rows) {
  const Json& heals = NestedField(status, "heals");
  const uint64_t healed = CountField(heals, "healed");
  const uint64_t fetched = CountField(heals, "fetched");
  const uint64_t failed = CountField(heals, "failed");
  if (healed + fetched + failed == 0) return;
  rows->push_back(
      {"healing", fmt::format("{} bad objects healed, {} missing ones fetched, "
                              "{} failures since the mount",
                              healed, fetched, failed)});
}

}  // namespace

std::string DiskName(const std::string& id, const std::string& label) {
  constexpr size_t kDigits = 8;
  const std::string name = id.substr(0, kDigits);
  return label.empty() ? name : fmt::format("{} ({})", name, label);
}

std::string TargetsText(const Json& status) {
  std::vector<Row> rows = {{"TARGET", "STATE", "COMMIT", "WATERMARK", "AGE",
                            "OBJECTS", "BYTES", "WAITING", "RATE"}};
  for (const Json& copy : NestedField(status, "copies")) {
    rows.push_back(CopyRow(copy));
  }
  if (rows.size() == 1) return "no targets\n";
  return Table(rows) + "\n" + PlacesText(status);
}

std::string StatusText(const Json& status) {
  const Json& journal = NestedField(status, "journal");
  const Json& disk = NestedField(status, "disk");
  std::vector<Row> facts = {
      {"volume", OneLine(TextField(status, "volume"))},
      {"state", StateText(status)},
      {"journal",
       fmt::format("{} of {}", FormatBytes(CountField(journal, "used_bytes")),
                   FormatBytes(CountField(journal, "capacity_bytes")))},
      {"disk", fmt::format("{} free of {}",
                           FormatBytes(CountField(disk, "available_bytes")),
                           FormatBytes(CountField(disk, "total_bytes")))},
      {"snapshots", SnapshotsText(status)},
  };
  AddHydrationRow(status, &facts);
  AddHealingRow(status, &facts);
  const std::string text = Table(facts);
  std::vector<Row> rows = {{"COPY", "STATE", "COMMIT", "WATERMARK", "AGE",
                            "OBJECTS", "BYTES", "WAITING", "RATE"}};
  rows.push_back(PrimaryRow(status));
  for (const Json& copy : NestedField(status, "copies")) {
    rows.push_back(CopyRow(copy));
  }
  return text + "\n" + Table(rows) + "\n" + PlacesText(status) +
         ScrubText(status);
}

}  // namespace trefoil
