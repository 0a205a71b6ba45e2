// SPDX-License-Identifier: Apache-2.0
// Goal: a log line has its tag, stays one line, and obeys the level.
// Method: log to a file and read it.
#include "fs/base/log.h"

#include <gtest/gtest.h>

#include "fs/base/env.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

TEST(Log, LinesHaveTagAndLevelAndStayOneLine) {
  const testing::TempDir dir;
  ASSERT_TRUE(LogToFile(dir.Path("log"), LogLevel::kWarning).ok());
  LogInfo("journal", "not {}", "shown");
  LogWarning("journal", "odd name {}", "a\nb");
  LogError("index", "code {}", 7);
  const std::string log =
      Env::Posix().ReadFile(dir.Path("log"), 1 << 20).value();
  LogToStderr(LogLevel::kInfo);
  EXPECT_EQ(log.find("shown"), std::string::npos);
  EXPECT_NE(log.find("W [journal] odd name a?b\n"), std::string::npos) << log;
  EXPECT_NE(log.find("E [index] code 7\n"), std::string::npos) << log;
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  const testing::TempDir dir;
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(dir.Path("f"), "").ok());
  EXPECT_TRUE(
      LogToFile(dir.Path("f/log"), LogLevel::kInfo).Is(StatusCode::kIoError));
}

}  // namespace
}  // namespace trefoil
