// SPDX-License-Identifier: Apache-2.0
// A process in the background that tells the one which started it how the
// start went. Nothing may run threads before RunInBackground.
#pragma once

#include <functional>
#include <string_view>

namespace trefoil {

// The daemon's way to say how its start went; says it once. Not thread-safe.
class StartupReport {
 public:
  // Without a parent that waits: failures go to stderr.
  StartupReport() = default;
  explicit StartupReport(int pipe_fd) : pipe_fd_(pipe_fd) {}
  ~StartupReport();
  StartupReport(const StartupReport&) = delete;
  StartupReport& operator=(const StartupReport&) = delete;

  [[nodiscard]] bool in_background() const { return pipe_fd_ >= 0; }
  // All is well; the daemon leaves the terminal. False when whoever waited for
  // this has been stopped meanwhile.
  bool Ready();
  // `line` reaches the user; RunInBackground answers 1.
  void Failed(std::string_view line);

 private:
  bool Send(char kind, std::string_view text);

  int pipe_fd_ = -1;
};

// Runs `daemon` in a session of its own, in `/`, and returns 0 when it is
// ready, 1 after its line on stderr when it is not. In the daemon's process it
// does not return: that ends with the exit code of `daemon`.
int RunInBackground(const std::function<int(StartupReport&)>& daemon);

}  // namespace trefoil
