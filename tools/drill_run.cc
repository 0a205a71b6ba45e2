// SPDX-License-Identifier: Apache-2.0
#include "tools/drill_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "fs/base/bytes.h"
#include "replicator/heads.h"
#include "replicator/store/read_only_store.h"
#include "replicator/target_opener.h"
#include "tools/progress.h"
#include "tools/version.h"
#include "tools/world.h"

namespace trefoil {
namespace {

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

class Drill {
 public:
  explicit Drill(const DrillOptions& options)
      : options_(options), clock_(Clock::Real()) {}

  DrillReport Run() {
    Begin();
    report_.error = Work();
    if (stopping()) report_.error = {StatusCode::kUnavailable, "stopped"};
    report_.end_nanos = clock_.WallNanos();
    return std::move(report_);
  }

 private:
  void Begin();
  Status Work();
  Status OpenStore();
  Status OpenLive();
  Status Recover();
  Status OpenTree();
  void NoteStart();
  Status Choose();
  Status CheckSampleRoom();
  void Compare();
  void CompareOne(const std::string& path);
  Status RetryErrors();

  [[nodiscard]] bool has_point() const {
    return options_.at_seq.has_value() || options_.at_nanos.has_value();
  }
  [[nodiscard]] bool stopping() const { return options_.cancel->cancelled(); }
  [[nodiscard]] std::function<bool()> stop() const {
    return [cancel = options_.cancel] { return cancel->cancelled(); };
  }
  [[nodiscard]] double SecondsSince(int64_t nanos) const {
    return static_cast<double>(clock_.MonotonicNanos() - nanos) / 1e9;
  }

  const DrillOptions& options_;
  Clock& clock_;
  DrillReport report_;
  std::shared_ptr<ObjectStore> store_;
  std::unique_ptr<LiveSide> live_;
  std::unique_ptr<DrillScratch> scratch_;
  std::unique_ptr<TreeView> copy_;  // within scratch_
  std::vector<std::string> chosen_;
  int64_t recovery_nanos_ = 0;  // when it began, monotonic
};

void Drill::Begin() {
  report_.version = Version();
  report_.host = HostName();
  report_.volume = options_.location.volume;
  report_.volume_id =
      ToHex({options_.volume_id.data(), options_.volume_id.size()});
  report_.target = options_.target.name;
  report_.url = options_.target.url;
  report_.opened_with = options_.opened_with;
  report_.all = options_.all;
  report_.seed = options_.seed;
  report_.begin_nanos = clock_.WallNanos();
}

Status Drill::Work() {
  TREFOIL_TRY(OpenLive());
  TREFOIL_TRY(OpenStore());
  TREFOIL_TRY(Recover());
  TREFOIL_TRY(OpenTree());
  if (options_.all) {
    TREFOIL_TRY(scratch_->CheckRoom(0, 0));
    scratch_->FetchAll();
  } else {
    TREFOIL_TRY(Choose());
  }
  Compare();
  return RetryErrors();
}

Status Drill::OpenLive() {
  TREFOIL_ASSIGN(
      live_,
      OpenLiveSide({.location = options_.location,
                    .secret = options_.secret_arguments,
                    .target = options_.target.name,
                    .snapshot = options_.snapshot,
                    .wait_seconds = has_point() ? 0 : options_.wait_seconds,
                    .stop = stop()}));
  report_.live_seq = live_->head().seq;
  report_.live_time_nanos = live_->head().time_nanos;
  report_.compared_with = live_->description();
  return OkStatus();
}

Status Drill::OpenStore() {
  TREFOIL_ASSIGN(
      auto store,
      OpenVolumeTarget(options_.target, options_.credentials_file,
                       options_.volume_id, RealWorld(), options_.cancel));
  store_ = std::make_shared<ReadOnlyStore>(std::move(store));
  return OkStatus();
}

Status Drill::Recover() {
  copy_.reset();
  scratch_.reset();
  recovery_nanos_ = clock_.MonotonicNanos();
  auto recovered = DrillScratch::Recover({.parent = options_.scratch,
                                          .target = options_.target,
                                          .store = store_,
                                          .secret = options_.secret,
                                          .at_seq = options_.at_seq,
                                          .at_nanos = options_.at_nanos,
                                          .stop = stop()});
  const bool damaged = recovered.status().Is(StatusCode::kCorruption) ||
                       recovered.status().Is(StatusCode::kNotFound);
  if (damaged && !has_point()) {
    report_.problem =
        fmt::format("Nothing can be recovered from {}: {}.",
                    options_.target.name, recovered.status().message());
  }
  TREFOIL_TRY(recovered.status());
  scratch_ = std::move(*recovered);
  report_.head = scratch_->volume().head();
  if (!has_point() && report_.head.seq < live_->believed()) {
    report_.problem = fmt::format(
        "{} is believed to hold commit {}, but what is there ends with commit "
        "{}.",
        options_.target.name, live_->believed().value, report_.head.seq.value);
  }
  return OkStatus();
}

// The state that the copy and the live side have in common, else the copy's
// newest.
Status Drill::OpenTree() {
  TREFOIL_ASSIGN(report_.same_state, live_->IsStateOf(scratch_->volume()));
  const bool named = report_.same_state || !options_.snapshot.empty();
  auto tree = OpenVolumeTree(scratch_->volume(),
                             named ? live_->snapshot() : std::string());
  if (!tree.ok() && IsMissing(tree.status())) {
    return {StatusCode::kNotFound,
            fmt::format("{}: the copy's commit {} has no snapshot {}",
                        options_.target.name, report_.head.seq.value,
                        live_->snapshot())};
  }
  TREFOIL_TRY(tree.status());
  copy_ = std::move(*tree);
  report_.seconds_to_tree = SecondsSince(recovery_nanos_);
  return OkStatus();
}

// Of one state the live side says what there should be; of different ones the
// copy does.
Status Drill::Choose() {
  TreeView& from = report_.same_state ? live_->tree() : *copy_;
  Sample sample = DrawSample(from, options_.sample, options_.seed, stop());
  chosen_ = std::move(sample.paths);
  report_.of = sample.of;
  uint64_t bytes = 0;
  for (const std::string& path : chosen_) {
    const auto facts = copy_->Look(path);
    if (facts.ok()) bytes += facts->size_bytes;
  }
  return scratch_->CheckRoom(std::max<uint64_t>(1, chosen_.size()), bytes);
}

void Drill::Compare() {
  if (!options_.all) {
    for (const std::string& path : chosen_) CompareOne(path);
    return;
  }
  TreeView& from = report_.same_state ? live_->tree() : *copy_;
  // One that can't be listed is compared, too, and can't be the same.
  static_cast<void>(
      WalkTree(from, [this](const std::string& path, bool /*is_directory*/) {
        CompareOne(path);
        return !stopping();
      }));
  report_.of = report_.files.size();
}

void Drill::CompareOne(const std::string& path) {
  if (stopping()) return;
  const CompareOptions options{
      .same_state = report_.same_state, .stop = stop(), .on_byte = [this] {
        if (report_.seconds_to_first_byte > 0) return;
        report_.seconds_to_first_byte = SecondsSince(recovery_nanos_);
      }};
  report_.files.push_back(
      CompareFile(*copy_, live_->tree(), clock_, options, path));
}

// A volume in use lets go of packs that its newer states do not need, and so
// may pull one away under a drill that began with an older state. What failed
// is tried once more in the newest one.
Status Drill::RetryErrors() {
  std::vector<size_t> failed;
  for (size_t i = 0; i < report_.files.size(); ++i) {
    if (IsError(report_.files[i].verdict)) failed.push_back(i);
  }
  if (failed.empty() || has_point() || stopping()) return OkStatus();
  const CopyHead head = FindHead(*store_, options_.secret);
  if (!head.status.ok() || head.name == report_.head.name) return OkStatus();
  const bool same_state = report_.same_state;
  TREFOIL_TRY(Recover());
  TREFOIL_TRY(OpenTree());
  if (report_.same_state != same_state) return OkStatus();
  for (const size_t i : failed) {
    const std::string path = report_.files[i].path;
    CompareOne(path);
    report_.files[i] = std::move(report_.files.back());
    report_.files.pop_back();
  }
  return OkStatus();
}

}  // namespace

DrillReport RunDrill(const DrillOptions& options) {
  return Drill(options).Run();
}

}  // namespace trefoil
