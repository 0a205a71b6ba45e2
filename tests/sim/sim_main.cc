// SPDX-License-Identifier: Apache-2.0
// The simulation as a command: tools/sim calls it.
//
// usage: simulate [--seed N | --seeds A..B | --minutes N] [--rounds N]
//                 [--every N] [--verbose] [--twice]
//   --every N  of the seeds, each N-th
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fs/base/log.h"
#include "tests/sim/simulation.h"

namespace trefoil::sim {
namespace {

struct Arguments {
  uint64_t first = 1;
  uint64_t last = 1;
  double minutes = 0;
  uint64_t step = 1;
  bool twice = false;
  SimulationOptions options;
};

uint64_t Number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      arguments->options.verbose = true;
      continue;
    }
    if (name == "--twice") {
      arguments->twice = true;
      continue;
    }
    if (++i == argc) return false;
    const std::string_view value = argv[i];
    if (name == "--seed") {
      arguments->first = arguments->last = Number(value);
    } else if (name == "--seeds" && value.find("..") != value.npos) {
      arguments->first = Number(value.substr(0, value.find("..")));
      arguments->last = Number(value.substr(value.find("..") + 2));
    } else if (name == "--minutes") {
      arguments->minutes = std::strtod(argv[i], nullptr);
    } else if (name == "--every") {
      arguments->step = Number(value);
    } else if (name == "--rounds") {
      arguments->options.rounds = Number(value);
    } else {
      return false;
    }
  }
  return true;
}

bool RunSeed(const Arguments& arguments, uint64_t seed) {
  SimulationOptions options = arguments.options;
  options.seed = seed;
  const SimulationResult result = Simulate(options);
  fmt::print(
      "seed {}: {} operations, {} restarts, {} faults, trace {:016x}, "
      "tree {:016x}\n",
      seed, result.operations, result.restarts, result.faults,
      result.trace_hash, result.tree_hash);
  std::fflush(stdout);
  bool good = result.status.ok();
  if (!good) {
    fmt::print("seed {}: {}\nreplay it: tools/sim --seed {}\n", seed,
               result.status.ToString(), seed);
  }
  if (arguments.twice) {
    const SimulationResult again = Simulate(options);
    if (again.trace_hash != result.trace_hash ||
        again.tree_hash != result.tree_hash) {
      fmt::print("seed {}: another run of it, trace {:016x}, tree {:016x}\n",
                 seed, again.trace_hash, again.tree_hash);
      good = false;
    }
  }
  std::fflush(stdout);
  return good;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    fmt::print(stderr, "simulate: see tools/sim --help\n");
    return 2;
  }
  if (arguments.options.verbose) {
    LogToStderr(LogLevel::kInfo);
  } else if (!LogToFile("/dev/null", LogLevel::kError).ok()) {
    return 2;
  }
  if (arguments.minutes > 0) arguments.last = ~uint64_t{0};
  using SteadyClock = std::chrono::steady_clock;
  const auto start = SteadyClock::now();
  const auto minutes = [&start] {
    return std::chrono::duration<double>(SteadyClock::now() - start).count() /
           60;
  };
  uint64_t seeds = 0;
  uint64_t bad = 0;
  for (uint64_t seed = arguments.first; seed <= arguments.last;
       seed += arguments.step) {
    if (arguments.minutes > 0 && minutes() >= arguments.minutes) break;
    ++seeds;
    if (!RunSeed(arguments, seed)) ++bad;
  }
  fmt::print("{} seeds, {} bad, {:.0f} seeds per minute\n", seeds, bad,
             static_cast<double>(seeds) / minutes());
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace trefoil::sim

int main(int argc, char** argv) { return trefoil::sim::Main(argc, argv); }
