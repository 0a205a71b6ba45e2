// SPDX-License-Identifier: Apache-2.0
#include "tests/support/expect_clean.h"

namespace trefoil {

std::string DescribeFindings(const VerifyReport& report) {
  std::string text;
  for (const Finding& finding : report.findings) {
    text += finding.severity == Severity::kInfo ? "info: " : "";
    text += finding.code + ": " + finding.where + ": " + finding.text + "\n";
  }
  return text;
}

VerifyReport ExpectCleanAt(const std::string& path) {
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = ::testing::TempDir();
  const auto report = VerifyVolume(
      {Env::Posix(), Clock::Real(), Random::System()}, path, options);
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  if (!report.ok()) return {};
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  return *report;
}

void ExpectClean(TestVolume& volume) {
  volume.Close();
  ExpectCleanAt(volume.path());
  volume.Open();
}

void ExpectCleanAfterCrash(TestVolume& volume) {
  volume.Crash();
  ExpectCleanAt(volume.path());
  volume.Open();
}

}  // namespace trefoil
