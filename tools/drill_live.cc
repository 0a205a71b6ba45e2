// SPDX-License-Identifier: Apache-2.0
#include "tools/drill_live.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "fs/control/client.h"
#include "tools/json_fields.h"
#include "tools/report.h"
#include "tools/volume_client.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// A wait for the copy is made of short ones, so that it can be ended.
constexpr int64_t kSliceSeconds = 2;
constexpr const char* kLabel = "trefoil drill";

std::string LiveName(const std::string& snapshot) {
  return snapshot.empty() ? "the live tree" : "the snapshot " + snapshot;
}

// The exact moment of snapshot `name` of `volume`.
Result<int64_t> MomentOf(Volume& volume, const std::string& name) {
  TREFOIL_ASSIGN(const auto snapshots, volume.ListSnapshots());
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.name == name) return snapshot.time_nanos;
  }
  return Status(StatusCode::kNotFound, "there is no snapshot " + name);
}

int64_t MomentOf(const Json& snapshot) {
  return NumberField(snapshot, "time") * kNanosPerSecond +
         NumberField(snapshot, "nanos");
}

bool HasSnapshot(Volume& volume, const std::string& name, int64_t moment) {
  const auto found = MomentOf(volume, name);
  return found.ok() && *found == moment;
}

class MountedSide final : public LiveSide {
 public:
  explicit MountedSide(LiveOptions options) : options_(std::move(options)) {}
  ~MountedSide() override {
    tree_.reset();
    if (!own_snapshot_) return;
    const Status deleted = DeleteSnapshot(snapshot_);
    if (!deleted.ok()) {
      Warn(fmt::format("the drill's snapshot {} stays: {}", snapshot_,
                       deleted.ToString()));
    }
  }

  Status Begin();

  TreeView& tree() override { return *tree_; }
  [[nodiscard]] std::string description() const override {
    if (own_snapshot_) return "the live tree, held still by " + snapshot_;
    return LiveName(snapshot_);
  }
  [[nodiscard]] std::string snapshot() const override { return snapshot_; }
  Result<bool> IsStateOf(Volume& copy) override {
    return !snapshot_.empty() && HasSnapshot(copy, snapshot_, moment_);
  }
  [[nodiscard]] CommitRef head() const override { return head_; }
  [[nodiscard]] CommitSeq believed() const override { return believed_; }

 private:
  // Each call has a connection of its own: the server closes one that is
  // silent for as long as a comparison takes.
  Result<Json> Call(const std::string& method, const Json& params) {
    TREFOIL_ASSIGN(const auto client,
                   ControlClient::Connect(options_.location.volume));
    return client->Call(method, params, kControlTimeoutNanos);
  }
  Status DeleteSnapshot(const std::string& name) {
    return Call("snapshot-delete", {{"name", name}}).status();
  }
  Status FindSnapshot();
  Status TakeSnapshot();
  Status AwaitCopy();
  Status LearnHeads();

  const LiveOptions options_;
  std::unique_ptr<TreeView> tree_;
  std::string snapshot_;
  bool own_snapshot_ = false;
  int64_t moment_ = 0;
  std::string mountpoint_;
  bool detached_ = false;
  CommitRef head_;
  CommitSeq believed_;
};

Status MountedSide::Begin() {
  TREFOIL_TRY(LearnHeads());
  TREFOIL_TRY(options_.snapshot.empty() ? TakeSnapshot() : FindSnapshot());
  if (!detached_) TREFOIL_TRY(AwaitCopy());
  TREFOIL_TRY(LearnHeads());
  std::string root = mountpoint_;
  if (!snapshot_.empty()) {
    root = JoinPath(JoinPath(root, kSnapshotsName), snapshot_);
  }
  TREFOIL_ASSIGN(tree_, OpenMountedTree(root));
  return OkStatus();
}

Status MountedSide::FindSnapshot() {
  TREFOIL_ASSIGN(const Json snapshots, Call("snapshot-list", Json::object()));
  for (const Json& snapshot : snapshots) {
    if (TextField(snapshot, "name") != options_.snapshot) continue;
    snapshot_ = options_.snapshot;
    moment_ = MomentOf(snapshot);
    return OkStatus();
  }
  return {StatusCode::kNotFound, fmt::format("{}: there is no snapshot {}",
                                             mountpoint_, options_.snapshot)};
}

// A mount without writing needs none: nothing changes there.
Status MountedSide::TakeSnapshot() {
  TREFOIL_ASSIGN(const Json snapshots, Call("snapshot-list", Json::object()));
  for (const Json& snapshot : snapshots) {
    if (TextField(snapshot, "label") != kLabel) continue;
    TREFOIL_TRY(DeleteSnapshot(TextField(snapshot, "name")));
  }
  const auto made = Call("snapshot-create", {{"label", kLabel}});
  if (made.status().posix_errno() == EROFS) return OkStatus();
  TREFOIL_TRY(made.status());
  snapshot_ = TextField(*made, "name");
  moment_ = MomentOf(*made);
  own_snapshot_ = true;
  return OkStatus();
}

// A copy that does not get so far in time is still worth a drill.
Status MountedSide::AwaitCopy() {
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::seconds(options_.wait_seconds);
  while (std::chrono::steady_clock::now() < until) {
    TREFOIL_ASSIGN(const auto client,
                   ControlClient::Connect(options_.location.volume));
    const Status reached = SyncTargets(
        *client,
        {.target = options_.target,
         .timeout_seconds = std::min(options_.wait_seconds, kSliceSeconds)});
    if (!reached.Is(StatusCode::kTimedOut)) return reached;
    if (options_.stop()) return {StatusCode::kUnavailable, "stopped"};
  }
  return OkStatus();
}

Status MountedSide::LearnHeads() {
  TREFOIL_ASSIGN(const Json status, Call("status", Json::object()));
  mountpoint_ = TextField(status, "mountpoint");
  detached_ = FlagField(status, "detached");
  const Json& primary = NestedField(status, "primary");
  head_.seq = CommitSeq(CountField(primary, "head"));
  head_.time_nanos = NumberField(primary, "head_time") * kNanosPerSecond;
  for (const Json& copy : NestedField(status, "copies")) {
    if (TextField(copy, "name") != options_.target) continue;
    believed_ = CommitSeq(CountField(copy, "watermark"));
  }
  return OkStatus();
}

class UnmountedSide final : public LiveSide {
 public:
  explicit UnmountedSide(OpenedVolume opened) : opened_(std::move(opened)) {}

  Status Begin(const LiveOptions& options) {
    snapshot_ = options.snapshot;
    if (!snapshot_.empty()) {
      TREFOIL_ASSIGN(moment_, MomentOf(*opened_.volume, snapshot_));
    }
    TREFOIL_ASSIGN(tree_, OpenVolumeTree(*opened_.volume, snapshot_));
    TREFOIL_ASSIGN(const auto targets,
                   LoadTargetStatus(Env::Posix(), options.location.volume,
                                    opened_.config));
    for (const TargetStatus& target : targets) {
      if (target.name == options.target) believed_ = target.watermark;
    }
    return OkStatus();
  }

  TreeView& tree() override { return *tree_; }
  [[nodiscard]] std::string description() const override {
    return LiveName(snapshot_);
  }
  [[nodiscard]] std::string snapshot() const override { return snapshot_; }
  Result<bool> IsStateOf(Volume& copy) override {
    if (!snapshot_.empty()) return HasSnapshot(copy, snapshot_, moment_);
    const VolumeStatus status = opened_.volume->status();
    return status.dirty_bytes == 0 && status.pending_changes == 0 &&
           head().seq.value != 0 && head().name == copy.head().name;
  }
  [[nodiscard]] CommitRef head() const override {
    return opened_.volume->head();
  }
  [[nodiscard]] CommitSeq believed() const override { return believed_; }

 private:
  OpenedVolume opened_;
  std::unique_ptr<TreeView> tree_;
  std::string snapshot_;
  int64_t moment_ = 0;
  CommitSeq believed_;
};

}  // namespace

Result<std::unique_ptr<LiveSide>> OpenLiveSide(const LiveOptions& options) {
  const auto client = ControlClient::Connect(options.location.volume);
  if (client.ok()) {
    auto side = std::make_unique<MountedSide>(options);
    TREFOIL_TRY(side->Begin());
    return std::unique_ptr<LiveSide>(std::move(side));
  }
  if (!client.status().Is(StatusCode::kUnavailable)) return client.status();
  TREFOIL_ASSIGN(OpenedVolume opened,
                 OpenReadOnly(options.location.volume, options.secret));
  auto side = std::make_unique<UnmountedSide>(std::move(opened));
  TREFOIL_TRY(side->Begin(options));
  return std::unique_ptr<LiveSide>(std::move(side));
}

}  // namespace trefoil
