// SPDX-License-Identifier: Apache-2.0
// The real world, for commands.
#pragma once

#include "fs/volume/volume.h"

namespace trefoil {

inline World RealWorld() {
  return {Env::Posix(), Clock::Real(), Random::System()};
}

}  // namespace trefoil
