// SPDX-License-Identifier: Apache-2.0
// Compares what two indexes say of the live tree and its history.
#pragma once

#include <functional>
#include <string_view>

#include "fs/index/index.h"

namespace trefoil {

enum class Difference {
  kMissing,  // only the second index has the record
  kExtra,    // only the first one has it
  kValue,    // they have different values
};

// Calls `visit` for each record in which they differ until it returns false.
// An error of `first` or `second` is returned.
Status CompareIndexes(
    IndexView& first, IndexView& second,
    const std::function<bool(Family, std::string_view key, Difference)>& visit);

}  // namespace trefoil
