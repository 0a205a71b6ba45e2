// SPDX-License-Identifier: Apache-2.0
#include "tools/watermark_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "fs/object/local_tree.h"
#include "replicator/target_opener.h"
#include "replicator/target_state.h"

namespace trefoil {
namespace {

// What a target lists of a chain.
struct Listed {
  bool has_watermark = false;
  uint64_t newest = 0;       // number of a commit or checkpoint; 0: none
  uint64_t newest_ours = 0;  // of those that the volume has, too
};

Result<Listed> ListChain(ObjectStore& target, ObjectStore& ours,
                         const std::string& watermark_key) {
  Listed listed;
  for (const char* prefix : {"commit/", "checkpoint/"}) {
    TREFOIL_TRY(target.List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (!parsed.ok()) return true;
      listed.has_watermark = listed.has_watermark || info.key == watermark_key;
      listed.newest = std::max(listed.newest, parsed->number);
      if (parsed->number > listed.newest_ours && ours.Head(info.key).ok()) {
        listed.newest_ours = parsed->number;
      }
      return true;
    }));
  }
  return listed;
}

Finding LyingWatermark(const std::string& name, uint64_t seq,
                       const Listed& listed) {
  return {Severity::kError,
          "lying-watermark",
          name,
          fmt::format(
              "is said to have commit {} and all before it, but has {}: "
              "it was emptied, rolled back or exchanged; the next "
              "mount sends what it lacks",
              seq,
              listed.newest == 0 ? "none"
                                 : fmt::format("none after {}", listed.newest)),
          {}};
}

Finding StaleWatermark(const std::string& name, uint64_t seq,
                       const Listed& listed) {
  return {Severity::kInfo,
          "stale-watermark",
          name,
          fmt::format("has commits up to {}, and the volume knows of {} only: "
                      "a crash came before that was noted",
                      listed.newest_ours, seq),
          {}};
}

class WatermarkCheck {
 public:
  WatermarkCheck(Env& env, const std::string& volume_path, bool repair,
                 bool* repaired)
      : env_(env),
        volume_path_(volume_path),
        repair_(repair),
        repaired_(repaired),
        ours_(env, JoinPath(volume_path, "objects")) {}

  std::optional<Finding> Check(const ObjectCopy& target) {
    const std::string path = TargetStatePath(volume_path_, target.name);
    auto state = LoadTargetState(env_, path);
    if (state.status().Is(StatusCode::kNotFound)) return std::nullopt;
    if (!state.ok()) {
      if (repair_ && Repaired(env_.Rename(path, path + ".damaged"))) {
        return std::nullopt;
      }
      return Finding{Severity::kWarning,
                     "bad-watermark",
                     path,
                     state.status().message() +
                         "; the next mount finds out what the target has",
                     {}};
    }
    return CheckState(target, path, std::move(*state));
  }

 private:
  std::optional<Finding> CheckState(const ObjectCopy& target,
                                    const std::string& path,
                                    TargetState state) {
    const CommitSeq seq = state.status.watermark;
    if (seq.value == 0) return std::nullopt;
    if (IsAnotherDiskIn(target, state.disk)) {
      return Finding{Severity::kInfo,
                     "target-not-asked",
                     target.name,
                     "another disk than the one of the watermark is in",
                     {}};
    }
    const auto listed = ListChain(
        *target.store, ours_,
        CommitKey(state.watermark_generation, seq, state.watermark_name));
    if (!listed.ok()) {
      return Finding{Severity::kInfo,
                     "target-not-asked",
                     target.name,
                     "whether it has what its watermark says is not known: " +
                         listed.status().message(),
                     {}};
    }
    // The commit itself may be gone for a later checkpoint's sake.
    if (!listed->has_watermark && listed->newest < seq.value) {
      state.status.watermark = CommitSeq();
      state.status.watermark_time_nanos = 0;
      state.watermark_generation = Generation();
      state.watermark_name = Hash256();
      if (repair_ && Repaired(SaveTargetState(env_, path, state))) {
        return std::nullopt;
      }
      return LyingWatermark(target.name, seq.value, *listed);
    }
    if (listed->newest_ours <= seq.value) return std::nullopt;
    return StaleWatermark(target.name, seq.value, *listed);
  }

  // Disks that take turns at one place have a watermark each.
  bool IsAnotherDiskIn(const ObjectCopy& target, const TargetDisk& known) {
    TargetSettings settings;
    settings.name = target.name;
    settings.url = target.store->Describe();
    const std::string id = DiskIn(settings, env_);
    return !known.id.empty() && !id.empty() && id != known.id;
  }

  bool Repaired(const Status& changed) {
    *repaired_ = *repaired_ || changed.ok();
    return changed.ok();
  }

  Env& env_;
  const std::string& volume_path_;
  const bool repair_;
  bool* const repaired_;
  LocalTree ours_;
};

}  // namespace

std::vector<Finding> CheckWatermarks(Env& env, const std::string& volume_path,
                                     const ObjectCopies& copies, bool repair,
                                     bool* repaired) {
  WatermarkCheck check(env, volume_path, repair, repaired);
  std::vector<Finding> findings;
  for (const ObjectCopy& target : copies) {
    if (auto finding = check.Check(target)) {
      findings.push_back(std::move(*finding));
    }
  }
  return findings;
}

}  // namespace trefoil
