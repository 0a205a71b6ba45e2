// SPDX-License-Identifier: Apache-2.0
#include "tools/version.h"

namespace trefoil {

std::string Version() { return TREFOIL_VERSION; }

}  // namespace trefoil
