// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/simulation.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "replicator/recover.h"

namespace trefoil::sim {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1000 * kMillisecond;
constexpr int64_t kHour = 3600 * kSecond;
constexpr size_t kTargets = 2;
constexpr int kMaxOpenings = 20;
constexpr int kMaxFinalSteps = 3000;
constexpr size_t kMaxSnapshots = 4;

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options);

  Status Run();
  [[nodiscard]] SimulationResult Result() const;

 private:
  uint64_t Below(uint64_t bound) { return random_.Below(bound); }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  template <class... Args>
  void Say(fmt::format_string<Args...> format, Args&&... args);

  Status Begin();
  Status Round();
  Status Event();
  Status Commit();
  Status Checkpoint();
  Status FlushIndex();
  Status ShipALittle();
  void ReleaseCommits();
  void TimePasses();
  void WeatherChanges();
  void PlanFault();
  void CrowdOrNot();
  Status Rot();
  Status CheckRotten(const std::string& path, uint64_t offset, char bits);
  Status CloseAndOpen();

  // The machine dies, if it has not, and comes back.
  Status DieAndComeBack(Death death);
  Status ComeBack(bool power);
  Status OpenSomehow(bool* power);
  void StopTargets();
  void StartTargets();
  void RandomCrash();

  Status Finish();
  Status Converge();
  Status CheckCopies();
  Status RecoverFrom(Target& target, size_t number);

  // Something failed that may fail only where there is a reason.
  Status Excuse(const Status& failed, const std::string& what);

  const SimulationOptions options_;
  SeededRandom random_;
  Machine machine_;
  std::array<std::unique_ptr<Target>, kTargets> targets_;
  std::optional<History> history_;
  std::unique_ptr<Workload> workload_;
  uint64_t restarts_ = 0;
  uint64_t tree_hash_ = 0;
};

Simulation::Simulation(const SimulationOptions& options)
    : options_(options),
      random_(options.seed ^ 0x7472656f),
      machine_(options.seed) {
  for (size_t i = 0; i < kTargets; ++i) {
    SimStoreOptions store;
    store.name = i == 0 ? "second" : "offsite";
    store.seed = options.seed * kTargets + i;
    store.conditional_put = i == 0 || Chance(70);
    targets_[i] = std::make_unique<Target>(machine_.world(), machine_.clock(),
                                           store, Chance(50) ? 3 : 0);
  }
}

template <class... Args>
void Simulation::Say(fmt::format_string<Args...> format, Args&&... args) {
  if (!options_.verbose) return;
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  std::fprintf(
      stderr, "[%llu] %s\n",
      static_cast<unsigned long long>(workload_ ? workload_->operations() : 0),
      text.c_str());
}

Status Simulation::Run() {
  TREFOIL_TRY(Begin());
  for (uint64_t round = 0; round < options_.rounds; ++round) {
    TREFOIL_TRY(Round());
  }
  return Finish();
}

Status Simulation::Begin() {
  TREFOIL_TRY(machine_.Format());
  TREFOIL_TRY(machine_.Open());
  TREFOIL_ASSIGN(const Attr root, machine_.volume().GetAttr(kRootNode));
  history_.emplace(ModelState{ModelTree(root), {}});
  workload_ =
      std::make_unique<Workload>(options_.seed + 1, machine_, *history_);
  StartTargets();
  return OkStatus();
}

Status Simulation::Round() {
  machine_.clock().Advance(static_cast<int64_t>(Below(40)) * kMillisecond);
  TREFOIL_TRY(Chance(70) ? workload_->Step() : Event());
  if (!machine_.broken()) return OkStatus();
  return DieAndComeBack(Chance(70) ? Death::kPowerCut : Death::kKill);
}

Status Simulation::Event() {
  const uint64_t dice = Below(200);
  if (dice < 40) return workload_->Sync();
  if (dice < 60) return Commit();
  if (dice < 120) return ShipALittle();
  if (dice < 128) return FlushIndex();
  if (dice < 136) {
    return history_->now().snapshots.size() < kMaxSnapshots
               ? workload_->CreateSnapshot()
               : workload_->DeleteSnapshot();
  }
  if (dice < 140) return workload_->DeleteSnapshot();
  if (dice < 144) return Checkpoint();
  if (dice < 160) TimePasses();
  if (dice >= 160 && dice < 172) WeatherChanges();
  if (dice >= 172 && dice < 182) PlanFault();
  if (dice >= 182 && dice < 186) CrowdOrNot();
  if (dice >= 186 && dice < 188) return Rot();
  if (dice >= 188 && dice < 190) return CloseAndOpen();
  if (dice >= 190 && dice < 196) RandomCrash();
  if (dice >= 196) {
    Say("the machine dies");
    return DieAndComeBack(Chance(60) ? Death::kPowerCut : Death::kKill);
  }
  return OkStatus();
}

Status Simulation::Excuse(const Status& failed, const std::string& what) {
  if (failed.ok() || machine_.broken() || machine_.faulty()) return OkStatus();
  const bool no_room = failed.posix_errno() == ENOSPC;
  if (no_room && machine_.crowded()) return OkStatus();
  return failed.WithContext(what + ", without a reason");
}

Status Simulation::Commit() {
  machine_.Forgive();
  const auto commit = machine_.volume().Commit();
  Say("commit: {}", commit.ok() ? std::to_string(commit->seq.value)
                                : commit.status().ToString());
  if (commit.ok()) history_->Durable();
  return Excuse(commit.status(), "commit");
}

Status Simulation::Checkpoint() {
  machine_.Forgive();
  const auto commit = machine_.volume().Checkpoint();
  Say("checkpoint: {}", commit.ok() ? std::to_string(commit->seq.value)
                                    : commit.status().ToString());
  if (commit.ok()) history_->Durable();
  return Excuse(commit.status(), "checkpoint");
}

Status Simulation::FlushIndex() {
  machine_.Forgive();
  Status flushed = machine_.core().index->Flush();
  Say("index flush: {}", flushed.ToString());
  if (flushed.ok()) {
    history_->Durable();
    return OkStatus();
  }
  // The volume learns of it with the next change.
  if (!machine_.broken()) machine_.core().Fail(flushed);
  return Excuse(flushed, "index flush");
}

Status Simulation::ShipALittle() {
  const size_t which = Below(kTargets);
  for (uint64_t steps = 1 + Below(8); steps > 0; --steps) {
    TREFOIL_ASSIGN(const bool busy, targets_[which]->Step());
    if (!busy) break;
  }
  Say("{} is at {}: {} {}", targets_[which]->store().options().name,
      targets_[which]->watermark().value, targets_[which]->status().state,
      targets_[which]->status().last_error);
  ReleaseCommits();
  return OkStatus();
}

void Simulation::ReleaseCommits() {
  CommitSeq all = targets_[0]->watermark();
  for (const auto& target : targets_) all = std::min(all, target->watermark());
  machine_.volume().ReleaseCommits(all);
}

void Simulation::TimePasses() {
  const uint64_t dice = Below(10);
  if (dice < 6) {
    machine_.clock().Advance(static_cast<int64_t>(Below(60)) * kSecond);
  } else if (dice < 8) {
    machine_.clock().Advance(static_cast<int64_t>(Below(48)) * kHour);
  } else {
    // Somebody sets the clock.
    machine_.clock().Jump((static_cast<int64_t>(Below(2000)) - 1000) * kHour);
  }
}

void Simulation::WeatherChanges() {
  SimStore& store = targets_[Below(kTargets)]->store();
  StoreWeather weather;
  const uint64_t dice = Below(10);
  weather.down = dice == 0;
  if (dice > 5) {
    weather.delay_nanos = static_cast<int64_t>(Below(2000)) * kMillisecond;
    weather.fail_permille = Below(200);
    weather.deny_permille = Below(150);
    weather.list_lag_nanos = static_cast<int64_t>(Below(30)) * kSecond;
  }
  Say("{}: {}", store.options().name,
      dice == 0  ? "down"
      : dice > 5 ? "bad weather"
                 : "good weather");
  store.SetWeather(weather);
  if (dice == 3 && Chance(50)) {
    const std::string lost = targets_[Below(kTargets)]->LoseObject(Below(99));
    Say("lost {}", lost);
  }
}

void Simulation::PlanFault() {
  constexpr std::array<SimOp, 8> kOps = {
      SimOp::kRead,   SimOp::kWrite,   SimOp::kSync,   SimOp::kCreate,
      SimOp::kRename, SimOp::kSyncDir, SimOp::kRemove, SimOp::kOpen};
  SimFault fault;
  fault.op = kOps[Below(kOps.size())];
  fault.path_part = Machine::path();
  fault.skip = Below(20);
  fault.times = 1 + Below(2);
  Say("the disk will fail: {} after {}", SimOpName(fault.op), fault.skip);
  machine_.env().Inject(fault);
  machine_.set_calm(false);
}

void Simulation::RandomCrash() {
  const uint64_t nth = 1 + Below(Chance(50) ? 20 : 200);
  Say("power will be cut at change {}", nth);
  machine_.env().CrashAt(nth);
  machine_.set_calm(false);
}

void Simulation::CrowdOrNot() {
  if (machine_.crowded()) {
    machine_.Uncrowd();
  } else {
    machine_.Crowd(Below(3 << 20));
  }
  Say("the disk is {}", machine_.crowded() ? "full" : "not full");
}

// --- Ends and beginnings -----------------------------------------------------

void Simulation::StartTargets() {
  const InstanceId instance = NewInstance(machine_.world().random);
  for (const auto& target : targets_) {
    target->Start(machine_.volume(), instance);
  }
}

void Simulation::StopTargets() {
  for (const auto& target : targets_) target->Stop();
}

Status Simulation::CloseAndOpen() {
  StopTargets();
  machine_.Forgive();
  const Status closed = machine_.Close();
  Say("closed: {}", closed.ToString());
  if (machine_.env().crashed()) return DieAndComeBack(Death::kPowerCut);
  if (closed.ok()) history_->Durable();
  TREFOIL_TRY(Excuse(closed, "closing"));
  return ComeBack(false);
}

Status Simulation::DieAndComeBack(Death death) {
  machine_.Die(death, [this] { StopTargets(); });
  if (machine_.crowded()) machine_.Uncrowd();
  return ComeBack(death == Death::kPowerCut);
}

Status Simulation::OpenSomehow(bool* power) {
  Status opened;
  for (int i = 0; i < kMaxOpenings; ++i) {
    machine_.Forgive();
    if (Chance(15)) RandomCrash();
    opened = machine_.Open();
    Say("opening: {}", opened.ToString());
    if (opened.ok() && !machine_.env().crashed()) return OkStatus();
    if (!machine_.env().crashed() && !machine_.faulty()) return opened;
    const bool cut = machine_.env().crashed() && Chance(70);
    *power = *power || cut;
    machine_.Die(cut ? Death::kPowerCut : Death::kKill, [] {});
  }
  return opened.WithContext("again and again");
}

Status Simulation::ComeBack(bool power) {
  ++restarts_;
  machine_.set_calm(true);
  workload_->Restarted();
  if (Chance(20)) {
    machine_.env().ClearFaults();
    machine_.env().CrashAt(0);
    TREFOIL_ASSIGN(const VerifyReport report, machine_.Verify(Chance(50)));
    if (!report.clean()) {
      return {StatusCode::kCorruption, "fsck: " + Describe(report)};
    }
  }
  TREFOIL_TRY(OpenSomehow(&power).WithContext("opening after a crash"));
  machine_.env().CrashAt(0);
  machine_.env().ClearFaults();
  machine_.set_calm(true);
  TREFOIL_ASSIGN(const ShownState shown, Show(machine_.volume(), false));
  const std::string wrong = history_->Restart(shown, power);
  if (!wrong.empty()) {
    return {StatusCode::kCorruption,
            (power ? "after a power cut: " : "after a kill: ") + wrong};
  }
  Say("up again");
  StartTargets();
  return OkStatus();
}

// --- Rot ---------------------------------------------------------------------

Status Simulation::Rot() {
  if (!machine_.calm() || machine_.crowded()) return OkStatus();
  std::vector<ObjectInfo> objects;
  TREFOIL_TRY(machine_.volume().objects().List(
      "", "", [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return true;
      }));
  if (objects.empty()) return OkStatus();
  const ObjectInfo& victim = objects[Below(objects.size())];
  const std::string path = Machine::path() + "/objects/" + victim.key;
  const uint64_t offset = Below(victim.size_bytes);
  const char bits = static_cast<char>(1U << Below(8));
  Say("a bit of {} rots", victim.key);
  StopTargets();
  TREFOIL_TRY(machine_.Close());
  history_->Durable();
  TREFOIL_TRY(machine_.env().Flip(path, offset, bits));
  const Status found = CheckRotten(path, offset, bits);
  TREFOIL_TRY(found.WithContext(victim.key + " has rotted"));
  return ComeBack(false);
}

Status Simulation::CheckRotten(const std::string& path, uint64_t offset,
                               char bits) {
  TREFOIL_ASSIGN(const VerifyReport report, machine_.Verify(true));
  if (report.clean()) {
    return {StatusCode::kCorruption, "fsck does not find it"};
  }
  if (machine_.Open().ok()) {
    TREFOIL_TRY(workload_->Check(true));
    TREFOIL_TRY(machine_.Close());
  }
  return machine_.env().Flip(path, offset, bits);
}

// --- The end -----------------------------------------------------------------

Status Simulation::Finish() {
  Say("the faults stop");
  machine_.env().ClearFaults();
  machine_.env().CrashAt(0);
  if (machine_.crowded()) machine_.Uncrowd();
  for (const auto& target : targets_) target->store().SetWeather({});
  TREFOIL_TRY(DieAndComeBack(Chance(50) ? Death::kPowerCut : Death::kKill));
  machine_.env().ClearFaults();
  machine_.env().CrashAt(0);
  TREFOIL_TRY(Converge());
  TREFOIL_TRY(workload_->Check(false));
  StopTargets();
  TREFOIL_TRY(machine_.Close());
  return CheckCopies();
}

Status Simulation::Converge() {
  TREFOIL_TRY(machine_.volume().Commit().status());
  for (int step = 0; step < kMaxFinalSteps; ++step) {
    bool complete = true;
    for (const auto& target : targets_) {
      TREFOIL_TRY(target->Step().status());
      complete = complete && target->IsComplete();
    }
    ReleaseCommits();
    if (complete) return OkStatus();
    machine_.clock().Advance(kSecond);
  }
  std::string text;
  for (const auto& target : targets_) {
    const TargetStatus status = target->status();
    text +=
        fmt::format("; {} is at {}, {}: {}", status.name,
                    status.watermark.value, status.state, status.last_error);
  }
  return {StatusCode::kTimedOut,
          fmt::format("the targets do not reach commit {}{}",
                      machine_.volume().head().seq.value, text)};
}

Status Simulation::CheckCopies() {
  TREFOIL_ASSIGN(const VerifyReport report, machine_.Verify(true));
  if (!report.clean()) {
    return {StatusCode::kCorruption, "fsck at the end: " + Describe(report)};
  }
  for (size_t i = 0; i < kTargets; ++i) {
    const auto store = targets_[i]->store().View();
    TREFOIL_ASSIGN(const VerifyReport found, machine_.VerifyCopy(*store));
    if (!found.clean()) {
      return {StatusCode::kCorruption,
              "fsck of " + store->Describe() + ": " + Describe(found)};
    }
    TREFOIL_TRY(
        RecoverFrom(*targets_[i], i).WithContext("from " + store->Describe()));
  }
  return OkStatus();
}

Status Simulation::RecoverFrom(Target& target, size_t number) {
  const std::string path = "/recovered-" + std::to_string(number);
  const auto store = target.store().View();
  RecoverOptions options;
  options.secret = **machine_.VolumeKey();
  options.full = true;
  options.fetch.parallel = 0;
  options.fetch.pause_nanos = 0;
  TREFOIL_TRY(RecoverVolume(machine_.world(), *store,
                            {target.store().options().name, "dir:/nowhere", {}},
                            path, options)
                  .status());
  VolumeOptions open;
  open.background = false;
  open.journal_capacity_bytes = 64ULL << 20;
  open.journal_segment_bytes = 4ULL << 20;
  TREFOIL_ASSIGN(const auto volume, Volume::Open(machine_.world(), path, open));
  TREFOIL_ASSIGN(const ShownState shown, Show(*volume, false));
  const std::string wrong = DifferenceOf(history_->now(), shown);
  if (!wrong.empty()) {
    return {StatusCode::kCorruption, "the recovered tree: " + wrong};
  }
  for (const auto& [file, facts] : shown.tree) {
    tree_hash_ = Xxh3(file, tree_hash_ ^ facts.content_hash);
  }
  return volume->Close();
}

SimulationResult Simulation::Result() const {
  SimulationResult result;
  result.trace_hash = machine_.trace_hash();
  for (const auto& target : targets_) {
    result.trace_hash = result.trace_hash * 31 + target->store().trace_hash();
  }
  result.tree_hash = tree_hash_;
  result.operations = workload_ ? workload_->operations() : 0;
  result.restarts = restarts_;
  result.faults = machine_.faults();
  return result;
}

}  // namespace

SimulationResult Simulate(const SimulationOptions& options) {
  Simulation simulation(options);
  const Status status = simulation.Run();
  SimulationResult result = simulation.Result();
  result.status = status;
  return result;
}

}  // namespace trefoil::sim
