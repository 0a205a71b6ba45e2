// SPDX-License-Identifier: Apache-2.0
// What a volume object keeps secret, and the ways to it: the keys that never
// change, the data keys, and what each slot wraps the volume key under (so that
// a new volume key can be wrapped again without asking anybody).
//
//   secrets := version:u8=1 block_key[32] chunk_key[32] name_key[32]
//              data_keys:varint {id:u32 created:i64 key[32]}*
//              slots:varint {id:u32 secret[32]}*
//
// Thread rule: values and free functions.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/secret.h"
#include "fs/object/keyring.h"
#include "fs/volume/volume_object.h"

namespace trefoil {

struct VolumeIdentity {
  VolumeId volume_id{};
  int64_t created_nanos = 0;
  uint32_t fold_version = 1;  // of the case folding of names
  SecretBytes block_key;      // 32 bytes: block ids; never rotates
  SecretBytes chunk_key;      // 32 bytes: chunk boundaries
  std::string name_key;       // 32 bytes: directory positions
};

struct DataKey {
  uint32_t id = 0;  // given once, rising
  int64_t created_nanos = 0;
  SecretBytes key;
};

// One of the ways to a volume's secrets, as somebody holds it.
struct Secret {
  enum class Kind {
    kNone,         // the volume is not encrypted, or the caller has none
    kVolumeKey,    // 32 bytes: from the key file or a key command
    kPassphrase,   // as typed
    kRecoveryKey,  // 20 bytes, decoded
  };
  Kind kind = Kind::kNone;
  SecretBytes bytes;
};

struct VolumeSecrets {
  VolumeIdentity identity;
  SecretBytes volume_key;  // empty: not encrypted
  std::vector<DataKey> data_keys;
  std::map<uint32_t, SecretBytes> slot_secrets;  // by slot id

  // The data keys as readers and writers of objects need them.
  [[nodiscard]] std::shared_ptr<Keyring> MakeKeyring() const;
};

// A new volume's: fresh keys, no slot yet.
VolumeSecrets NewSecrets(Clock& clock, Random& random, bool encrypted);
// Volume object number 1 of a new volume; complete after SealSecrets.
VolumeObject NewVolumeObject(const VolumeSecrets& secrets);

// Opens `object` with `secret`. kPermissionDenied when it does not fit (each
// passphrase slot costs its scrypt), kNoKey when none was given and one is
// needed, kInvalidArgument when one was given and the object says that the
// volume is not encrypted: somebody may have put that object there.
Result<VolumeSecrets> OpenSecrets(const VolumeObject& object,
                                  const Secret& secret);
// The primary's, whose key file serves where no secret is `given` (may be
// null).
Result<VolumeSecrets> UnlockPrimary(Env& env, const std::string& volume_path,
                                    const VolumeObject& object,
                                    const Secret* given);
// The same for a copy: tries the newest volume object, then the ones before.
// The others are nobody's: damaged, taken back, or put there by a stranger.
struct CopySecrets {
  VolumeSecrets secrets;
  std::string object_key;  // of the volume object that gave them
};
Result<CopySecrets> OpenSecretsOf(ObjectStore& store, const Secret& secret);

// A way in to be added. `secret` as for OpenSecrets.
struct NewSlot {
  SlotKind kind = SlotKind::kPassphrase;
  std::string label;
  SecretBytes secret;
  ScryptCost cost;
};
// The slot's id. `object` is complete again after SealSecrets.
Result<uint32_t> AddSlot(const NewSlot& slot, Clock& clock, Random& random,
                         VolumeSecrets* secrets, VolumeObject* object);
// Gives passphrase slot `id` another passphrase. kNotFound.
Status ChangePassphrase(uint32_t id, const NewSlot& passphrase, Random& random,
                        VolumeSecrets* secrets, VolumeObject* object);
// kNotFound.
Status RemoveSlot(uint32_t id, VolumeSecrets* secrets, VolumeObject* object);
// A fresh volume key and a fresh data key, which new objects are sealed under.
void RotateKeys(Clock& clock, Random& random, VolumeSecrets* secrets);
// Seals `secrets` into `object` and wraps the volume key anew in all its
// slots. The caller has set `object->number`.
void SealSecrets(const VolumeSecrets& secrets, Random& random,
                 VolumeObject* object);

// The key file, VOLUME/key: the volume key as 64 hexadecimal digits and a
// newline, mode 0600. kNotFound, kPermissionDenied when others may read it,
// kCorruption.
std::string KeyFilePath(const std::string& volume_path);
// Where the next key file waits while the volume object that it opens is being
// written (key_change.h).
std::string NextKeyFilePath(const std::string& volume_path);
Result<Secret> ReadKeyFile(Env& env, const std::string& path);
Status WriteKeyFile(Env& env, const std::string& path,
                    const SecretBytes& volume_key);
// The text of a key file.
SecretBytes WriteVolumeKey(const SecretBytes& volume_key);
// 64 hexadecimal digits, perhaps followed by a newline, as a key file has and a
// key command prints. kCorruption.
Result<Secret> ParseVolumeKey(std::string_view text);

}  // namespace trefoil
