// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tools/duration.h"
#include "tools/report.h"

namespace trefoil {
namespace {

constexpr size_t kBarWidth = 24;
constexpr int64_t kIntervalNanos = 100'000'000;
constexpr int64_t kLineIntervalNanos = 10'000'000'000;
constexpr std::string_view kClearLine = "\r\x1b[K";

double ToSeconds(int64_t nanos) { return static_cast<double>(nanos) / 1e9; }

}  // namespace

std::string ProgressBar(uint64_t done, uint64_t total, std::string_view text) {
  const double part = total == 0
                          ? 1.0
                          : std::min(1.0, static_cast<double>(done) /
                                              static_cast<double>(total));
  const auto full = static_cast<size_t>(part * double{kBarWidth});
  return fmt::format("[{:.<{}}] {:3.0f}% {}", std::string(full, '#'), kBarWidth,
                     part * 100, OneLine(text));
}

ProgressRate::ProgressRate(Clock& clock) : clock_(clock) {}

void ProgressRate::Begin(uint64_t done) {
  begun_ = true;
  begin_nanos_ = last_nanos_ = clock_.MonotonicNanos();
  begin_done_ = done_ = done;
  steps_ = 0;
  seconds_ = units_ = 0;
}

void ProgressRate::Add(uint64_t done, uint64_t total) {
  total_ = total;
  if (!begun_ || done < done_) Begin(done);
  const int64_t now = clock_.MonotonicNanos();
  // What is done in large pieces by several at once comes in waves: the longer
  // it goes on, the more of it is looked at.
  constexpr double kMemorySeconds = 15;
  constexpr double kMemoryPart = 0.25;
  const double memory =
      std::max(kMemorySeconds, kMemoryPart * ToSeconds(now - begin_nanos_));
  const double passed = ToSeconds(now - last_nanos_);
  const double kept = std::exp(-passed / memory);
  seconds_ = seconds_ * kept + passed;
  units_ = units_ * kept + static_cast<double>(done - done_);
  steps_ += done > done_ ? 1 : 0;
  last_nanos_ = now;
  done_ = done;
}

bool ProgressRate::HasMeasured() const {
  constexpr int kMinSteps = 10;
  constexpr double kMinSeconds = 5;
  constexpr double kMinPart = 0.01;
  constexpr double kLongSeconds = 60;  // of whatever part
  const double seconds = ToSeconds(last_nanos_ - begin_nanos_);
  if (steps_ < kMinSteps || seconds < kMinSeconds) return false;
  const uint64_t all = total_ > begin_done_ ? total_ - begin_done_ : 0;
  return seconds >= kLongSeconds || static_cast<double>(done_ - begin_done_) >=
                                        kMinPart * static_cast<double>(all);
}

std::optional<int64_t> ProgressRate::SecondsLeft() const {
  if (!HasMeasured() || per_second() <= 0) return std::nullopt;
  const uint64_t left = total_ > done_ ? total_ - done_ : 0;
  return std::llround(static_cast<double>(left) / per_second());
}

ProgressLine::ProgressLine(Elsewhere elsewhere)
    : terminal_(isatty(STDERR_FILENO) == 1), elsewhere_(elsewhere) {}

ProgressLine::~ProgressLine() {
  if (shown_ && terminal_) fmt::print(stderr, "{}", kClearLine);
}

bool ProgressLine::IsDue() {
  if (!terminal_ && elsewhere_ == Elsewhere::kNothing) return false;
  const int64_t now = Clock::Real().MonotonicNanos();
  const bool first = terminal_ && !shown_;
  if (!first &&
      now - last_nanos_ < (terminal_ ? kIntervalNanos : kLineIntervalNanos)) {
    return false;
  }
  last_nanos_ = now;
  shown_ = true;
  return true;
}

void ProgressLine::Show(uint64_t done, uint64_t total, std::string_view text) {
  if (!IsDue()) return;
  const std::string bar = ProgressBar(done, total, text);
  if (terminal_) {
    fmt::print(stderr, "{}{}", kClearLine, bar);
  } else {
    fmt::print(stderr, "{}\n", bar);
  }
}

void ProgressLine::ShowRate(uint64_t done_bytes, uint64_t total_bytes,
                            std::string_view text) {
  rate_.Add(done_bytes, total_bytes);
  std::string line(text);
  if (rate_.per_second() > 0) {
    line += fmt::format(", {}/s",
                        FormatBytes(static_cast<uint64_t>(rate_.per_second())));
  }
  if (const auto left = rate_.SecondsLeft()) {
    line += fmt::format(", {} left", FormatDuration(*left));
  }
  Show(done_bytes, total_bytes, line);
}

}  // namespace trefoil
