// SPDX-License-Identifier: Apache-2.0
// The subcommands of `trefoil`. Each Add function declares one subcommand, its
// options and its help; when it was the one that was typed, `*action` becomes
// what it does, which answers the exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace trefoil {

using Action = std::function<int()>;

void AddInitCommand(CLI::App& trefoil, Action* action);
void AddStatusCommand(CLI::App& trefoil, Action* action);
void AddSyncCommand(CLI::App& trefoil, Action* action);
void AddSnapshotCommand(CLI::App& trefoil, Action* action);
void AddFsckCommand(CLI::App& trefoil, Action* action);
void AddDrillCommand(CLI::App& trefoil, Action* action);
void AddScrubCommand(CLI::App& trefoil, Action* action);
void AddRecoverCommand(CLI::App& trefoil, Action* action);
void AddTakeoverCommand(CLI::App& trefoil, Action* action);
void AddTargetCommand(CLI::App& trefoil, Action* action);
void AddKeyCommand(CLI::App& trefoil, Action* action);
void AddSambaConfCommand(CLI::App& trefoil, Action* action);

// Exit codes of fsck(8).
inline constexpr int kFsckClean = 0;
inline constexpr int kFsckCorrected = 1;
inline constexpr int kFsckErrors = 4;       // left uncorrected
inline constexpr int kFsckOperational = 8;  // could not check
inline constexpr int kFsckUsage = 16;
inline constexpr int kFsckCancelled = 32;

}  // namespace trefoil
