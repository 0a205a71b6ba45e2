// SPDX-License-Identifier: Apache-2.0
#include "tools/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace trefoil {
namespace {

std::string_view Advice(StatusCode code) {
  switch (code) {
    case StatusCode::kNewerFormat:
      return "install a newer trefoil";
    case StatusCode::kNoSpace:
      return "make room and try again";
    case StatusCode::kCorruption:
      return "run 'trefoil fsck' on it; nothing was changed";
    case StatusCode::kFenced:
      return "another machine took this volume over; see 'trefoil status'";
    default:
      return "";
  }
}

}  // namespace

std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

std::string ShellWord(std::string_view text) {
  const bool is_plain =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c >= '0' && c <= '9') ||
               std::string_view("/.:_+-@%,=").find(c) != std::string_view::npos;
      });
  if (is_plain) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string FailureLine(std::string_view what, const Status& error,
                        std::string_view next) {
  std::string line = fmt::format("trefoil: {}: {}", what, error.message());
  if (next.empty()) next = Advice(error.code());
  if (!next.empty()) line += fmt::format(": {}", next);
  return OneLine(line);
}

int Fail(std::string_view what, const Status& error, std::string_view next) {
  fmt::print(stderr, "{}\n", FailureLine(what, error, next));
  return kExitError;
}

void Warn(std::string_view text) {
  fmt::print(stderr, "trefoil: warning: {}\n", OneLine(text));
}

void Print(std::string_view text) { fmt::print("{}\n", text); }

}  // namespace trefoil
