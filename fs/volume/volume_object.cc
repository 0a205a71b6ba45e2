// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/volume_object.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "fs/base/bytes.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kFormat = 1;
constexpr uint64_t kMaxVolumeObjectBytes = 1U << 20;
constexpr size_t kMaxLabelBytes = 256;

Status Malformed(std::string_view key) {
  return {StatusCode::kCorruption,
          std::string(key) + ": the volume object is malformed"};
}

Json SlotToJson(const KeySlot& slot) {
  Json json = {{"id", slot.id},
               {"kind", SlotKindName(slot.kind)},
               {"label", slot.label},
               {"created", slot.created_nanos},
               {"box", ToHex(slot.box)}};
  if (slot.kind == SlotKind::kPassphrase) {
    json["salt"] = ToHex(slot.salt);
    json["log2_n"] = slot.cost.log2_n;
    json["r"] = slot.cost.r;
    json["p"] = slot.cost.p;
  }
  return json;
}

// Takes fields out of a JSON object; the first that is not there, or is of
// another type, fails all.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) { ok_ = json.is_object(); }
  [[nodiscard]] bool ok() const { return ok_; }

  std::string Text(const char* name) {
    const Json* value = Find(name);
    if (value != nullptr && value->is_string()) {
      return value->get<std::string>();
    }
    ok_ = false;
    return "";
  }
  std::string Bytes(const char* name) {
    std::string bytes;
    if (!FromHex(Text(name), &bytes)) ok_ = false;
    return bytes;
  }
  uint32_t Number(const char* name) {
    const Json* value = Find(name);
    if (value != nullptr && value->is_number_unsigned() &&
        value->get<uint64_t>() <= std::numeric_limits<uint32_t>::max()) {
      return value->get<uint32_t>();
    }
    ok_ = false;
    return 0;
  }
  int64_t Time(const char* name) {
    const Json* value = Find(name);
    if (value != nullptr && value->is_number_integer()) {
      return value->get<int64_t>();
    }
    ok_ = false;
    return 0;
  }
  bool Flag(const char* name) {
    const Json* value = Find(name);
    if (value != nullptr && value->is_boolean()) return value->get<bool>();
    ok_ = false;
    return false;
  }
  const Json* List(const char* name) {
    const Json* value = Find(name);
    if (value != nullptr && value->is_array()) return value;
    ok_ = false;
    return nullptr;
  }

 private:
  const Json* Find(const char* name) {
    if (!ok_) return nullptr;
    const auto at = json_.find(name);
    return at == json_.end() ? nullptr : &*at;
  }

  const Json& json_;
  bool ok_ = true;
};

std::optional<KeySlot> SlotFromJson(const Json& json) {
  Fields fields(json);
  KeySlot slot;
  slot.id = fields.Number("id");
  const std::string kind = fields.Text("kind");
  slot.label = fields.Text("label");
  slot.created_nanos = fields.Time("created");
  slot.box = fields.Bytes("box");
  if (kind == SlotKindName(SlotKind::kPassphrase)) {
    slot.kind = SlotKind::kPassphrase;
    slot.salt = fields.Bytes("salt");
    slot.cost = {fields.Number("log2_n"), fields.Number("r"),
                 fields.Number("p")};
  } else if (kind == SlotKindName(SlotKind::kRecoveryKey)) {
    slot.kind = SlotKind::kRecoveryKey;
  } else {
    return std::nullopt;
  }
  if (!fields.ok() || slot.id == 0 || slot.label.size() > kMaxLabelBytes) {
    return std::nullopt;
  }
  return slot;
}

// Reads the object `key`; the header's volume id must be the JSON's.
Result<VolumeObject> ReadOne(ObjectStore& store, const std::string& key) {
  std::string text;
  VolumeId id{};
  uint64_t number = 0;
  TREFOIL_TRY(
      ReadObject(store, Keyring::Plain(), key, kMaxVolumeObjectBytes,
                 [&](const ObjectHeader& header, const OpenedFrame& frame) {
                   id = header.volume_id;
                   number = header.number;
                   if (frame.type == FrameType::kMeta) text = frame.raw;
                   return OkStatus();
                 }));
  TREFOIL_ASSIGN(VolumeObject object, DecodeVolumeObject(key, text));
  if (object.volume_id != id) return Malformed(key);
  object.key = key;
  object.number = number;
  return object;
}

// Keys of the volume objects in `store`, the highest number first.
Result<std::vector<std::string>> ListKeys(ObjectStore& store) {
  std::vector<std::string> keys;
  TREFOIL_TRY(store.List("volume/", "", [&](const ObjectInfo& info) {
    if (ParseObjectKey(info.key).ok()) keys.push_back(info.key);
    return true;
  }));
  if (keys.empty()) {
    return Status(StatusCode::kNotFound,
                  store.Describe() + ": there is no Trefoil volume here");
  }
  std::sort(keys.rbegin(), keys.rend());
  return keys;
}

std::string ContextOf(std::string_view what, const VolumeObject& object) {
  std::string context(what);
  ByteWriter writer(&context);
  writer.Raw({object.volume_id.data(), object.volume_id.size()});
  writer.U64(object.number);
  return context;
}

}  // namespace

std::string_view SlotKindName(SlotKind kind) {
  return kind == SlotKind::kPassphrase ? "passphrase" : "recovery-key";
}

std::string EncodeVolumeObject(const VolumeObject& object) {
  Json slots = Json::array();
  for (const KeySlot& slot : object.slots) slots.push_back(SlotToJson(slot));
  const Json json = {
      {"format", kFormat},
      {"volume_id", ToHex({object.volume_id.data(), object.volume_id.size()})},
      {"created", object.created_nanos},
      {"fold", object.fold_version},
      {"encrypted", object.encrypted},
      {"slots", std::move(slots)},
      {"secrets", ToHex(object.secrets)}};
  // Labels come from people.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<VolumeObject> DecodeVolumeObject(std::string_view key,
                                        std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Malformed(key);
  const auto format = json.find("format");
  if (format == json.end() || !format->is_number_unsigned()) {
    return Malformed(key);
  }
  if (format->get<uint64_t>() > kFormat) {
    return Status(StatusCode::kNewerFormat,
                  std::string(key) + ": written by a newer Trefoil (format " +
                      format->dump() + "); install that version");
  }
  Fields fields(json);
  VolumeObject object;
  const std::string id = fields.Bytes("volume_id");
  object.created_nanos = fields.Time("created");
  object.fold_version = fields.Number("fold");
  object.encrypted = fields.Flag("encrypted");
  object.secrets = fields.Bytes("secrets");
  const Json* const slots = fields.List("slots");
  if (!fields.ok() || id.size() != object.volume_id.size() ||
      slots->size() > kMaxKeySlots) {
    return Malformed(key);
  }
  std::copy(id.begin(), id.end(), object.volume_id.begin());
  for (const Json& entry : *slots) {
    auto slot = SlotFromJson(entry);
    if (!slot) return Malformed(key);
    object.slots.push_back(std::move(*slot));
  }
  return object;
}

Result<VolumeObject> ReadVolumeObject(ObjectStore& store) {
  TREFOIL_ASSIGN(const std::vector<std::string> keys, ListKeys(store));
  return ReadOne(store, keys.front());
}

Result<std::vector<VolumeObject>> ReadVolumeObjects(ObjectStore& store,
                                                    size_t max) {
  TREFOIL_ASSIGN(std::vector<std::string> keys, ListKeys(store));
  if (keys.size() > max) keys.resize(max);
  std::vector<VolumeObject> objects;
  Status first;
  for (const std::string& key : keys) {
    auto object = ReadOne(store, key);
    if (object.ok()) {
      objects.push_back(std::move(*object));
    } else if (first.ok()) {
      first = object.status();
    }
  }
  if (objects.empty()) return first;
  return objects;
}

Status WriteVolumeObject(Env& env, Random& random, LocalTree& objects,
                         const VolumeObject& object) {
  ObjectHeader header;
  header.kind = ObjectKind::kVolume;
  header.volume_id = object.volume_id;
  header.number = object.number;
  TREFOIL_ASSIGN(const std::string path, objects.NewTemporaryPath());
  TREFOIL_ASSIGN(auto writer, ObjectWriter::Create(
                                  env, random, Keyring::Plain(), path, header));
  TREFOIL_TRY(
      writer->Append(FrameType::kMeta, EncodeVolumeObject(object)).status());
  TREFOIL_ASSIGN(const FinishedObject finished, writer->Finish());
  return objects.Adopt(finished, VolumeKey(object.number, finished.name));
}

std::string SecretsContext(const VolumeObject& object) {
  return ContextOf("secrets", object);
}

std::string HandOverContext(const VolumeObject& object) {
  return ContextOf("hand over", object);
}

std::string SlotContext(const VolumeObject& object, uint32_t slot_id) {
  std::string context = ContextOf("slot", object);
  ByteWriter(&context).U32(slot_id);
  return context;
}

}  // namespace trefoil
