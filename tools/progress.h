// SPDX-License-Identifier: Apache-2.0
// Shows on stderr how far a long command is: a line that changes on a terminal;
// elsewhere nothing, or a line of text now and then. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/base/clock.h"

namespace trefoil {

// "[#####.....]  50% TEXT"; `total` 0 is all done.
std::string ProgressBar(uint64_t done, uint64_t total, std::string_view text);

// How fast something goes, lately, and how long it will still take. Beginnings
// say little of what follows, so nothing is said before enough was measured.
class ProgressRate {
 public:
  // `clock` outlives this.
  explicit ProgressRate(Clock& clock = Clock::Real());
  // So much is done now, of `total`. Less than before: it began anew.
  void Add(uint64_t done, uint64_t total);
  // What follows goes at a rate of its own.
  void Restart() { begun_ = false; }
  // In a second; 0 while that is not known.
  [[nodiscard]] double per_second() const {
    return seconds_ > 0 ? units_ / seconds_ : 0;
  }
  // Nothing while that can't be told.
  [[nodiscard]] std::optional<int64_t> SecondsLeft() const;

 private:
  void Begin(uint64_t done);
  [[nodiscard]] bool HasMeasured() const;

  Clock& clock_;
  bool begun_ = false;
  int64_t begin_nanos_ = 0;
  uint64_t begin_done_ = 0;
  int64_t last_nanos_ = 0;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  int steps_ = 0;  // times that something was done
  // Time that passed and what was done in it; the longer ago, the less of it.
  double seconds_ = 0;
  double units_ = 0;
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
  // The same of bytes, with the rate and, as soon as that can be told, the time
  // left after the text.
  void ShowRate(uint64_t done_bytes, uint64_t total_bytes,
                std::string_view text);
  // What follows goes at a rate of its own.
  void RestartRate() { rate_.Restart(); }

 private:
  // Whether it is time to show something.
  bool IsDue();

  const bool terminal_;
  const Elsewhere elsewhere_;
  ProgressRate rate_;
  bool shown_ = false;
  int64_t last_nanos_ = Clock::Real().MonotonicNanos();
};

}  // namespace trefoil
