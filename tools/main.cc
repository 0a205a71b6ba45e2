// SPDX-License-Identifier: Apache-2.0
// `trefoil`, and the same program under the names mount.trefoil,
// mount.fuse.trefoil and fsck.trefoil that mount(8) and fsck(8) call.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/check.h"
#include "fs/base/log.h"
#include "tools/commands.h"
#include "tools/mount.h"
#include "tools/report.h"
#include "tools/version.h"

namespace trefoil {
namespace {

constexpr std::string_view kFsckHelper = "fsck.trefoil";

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// fsck(8) passes these on to every helper. A repair takes objects from other
// copies: it is asked for by name, never made at boot.
bool IsForeignFsckOption(std::string_view word) {
  return word == "-a" || word == "-p" || word == "-y" || word == "-n" ||
         word == "-f" || word == "-V" || word == "-T" || word == "-M" ||
         word.rfind("-C", 0) == 0;
}

// The words after the program's name, as if `trefoil` had been typed.
std::vector<std::string> Words(int argc, char** argv) {
  std::vector<std::string> words;
  const bool fsck = argc > 0 && BaseName(argv[0]) == kFsckHelper;
  if (fsck) words.emplace_back("fsck");
  for (int i = 1; i < argc; ++i) {
    if (fsck && IsForeignFsckOption(argv[i])) continue;
    words.emplace_back(argv[i]);
  }
  return words;
}

void Declare(CLI::App& trefoil, Action* action) {
  trefoil.set_version_flag("--version", "trefoil " + Version());
  trefoil.require_subcommand(1);
  trefoil.get_formatter()->column_width(34);
  AddInitCommand(trefoil, action);
  AddMountCommand(trefoil, action);
  AddUmountCommand(trefoil, action);
  AddStatusCommand(trefoil, action);
  AddSyncCommand(trefoil, action);
  AddSnapshotCommand(trefoil, action);
  AddFsckCommand(trefoil, action);
  AddScrubCommand(trefoil, action);
  AddDrillCommand(trefoil, action);
  AddRecoverCommand(trefoil, action);
  AddTakeoverCommand(trefoil, action);
  AddTargetCommand(trefoil, action);
  AddKeyCommand(trefoil, action);
  AddSambaConfCommand(trefoil, action);
}

int ReportUsage(const CLI::App& trefoil, const std::string& what) {
  std::string command;
  const CLI::App* deepest = &trefoil;
  while (!deepest->get_subcommands().empty()) {
    deepest = deepest->get_subcommands().front();
    command += " " + deepest->get_name();
  }
  fmt::print(stderr, "{}\n",
             OneLine(fmt::format("trefoil:{}: {}: see 'trefoil{} --help'",
                                 command.empty() ? " usage" : command, what,
                                 command)));
  return command == " fsck" ? kFsckUsage : kExitUsage;
}

int Run(std::vector<std::string> words) {
  CLI::App trefoil("A filesystem that is a 3-2-1 backup.", "trefoil");
  Action action;
  Declare(trefoil, &action);
  // CLI11 takes the words from the back.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    trefoil.parse(reversed);
  } catch (const CLI::Success& help_or_version) {
    return trefoil.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return ReportUsage(trefoil, error.what());
  }
  return action();
}

// Credentials, keys and people's data pass through every command, so none
// leaves a core dump: neither a file nor one piped to a collector, which the
// limit alone does not stop. Nor can another program of this user attach.
void ForbidDumps() {
  constexpr rlimit kNone{0, 0};
  TREFOIL_CHECK(setrlimit(RLIMIT_CORE, &kNone) == 0);
  TREFOIL_CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
}

int Main(int argc, char** argv) {
  ForbidDumps();
  // Commands speak for themselves; what serves a mount chooses its own log.
  LogToStderr(LogLevel::kError);
  if (argc > 0 && IsMountHelper(argv[0])) return RunMountHelper(argc, argv);
  return Run(Words(argc, argv));
}

}  // namespace
}  // namespace trefoil

int main(int argc, char** argv) {
  // Errors of ours are values; what arrives here is out of memory or a fault
  // of a library, and still deserves a line.
  try {
    return trefoil::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "trefoil: stopped: {}\n", error.what());
    return trefoil::kExitError;
  }
}
