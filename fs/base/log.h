// SPDX-License-Identifier: Apache-2.0
// Logging, by tag (the folder's name). A thin door to spdlog: stderr, a file
// or syslog, chosen once at start. Thread-safe. Never log a secret.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "fs/base/status.h"

namespace trefoil {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Where the log goes. Before the first call it goes to stderr at kInfo.
void LogToStderr(LogLevel level);
void LogToSyslog(LogLevel level);
Status LogToFile(const std::string& path, LogLevel level);

void LogMessage(LogLevel level, std::string_view tag, std::string_view text);

template <class... Args>
void LogInfo(std::string_view tag, fmt::format_string<Args...> format,
             Args&&... args) {
  LogMessage(LogLevel::kInfo, tag,
             fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void LogWarning(std::string_view tag, fmt::format_string<Args...> format,
                Args&&... args) {
  LogMessage(LogLevel::kWarning, tag,
             fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void LogError(std::string_view tag, fmt::format_string<Args...> format,
              Args&&... args) {
  LogMessage(LogLevel::kError, tag,
             fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace trefoil
