// SPDX-License-Identifier: Apache-2.0
#include "tools/volume_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/duration.h"
#include "tools/json_fields.h"
#include "tools/progress.h"

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// What the daemon may need beyond the time that was asked for, to say so.
constexpr int64_t kGraceSeconds = 10;

// Shows what a sync's progress lines say of the targets that it waits for.
class SyncProgress {
 public:
  explicit SyncProgress(std::string target) : target_(std::move(target)) {}

  void Show(const Json& progress) {
    const uint64_t seq = CountField(progress, "seq");
    uint64_t waiting = 0;
    uint64_t rate = 0;
    std::string lagging;
    for (const Json& copy : NestedField(progress, "targets")) {
      const std::string name = TextField(copy, "name");
      if (target_ != "all" && target_ != name) continue;
      if (CountField(copy, "watermark") >= seq) continue;
      waiting += CountField(copy, "bytes_waiting");
      rate += CountField(copy, "bytes_per_second");
      lagging += fmt::format("{}{} {}", lagging.empty() ? "" : ", ", name,
                             TextField(copy, "state"));
    }
    // More may be found while it is shipped.
    most_ = std::max(most_, waiting);
    line_.Show(most_ - waiting, std::max<uint64_t>(most_, 1),
               fmt::format("{} to go, {}/s ({})", FormatBytes(waiting),
                           FormatBytes(rate), lagging));
  }

 private:
  const std::string target_;
  ProgressLine line_;
  uint64_t most_ = 0;
};

}  // namespace

Result<std::unique_ptr<ControlClient>> ConnectToVolume(
    const std::string& volume_or_mountpoint) {
  TREFOIL_ASSIGN(const VolumeLocation location,
                 FindVolume(volume_or_mountpoint));
  auto client = ControlClient::Connect(location.volume);
  if (!client.status().Is(StatusCode::kUnavailable)) return client;
  if (!location.mountpoint.empty()) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{0}: the process behind this mount has ended: "
                              "'trefoil umount {0}', then mount it again",
                              location.mountpoint));
  }
  return Status(
      StatusCode::kUnavailable,
      fmt::format("{0}: not mounted: 'trefoil mount {0} MOUNTPOINT' first",
                  location.volume));
}

CLI::Option* AddTimeoutOption(CLI::App& command, SyncRequest* request) {
  constexpr int64_t kMaxTimeoutSeconds = 366LL * 24 * 3600;
  return command
      .add_option("--timeout", request->timeout_seconds,
                  "Give up after so many SECONDS; 0: never")
      ->check(CLI::Range(int64_t{0}, kMaxTimeoutSeconds))
      ->capture_default_str();
}

Status SyncTargets(ControlClient& client, const SyncRequest& request) {
  SyncProgress progress(request.target);
  Json params = Json::object();
  params["target"] = request.target;
  params["timeout_seconds"] = request.timeout_seconds;
  const int64_t timeout_nanos =
      request.timeout_seconds == 0
          ? -1
          : (request.timeout_seconds + kGraceSeconds) * kNanosPerSecond;
  return client
      .Call("sync", params, timeout_nanos,
            [&](const Json& json) { progress.Show(json); })
      .status();
}

}  // namespace trefoil
