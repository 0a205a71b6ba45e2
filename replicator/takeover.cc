// SPDX-License-Identifier: Apache-2.0
// TakeOver (recover.h).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "fs/base/log.h"
#include "fs/volume/identity.h"
#include "fs/volume/rebuild.h"
#include "fs/volume/volume_lock.h"
#include "replicator/checkpoint.h"
#include "replicator/recover.h"
#include "replicator/target_opener.h"
#include "replicator/target_state.h"

namespace trefoil {

namespace {

// A target that answered.
struct Reached {
  TargetSettings settings;
  std::unique_ptr<ObjectStore> store;
  Generation highest;  // claim there
};

class TakingOver {
 public:
  TakingOver(World world, const std::string& path, const Secret* secret)
      : world_(world),
        path_(path),
        secret_(secret),
        objects_(world.env, JoinPath(path, "objects")) {}

  Status Run();

 private:
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }
  Status ReadVolume();
  Status ReachTargets();
  Result<Reached> Reach(const TargetSettings& settings);
  Status ClaimAll();
  Status ClaimOne(Reached& target);

  const World world_;
  const std::string path_;
  const Secret* const secret_;
  LocalTree objects_;

  std::unique_ptr<FileLock> lock_;
  VolumeConfig config_;
  std::shared_ptr<const Keyring> keyring_;
  OwnerClaim claim_;
  std::vector<Reached> reached_;
};

Status TakingOver::ReadVolume() {
  TREFOIL_ASSIGN(lock_, LockVolume(world_.env, path_));
  TREFOIL_ASSIGN(config_, LoadConfig(world_.env, path_));
  if (world_.env.Exists(Path("recovering"))) {
    return Status(StatusCode::kInvalidArgument,
                  path_ +
                      ": its recovery was interrupted; run the same "
                      "'trefoil recover' command again");
  }
  TREFOIL_ASSIGN(const VolumeObject object, ReadVolumeObject(objects_));
  TREFOIL_ASSIGN(const VolumeSecrets secrets,
                 UnlockPrimary(world_.env, path_, object, secret_));
  keyring_ = secrets.MakeKeyring();
  claim_.volume_id = object.volume_id;
  TREFOIL_ASSIGN(const auto chain, FindChain(objects_, *keyring_));
  if (!chain.empty()) {
    const ParsedKey& head = chain.back().parsed;
    claim_.base_seq = CommitSeq(head.number);
    claim_.base_generation = head.generation;
    claim_.base_name = head.name;
    if (head.kind == ObjectKind::kCheckpoint) {
      TREFOIL_ASSIGN(const CommitRef commit,
                     CommitOfCheckpoint(objects_, *keyring_, chain.back().key));
      claim_.base_name = commit.name;
    }
    claim_.name.generation = head.generation;
  }
  if (!world_.env.Exists(Path("generation"))) return OkStatus();
  TREFOIL_ASSIGN(const std::string text,
                 world_.env.ReadFile(Path("generation"), 64));
  uint64_t used = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), used);
  if (parsed.ec != std::errc()) {
    return Status(StatusCode::kCorruption, Path("generation") + ": no number");
  }
  claim_.name.generation = std::max(claim_.name.generation, Generation(used));
  return OkStatus();
}

Result<Reached> TakingOver::Reach(const TargetSettings& settings) {
  Reached reached;
  reached.settings = settings;
  TREFOIL_ASSIGN(reached.store, OpenVolumeTarget(settings, "", claim_.volume_id,
                                                 world_, nullptr));
  TREFOIL_ASSIGN(const auto claims, ListClaims(*reached.store));
  if (!claims.empty()) reached.highest = claims.back().generation;
  return reached;
}

Status TakingOver::ReachTargets() {
  Status first;
  for (const TargetSettings& settings : config_.targets) {
    auto reached = Reach(settings);
    if (!reached.ok()) {
      LogWarning("replicator",
                 "target {} can't be taken over now: {}; repeat the takeover "
                 "when it is there",
                 settings.name, reached.status().ToString());
      if (first.ok()) first = reached.status();
      continue;
    }
    claim_.name.generation = std::max(claim_.name.generation, reached->highest);
    reached_.push_back(std::move(*reached));
  }
  return reached_.empty() ? first.WithContext("no target can be taken over")
                          : OkStatus();
}

Status TakingOver::ClaimOne(Reached& target) {
  const std::string path = TargetStatePath(path_, target.settings.name);
  TargetState state;
  auto known = LoadTargetState(world_.env, path);
  if (known.ok()) state = std::move(*known);
  // What was known of another disk says nothing of this one.
  state.UseDisk(DiskOf(*target.store));
  state.status.name = target.settings.name;
  state.status.url = target.settings.url;
  if (state.status.state.empty()) state.status.state = "unknown";
  state.AddClaim(claim_.name);
  state.claims_known = true;
  state.superseded = target.highest;
  // Remembered before it is made, as a shipper does.
  TREFOIL_TRY(SaveTargetState(world_.env, path, state));
  ClaimOptions options;
  options.store_decides = StoreDecides(target.settings);
  options.sleep = [](int64_t nanos) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(nanos));
    return true;
  };
  options.now = [this] { return world_.clock.MonotonicNanos(); };
  return TakeOwnership(*target.store, *keyring_, claim_, options, world_.random)
      .status();
}

Status TakingOver::ClaimAll() {
  claim_.name.generation = claim_.name.generation.Next();
  claim_.name.instance = NewInstance(world_.random);
  claim_.time_nanos = world_.clock.WallNanos();
  // The next opening goes above the claims that are made here.
  TREFOIL_TRY(world_.env.WriteFileAtomically(
      Path("generation"), fmt::format("{}\n", claim_.name.generation.value)));
  for (Reached& target : reached_) {
    const Status claimed = ClaimOne(target);
    if (!claimed.ok()) {
      return claimed.WithContext("target " + target.settings.name);
    }
  }
  return OkStatus();
}

Status TakingOver::Run() {
  TREFOIL_TRY(ReadVolume());
  TREFOIL_TRY(ReachTargets());
  TREFOIL_TRY(ClaimAll());
  return ChangeConfig(world_.env, path_, [](VolumeConfig* config) {
    config->detached = false;
    return OkStatus();
  });
}

}  // namespace

Status TakeOver(World world, const std::string& volume_path,
                const Secret* secret) {
  return TakingOver(world, volume_path, secret).Run();
}

}  // namespace trefoil
