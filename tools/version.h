// SPDX-License-Identifier: Apache-2.0
// The program's version, from the root CMakeLists.txt.
#pragma once

#include <string>

namespace trefoil {

std::string Version();  // "0.1.0"

}  // namespace trefoil
