// SPDX-License-Identifier: Apache-2.0
// Checks every record by itself: key, value, epochs, and that numbers still to
// be handed out were not used.
#pragma once

#include <string>
#include <string_view>

#include "fs/index/index.h"
#include "fs/verify/findings.h"

namespace trefoil {

// "entry of directory 3", "block 17": what a key stands for.
std::string DescribeKey(Family family, std::string_view key);

// Looks at all of the live and the history family. Nothing may be younger than
// `newest`. An error of the index is returned.
Status CheckRecords(IndexView& index, Epoch newest, Findings& findings);

}  // namespace trefoil
