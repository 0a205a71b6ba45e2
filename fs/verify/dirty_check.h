// SPDX-License-Identifier: Apache-2.0
// Checks the data that are in the journal only: each range belongs to an inode,
// and its bytes can be read. The volume is open and nobody changes it.
#pragma once

#include "fs/verify/findings.h"
#include "fs/volume/core.h"

namespace trefoil {

// With `read_data` all bytes are read, else the last one of each range. `path`
// names an inode. An error of the index is returned.
Status CheckDirtyData(VolumeCore& core, bool read_data,
                      const std::function<std::string(InodeId)>& path,
                      Findings& findings);

}  // namespace trefoil
