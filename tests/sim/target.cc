// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/target.h"

#include <utility>

#include "replicator/replicator_impl.h"
#include "replicator/store/retry_store.h"

namespace trefoil::sim {

Target::Target(World world, SimClock& clock, SimStoreOptions options,
               uint64_t retry_attempts)
    : world_(world),
      clock_(clock),
      store_(clock, std::move(options)),
      retry_attempts_(retry_attempts) {}

void Target::Start(Volume& volume, const InstanceId& instance) {
  volume_ = &volume;
  ShipperOptions options;
  options.name = store_.options().name;
  options.url = "sim:" + options.name;
  options.state_path = TargetStatePath(volume.path(), options.name);
  options.store_decides = store_.options().conditional_put;
  options.uploads = 0;
  options.settle_nanos = 0;
  options.open = [this](std::shared_ptr<CancelToken> cancel)
      -> Result<std::unique_ptr<ObjectStore>> {
    if (retry_attempts_ == 0) return store_.View();
    RetryOptions retries;
    retries.attempts_max = static_cast<int>(retry_attempts_);
    retries.sleep = [this](std::chrono::nanoseconds pause) {
      clock_.Advance(pause.count());
      return true;
    };
    return std::unique_ptr<ObjectStore>(std::make_unique<RetryStore>(
        store_.View(), std::move(retries), world_.clock, world_.random,
        std::move(cancel)));
  };
  source_ = SourceOf(volume);
  shipper_ = std::make_unique<Shipper>(world_, *source_, instance,
                                       std::move(options), [] {});
}

Result<bool> Target::Step() {
  const CommitSeq before = watermark();
  const bool busy = shipper_->Step();
  if (watermark() > before) TREFOIL_TRY(CheckWatermark());
  return busy;
}

Status Target::CheckWatermark() {
  const CommitSeq seq = watermark();
  const auto commit = volume_->NextCommit(CommitSeq(seq.value - 1));
  if (!commit.ok()) return OkStatus();  // a checkpoint stands for it
  const std::string key =
      CommitKey(commit->generation, commit->seq, commit->name);
  if (store_.Has(key) || lost_.contains(key)) return OkStatus();
  const std::string checkpoint = "checkpoint/";
  for (const std::string& there : store_.Keys()) {
    const auto parsed = ParseObjectKey(there);
    if (there.starts_with(checkpoint) && parsed.ok() &&
        parsed->number >= seq.value) {
      return OkStatus();
    }
  }
  return {StatusCode::kCorruption, store_.options().name +
                                       ": the watermark is at a commit that "
                                       "is not there (O3): " +
                                       key};
}

bool Target::IsComplete() const {
  const TargetStatus status = shipper_->status();
  return status.watermark == volume_->head().seq &&
         status.state == "up to date";
}

std::string Target::LoseObject(uint64_t nth) {
  std::string key = store_.Lose(nth % 3 == 0 ? "commit/" : "pack/", nth / 3);
  if (!key.empty()) lost_.insert(key);
  return key;
}

}  // namespace trefoil::sim
