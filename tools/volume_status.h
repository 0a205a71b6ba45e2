// SPDX-License-Identifier: Apache-2.0
// The status of a volume, mounted or not, as fs/control/status.h has it.
#pragma once

#include <string>

#include "fs/control/protocol.h"
#include "tools/secret_source.h"

namespace trefoil {

Result<Json> StatusOf(const std::string& volume_or_mountpoint,
                      const SecretArguments& secret);

}  // namespace trefoil
