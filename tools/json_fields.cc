// SPDX-License-Identifier: Apache-2.0
#include "tools/json_fields.h"

#include <limits>

namespace trefoil {
namespace {

const Json* Find(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() ? nullptr : &*found;
}

}  // namespace

std::string TextField(const Json& json, const char* name) {
  const Json* field = Find(json, name);
  return field != nullptr && field->is_string() ? field->get<std::string>()
                                                : std::string();
}

uint64_t CountField(const Json& json, const char* name) {
  const Json* field = Find(json, name);
  if (field == nullptr || !field->is_number_integer()) return 0;
  if (field->is_number_unsigned()) return field->get<uint64_t>();
  const auto value = field->get<int64_t>();
  return value < 0 ? 0 : static_cast<uint64_t>(value);
}

int64_t NumberField(const Json& json, const char* name) {
  const Json* field = Find(json, name);
  if (field == nullptr || !field->is_number_integer()) return 0;
  if (!field->is_number_unsigned()) return field->get<int64_t>();
  const auto value = field->get<uint64_t>();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return value > static_cast<uint64_t>(kMax) ? kMax
                                             : static_cast<int64_t>(value);
}

bool FlagField(const Json& json, const char* name) {
  const Json* field = Find(json, name);
  return field != nullptr && field->is_boolean() && field->get<bool>();
}

const Json& NestedField(const Json& json, const char* name) {
  static const auto* const kEmpty = new Json(Json::object());
  const Json* field = Find(json, name);
  return field != nullptr && field->is_structured() ? *field : *kEmpty;
}

std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace trefoil
