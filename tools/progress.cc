// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "tools/report.h"

namespace trefoil {
namespace {

constexpr size_t kBarWidth = 24;
constexpr std::chrono::milliseconds kInterval{100};
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

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) fmt::print(stderr, "{}", kClearLine);
}

void ProgressLine::Show(uint64_t done, uint64_t total, std::string_view text) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (shown_ && now - last_ < kInterval) return;
  last_ = now;
  shown_ = true;
  fmt::print(stderr, "{}{}", kClearLine, ProgressBar(done, total, text));
}

}  // namespace trefoil
