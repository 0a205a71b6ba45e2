// SPDX-License-Identifier: Apache-2.0
#include "fs/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

#include <memory>
#include <utility>

#include "fs/base/mutex.h"

namespace trefoil {
namespace {

constexpr char kPattern[] = "%Y-%m-%dT%H:%M:%S.%e%z %L %v";
constexpr char kSyslogPattern[] = "%v";  // syslog adds time and level itself

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> MakeLogger(spdlog::sink_ptr sink,
                                           LogLevel level,
                                           const char* pattern) {
  auto logger = std::make_shared<spdlog::logger>("trefoil", std::move(sink));
  logger->set_pattern(pattern);
  logger->set_level(ToSpdlog(level));
  // A line that explains a crash must not wait in a buffer.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// The logger in use. Shared, because a thread may still be writing a line to
// the old one while another chooses the new one.
class Destination {
 public:
  // Never destroyed: threads may log while the process ends.
  static Destination& Get() {
    static auto* const destination = new Destination;
    return *destination;
  }
  void Set(std::shared_ptr<spdlog::logger> logger) {
    const WriterLock lock(mu_);
    logger_ = std::move(logger);
  }
  std::shared_ptr<spdlog::logger> Logger() {
    const ReaderLock lock(mu_);
    return logger_;
  }

 private:
  SharedMutex mu_;
  std::shared_ptr<spdlog::logger> logger_ GUARDED_BY(mu_) =
      MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                 LogLevel::kInfo, kPattern);
};

// One message stays one line, whatever a file name in it holds.
std::string OneLine(std::string_view tag, std::string_view text) {
  std::string line = fmt::format("[{}] {}", tag, text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

}  // namespace

void LogToStderr(LogLevel level) {
  Destination::Get().Set(MakeLogger(
      std::make_shared<spdlog::sinks::stderr_sink_mt>(), level, kPattern));
}

void LogToSyslog(LogLevel level) {
  Destination::Get().Set(
      MakeLogger(std::make_shared<spdlog::sinks::syslog_sink_mt>(
                     "trefoil", LOG_PID, LOG_DAEMON, true),
                 level, kSyslogPattern));
}

Status LogToFile(const std::string& path, LogLevel level) {
  try {
    Destination::Get().Set(
        MakeLogger(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path),
                   level, kPattern));
    return OkStatus();
  } catch (const spdlog::spdlog_ex& error) {
    return {StatusCode::kIoError,
            fmt::format("log {}: {}", path, error.what())};
  }
}

void LogMessage(LogLevel level, std::string_view tag, std::string_view text) {
  const std::shared_ptr<spdlog::logger> logger = Destination::Get().Logger();
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (logger->should_log(spdlog_level)) {
    logger->log(spdlog_level, spdlog::string_view_t(OneLine(tag, text)));
  }
}

}  // namespace trefoil
