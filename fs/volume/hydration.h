// SPDX-License-Identifier: Apache-2.0
// The file VOLUME/hydrating: a volume that was recovered without its packs. It
// says what was to be fetched, for a progress figure, and goes when all of it
// is there. While it stands, a missing pack is nothing to worry about.
//
//   { "objects": N, "bytes": N }
//
// Thread rule: free functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fs/base/env.h"

namespace trefoil {

struct HydrationPlan {
  uint64_t objects = 0;
  uint64_t bytes = 0;
};

// Durable when OK.
Status BeginHydration(Env& env, const std::string& volume_path,
                      const HydrationPlan& plan);
// Nothing when the volume is whole. A file that can't be understood still says
// that the volume is not, without figures.
std::optional<HydrationPlan> FindHydration(Env& env,
                                           const std::string& volume_path);
Status EndHydration(Env& env, const std::string& volume_path);

}  // namespace trefoil
