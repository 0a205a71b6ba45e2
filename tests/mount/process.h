// SPDX-License-Identifier: Apache-2.0
// Runs programs as a user's shell would.
#pragma once

#include <string>
#include <vector>

namespace trefoil::testing {

struct CommandResult {
  int exit_code = -1;  // 128 + number when a signal ended it
  std::string out;
  std::string err;
};

struct CommandOptions {
  std::vector<std::string> environment;  // "NAME=VALUE", nothing else is set
  bool own_environment = false;          // use `environment`, not ours
};

// Waits for the program, not for what it leaves in the background.
CommandResult RunCommand(const std::vector<std::string>& command,
                         const CommandOptions& options = {});

// A program that runs until it is waited for.
class RunningCommand {
 public:
  explicit RunningCommand(const std::vector<std::string>& command,
                          const CommandOptions& options = {});
  ~RunningCommand();  // kills it
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  void Signal(int number) const;
  int Wait();  // as CommandResult::exit_code

 private:
  int pid_ = -1;
};

}  // namespace trefoil::testing
