// SPDX-License-Identifier: Apache-2.0
// TakeOver (recover.h).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <thread>

#include "fs/volume/identity.h"
#include "fs/volume/rebuild.h"
#include "fs/volume/volume_lock.h"
#include "replicator/checkpoint.h"
#include "replicator/heads.h"
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
  TakingOver(World world, const std::string& path,
             const TakeOverOptions& options)
      : world_(world),
        path_(path),
        options_(options),
        objects_(world.env, JoinPath(path, "objects")) {}

  Result<TakenOver> Run();

 private:
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }
  Status ReadVolume();
  Status ReachTargets();
  Result<Reached> Reach(const TargetSettings& settings);
  Status CheckNothingNewer(const Reached& target);
  Status ClaimAll();
  Status ClaimOne(Reached& target);

  const World world_;
  const std::string path_;
  const TakeOverOptions& options_;
  LocalTree objects_;

  std::unique_ptr<FileLock> lock_;
  VolumeConfig config_;
  std::shared_ptr<const Keyring> keyring_;
  std::vector<ChainLink> chain_;  // the primary's
  OwnerClaim claim_;
  std::vector<Reached> reached_;
  TakenOver result_;
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
                 UnlockPrimary(world_.env, path_, object, options_.secret));
  keyring_ = secrets.MakeKeyring();
  claim_.volume_id = object.volume_id;
  TREFOIL_ASSIGN(chain_, FindChain(objects_, *keyring_));
  if (!chain_.empty()) {
    const ParsedKey& head = chain_.back().parsed;
    claim_.base_seq = CommitSeq(head.number);
    claim_.base_generation = head.generation;
    claim_.base_name = head.name;
    if (head.kind == ObjectKind::kCheckpoint) {
      TREFOIL_ASSIGN(
          const CommitRef commit,
          CommitOfCheckpoint(objects_, *keyring_, chain_.back().key));
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
  TREFOIL_ASSIGN(reached.store,
                 OpenVolumeTarget(settings, options_.credentials_file,
                                  claim_.volume_id, world_, nullptr));
  TREFOIL_ASSIGN(const auto claims, ListClaims(*reached.store));
  if (!claims.empty()) reached.highest = claims.back().generation;
  return reached;
}

// Whoever recovered a while ago would give up what its owner wrote since.
Status TakingOver::CheckNothingNewer(const Reached& target) {
  const CopyHead head = FindHead(*target.store, claim_.volume_id, *keyring_);
  const bool is_empty =
      head.status.Is(StatusCode::kNotFound) && head.strangers.empty();
  if (is_empty) return OkStatus();
  const auto refused = [&](const std::string& why) {
    return Status(StatusCode::kPreconditionFailed,
                  fmt::format("target {} holds {}; insist with --force",
                              target.settings.name, why));
  };
  if (head.status.Is(StatusCode::kCorruption)) {
    return refused("what can't be compared: " + head.status.message());
  }
  if (!head.strangers.empty()) {
    return refused(fmt::format(
        "{} commits that this volume has no key for, {} among them: another "
        "owner changed the keys, or somebody put them there; recover again, "
        "into another directory, to see",
        head.strangers.size(), *head.strangers.begin()));
  }
  TREFOIL_TRY(head.status.WithContext("target " + target.settings.name));
  const ParsedKey& last = head.chain.links.back().parsed;
  if (objects_.Head(CommitKey(last.generation, head.seq, head.name)).ok()) {
    return OkStatus();
  }
  // What a checkpoint stands for here can't be compared any more: its number
  // counts as one that both have.
  std::set<std::string> theirs;
  for (const ChainLink& link : head.chain.links) theirs.insert(link.key);
  CommitSeq common;
  for (const ChainLink& link : chain_) {
    const bool is_shared =
        &link == &chain_.front() || theirs.contains(link.key);
    if (is_shared) common = CommitSeq(link.parsed.number);
  }
  if (head.seq <= common) return OkStatus();
  return refused(
      fmt::format("{}, and this volume has of it commit {} and what is before: "
                  "a takeover would give up the rest; recover again, into "
                  "another directory, to have it",
                  DescribeHead(head), common.value));
}

Status TakingOver::ReachTargets() {
  Status first;
  for (const TargetSettings& settings : config_.targets) {
    auto reached = Reach(settings);
    if (!reached.ok()) {
      result_.left.push_back(
          fmt::format("{}: {}", settings.name, reached.status().message()));
      if (first.ok()) first = reached.status();
      continue;
    }
    if (!options_.give_up_newer) TREFOIL_TRY(CheckNothingNewer(*reached));
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

Result<TakenOver> TakingOver::Run() {
  TREFOIL_TRY(ReadVolume());
  TREFOIL_TRY(ReachTargets());
  TREFOIL_TRY(ClaimAll());
  TREFOIL_TRY(ChangeConfig(world_.env, path_, [](VolumeConfig* config) {
    config->detached = false;
    return OkStatus();
  }));
  return std::move(result_);
}

}  // namespace

Result<TakenOver> TakeOver(World world, const std::string& volume_path,
                           const TakeOverOptions& options) {
  return TakingOver(world, volume_path, options).Run();
}

}  // namespace trefoil
