// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/machine.h"

#include <utility>

#include "fs/volume/open.h"
#include "fs/volume/volume_impl.h"

namespace trefoil::sim {

namespace {

constexpr uint64_t kDiskBytes = 1ULL << 30;
// A volume notices what others do to the disk at most so much later.
constexpr int64_t kLookAtDisk = 300'000'000;
constexpr int64_t kRemembered = 1'100'000'000;
constexpr char kScratch[] = "/scratch";

SimEnvOptions EnvOptions(uint64_t seed, SimClock& clock) {
  SimEnvOptions options;
  options.seed = seed;
  options.capacity_bytes = kDiskBytes;
  options.clock = &clock;
  options.single_threaded = true;
  return options;
}

VolumeOptions OpenOptions() {
  VolumeOptions options;
  options.background = false;
  options.journal_capacity_bytes = 64ULL << 20;
  options.journal_segment_bytes = 4ULL << 20;
  return options;
}

}  // namespace

Machine::Machine(uint64_t seed)
    : random_(seed * 2 + 1), env_(EnvOptions(seed * 2, clock_)) {
  env_.StartTrace(false, "/index");
}

const std::string& Machine::path() {
  static const auto* const path = new std::string("/volume");
  return *path;
}

Result<std::shared_ptr<const Secret>> Machine::VolumeKey() {
  TREFOIL_ASSIGN(Secret key, ReadKeyFile(world().env, KeyFilePath(path())));
  return std::make_shared<const Secret>(std::move(key));
}

Status Machine::Format() {
  TREFOIL_TRY(env_.CreateDir(kScratch));
  TREFOIL_TRY(Volume::Format(world(), path()));
  return env_.SyncDir("/");
}

Status Machine::Open() {
  TREFOIL_ASSIGN(auto core, OpenCore(world(), path(), OpenOptions(), false));
  core_ = core.get();
  auto volume = std::make_unique<VolumeImpl>(std::move(core));
  TREFOIL_TRY(volume->Start());
  volume_ = std::move(volume);
  return OkStatus();
}

Status Machine::Close() {
  const Status closed = volume_->Close();
  volume_.reset();
  return closed;
}

void Machine::Stop() {
  if (env_.crashed()) return;
  env_.CrashAt(1);
  // Whether this one happens is up to the seed; nothing after it does.
  static_cast<void>(env_.CreateDir("/last-gasp"));
}

void Machine::Restart(Death death) {
  volume_.reset();
  if (death == Death::kPowerCut) {
    env_.Crash();
  } else {
    env_.Kill();
  }
  env_.ClearFaults();
  static_cast<void>(env_.RemoveDir("/last-gasp"));
}

Result<VerifyReport> Machine::Verify(bool read_data) {
  VerifyOptions options;
  options.read_data = read_data;
  options.scratch_directory = kScratch;
  return VerifyVolume(world(), path(), options);
}

Result<VerifyReport> Machine::VerifyCopy(ObjectStore& store) {
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = kScratch;
  TREFOIL_ASSIGN(options.secret, VolumeKey());
  return VerifyStore(world(), store, options);
}

bool Machine::broken() {
  return env_.crashed() || (is_open() && !core_->failure().ok());
}

void Machine::Forgive() {
  if (env_.struck() != forgiven_) struck_nanos_ = clock_.MonotonicNanos();
  forgiven_ = env_.struck();
}

bool Machine::faulty() {
  return env_.struck() != forgiven_ ||
         (forgiven_ > 0 &&
          clock_.MonotonicNanos() - struck_nanos_ < kRemembered);
}

void Machine::Crowd(uint64_t left_over) {
  env_.FillUpTo(core_->space->reserve_bytes() + left_over);
  crowded_ = true;
  clock_.Advance(kLookAtDisk);
}

void Machine::Uncrowd() {
  env_.FillUpTo(kDiskBytes);
  crowded_ = false;
  clock_.Advance(kLookAtDisk);
}

std::string Describe(const VerifyReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (finding.severity == Severity::kInfo) continue;
    text += finding.code + ": " + finding.where + ": " + finding.text + "\n";
  }
  return text;
}

}  // namespace trefoil::sim
