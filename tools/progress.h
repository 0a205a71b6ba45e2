// SPDX-License-Identifier: Apache-2.0
// A line on stderr that shows how far a long command is; nothing at all when
// stderr is no terminal. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace trefoil {

// "[#####.....]  50% TEXT"; `total` 0 is all done.
std::string ProgressBar(uint64_t done, uint64_t total, std::string_view text);

class ProgressLine {
 public:
  ProgressLine();   // asks whether stderr is a terminal
  ~ProgressLine();  // clears the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // May be called as often as one likes; the terminal sees ten a second.
  void Show(uint64_t done, uint64_t total, std::string_view text);

 private:
  const bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace trefoil
