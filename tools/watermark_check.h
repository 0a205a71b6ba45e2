// SPDX-License-Identifier: Apache-2.0
// Compares what a volume that nobody has open says of its targets with what
// they list: a watermark that names what a target does not have (it was
// emptied, rolled back, or is another one), or less than it has. A shipper
// believes neither (audit.h); people do, who read `trefoil status`.
//
// Thread rule: a free function; nobody else uses the volume.
#pragma once

#include <string>
#include <vector>

#include "fs/verify/verify.h"
#include "fs/volume/config.h"

namespace trefoil {

// Findings: "lying-watermark", "stale-watermark", "bad-watermark" (its file
// can't be read), "target-not-asked". With `repair` a watermark that lies or
// can't be read is forgotten, so that the next mount finds out what is there;
// `*repaired` is then set. `copies` are the volume's targets, by name.
std::vector<Finding> CheckWatermarks(Env& env, const std::string& volume_path,
                                     const ObjectCopies& copies, bool repair,
                                     bool* repaired);

}  // namespace trefoil
