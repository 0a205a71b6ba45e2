// SPDX-License-Identifier: Apache-2.0
#include "replicator/strangers.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace trefoil {
namespace {

class Search {
 public:
  Search(ObjectStore& target, CommitSource& source,
         const std::function<bool()>& keep_going)
      : target_(target), source_(source), keep_going_(keep_going) {}

  Result<Strangers> Run() {
    for (const char* kind : {"commit/", "checkpoint/"}) {
      // From this generation on; older ones are other openings' business.
      TREFOIL_TRY(Collect(
          kind, fmt::format("{}{:016x}", kind, source_.generation().value)));
      for (const std::string& key : keys_) TREFOIL_TRY(JudgeLink(key));
    }
    TREFOIL_TRY(JudgeVolumeObjects());
    return found_;
  }

 private:
  Status Collect(std::string_view prefix, std::string_view start_after) {
    keys_.clear();
    bool stopped = false;
    TREFOIL_TRY(target_.List(prefix, start_after, [&](const ObjectInfo& info) {
      if (ParseObjectKey(info.key).ok()) keys_.push_back(info.key);
      stopped = !keep_going_();
      return !stopped;
    }));
    return stopped ? Status(StatusCode::kUnavailable, "shutting down")
                   : OkStatus();
  }

  void Note(const std::string& key) {
    if (found_.count++ == 0) found_.first = key;
  }

  Status JudgeLink(const std::string& key) {
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
    if (parsed.generation > source_.generation() || parsed.number == 0 ||
        CommitSeq(parsed.number) > source_.head().seq) {
      Note(key);
      return OkStatus();
    }
    if (parsed.kind != ObjectKind::kCommit) return OkStatus();
    const auto ours = source_.NextCommit(CommitSeq(parsed.number - 1));
    // A checkpoint stands for it: its name is no longer known.
    if (ours.status().Is(StatusCode::kTrimmed)) return OkStatus();
    TREFOIL_TRY(ours.status());
    if (ours->name != parsed.name) Note(key);
    return OkStatus();
  }

  Status JudgeVolumeObjects() {
    constexpr std::string_view kPrefix = "volume/";
    uint64_t newest = 0;
    TREFOIL_TRY(
        source_.objects().List(kPrefix, "", [&newest](const ObjectInfo& info) {
          const auto parsed = ParseObjectKey(info.key);
          if (parsed.ok()) newest = std::max(newest, parsed->number);
          return true;
        }));
    TREFOIL_TRY(Collect(kPrefix, ""));
    for (const std::string& key : keys_) {
      TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
      if (parsed.number < newest) continue;
      const auto ours = source_.objects().Head(key);
      if (ours.ok()) continue;
      if (!ours.status().Is(StatusCode::kNotFound)) return ours.status();
      Note(key);
    }
    return OkStatus();
  }

  ObjectStore& target_;
  CommitSource& source_;
  const std::function<bool()>& keep_going_;
  std::vector<std::string> keys_;
  Strangers found_;
};

}  // namespace

Result<Strangers> FindStrangers(ObjectStore& target, CommitSource& source,
                                const std::function<bool()>& keep_going) {
  return Search(target, source, keep_going).Run();
}

}  // namespace trefoil
