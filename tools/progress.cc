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
constexpr std::chrono::milliseconds kInterval{100};
constexpr std::chrono::milliseconds kLineInterval{10'000};
constexpr std::string_view kClearLine = "\r\x1b[K";

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

void ProgressRate::Add(double seconds, uint64_t done) {
  // What was done long ago counts for less and less.
  constexpr double kMemorySeconds = 15;
  const double passed = seconds - seconds_;
  if (passed < 0.2 || done < done_) return;
  const double now = static_cast<double>(done - done_) / passed;
  const double weight =
      per_second_ == 0 ? 1 : 1 - std::exp(-passed / kMemorySeconds);
  per_second_ += weight * (now - per_second_);
  seconds_ = seconds;
  done_ = done;
}

std::optional<int64_t> ProgressRate::SecondsLeft(uint64_t done,
                                                 uint64_t total) const {
  if (per_second_ <= 0) return std::nullopt;
  const uint64_t left = total > done ? total - done : 0;
  return static_cast<int64_t>(static_cast<double>(left) / per_second_);
}

ProgressLine::ProgressLine(Elsewhere elsewhere)
    : terminal_(isatty(STDERR_FILENO) == 1), elsewhere_(elsewhere) {}

ProgressLine::~ProgressLine() {
  if (shown_ && terminal_) fmt::print(stderr, "{}", kClearLine);
}

bool ProgressLine::IsDue() {
  if (!terminal_ && elsewhere_ == Elsewhere::kNothing) return false;
  const auto now = Clock::now();
  const bool first = terminal_ && !shown_;
  if (!first && now - last_ < (terminal_ ? kInterval : kLineInterval)) {
    return false;
  }
  last_ = now;
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

void ProgressLine::ShowRate(uint64_t done, uint64_t total,
                            std::string_view text, bool bytes) {
  const std::chrono::duration<double> passed = Clock::now() - start_;
  rate_.Add(passed.count(), done);
  std::string line(text);
  if (const auto left = rate_.SecondsLeft(done, total)) {
    const auto rate = static_cast<uint64_t>(rate_.per_second());
    line += fmt::format(", {}/s, {} left",
                        bytes ? FormatBytes(rate) : std::to_string(rate),
                        FormatDuration(*left));
  }
  Show(done, total, line);
}

}  // namespace trefoil
