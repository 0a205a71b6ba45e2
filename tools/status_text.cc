// SPDX-License-Identifier: Apache-2.0
#include "tools/status_text.h"

#include <fmt/format.h>

#include <algorithm>
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

std::string PlacesText(const Json& status) {
  std::string text;
  for (const Json& copy : NestedField(status, "copies")) {
    text += OneLine(fmt::format("{}: {}", TextField(copy, "name"),
                                TextField(copy, "url"))) +
            "\n";
    const std::string notice = TextField(copy, "notice");
    if (!notice.empty()) {
      text += OneLine(fmt::format("  noticed {}: {}",
                                  Time(NumberField(copy, "notice_time")),
                                  notice)) +
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
  return text;
}

}  // namespace

std::string StatusText(const Json& status) {
  const Json& journal = NestedField(status, "journal");
  const Json& disk = NestedField(status, "disk");
  std::string text = Table({
      {"volume", OneLine(TextField(status, "volume"))},
      {"state", StateText(status)},
      {"journal",
       fmt::format("{} of {}", FormatBytes(CountField(journal, "used_bytes")),
                   FormatBytes(CountField(journal, "capacity_bytes")))},
      {"disk", fmt::format("{} free of {}",
                           FormatBytes(CountField(disk, "available_bytes")),
                           FormatBytes(CountField(disk, "total_bytes")))},
      {"snapshots", SnapshotsText(status)},
  });
  std::vector<Row> rows = {{"COPY", "STATE", "COMMIT", "WATERMARK", "AGE",
                            "OBJECTS", "BYTES", "WAITING", "RATE"}};
  rows.push_back(PrimaryRow(status));
  for (const Json& copy : NestedField(status, "copies")) {
    rows.push_back(CopyRow(copy));
  }
  return text + "\n" + Table(rows) + "\n" + PlacesText(status);
}

}  // namespace trefoil
