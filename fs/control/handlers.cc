// SPDX-License-Identifier: Apache-2.0
#include "fs/control/handlers.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kProgressIntervalNanos = kNanosPerSecond / 2;
constexpr int64_t kMaxSyncSeconds = 366LL * 24 * 3600;
constexpr size_t kMaxTargetNameBytes = 255;
constexpr size_t kMaxLabelBytes = 1024;
constexpr size_t kMaxHandedOverBytes = 1024;

// What all handlers share; lives as long as any of them.
struct Context {
  Volume& volume;
  ControlTargets& targets;
  Clock& clock;
  const ControlIdentity identity;
};

Result<Json> Ping(const Context& context) {
  Json json = Json::object();
  json["pid"] = getpid();
  json["version"] = context.identity.version;
  json["mountpoint"] = context.identity.mountpoint;
  return json;
}

Result<Json> GetStatus(const Context& context) {
  StatusContext status;
  status.version = context.identity.version;
  status.mountpoint = context.identity.mountpoint;
  status.detached = context.identity.detached;
  status.hydration = context.targets.Hydration();
  status.scrubs = context.targets.Scrubs();
  status.now_nanos = context.clock.WallNanos();
  return StatusToJson(context.volume, context.targets.Copies(), status);
}

Json SequenceToJson(CommitSeq seq) {
  Json json = Json::object();
  json["seq"] = seq.value;
  return json;
}

Result<Json> Commit(const Context& context) {
  TREFOIL_ASSIGN(const CommitRef commit, context.volume.Commit());
  return SequenceToJson(commit.seq);
}

Json SyncProgress(const Context& context, CommitSeq seq) {
  Json json = SequenceToJson(seq);
  json["targets"] = Json::array();
  for (const CopyStatus& copy : context.targets.Copies()) {
    Json target = Json::object();
    target["name"] = copy.name;
    target["state"] = copy.state;
    target["watermark"] = copy.watermark.value;
    target["objects_waiting"] = copy.objects_waiting;
    target["bytes_waiting"] = copy.bytes_waiting;
    target["bytes_per_second"] = copy.bytes_per_second;
    target["last_error"] = copy.last_error;
    json["targets"].push_back(std::move(target));
  }
  return json;
}

Result<Json> Sync(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(
      const std::string target,
      StringParam(call.params(), "target", "all", kMaxTargetNameBytes));
  TREFOIL_ASSIGN(
      const int64_t timeout_seconds,
      IntegerParam(call.params(), "timeout_seconds", 0, 0, kMaxSyncSeconds));
  const int64_t start = context.clock.MonotonicNanos();
  TREFOIL_ASSIGN(const CommitRef commit, context.volume.Commit());
  context.targets.Nudge();
  for (;;) {
    int64_t slice = kProgressIntervalNanos;
    if (timeout_seconds > 0) {
      const int64_t end = start + timeout_seconds * kNanosPerSecond;
      slice =
          std::clamp<int64_t>(end - context.clock.MonotonicNanos(), 0, slice);
    }
    const Status reached = context.targets.WaitFor(target, commit.seq, slice);
    if (reached.ok()) return SequenceToJson(commit.seq);
    if (!reached.Is(StatusCode::kTimedOut) || slice == 0) return reached;
    if (!call.Progress(SyncProgress(context, commit.seq))) {
      return Status(StatusCode::kUnavailable, "sync: the volume is unmounting");
    }
  }
}

Result<Json> Scrub(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const bool offsite,
                 FlagParam(call.params(), "offsite", false));
  TREFOIL_ASSIGN(const bool wait, FlagParam(call.params(), "wait", false));
  const uint64_t request = context.targets.RequestScrub(offsite);
  if (request == 0) {
    return Status(StatusCode::kReadOnly,
                  "scrub: the volume is mounted without writing to it");
  }
  while (wait &&
         !context.targets.WaitForScrub(request, kProgressIntervalNanos)) {
    if (!call.Progress(ScrubsToJson(context.targets.Scrubs()))) {
      return Status(StatusCode::kUnavailable,
                    "scrub: the volume is unmounting");
    }
  }
  return ScrubsToJson(context.targets.Scrubs());
}

Result<Json> CreateSnapshot(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const std::string label,
                 StringParam(call.params(), "label", "", kMaxLabelBytes));
  TREFOIL_ASSIGN(const SnapshotInfo snapshot,
                 context.volume.CreateSnapshot(label));
  return SnapshotToJson(snapshot);
}

Result<Json> ListSnapshots(const Context& context) {
  TREFOIL_ASSIGN(const std::vector<SnapshotInfo> snapshots,
                 context.volume.ListSnapshots());
  Json json = Json::array();
  for (const SnapshotInfo& snapshot : snapshots) {
    json.push_back(SnapshotToJson(snapshot));
  }
  return json;
}

Result<Json> DeleteSnapshot(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const std::string name,
                 StringParam(call.params(), "name", "", kMaxNameBytes));
  TREFOIL_TRY(context.volume.DeleteSnapshot(name));
  return Json::object();
}

Result<TargetSettings> TargetParam(const Json& params) {
  constexpr size_t kMaxTextBytes = 4096;
  constexpr size_t kMaxOptions = 16;
  TargetSettings target;
  TREFOIL_ASSIGN(target.name,
                 StringParam(params, "name", "", kMaxTargetNameBytes));
  TREFOIL_ASSIGN(target.url, StringParam(params, "url", "", kMaxTextBytes));
  const Json options = params.value("options", Json::object());
  if (!options.is_object() || options.size() > kMaxOptions) {
    return Status(StatusCode::kInvalidArgument,
                  "control request: \"options\" must be a few texts by name");
  }
  for (const auto& [key, value] : options.items()) {
    TREFOIL_ASSIGN(target.options[key],
                   StringParam(options, key, "", kMaxTextBytes));
  }
  return target;
}

Result<Json> AddTarget(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const TargetSettings target, TargetParam(call.params()));
  TREFOIL_ASSIGN(const bool later, FlagParam(call.params(), "later", false));
  return context.targets.AddTarget(target, later);
}

Result<Json> RemoveTarget(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const std::string name,
                 StringParam(call.params(), "name", "", kMaxTargetNameBytes));
  TREFOIL_ASSIGN(const bool force, FlagParam(call.params(), "force", false));
  return context.targets.RemoveTarget(name, force);
}

Result<Json> ForgetDisk(const Context& context, ControlCall& call) {
  TREFOIL_ASSIGN(const std::string name,
                 StringParam(call.params(), "name", "", kMaxTargetNameBytes));
  TREFOIL_ASSIGN(const std::string disk,
                 StringParam(call.params(), "disk", "", kMaxLabelBytes));
  return context.targets.ForgetDisk(name, disk);
}

// The copies get the volume object, too.
Result<Json> ReloadKeys(const Context& context, const Json& params) {
  TREFOIL_ASSIGN(const std::string text,
                 StringParam(params, "handed_over", "", kMaxHandedOverBytes));
  std::string handed_over;
  if (!FromHex(text, &handed_over)) {
    return Status(StatusCode::kInvalidArgument,
                  "\"handed_over\" must be hexadecimal");
  }
  Status reloaded = context.volume.ReloadKeys(nullptr, handed_over);
  if (!reloaded.ok() && context.identity.secret) {
    TREFOIL_ASSIGN(const std::shared_ptr<const Secret> secret,
                   context.identity.secret());
    if (secret != nullptr) {
      reloaded = context.volume.ReloadKeys(secret.get(), "");
    }
  }
  context.targets.Nudge();
  TREFOIL_TRY(reloaded);
  return Json::object();
}

}  // namespace

ControlHandlers VolumeHandlers(Volume& volume, ControlTargets& targets,
                               Clock& clock, const ControlIdentity& identity) {
  // Copies of a handler share the context.
  const auto context = std::make_shared<const Context>(
      Context{volume, targets, clock, identity});
  ControlHandlers handlers;
  handlers["ping"] = [context](ControlCall&) { return Ping(*context); };
  handlers["status"] = [context](ControlCall&) { return GetStatus(*context); };
  handlers["commit"] = [context](ControlCall&) { return Commit(*context); };
  handlers["sync"] = [context](ControlCall& call) {
    return Sync(*context, call);
  };
  handlers["scrub"] = [context](ControlCall& call) {
    return Scrub(*context, call);
  };
  handlers["snapshot-create"] = [context](ControlCall& call) {
    return CreateSnapshot(*context, call);
  };
  handlers["snapshot-list"] = [context](ControlCall&) {
    return ListSnapshots(*context);
  };
  handlers["snapshot-delete"] = [context](ControlCall& call) {
    return DeleteSnapshot(*context, call);
  };
  handlers["target-add"] = [context](ControlCall& call) {
    return AddTarget(*context, call);
  };
  handlers["target-remove"] = [context](ControlCall& call) {
    return RemoveTarget(*context, call);
  };
  handlers["target-forget"] = [context](ControlCall& call) {
    return ForgetDisk(*context, call);
  };
  handlers["target-nudge"] = [context](ControlCall&) -> Result<Json> {
    context->targets.Nudge();
    return Json::object();
  };
  handlers["reload-keys"] = [context](ControlCall& call) {
    return ReloadKeys(*context, call.params());
  };
  return handlers;
}

}  // namespace trefoil
