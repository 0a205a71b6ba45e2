// SPDX-License-Identifier: Apache-2.0
// Shows on stderr how far a long command is: a line that changes on a terminal;
// elsewhere nothing, or a line of text now and then. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trefoil {

// "[#####.....]  50% TEXT"; `total` 0 is all done.
std::string ProgressBar(uint64_t done, uint64_t total, std::string_view text);

// How fast something goes, lately.
class ProgressRate {
 public:
  // So much was done `seconds` after the beginning.
  void Add(double seconds, uint64_t done);
  // In a second; 0 while that is not known.
  [[nodiscard]] double per_second() const { return per_second_; }
  // Nothing while the rate is not known.
  [[nodiscard]] std::optional<int64_t> SecondsLeft(uint64_t done,
                                                   uint64_t total) const;

 private:
  double seconds_ = 0;
  uint64_t done_ = 0;
  double per_second_ = 0;
};

class ProgressLine {
 public:
  enum class Elsewhere { kNothing, kLines };  // where there is no terminal

  explicit ProgressLine(Elsewhere elsewhere = Elsewhere::kNothing);
  ~ProgressLine();  // clears the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // May be called as often as one likes; a terminal sees ten a second, and
  // everybody else one in ten seconds.
  void Show(uint64_t done, uint64_t total, std::string_view text);
  // The same with the rate and the time left after the text. `bytes`: `done`
  // counts bytes.
  void ShowRate(uint64_t done, uint64_t total, std::string_view text,
                bool bytes);

 private:
  using Clock = std::chrono::steady_clock;
  // Whether it is time to show something.
  bool IsDue();

  const bool terminal_;
  const Elsewhere elsewhere_;
  const Clock::time_point start_ = Clock::now();
  ProgressRate rate_;
  bool shown_ = false;
  Clock::time_point last_ = start_;
};

}  // namespace trefoil
