// SPDX-License-Identifier: Apache-2.0
// Fields of JSON from a daemon that may be of another version: what is missing
// or of another type reads as empty or 0, and nothing throws. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "fs/control/protocol.h"

namespace trefoil {

std::string TextField(const Json& json, const char* name);
uint64_t CountField(const Json& json, const char* name);
int64_t NumberField(const Json& json, const char* name);
bool FlagField(const Json& json, const char* name);
// The object or array `name`, or an empty one.
const Json& NestedField(const Json& json, const char* name);
// For people and scripts: indented, UTF-8 whatever the values are.
std::string JsonText(const Json& json);

}  // namespace trefoil
