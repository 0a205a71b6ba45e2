// SPDX-License-Identifier: Apache-2.0
// How commands speak: exit codes, and one line on stderr for every failure:
//   trefoil: WHAT: WHERE and why: WHAT TO DO NEXT
#pragma once

#include <string>
#include <string_view>

#include "fs/base/status.h"

namespace trefoil {

inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;

// Prints the one line and returns kExitError. An empty `next` gives the advice
// that the error's code suggests, if any.
int Fail(std::string_view what, const Status& error,
         std::string_view next = "");
// The line that Fail prints, without its newline; control characters, which
// may come from a medium, are made visible.
std::string FailureLine(std::string_view what, const Status& error,
                        std::string_view next);
// `trefoil: warning: TEXT` on stderr.
void Warn(std::string_view text);
// A line on stdout.
void Print(std::string_view text);
// `text` with control characters made visible, newlines too.
std::string OneLine(std::string_view text);
// `text` as one word of a shell command, quoted where it must be.
std::string ShellWord(std::string_view text);

}  // namespace trefoil
