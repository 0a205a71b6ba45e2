// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/findings.h"

namespace trefoil {

void Findings::Add(Severity severity, std::string_view code, std::string where,
                   std::string text, std::vector<std::string> also) {
  // The same may be seen in the objects and again in the index.
  const std::string finding = std::string(code) + '\0' + where + '\0' + text;
  if (seen_.contains(finding)) return;
  auto at = counts_.find(code);
  if (at == counts_.end()) {
    at = counts_.emplace(std::string(code), Count{severity, 0}).first;
  }
  if (++at->second.count > kMaxOfOneCode) return;
  seen_.insert(finding);
  report_.findings.push_back({severity, std::string(code), std::move(where),
                              std::move(text), std::move(also)});
}

Status Findings::ErrorOf(std::string_view code, std::string where,
                         const Status& status) {
  const bool damage = status.Is(StatusCode::kCorruption) ||
                      status.Is(StatusCode::kNotFound) ||
                      status.Is(StatusCode::kIoError);
  if (!damage) return status;
  Error(code, std::move(where), status.message());
  return OkStatus();
}

void Findings::Finish() {
  for (const auto& [code, count] : counts_) {
    if (count.count <= kMaxOfOneCode) continue;
    report_.findings.push_back(
        {count.severity,
         code,
         "",
         "and " + std::to_string(count.count - kMaxOfOneCode) + " more",
         {}});
  }
}

}  // namespace trefoil
