// SPDX-License-Identifier: Apache-2.0
// The sealed-object format, shared by packs, commits, checkpoints and the
// volume object (man/trefoil-format.5 has the same text):
//
//   object  := header frame* trailer-frame
//   header  := magic[8]="TREFOIL1" version:u16 kind:u8 cipher:u8 key_id:u32
//              salt[32] volume_id[16] generation:u64 number:u64
//              previous[32] reserved[8] check:u64        (kHeaderBytes = 128)
//   frame   := stored_length:u32 raw_length:u32 type:u8 codec:u8 reserved:u16
//              frame_no:u32 tag[16] payload[stored_length]
//                                                (header: kFrameHeaderBytes =
//                                                32)
//   trailer := a frame of type kTrailer whose raw payload is frame_count:u32
//              object_size_before_trailer:u64    (frames before the trailer;
//              nothing follows it)
//
// `check` is the first 8 bytes of the SHA-256 of the header bytes before it;
// magic, version and check keep their places in every version, so that a newer
// format is told apart from damage. `number` is the number in the object's key
// (a commit's or checkpoint's sequence number, a volume object's number; 0 for
// packs); `previous` is the name hash of the commit before (zero for the first
// commit and for other kinds). Frames are numbered from 0, the trailer too.
//
// Codec kZstd: the payload is one zstd frame of `raw_length` bytes, and shorter
// than they are. What the cipher does to fields and payload is in seal.h.
// The name of the object contains the SHA-256 of all its bytes (O4); the
// random salt makes every name new.
//
// An encrypted object ends with a padding frame before its trailer, which
// makes its size a multiple of a granule: the largest power of two that is at
// most a sixteenth of the size without it, but 512 bytes at least and 64 KiB
// at most.
//
// Nothing read here is trusted: lengths are bounded before memory is taken.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "fs/base/clock.h"
#include "fs/base/hash.h"
#include "fs/base/object_types.h"
#include "fs/base/status.h"
#include "fs/base/types.h"

namespace trefoil {

inline constexpr uint16_t kObjectFormatVersion = 1;
inline constexpr size_t kHeaderBytes = 128;
inline constexpr size_t kFrameHeaderBytes = 32;
// Bound on a pack or commit; checkpoints may be larger.
inline constexpr uint64_t kMaxObjectBytes = 256ULL << 20;

enum class Cipher : uint8_t { kNone = 0, kAes256Gcm = 1 };
enum class Codec : uint8_t { kStored = 0, kZstd = 1 };
enum class FrameType : uint8_t {
  kBlock = 1,
  kMeta = 2,
  kTrailer = 3,
  kPadding = 4,  // zeros before the trailer, so that sizes tell less
};

using VolumeId = std::array<char, 16>;

struct ObjectHeader {
  uint16_t version = kObjectFormatVersion;
  ObjectKind kind = ObjectKind::kPack;
  Cipher cipher = Cipher::kNone;
  uint32_t key_id = 0;
  std::array<char, 32> salt{};
  VolumeId volume_id{};
  Generation generation;
  uint64_t number = 0;
  Hash256 previous;
};

// Exactly kHeaderBytes.
std::string EncodeObjectHeader(const ObjectHeader& header);
// kCorruption, or kNewerFormat for a version above ours.
Result<ObjectHeader> DecodeObjectHeader(std::string_view bytes);

class Sealer;  // seal.h

// Compresses (kept only when smaller) and seals `raw`; the whole frame.
Result<std::string> SealFrame(const Sealer& sealer, uint64_t offset,
                              uint32_t frame_no, FrameType type,
                              std::string_view raw);
// What a frame at `offset` held. `frame` begins with the frame's header and
// may be longer than the frame. Every field is checked, the real size too.
struct OpenedFrame {
  FrameType type = FrameType::kBlock;
  FrameLocation location;
  std::string raw;
};
Result<OpenedFrame> OpenFrame(const Sealer& sealer, uint64_t offset,
                              std::string_view frame);

// Object keys; see IsValidObjectKey.
std::string PackKey(const Hash256& name);  // pack/ab/abcd...
// commit/GGGGGGGGGGGGGGGG-SSSSSSSSSSSSSSSS-HASH, numbers as 16 hex digits
std::string CommitKey(Generation generation, CommitSeq seq,
                      const Hash256& name);
std::string CheckpointKey(Generation generation, CommitSeq seq,
                          const Hash256& name);               // checkpoint/...
std::string VolumeKey(uint64_t number, const Hash256& name);  // volume/N-HASH

// What a well-formed key says; kInvalidArgument for any other.
struct ParsedKey {
  ObjectKind kind = ObjectKind::kPack;
  Generation generation;  // commits and checkpoints
  uint64_t number = 0;    // commit sequence number, volume object number
  Hash256 name;
};
Result<ParsedKey> ParseObjectKey(std::string_view key);

// kCorruption when the header is not that of an object named `key`: another
// kind, generation or number. (The hash is proven by ReadObject only.)
Status CheckHeaderAgainstKey(const ObjectHeader& header, const ParsedKey& key);

}  // namespace trefoil
