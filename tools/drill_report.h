// SPDX-License-Identifier: Apache-2.0
// The report of a recovery drill, for an auditor to read and for programs, and
// its short form, VOLUME/drills/TARGET.json, which `trefoil status` shows:
//
//   {"url", "time": seconds, "verdict", "conclusion", "report": path}
//
// Thread rule: values and free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/env.h"
#include "fs/control/status.h"
#include "tools/drill_compare.h"

namespace trefoil {

struct DrillReport {
  std::string version;
  std::string host;
  std::string volume;
  std::string volume_id;
  std::string target;
  std::string url;
  std::string opened_with;
  int64_t begin_nanos = 0;
  int64_t end_nanos = 0;

  // The state that was found in the copy, and the newest live one then.
  CommitRef head;
  CommitSeq live_seq;
  int64_t live_time_nanos = 0;
  std::string compared_with;
  bool same_state = false;

  bool all = false;
  uint64_t seed = 0;
  uint64_t of = 0;  // of so many files
  std::vector<DrillFile> files;

  double seconds_to_tree = 0;        // until the tree could be listed
  double seconds_to_first_byte = 0;  // 0: there was none to read
  // Why it ended early; and what is wrong with the copy as a whole.
  Status error;
  std::string problem;
};

enum class DrillVerdict { kPassed, kNotDone, kFailed };

// The better first. Failed: the copy does not give back what it should. Not
// done: that can't be said, since the copy could not be reached, nothing could
// be compared ...
DrillVerdict Judge(const DrillReport& report);
const char* VerdictName(DrillVerdict verdict);
// One sentence.
std::string Conclusion(const DrillReport& report);
std::string ReportText(const DrillReport& report);
std::string ReportJson(const DrillReport& report);

std::string DrillsPath(const std::string& volume_path);
// Writes `drill-TARGET-TIME.txt` and `.json` into `directory`, which is made
// when needed, and the short form; the path of the text.
Result<std::string> WriteReport(Env& env, const DrillReport& report,
                                const std::string& directory);
// The last one of each of `copies`, where there was one.
void AddDrills(Env& env, const std::string& volume_path,
               std::vector<CopyStatus>* copies);

}  // namespace trefoil
