// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "fs/base/log.h"
#include "fs/control/server.h"
#include "fs/fuse/mount_table.h"
#include "fs/fuse/session.h"
#include "fs/volume/config.h"
#include "replicator/replicator.h"
#include "tools/replicator_targets.h"
#include "tools/report.h"
#include "tools/signal_watch.h"
#include "tools/version.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// Each waits some seconds for the volume's lock.
constexpr int kAttemptsClosing = 10;

Status StartLog(const MountPlan& plan, const StartupReport& report) {
  const std::string& file = plan.settings.log_file;
  if (!file.empty()) return LogToFile(file, LogLevel::kInfo);
  if (report.in_background()) {
    LogToSyslog(LogLevel::kInfo);
  } else {
    LogToStderr(LogLevel::kInfo);
  }
  return OkStatus();
}

// Both help where they are permitted; the share works without.
void RaiseLimits() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  constexpr std::string_view kLastToGo = "-800";
  if (write(fd, kLastToGo.data(), kLastToGo.size()) < 0) {
    // An ordinary user may not.
  }
  close(fd);
}

// What many threads ask for and one gives back stays in pieces in as many
// heaps as glibc makes: eight for each processor, if nobody says otherwise.
void KeepFewHeaps() {
#ifdef __GLIBC__
  constexpr int kHeaps = 4;
  mallopt(M_ARENA_MAX, kHeaps);
#endif
}

// The mount that serves `volume`, if one does.
std::optional<std::string> MountOf(const std::string& volume) {
  const auto table = ReadMountTable();
  if (!table.ok()) return std::nullopt;
  for (const MountTableEntry& entry : *table) {
    if (entry.type == kFuseTypeName && entry.source == volume &&
        MountAnswers(entry.mountpoint)) {
      return entry.mountpoint;
    }
  }
  return std::nullopt;
}

Result<std::unique_ptr<Volume>> OpenVolume(const std::string& path,
                                           const VolumeOptions& options) {
  for (int attempt = 1;; ++attempt) {
    auto volume = Volume::Open(RealWorld(), path, options);
    if (!volume.status().Is(StatusCode::kBusy)) return volume;
    if (const auto mountpoint = MountOf(path)) {
      return Status(
          StatusCode::kBusy,
          fmt::format("{} is mounted at {} already", path, *mountpoint));
    }
    // Its mount is gone: a daemon is about to end.
    if (attempt == kAttemptsClosing) return volume;
  }
}

VolumeOptions ToVolumeOptions(const MountPlan& plan,
                              const VolumeConfig& config) {
  const MountSettings& settings = plan.settings;
  VolumeOptions options;
  options.read_only = plan.read_only;
  options.journal_capacity_bytes =
      settings.journal_capacity_bytes.value_or(config.journal_capacity_bytes);
  options.commit_interval_nanos = settings.commit_interval_seconds.value_or(
                                      config.commit_interval_seconds) *
                                  kNanosPerSecond;
  options.snapshots_visible = settings.snapshots_visible;
  options.acls = settings.fuse.acls;
  return options;
}

Result<std::shared_ptr<const Secret>> FindSecret(const MountPlan& plan) {
  if (plan.secret != nullptr) return plan.secret;
  return SecretOfVolume(plan.settings.secret, plan.volume);
}

// Everything that runs while the volume is mounted. Start and End in order;
// what has not been started is not ended.
class MountDaemon {
 public:
  explicit MountDaemon(const MountPlan& plan) : plan_(plan) {}

  Status Start();
  // Until somebody unmounts or a signal comes.
  Status Serve(StartupReport& report);
  Status End();

 private:
  Status StartSession();
  Status StartControl();

  const MountPlan& plan_;
  VolumeConfig config_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<Replicator> replicator_;
  std::unique_ptr<ReplicatorTargets> targets_;
  std::unique_ptr<FuseSession> session_;
  std::unique_ptr<ControlServer> control_;
};

Status MountDaemon::Start() {
  TREFOIL_ASSIGN(config_, LoadConfig(Env::Posix(), plan_.volume));
  VolumeOptions options = ToVolumeOptions(plan_, config_);
  TREFOIL_ASSIGN(options.secret, FindSecret(plan_));
  TREFOIL_ASSIGN(volume_, OpenVolume(plan_.volume, options));
  // A command may have changed the targets before it let go of the volume.
  TREFOIL_ASSIGN(config_, LoadConfig(Env::Posix(), plan_.volume));
  TREFOIL_ASSIGN(replicator_,
                 Replicator::Create(
                     RealWorld(), *volume_, config_,
                     {.credentials_file = plan_.settings.credentials_file}));
  volume_->SetCopies(replicator_->copies());
  targets_ = std::make_unique<ReplicatorTargets>(
      *replicator_,
      TargetOwner{RealWorld(), plan_.volume, volume_->volume_id(),
                  plan_.settings.credentials_file,
                  std::make_shared<CancelToken>()},
      !plan_.read_only);
  TREFOIL_TRY(StartSession());
  TREFOIL_TRY(StartControl());
  if (!plan_.read_only) replicator_->Start();
  return OkStatus();
}

Status MountDaemon::StartSession() {
  FuseOptions options = plan_.settings.fuse;
  options.fsname = plan_.volume;
  options.read_only = options.read_only || plan_.read_only;
  TREFOIL_ASSIGN(session_,
                 FuseSession::Create(*volume_, plan_.mountpoint, options));
  return session_->Mount();
}

Status MountDaemon::StartControl() {
  const ControlIdentity identity{
      .version = Version(),
      .mountpoint = plan_.mountpoint,
      .detached = config_.detached,
      .secret = [this] { return FindSecret(plan_); }};
  TREFOIL_ASSIGN(control_,
                 ControlServer::Start(plan_.volume,
                                      VolumeHandlers(*volume_, *targets_,
                                                     Clock::Real(), identity)));
  return OkStatus();
}

Status MountDaemon::Serve(StartupReport& report) {
  LogInfo("fuse", "{} is mounted at {}", plan_.volume, plan_.mountpoint);
  const bool in_background = report.in_background();
  if (!in_background) {
    sd_notify(0, "READY=1");
  }
  if (!report.Ready()) session_->Stop();
  const SignalWatch watch([&](int number) {
    LogInfo("fuse", "signal {}: unmounting {}", number, plan_.mountpoint);
    session_->Stop();
  });
  const Status served = session_->Run();
  if (!in_background) sd_notify(0, "STOPPING=1");
  return served;
}

Status MountDaemon::End() {
  session_.reset();
  if (volume_ != nullptr) volume_->WakeWaiters();
  if (targets_ != nullptr) targets_->CancelChanges();
  if (control_ != nullptr) control_->Stop();
  if (replicator_ != nullptr) replicator_->Stop();
  if (volume_ != nullptr) volume_->SetCopies({});
  control_.reset();
  targets_.reset();
  replicator_.reset();
  if (volume_ == nullptr) return OkStatus();
  const Status closed = volume_->Close();
  volume_.reset();
  if (closed.ok()) LogInfo("fuse", "{} is closed", plan_.volume);
  return closed;
}

}  // namespace

int ServeMount(const MountPlan& plan, StartupReport& report) {
  HoldEndSignals();
  RaiseLimits();
  KeepFewHeaps();
  const auto fail = [&](const Status& error) {
    report.Failed(FailureLine("mount", error, ""));
    return kExitError;
  };
  const Status logging = StartLog(plan, report);
  if (!logging.ok()) return fail(logging);
  MountDaemon daemon(plan);
  const Status started = daemon.Start();
  if (!started.ok()) {
    const Status ended = daemon.End();
    if (!ended.ok()) LogError("fuse", "{}", ended.ToString());
    return fail(started);
  }
  const Status served = daemon.Serve(report);
  if (!served.ok()) LogError("fuse", "{}", served.ToString());
  const Status ended = daemon.End();
  if (!ended.ok()) LogError("fuse", "closing: {}", ended.ToString());
  return served.ok() && ended.ok() ? kExitOk : kExitError;
}

}  // namespace trefoil
