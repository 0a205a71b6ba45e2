// SPDX-License-Identifier: Apache-2.0
#include "tests/replicator/shipping.h"

#include <chrono>
#include <thread>
#include <utility>

namespace trefoil::testing {

bool Eventually(const std::function<bool()>& condition, int seconds) {
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Shipping::Shipping() : source(dir_.Path("objects"), disk) {
  disk.SkipSyncs();
  env.SkipSyncs();
  EXPECT_TRUE(Env::Posix().CreateDirs(target_path()).ok());
  target_ = std::make_unique<LocalTree>(Env::Posix(), target_path());
  options.name = "second";
  options.url = "dir:" + target_path();
  options.state_path = state_path();
  options.store_decides = true;
  options.backoff_min_nanos = 5'000'000;
  options.backoff_max_nanos = 20'000'000;
  options.recheck_nanos = 20'000'000;
  options.settle_nanos = 50'000'000;
  options.save_nanos = 5'000'000;
  options.open = [this](const std::shared_ptr<CancelToken>&)
      -> Result<std::unique_ptr<ObjectStore>> {
    TREFOIL_TRY(faults.Before("OPEN", ""));
    return std::unique_ptr<ObjectStore>(std::make_unique<FaultStore>(
        std::make_unique<LocalTree>(disk, target_path()), faults));
  };
}

Shipping::~Shipping() = default;

void Shipping::Start() {
  const World world{env, Clock::Real(), Random::System()};
  shipper_ = std::make_unique<Shipper>(
      world, source, NewInstance(Random::System()), options, [] {});
  shipper_->Start();
}

void Shipping::Stop() {
  shipper_->RequestStop();
  shipper_->Join();
}

void Shipping::Kill() {
  Fault dead;
  dead.op = FaultOp::kAnyChange;
  dead.sticky = true;
  env.Arm(dead);
  Stop();
  shipper_.reset();
  env.Disarm();
}

bool Shipping::WaitForWatermark(CommitSeq seq) {
  return Eventually([&] { return status().watermark >= seq; });
}

bool Shipping::WaitForState(const std::string& state) {
  return Eventually([&] { return status().state == state; });
}

CommitRef Shipping::Commit(int packs) {
  const CommitRef ref = source.AddCommit(packs);
  if (shipper_) shipper_->Wake();
  return ref;
}

void Shipping::EmptyTarget() {
  std::vector<std::string> keys;
  EXPECT_TRUE(target_
                  ->List("", "",
                         [&](const ObjectInfo& info) {
                           keys.push_back(info.key);
                           return true;
                         })
                  .ok());
  for (const std::string& key : keys) EXPECT_TRUE(target_->Delete(key).ok());
}

}  // namespace trefoil::testing
