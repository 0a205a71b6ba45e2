// SPDX-License-Identifier: Apache-2.0
// The volume object: who a volume is, and the ways to its keys. Its one kMeta
// frame is JSON in clear, since it is read before there is a key:
//   {"format":1,"volume_id":hex16,"created":nanos,"fold":1,"encrypted":bool,
//    "slots":[{"id":1,"kind":"passphrase","label":"","created":nanos,
//              "salt":hex16,"log2_n":18,"r":8,"p":1,"box":hex},
//             {"id":2,"kind":"recovery-key","label":"","created":nanos,
//              "box":hex}],
//    "secrets":hex}
//
// An encrypted volume has a random *volume key* (32 bytes). `secrets` is a
// sealed box (fs/base/cipher.h) under it with the bytes that identity.h
// describes, and those bytes themselves where the volume is not encrypted.
// Each slot is one way in: a box with the volume key under
//   passphrase:    scrypt(passphrase, salt, 2^log2_n, r, p), 32 bytes
//   recovery-key:  HKDF-SHA256(the recovery key's 20 bytes, no salt,
//                  "trefoil recovery key", 32 bytes)
// Contexts bind each box to its place:
//   secrets: "secrets" volume_id[16] number:u64
//   slot:    "slot" volume_id[16] number:u64 id:u32
// Volume objects are numbered and never overwritten; the highest counts.
// Thread rule: values and free functions; thread-safe as the store is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/base/cipher.h"
#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/object/local_tree.h"
#include "fs/object/object_format.h"

namespace trefoil {

// Each passphrase among them costs whoever tries a wrong one a scrypt.
inline constexpr size_t kMaxKeySlots = 16;

enum class SlotKind : uint8_t { kPassphrase, kRecoveryKey };

// "passphrase", "recovery-key".
std::string_view SlotKindName(SlotKind kind);

struct KeySlot {
  uint32_t id = 0;  // given once
  SlotKind kind = SlotKind::kPassphrase;
  std::string label;  // for people
  int64_t created_nanos = 0;
  std::string salt;  // of a passphrase, 16 bytes
  ScryptCost cost;   // of a passphrase
  std::string box;
};

struct VolumeObject {
  std::string key;  // of the object that it was read from; empty: a new one
  uint64_t number = 0;
  VolumeId volume_id{};
  int64_t created_nanos = 0;
  uint32_t fold_version = 1;  // of the case folding of names
  bool encrypted = true;
  std::vector<KeySlot> slots;
  std::string secrets;
};

// The volume object with the highest number in any copy. kNotFound when there
// is none, kCorruption, kNewerFormat.
Result<VolumeObject> ReadVolumeObject(ObjectStore& store);
// All that can be read, the highest number first, at most `max`: where the
// newest one was put by somebody else, an older one may still open. An error
// when none can be read.
Result<std::vector<VolumeObject>> ReadVolumeObjects(ObjectStore& store,
                                                    size_t max);
// Writes it into `objects` under its number, durably.
Status WriteVolumeObject(Env& env, Random& random, LocalTree& objects,
                         const VolumeObject& object);

// The contexts of its boxes.
std::string SecretsContext(const VolumeObject& object);
std::string SlotContext(const VolumeObject& object, uint32_t slot_id);
// Of the box that a mounted volume gets a changed volume key in (key_change.h).
std::string HandOverContext(const VolumeObject& object);

// The JSON, for the parser's tests. `key` names the object in messages.
std::string EncodeVolumeObject(const VolumeObject& object);
Result<VolumeObject> DecodeVolumeObject(std::string_view key,
                                        std::string_view json);

}  // namespace trefoil
