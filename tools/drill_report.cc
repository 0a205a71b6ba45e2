// SPDX-License-Identifier: Apache-2.0
#include "tools/drill_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/report.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr uint64_t kMaxRecordBytes = 1ULL << 20;

int64_t Seconds(int64_t nanos) { return nanos / kNanosPerSecond; }

struct Totals {
  uint64_t same = 0;
  uint64_t changed_since = 0;
  uint64_t errors = 0;
  uint64_t bytes = 0;  // that the copy gave
  double seconds = 0;
};

Totals Count(const DrillReport& report) {
  Totals totals;
  for (const DrillFile& file : report.files) {
    if (file.verdict == FileVerdict::kSame) ++totals.same;
    if (file.verdict == FileVerdict::kChangedSince) ++totals.changed_since;
    if (IsError(file.verdict)) ++totals.errors;
    totals.seconds += file.seconds;
    const bool given = file.sha256 != Hash256();
    if (given && file.type == std::string_view("file")) {
      totals.bytes += file.size_bytes;
    }
  }
  return totals;
}

uint64_t Rate(const Totals& totals) {
  if (totals.seconds <= 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(totals.bytes) /
                               totals.seconds);
}

std::string Files(uint64_t count, const DrillReport& report) {
  const char* what = report.all ? "entries" : "files";
  if (count == 1) what = report.all ? "entry" : "file";
  return fmt::format("{} {}", count, what);
}

uint64_t CommitsBehind(const DrillReport& report) {
  const uint64_t live = report.live_seq.value;
  const uint64_t copy = report.head.seq.value;
  return live > copy ? live - copy : 0;
}

std::string Behind(const DrillReport& report) {
  const uint64_t commits = CommitsBehind(report);
  if (commits == 0) return "the copy is not behind";
  const int64_t nanos = report.live_time_nanos - report.head.time_nanos;
  return fmt::format("the copy is {} commits and {} behind", commits,
                     FormatDuration(std::max<int64_t>(0, Seconds(nanos))));
}

std::string Chosen(const DrillReport& report) {
  if (report.all) {
    return fmt::format("all {}", Files(report.files.size(), report));
  }
  return fmt::format("{} of {} at random, seed {}", report.files.size(),
                     Files(report.of, report), report.seed);
}

std::string Line(std::string_view name, const std::string& text) {
  return fmt::format("{:<15}{}\n", name, OneLine(text));
}

std::string FileLine(const DrillFile& file) {
  const bool hashed = file.sha256 != Hash256();
  return fmt::format("{:<13} {:>8.3f} {:>12} {:<9} {:<64} /{}\n",
                     VerdictName(file.verdict), file.seconds, file.size_bytes,
                     file.type, hashed ? file.sha256.ToHex() : "-",
                     OneLine(file.path));
}

Json FileToJson(const DrillFile& file) {
  Json json = Json::object();
  json["path"] = "/" + file.path;
  json["type"] = file.type;
  json["size"] = file.size_bytes;
  if (file.sha256 != Hash256()) json["sha256"] = file.sha256.ToHex();
  json["seconds"] = file.seconds;
  json["verdict"] = VerdictName(file.verdict);
  if (!file.text.empty()) json["text"] = file.text;
  return json;
}

Json FiguresToJson(const DrillReport& report) {
  const Totals totals = Count(report);
  Json json = Json::object();
  json["chosen"] = report.files.size();
  json["of"] = report.of;
  json["same"] = totals.same;
  json["changed_since"] = totals.changed_since;
  json["errors"] = totals.errors;
  json["bytes"] = totals.bytes;
  json["seconds"] = totals.seconds;
  json["bytes_per_second"] = Rate(totals);
  json["seconds_to_tree"] = report.seconds_to_tree;
  json["seconds_to_first_byte"] = report.seconds_to_first_byte;
  return json;
}

std::string RecordPath(const std::string& volume_path,
                       const std::string& target) {
  return JoinPath(DrillsPath(volume_path), target + ".json");
}

}  // namespace

DrillVerdict Judge(const DrillReport& report) {
  const Totals totals = Count(report);
  if (totals.errors > 0 || !report.problem.empty()) {
    return DrillVerdict::kFailed;
  }
  if (!report.error.ok()) return DrillVerdict::kNotDone;
  const bool nothing = totals.same == 0 && totals.changed_since > 0;
  return nothing ? DrillVerdict::kNotDone : DrillVerdict::kPassed;
}

const char* VerdictName(DrillVerdict verdict) {
  switch (verdict) {
    case DrillVerdict::kPassed:
      return "passed";
    case DrillVerdict::kFailed:
      return "failed";
    case DrillVerdict::kNotDone:
      return "not done";
  }
  return "";
}

std::string Conclusion(const DrillReport& report) {
  const Totals totals = Count(report);
  const std::string all = Files(report.files.size(), report);
  if (!report.problem.empty()) return report.problem;
  if (totals.errors > 0) {
    return fmt::format("{} of {} from {} alone are not as they should be.",
                       totals.errors, all, report.target);
  }
  if (!report.error.ok()) {
    return fmt::format("The drill could not be done: {}.",
                       report.error.ToString());
  }
  if (totals.changed_since == 0) {
    return fmt::format(
        "0 errors: {} recovered from {} alone, each identical in content and "
        "metadata.",
        all, report.target);
  }
  if (totals.same == 0) {
    return fmt::format(
        "Nothing could be compared: all of {} have been changed since the "
        "state of {}.",
        all, report.target);
  }
  return fmt::format(
      "0 errors: {} recovered from {} alone; {} are identical in content and "
      "metadata, {} have been changed since and could be read.",
      all, report.target, totals.same, totals.changed_since);
}

std::string ReportText(const DrillReport& report) {
  const Totals totals = Count(report);
  std::string text = "TREFOIL RECOVERY DRILL\n\n";
  text += Line("Conclusion:", Conclusion(report));
  text += Line("Verdict:", VerdictName(Judge(report)));
  text += Line("Errors:", std::to_string(totals.errors)) + "\n";
  text += Line("When:", FormatUtc(report.begin_nanos) + " to " +
                            FormatUtc(report.end_nanos));
  text += Line("Volume:", report.volume + ", id " + report.volume_id);
  text += Line("Copy:", report.target + ", " + report.url);
  text += Line("Opened with:", report.opened_with);
  text += Line("State there:",
               report.head.seq.value == 0
                   ? "none was found"
                   : fmt::format("commit {} of {}, {}", report.head.seq.value,
                                 FormatUtc(report.head.time_nanos),
                                 report.head.name.ToHex()));
  text += Line("Live state:",
               fmt::format("commit {} of {}: {}", report.live_seq.value,
                           FormatUtc(report.live_time_nanos), Behind(report)));
  text += Line("Compared with:",
               report.compared_with +
                   (report.same_state ? ", the same state"
                                      : "; what was changed there since the "
                                        "copy's state is told apart"));
  text += Line("Chosen:", Chosen(report));
  text += Line("Compared:",
               "SHA-256 of the content; type, mode, owner, group, size, links, "
               "inode (hard links), device, times, extended attributes");
  text += Line("Speed:",
               fmt::format("tree after {:.2f} s, first byte after {:.2f} s, {} "
                           "in {:.2f} s, {}/s",
                           report.seconds_to_tree, report.seconds_to_first_byte,
                           FormatBytes(totals.bytes), totals.seconds,
                           FormatBytes(Rate(totals))));
  text += Line("Tool:",
               fmt::format("trefoil {} on {}", report.version, report.host));
  if (!report.error.ok()) text += Line("Ended by:", report.error.ToString());
  for (const DrillFile& file : report.files) {
    if (file.text.empty()) continue;
    text += fmt::format("\n{}: /{}: {}", VerdictName(file.verdict),
                        OneLine(file.path), OneLine(file.text));
  }
  text += fmt::format("\n\n{:<13} {:>8} {:>12} {:<9} {:<64} {}\n", "VERDICT",
                      "SECONDS", "SIZE", "TYPE", "SHA-256", "PATH");
  for (const DrillFile& file : report.files) text += FileLine(file);
  return text;
}

std::string ReportJson(const DrillReport& report) {
  Json json = Json::object();
  json["verdict"] = VerdictName(Judge(report));
  json["conclusion"] = Conclusion(report);
  json["begin"] = Seconds(report.begin_nanos);
  json["end"] = Seconds(report.end_nanos);
  json["volume"] = report.volume;
  json["volume_id"] = report.volume_id;
  json["target"] = report.target;
  json["url"] = report.url;
  json["opened_with"] = report.opened_with;
  json["copy"] = {{"commit", report.head.seq.value},
                  {"name", report.head.name.ToHex()},
                  {"time", Seconds(report.head.time_nanos)}};
  json["live"] = {{"commit", report.live_seq.value},
                  {"time", Seconds(report.live_time_nanos)}};
  json["commits_behind"] = CommitsBehind(report);
  json["compared_with"] = report.compared_with;
  json["same_state"] = report.same_state;
  json["all"] = report.all;
  if (!report.all) json["seed"] = report.seed;
  json["figures"] = FiguresToJson(report);
  json["error"] = report.error.ok() ? "" : report.error.ToString();
  json["version"] = report.version;
  json["host"] = report.host;
  // One file a line, and only one of them as Json: there may be millions.
  std::string text = JsonText(json);
  text.erase(text.rfind("\n}"));
  text += ",\n  \"files\": [";
  const char* separator = "\n    ";
  for (const DrillFile& file : report.files) {
    text += separator + FileToJson(file).dump(-1, ' ', false,
                                              Json::error_handler_t::replace);
    separator = ",\n    ";
  }
  return text + "\n  ]\n}\n";
}

std::string DrillsPath(const std::string& volume_path) {
  return JoinPath(volume_path, "drills");
}

Result<std::string> WriteReport(Env& env, const DrillReport& report,
                                const std::string& directory) {
  TREFOIL_TRY(env.CreateDirs(directory));
  const std::string base = JoinPath(
      directory, fmt::format("drill-{}-{:%Y-%m-%dT%H%M%SZ}", report.target,
                             fmt::gmtime(Seconds(report.begin_nanos))));
  TREFOIL_TRY(env.WriteFileAtomically(base + ".txt", ReportText(report)));
  TREFOIL_TRY(env.WriteFileAtomically(base + ".json", ReportJson(report)));
  const Json record = {{"url", report.url},
                       {"time", Seconds(report.end_nanos)},
                       {"verdict", VerdictName(Judge(report))},
                       {"conclusion", Conclusion(report)},
                       {"report", base + ".txt"}};
  TREFOIL_TRY(env.WriteFileAtomically(RecordPath(report.volume, report.target),
                                      JsonText(record) + "\n"));
  return base + ".txt";
}

void AddDrills(Env& env, const std::string& volume_path,
               std::vector<CopyStatus>* copies) {
  for (CopyStatus& copy : *copies) {
    const auto text =
        env.ReadFile(RecordPath(volume_path, copy.name), kMaxRecordBytes);
    if (!text.ok()) continue;
    const Json json = Json::parse(*text, nullptr, false);
    // What a target of this name proved elsewhere says nothing of this place.
    if (TextField(json, "url") != copy.url) continue;
    copy.drill = {.time_seconds = NumberField(json, "time"),
                  .verdict = TextField(json, "verdict"),
                  .conclusion = TextField(json, "conclusion"),
                  .report = TextField(json, "report")};
  }
}

}  // namespace trefoil
