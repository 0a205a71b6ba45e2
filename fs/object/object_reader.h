// SPDX-License-Identifier: Apache-2.0
// Reads objects through an ObjectStore, trusting nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "fs/object/keyring.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"

namespace trefoil {

// What ReadObject asks the store for at a time, and first, from the beginning.
inline constexpr uint64_t kObjectPieceBytes = 8ULL << 20;

// The header of the object `key`, checked against what the key says.
// No key is needed.
Result<ObjectHeader> ReadObjectHeader(ObjectStore& store, std::string_view key);

// Walks every frame of the object in order, reading a bounded piece at a time,
// and checks the trailer and, at the end, that the SHA-256 of all bytes is the
// one in the key: only when this returns OK may what `visit` saw be used.
// `visit` gets each frame but padding and trailer, already checked against its
// tag, and returns an error to stop. kCorruption names the object, also when it
// is larger than `max_bytes`; kNoKey when the keyring can't open it.
Status ReadObject(ObjectStore& store, const Keyring& keyring,
                  std::string_view key, uint64_t max_bytes,
                  const std::function<Status(const ObjectHeader&,
                                             const OpenedFrame&)>& visit);

// One frame of an object that is whole in memory, verified to be `key`. Else as
// LocalTree::ReadFrame.
Result<OpenedFrame> OpenFrameOf(std::string_view object, const Keyring& keyring,
                                std::string_view key,
                                const FrameLocation& location);

// The SHA-256 of the bytes under any key. kCorruption when there are not
// exactly so many.
Result<Hash256> HashObject(ObjectStore& store, std::string_view key,
                           uint64_t size_bytes);
// Hashes the object's bytes only and compares with its name; works without
// any key. kCorruption names the object.
Status VerifyObjectHash(ObjectStore& store, std::string_view key,
                        uint64_t size_bytes);
// The same of what the medium has, which is read for no other reason: it is
// not taken from the page cache, and does not stay there.
Status VerifyOnMedium(ObjectStore& store, std::string_view key,
                      uint64_t size_bytes);

}  // namespace trefoil
