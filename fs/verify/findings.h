// SPDX-License-Identifier: Apache-2.0
// Collects what the checks find, a bounded number of each kind, so that a
// damaged or hostile tree can't fill the memory. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>

#include "fs/verify/verify.h"

namespace trefoil {

class Findings {
 public:
  // Further findings of a kind are counted only.
  static constexpr uint64_t kMaxOfOneCode = 100;

  // Adds to `report`, which outlives this.
  explicit Findings(VerifyReport& report) : report_(report) {}

  void Error(std::string_view code, std::string where, std::string text,
             std::vector<std::string> also = {}) {
    Add(Severity::kError, code, std::move(where), std::move(text),
        std::move(also));
  }
  void Warning(std::string_view code, std::string where, std::string text) {
    Add(Severity::kWarning, code, std::move(where), std::move(text));
  }
  void Info(std::string_view code, std::string where, std::string text) {
    Add(Severity::kInfo, code, std::move(where), std::move(text));
  }
  // Damage (kCorruption, kNotFound of something that should be there, kIoError
  // of what can't be read) becomes a finding and the answer is OK; every other
  // error, which says that nothing could be checked, is passed on.
  Status ErrorOf(std::string_view code, std::string where,
                 const Status& status);
  // The object is missing or damaged; the finding is the caller's.
  void BadObject(const std::string& key) { report_.bad_objects.insert(key); }
  // It is among the objects and is none of this volume's; as above.
  void Stranger(const std::string& key) {
    if (report_.strangers.size() < VerifyReport::kMaxStrangers) {
      report_.strangers.insert(key);
    }
  }
  // Says how many were counted only. Once, at the end.
  void Finish();

  VerifyReport& report() { return report_; }

 private:
  void Add(Severity severity, std::string_view code, std::string where,
           std::string text, std::vector<std::string> also = {});

  VerifyReport& report_;
  struct Count {
    Severity severity = Severity::kError;
    uint64_t count = 0;
  };
  std::map<std::string, Count, std::less<>> counts_;
  std::unordered_set<std::string> seen_;  // code, place and text
};

// Tells the caller's progress function how far the check is.
class ProgressMeter {
 public:
  explicit ProgressMeter(const VerifyOptions& options) : options_(options) {}
  // So much is to be read.
  void Expect(uint64_t size_bytes) { progress_.total_bytes += size_bytes; }
  // An object of this size need not be read after all.
  void Skip(uint64_t size_bytes) { progress_.total_bytes -= size_bytes; }
  void Begin(CheckPhase phase) {
    progress_.phase = phase;
    Tell();
  }
  // An object of this size was read. kUnavailable when that is to be the last
  // one.
  Status Object(uint64_t size_bytes) {
    progress_.done_bytes += size_bytes;
    Tell();
    if (!options_.stop || !options_.stop()) return OkStatus();
    return {StatusCode::kUnavailable, "interrupted"};
  }

 private:
  void Tell() {
    if (options_.progress) options_.progress(progress_);
  }

  const VerifyOptions& options_;
  CheckProgress progress_;
};

}  // namespace trefoil
