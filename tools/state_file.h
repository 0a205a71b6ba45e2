// SPDX-License-Identifier: Apache-2.0
// Where a command that was interrupted finds what it goes on from.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/status.h"

namespace trefoil {

// A file of this user for what a command does with a place, named by a hash of
// that: in $XDG_STATE_HOME/trefoil, else in /var/lib/trefoil for root and in
// ~/.local/state/trefoil for others. Makes the directory; kPermissionDenied
// when others can change what is in it.
Result<std::string> UsualStateFile(std::string_view command,
                                   std::string_view place);

}  // namespace trefoil
