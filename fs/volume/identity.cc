// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/identity.h"

#include <nlohmann/json.hpp>

#include "fs/base/bytes.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr uint64_t kMaxVolumeObjectBytes = 1U << 20;

Status Malformed(std::string_view key) {
  return {StatusCode::kCorruption,
          std::string(key) + ": the volume object is malformed"};
}

std::string ToJson(const VolumeIdentity& identity) {
  const nlohmann::json json = {
      {"format", 1},
      {"volume_id", ToHex({identity.volume_id.data(), 16})},
      {"created", identity.created_nanos},
      {"fold", identity.fold_version},
      {"block_key", ToHex(identity.block_key)},
      {"chunk_key", ToHex(identity.chunk_key)},
      {"name_key", ToHex(identity.name_key)}};
  return json.dump();
}

bool HexField(const nlohmann::json& json, const char* field, size_t size,
              std::string* out) {
  const auto at = json.find(field);
  return at != json.end() && at->is_string() &&
         FromHex(at->get_ref<const std::string&>(), out) && out->size() == size;
}

Result<VolumeIdentity> FromJson(std::string_view key, std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return Malformed(key);
  const auto format = json.find("format");
  if (format == json.end() || !format->is_number_unsigned()) {
    return Malformed(key);
  }
  if (format->get<uint64_t>() > 1) {
    return Status(StatusCode::kNewerFormat,
                  std::string(key) + ": written by a newer Trefoil (format " +
                      format->dump() + "); install that version");
  }
  VolumeIdentity identity;
  std::string id;
  const auto created = json.find("created");
  const auto fold = json.find("fold");
  if (!HexField(json, "volume_id", 16, &id) || created == json.end() ||
      !created->is_number_integer() || fold == json.end() ||
      !fold->is_number_unsigned() ||
      !HexField(json, "block_key", kKeyBytes, &identity.block_key) ||
      !HexField(json, "chunk_key", kKeyBytes, &identity.chunk_key) ||
      !HexField(json, "name_key", kKeyBytes, &identity.name_key)) {
    return Malformed(key);
  }
  std::copy(id.begin(), id.end(), identity.volume_id.begin());
  identity.created_nanos = created->get<int64_t>();
  identity.fold_version = fold->get<uint32_t>();
  return identity;
}

}  // namespace

VolumeIdentity NewIdentity(Clock& clock, Random& random) {
  VolumeIdentity identity;
  random.Fill(identity.volume_id);
  identity.created_nanos = clock.WallNanos();
  identity.block_key = random.Bytes(kKeyBytes);
  identity.chunk_key = random.Bytes(kKeyBytes);
  identity.name_key = random.Bytes(kKeyBytes);
  return identity;
}

Status WriteIdentity(Env& env, Random& random, LocalTree& objects,
                     const VolumeIdentity& identity) {
  ObjectHeader header;
  header.kind = ObjectKind::kVolume;
  header.volume_id = identity.volume_id;
  header.number = 1;
  TREFOIL_ASSIGN(const std::string path, objects.NewTemporaryPath());
  TREFOIL_ASSIGN(auto writer, ObjectWriter::Create(env, random, path, header));
  TREFOIL_TRY(writer->Append(FrameType::kMeta, ToJson(identity)).status());
  TREFOIL_ASSIGN(const FinishedObject object, writer->Finish());
  return objects.Adopt(object, VolumeKey(header.number, object.name));
}

Result<VolumeIdentity> ReadIdentity(ObjectStore& store) {
  std::string newest;
  TREFOIL_TRY(store.List("volume/", "", [&](const ObjectInfo& info) {
    if (ParseObjectKey(info.key).ok()) newest = info.key;
    return true;
  }));
  if (newest.empty()) {
    return Status(StatusCode::kNotFound,
                  store.Describe() + ": there is no Trefoil volume here");
  }
  std::string text;
  VolumeId id{};
  TREFOIL_TRY(
      ReadObject(store, newest, kMaxVolumeObjectBytes,
                 [&](const ObjectHeader& header, const OpenedFrame& frame) {
                   id = header.volume_id;
                   if (frame.type == FrameType::kMeta) text = frame.raw;
                   return OkStatus();
                 }));
  TREFOIL_ASSIGN(VolumeIdentity identity, FromJson(newest, text));
  if (identity.volume_id != id) return Malformed(newest);
  return identity;
}

}  // namespace trefoil
