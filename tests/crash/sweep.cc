// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "tests/support/expect_clean.h"

namespace trefoil {
namespace {

// How far into a recovery the power goes off again.
constexpr uint64_t kRecoveryOperations = 60;

class Sweeper {
 public:
  Sweeper(const Scenario& scenario, const SweepOptions& options)
      : scenario_(scenario), options_(options) {}

  SweepResult Run();

 private:
  // What is known of one run when the power goes off.
  struct Progress {
    size_t done = 0;     // steps acknowledged; also the state's number
    size_t durable = 0;  // the state that is on stable storage
    Status failed;       // of the step that did not end well
  };

  Status Prepare();
  Status Record();
  std::vector<uint64_t> PickPoints();
  Progress RunSteps(Machine& machine);
  Status TryPoint(uint64_t point);
  Status PowerCut(Machine& machine, std::mt19937_64& random);
  Status CheckState(Machine& machine, const Progress& progress);
  static Status CheckVerifier(Machine& machine);
  static Status GoOn(Machine& machine);

  const Scenario& scenario_;
  const SweepOptions& options_;
  std::unique_ptr<Machine> prepared_;
  std::vector<Shown> states_;  // before the first step, after each
  SweepResult result_;
};

Status Sweeper::Prepare() {
  TREFOIL_ASSIGN(prepared_, Machine::Format({.seed = options_.seed,
                                             .unordered = options_.unordered}));
  TREFOIL_TRY(prepared_->Open());
  for (const Step& step : scenario_.prepare) {
    prepared_->clock().Advance(1'000'000'000);
    TREFOIL_TRY(step.run(*prepared_).WithContext(step.name));
  }
  if (scenario_.begins_closed) return OkStatus();
  TREFOIL_TRY(prepared_->Sync());
  prepared_->Drop();
  return OkStatus();
}

// The states that the scenario goes through, and its operations.
Status Sweeper::Record() {
  const auto machine = prepared_->Fork(options_.seed + 1);
  {
    // The state before the first step, also when that opens the volume.
    const auto look = prepared_->Fork(options_.seed + 1);
    TREFOIL_TRY(look->Open());
    TREFOIL_ASSIGN(Shown shown, look->Look());
    states_.push_back(std::move(shown));
  }
  if (!scenario_.begins_closed) TREFOIL_TRY(machine->Open());
  const uint64_t before = machine->env().changes();
  for (const Step& step : scenario_.steps) {
    machine->clock().Advance(1'000'000'000);
    TREFOIL_TRY(step.run(*machine).WithContext(step.name));
    TREFOIL_ASSIGN(Shown shown, machine->Look());
    states_.push_back(std::move(shown));
  }
  result_.points = machine->env().changes() - before;
  TREFOIL_TRY(machine->Close());
  return CheckVerifier(*machine);
}

std::vector<uint64_t> Sweeper::PickPoints() {
  if (options_.only_point != 0) return {options_.only_point};
  std::vector<uint64_t> all(result_.points);
  std::iota(all.begin(), all.end(), 1);
  std::vector<uint64_t> picked;
  std::sample(all.begin(), all.end(), std::back_inserter(picked),
              std::min<uint64_t>(options_.max_points, all.size()),
              std::mt19937_64(options_.seed));
  return picked;
}

Sweeper::Progress Sweeper::RunSteps(Machine& machine) {
  Progress progress;
  for (const Step& step : scenario_.steps) {
    machine.clock().Advance(1'000'000'000);
    progress.failed = step.run(machine);
    if (!progress.failed.ok()) return progress;
    ++progress.done;
    if (step.is_barrier) progress.durable = progress.done;
  }
  return progress;
}

// The power goes off, once or again during recovery.
Status Sweeper::PowerCut(Machine& machine, std::mt19937_64& random) {
  machine.Drop();
  machine.env().Crash();
  while (random() % 4 == 0) {
    machine.env().CrashAt(1 + random() % kRecoveryOperations);
    const Status opened = machine.Open();
    if (!opened.ok() && !machine.env().crashed()) {
      return opened.WithContext("recovery");
    }
    machine.Drop();
    machine.env().Crash();
  }
  return OkStatus();
}

Status Sweeper::CheckState(Machine& machine, const Progress& progress) {
  TREFOIL_ASSIGN(const Shown shown, machine.Look());
  const size_t last = std::min(progress.done + 1, states_.size() - 1);
  std::string text;
  for (size_t i = last + 1; i-- > progress.durable;) {
    const std::string difference = DifferenceOf(states_[i], shown);
    if (difference.empty()) return OkStatus();
    text += fmt::format("\n    not as after {} steps: {}", i, difference);
  }
  for (size_t i = 0; i < progress.durable; ++i) {
    if (!DifferenceOf(states_[i], shown).empty()) continue;
    text += fmt::format("\n    but as after {} steps: lost what was synced", i);
  }
  return {StatusCode::kCorruption,
          fmt::format("after {} steps, {} of them durable:{}", progress.done,
                      progress.durable, text)};
}

Status Sweeper::CheckVerifier(Machine& machine) {
  TREFOIL_ASSIGN(const VerifyReport report, machine.Verify());
  if (report.clean()) return OkStatus();
  return {StatusCode::kCorruption, "fsck: " + DescribeFindings(report)};
}

// The volume is as good as new: it takes changes, and they last.
Status Sweeper::GoOn(Machine& machine) {
  TREFOIL_TRY(machine.MakeFile("afterwards"));
  TREFOIL_TRY(machine.Write("afterwards", 0, 5000, 99));
  TREFOIL_TRY(machine.Commit());
  TREFOIL_ASSIGN(const Shown before, machine.Look());
  TREFOIL_TRY(machine.Reopen());
  TREFOIL_ASSIGN(const Shown after, machine.Look());
  const std::string difference = DifferenceOf(before, after);
  if (difference.empty()) return machine.Close();
  return {StatusCode::kCorruption, "afterwards: " + difference};
}

Status Sweeper::TryPoint(uint64_t point) {
  std::mt19937_64 random(options_.seed * 1'000'003 + point);
  // The same seed as when recording: the same operations.
  const auto machine = prepared_->Fork(options_.seed + 1);
  machine->env().Reseed(random());
  if (!scenario_.begins_closed) TREFOIL_TRY(machine->Open());
  machine->env().CrashAt(point);
  const Progress progress = RunSteps(*machine);
  if (!progress.failed.ok() && !machine->env().crashed()) {
    return progress.failed.WithContext(scenario_.steps.at(progress.done).name +
                                       " failed by itself");
  }
  TREFOIL_TRY(PowerCut(*machine, random));
  // New objects and incarnations are never those of before.
  const auto next = machine->Fork(random());
  if (random() % 2 == 0 && !options_.unordered) {
    TREFOIL_TRY(CheckVerifier(*next));
  }
  TREFOIL_TRY(next->Open().WithContext("opening"));
  TREFOIL_TRY(CheckState(*next, progress));
  TREFOIL_TRY(GoOn(*next).WithContext("going on"));
  return CheckVerifier(*next).WithContext("in the end");
}

SweepResult Sweeper::Run() {
  Status done = Prepare().WithContext("preparing");
  if (done.ok()) done = Record().WithContext("recording");
  if (!done.ok()) {
    result_.failures.push_back(scenario_.name + ": " + done.ToString());
    return result_;
  }
  for (const uint64_t point : PickPoints()) {
    ++result_.tried;
    const Status tried = TryPoint(point);
    if (tried.ok()) continue;
    std::string test = scenario_.name;
    std::replace(test.begin(), test.end(), ' ', '_');
    result_.failures.push_back(
        fmt::format("TREFOIL_CRASH_SEED={} TREFOIL_CRASH_POINT={} crash_test "
                    "--gtest_filter='*.LosesNothing{}/{}'\n  {}",
                    options_.seed, point, options_.unordered ? "?*" : "", test,
                    tried.ToString()));
    if (result_.failures.size() >= options_.max_failures) break;
  }
  return result_;
}

}  // namespace

SweepResult Sweep(const Scenario& scenario, const SweepOptions& options) {
  return Sweeper(scenario, options).Run();
}

}  // namespace trefoil
