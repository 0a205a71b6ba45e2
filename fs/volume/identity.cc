// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/identity.h"

#include <algorithm>
#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr uint8_t kSecretsVersion = 1;
constexpr size_t kPassphraseSaltBytes = 16;
constexpr std::string_view kRecoveryKeyInfo = "trefoil recovery key";
// Each costs a scrypt with a wrong passphrase.
constexpr size_t kVolumeObjectsTried = 3;

std::string EncodeSecrets(const VolumeSecrets& secrets) {
  std::string out;
  // Never moved while it grows: nothing is left behind uncleared.
  out.reserve(256 +
              64 * (secrets.data_keys.size() + secrets.slot_secrets.size()));
  ByteWriter writer(&out);
  writer.U8(kSecretsVersion);
  writer.Raw(secrets.identity.block_key.view());
  writer.Raw(secrets.identity.chunk_key.view());
  writer.Raw(secrets.identity.name_key);
  writer.Varint(secrets.data_keys.size());
  for (const DataKey& key : secrets.data_keys) {
    writer.U32(key.id);
    writer.U64(static_cast<uint64_t>(key.created_nanos));
    writer.Raw(key.key.view());
  }
  writer.Varint(secrets.slot_secrets.size());
  for (const auto& [id, secret] : secrets.slot_secrets) {
    writer.U32(id);
    writer.Raw(secret.view());
  }
  return out;
}

// False when the bytes are not what EncodeSecrets makes.
bool DecodeSecrets(std::string_view bytes, VolumeSecrets* out) {
  ByteReader reader(bytes);
  if (reader.U8() != kSecretsVersion) return false;
  out->identity.block_key = SecretBytes(reader.Raw(kKeyBytes));
  out->identity.chunk_key = SecretBytes(reader.Raw(kKeyBytes));
  out->identity.name_key = std::string(reader.Raw(kKeyBytes));
  uint32_t newest = 0;
  for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
    DataKey key;
    key.id = reader.U32();
    key.created_nanos = static_cast<int64_t>(reader.U64());
    key.key = SecretBytes(reader.Raw(kKeyBytes));
    if (key.id <= newest) return false;
    newest = key.id;
    out->data_keys.push_back(std::move(key));
  }
  for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
    const uint32_t id = reader.U32();
    out->slot_secrets[id] = SecretBytes(reader.Raw(kKeyBytes));
  }
  return reader.AtEnd();
}

// What a slot's box is sealed under.
Result<SecretBytes> SlotSecret(const KeySlot& slot, std::string_view secret) {
  if (slot.kind == SlotKind::kPassphrase) {
    return Scrypt(secret, slot.salt, slot.cost, kKeyBytes);
  }
  return HkdfSha256(secret, "", kRecoveryKeyInfo, kKeyBytes);
}

Result<SecretBytes> FindVolumeKey(const VolumeObject& object,
                                  const Secret& secret) {
  if (secret.kind == Secret::Kind::kVolumeKey) return secret.bytes;
  const bool is_passphrase = secret.kind == Secret::Kind::kPassphrase;
  const SlotKind kind =
      is_passphrase ? SlotKind::kPassphrase : SlotKind::kRecoveryKey;
  bool any = false;
  for (const KeySlot& slot : object.slots) {
    if (slot.kind != kind) continue;
    any = true;
    TREFOIL_ASSIGN(const SecretBytes key,
                   SlotSecret(slot, secret.bytes.view()));
    auto opened = OpenBox(key.view(), SlotContext(object, slot.id), slot.box);
    if (opened.ok() && opened->size() == kKeyBytes) return opened;
  }
  const std::string_view name = is_passphrase ? "passphrase" : "recovery key";
  if (any) {
    return Status(StatusCode::kPermissionDenied,
                  "this " + std::string(name) + " does not open the volume");
  }
  return Status(StatusCode::kPermissionDenied,
                "the volume has no " + std::string(name) +
                    " that opens it; try the other secret");
}

}  // namespace

std::shared_ptr<Keyring> VolumeSecrets::MakeKeyring() const {
  auto keyring = std::make_shared<Keyring>(
      volume_key.empty() ? Keyring::Mode::kPlain : Keyring::Mode::kSealed);
  for (const DataKey& key : data_keys) keyring->Add(key.id, key.key);
  return keyring;
}

VolumeSecrets NewSecrets(Clock& clock, Random& random, bool encrypted) {
  VolumeSecrets secrets;
  VolumeIdentity& identity = secrets.identity;
  random.Fill(identity.volume_id);
  identity.created_nanos = clock.WallNanos();
  identity.block_key = SecretBytes::Drawn(random, kKeyBytes);
  identity.chunk_key = SecretBytes::Drawn(random, kKeyBytes);
  identity.name_key = random.Bytes(kKeyBytes);
  if (encrypted) RotateKeys(clock, random, &secrets);
  return secrets;
}

VolumeObject NewVolumeObject(const VolumeSecrets& secrets) {
  VolumeObject object;
  object.number = 1;
  object.volume_id = secrets.identity.volume_id;
  object.created_nanos = secrets.identity.created_nanos;
  object.fold_version = secrets.identity.fold_version;
  object.encrypted = !secrets.volume_key.empty();
  return object;
}

Result<VolumeSecrets> OpenSecrets(const VolumeObject& object,
                                  const Secret& secret) {
  VolumeSecrets secrets;
  SecretBytes plain;
  if (object.encrypted) {
    if (secret.kind == Secret::Kind::kNone) {
      return Status(StatusCode::kNoKey,
                    "the volume is encrypted; its key, passphrase or recovery "
                    "key is needed");
    }
    TREFOIL_ASSIGN(secrets.volume_key, FindVolumeKey(object, secret));
    auto opened = OpenBox(secrets.volume_key.view(), SecretsContext(object),
                          object.secrets);
    if (!opened.ok()) {
      return Status(StatusCode::kPermissionDenied,
                    "this key does not open the volume");
    }
    plain = std::move(*opened);
  } else if (secret.kind != Secret::Kind::kNone) {
    return Status(StatusCode::kInvalidArgument,
                  "a secret was given, but this copy says that the volume is "
                  "not encrypted; unless you know that it is not, somebody "
                  "has replaced its volume object");
  } else {
    plain = SecretBytes(object.secrets);
  }
  if (!DecodeSecrets(plain.view(), &secrets) ||
      object.encrypted == secrets.data_keys.empty()) {
    return Status(StatusCode::kCorruption, "the volume's secrets are damaged");
  }
  secrets.identity.volume_id = object.volume_id;
  secrets.identity.created_nanos = object.created_nanos;
  secrets.identity.fold_version = object.fold_version;
  return secrets;
}

namespace {

// With the key file, or with the one that a change of keys was about to put in
// its place.
Result<VolumeSecrets> OpenWithKeyFile(Env& env, const std::string& volume_path,
                                      const VolumeObject& object) {
  Status first(StatusCode::kNoKey,
               "the volume is encrypted and keeps no key file; give its "
               "passphrase, recovery key or key command");
  for (const std::string& path :
       {KeyFilePath(volume_path), NextKeyFilePath(volume_path)}) {
    const auto secret = ReadKeyFile(env, path);
    if (secret.status().Is(StatusCode::kNotFound)) continue;
    auto secrets = secret.ok() ? OpenSecrets(object, *secret)
                               : Result<VolumeSecrets>(secret.status());
    if (secrets.ok()) return secrets;
    if (first.Is(StatusCode::kNoKey)) first = secrets.status();
  }
  return first;
}

}  // namespace

Result<VolumeSecrets> UnlockPrimary(Env& env, const std::string& volume_path,
                                    const VolumeObject& object,
                                    const Secret* given) {
  const bool by_file = given == nullptr && object.encrypted;
  auto secrets =
      by_file ? OpenWithKeyFile(env, volume_path, object)
              : OpenSecrets(object, given == nullptr ? Secret() : *given);
  if (!secrets.ok()) return secrets.status().WithContext(volume_path);
  return secrets;
}

Result<CopySecrets> OpenSecretsOf(ObjectStore& store, const Secret& secret) {
  TREFOIL_ASSIGN(const std::vector<VolumeObject> objects,
                 ReadVolumeObjects(store, kVolumeObjectsTried));
  Result<VolumeSecrets> newest = OpenSecrets(objects.front(), secret);
  if (newest.ok()) {
    return CopySecrets{std::move(*newest), objects.front().key};
  }
  for (size_t i = 1; i < objects.size(); ++i) {
    auto older = OpenSecrets(objects[i], secret);
    if (older.ok() && objects[i].encrypted) {
      return CopySecrets{std::move(*older), objects[i].key};
    }
  }
  return newest.status().WithContext(store.Describe());
}

Result<uint32_t> AddSlot(const NewSlot& slot, Clock& clock, Random& random,
                         VolumeSecrets* secrets, VolumeObject* object) {
  if (object->slots.size() >= kMaxKeySlots) {
    return Status(StatusCode::kInvalidArgument,
                  "a volume has at most " + std::to_string(kMaxKeySlots) +
                      " ways in; remove one first");
  }
  KeySlot added;
  added.kind = slot.kind;
  added.label = slot.label;
  added.created_nanos = clock.WallNanos();
  added.cost = slot.cost;
  for (const KeySlot& other : object->slots) {
    added.id = std::max(added.id, other.id);
  }
  ++added.id;
  if (slot.kind == SlotKind::kPassphrase) {
    added.salt = random.Bytes(kPassphraseSaltBytes);
  }
  TREFOIL_ASSIGN(secrets->slot_secrets[added.id],
                 SlotSecret(added, slot.secret.view()));
  object->slots.push_back(std::move(added));
  return object->slots.back().id;
}

Status ChangePassphrase(uint32_t id, const NewSlot& passphrase, Random& random,
                        VolumeSecrets* secrets, VolumeObject* object) {
  for (KeySlot& slot : object->slots) {
    if (slot.id != id || slot.kind != SlotKind::kPassphrase) continue;
    slot.salt = random.Bytes(kPassphraseSaltBytes);
    slot.cost = passphrase.cost;
    TREFOIL_ASSIGN(secrets->slot_secrets[id],
                   SlotSecret(slot, passphrase.secret.view()));
    return OkStatus();
  }
  return {StatusCode::kNotFound,
          "there is no passphrase with the number " + std::to_string(id)};
}

Status RemoveSlot(uint32_t id, VolumeSecrets* secrets, VolumeObject* object) {
  const auto removed = std::erase_if(
      object->slots, [id](const KeySlot& slot) { return slot.id == id; });
  if (removed == 0) {
    return {StatusCode::kNotFound,
            "there is no way in with the number " + std::to_string(id)};
  }
  secrets->slot_secrets.erase(id);
  return OkStatus();
}

void RotateKeys(Clock& clock, Random& random, VolumeSecrets* secrets) {
  secrets->volume_key = SecretBytes::Drawn(random, kKeyBytes);
  const uint32_t newest =
      secrets->data_keys.empty() ? 0 : secrets->data_keys.back().id;
  secrets->data_keys.push_back(
      {newest + 1, clock.WallNanos(), SecretBytes::Drawn(random, kKeyBytes)});
}

void SealSecrets(const VolumeSecrets& secrets, Random& random,
                 VolumeObject* object) {
  std::string plain = EncodeSecrets(secrets);
  if (secrets.volume_key.empty()) {
    object->secrets = std::move(plain);
    return;
  }
  object->secrets = SealBox(secrets.volume_key.view(), SecretsContext(*object),
                            plain, random);
  ClearSecret(plain);
  for (KeySlot& slot : object->slots) {
    const auto secret = secrets.slot_secrets.find(slot.id);
    TREFOIL_CHECK(secret != secrets.slot_secrets.end());
    slot.box = SealBox(secret->second.view(), SlotContext(*object, slot.id),
                       secrets.volume_key.view(), random);
  }
}

std::string KeyFilePath(const std::string& volume_path) {
  return JoinPath(volume_path, "key");
}

std::string NextKeyFilePath(const std::string& volume_path) {
  return KeyFilePath(volume_path) + ".new";
}

Result<Secret> ParseVolumeKey(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  std::string bytes;
  if (text.size() != 2 * kKeyBytes || !FromHex(text, &bytes)) {
    return Status(StatusCode::kCorruption,
                  "is not a volume key (64 hexadecimal digits)");
  }
  Secret secret{Secret::Kind::kVolumeKey, SecretBytes(bytes)};
  ClearSecret(bytes);
  return secret;
}

Result<Secret> ReadKeyFile(Env& env, const std::string& path) {
  constexpr uint64_t kMaxKeyFileBytes = 4096;
  constexpr uint32_t kOthers = 0077;
  TREFOIL_ASSIGN(const FileInfo info, env.Stat(path));
  if ((info.mode & kOthers) != 0) {
    return Status(StatusCode::kPermissionDenied,
                  path +
                      ": other users may read this key; 'chmod 600' it, and "
                      "think of who has seen it ('trefoil key rotate')");
  }
  TREFOIL_ASSIGN(std::string text, env.ReadFile(path, kMaxKeyFileBytes));
  Result<Secret> secret = ParseVolumeKey(text);
  ClearSecret(text);
  if (!secret.ok()) return secret.status().WithContext(path);
  return secret;
}

SecretBytes WriteVolumeKey(const SecretBytes& volume_key) {
  std::string text = ToHex(volume_key.view()) + "\n";
  SecretBytes secret(text);
  ClearSecret(text);
  return secret;
}

Status WriteKeyFile(Env& env, const std::string& path,
                    const SecretBytes& volume_key) {
  return env.WriteFileAtomically(path, WriteVolumeKey(volume_key).view());
}

}  // namespace trefoil
