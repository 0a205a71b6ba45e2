// SPDX-License-Identifier: Apache-2.0
// A test that changed a volume ends with ExpectClean: every byte and every
// reference is as it should be.
#pragma once

#include <string>

#include "fs/verify/verify.h"
#include "tests/support/test_volume.h"

namespace trefoil {

// Verifies the volume in `path`, which nobody has open, with all data.
VerifyReport ExpectCleanAt(const std::string& path);

// Closes the volume, verifies it, and opens it again.
void ExpectClean(TestVolume& volume);
// The same, dropping it without Close, as after kill -9.
void ExpectCleanAfterCrash(TestVolume& volume);

// One finding a line.
std::string DescribeFindings(const VerifyReport& report);

}  // namespace trefoil
