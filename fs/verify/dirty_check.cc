// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/dirty_check.h"

#include <algorithm>

#include "fs/index/keys.h"

namespace trefoil {
namespace {

constexpr uint64_t kPartBytes = 1ULL << 20;

class DirtyCheck {
 public:
  DirtyCheck(VolumeCore& core, bool read_data,
             const std::function<std::string(InodeId)>& path,
             Findings& findings)
      : core_(core), read_data_(read_data), path_(path), findings_(findings) {}

  Status Run() {
    for (const InodeId inode : core_.dirty.DirtyInodes(kLiveEpoch)) {
      TREFOIL_ASSIGN(const auto record,
                     core_.index->Get(Family::kLive, InodeKey(inode)));
      if (!record) {
        findings_.Error("dirty-without-inode", path_(inode),
                        "the journal has data of an inode that is not there");
      }
      for (const DirtyPiece& piece : PiecesOf(inode)) {
        TREFOIL_TRY(CheckPiece(inode, piece));
      }
    }
    return OkStatus();
  }

 private:
  std::vector<DirtyPiece> PiecesOf(InodeId inode) {
    std::vector<DirtyPiece> pieces;
    DirtyMap::Stripe& stripe = core_.dirty.StripeOf(inode);
    ReaderLock lock(stripe.mu);
    const auto at = stripe.inodes.find(inode);
    if (at == stripe.inodes.end()) return pieces;
    for (const auto& [epoch, layer] : at->second.layers) {
      const auto all = layer.All();
      pieces.insert(pieces.end(), all.begin(), all.end());
    }
    return pieces;
  }

  Status CheckPiece(InodeId inode, const DirtyPiece& piece) {
    if (const auto* position = std::get_if<JournalPosition>(&piece.source)) {
      const Status read = ReadPiece(*position, piece.length);
      if (read.ok()) return OkStatus();
      return findings_.ErrorOf("bad-journal-data", path_(inode), read);
    }
    if (const auto* source = std::get_if<BlockSource>(&piece.source)) {
      TREFOIL_ASSIGN(const bool inside, IsInside(*source, piece.length));
      if (inside) return OkStatus();
      findings_.Error("dangling-extent", path_(inode),
                      "the data at offset " + std::to_string(piece.offset) +
                          " are in block " +
                          std::to_string(source->block.value) +
                          ", which is not there or shorter");
    }
    return OkStatus();
  }

  Status ReadPiece(JournalPosition position, uint64_t length) {
    if (length == 0) return OkStatus();
    std::string buffer;
    uint64_t at = read_data_ ? 0 : length - 1;
    while (at < length) {
      buffer.resize(static_cast<size_t>(std::min(kPartBytes, length - at)));
      JournalPosition from = position;
      from.data_offset += static_cast<uint32_t>(at);
      TREFOIL_TRY(core_.journal->ReadData(from, buffer));
      at += buffer.size();
    }
    return OkStatus();
  }

  Result<bool> IsInside(const BlockSource& source, uint64_t length) {
    TREFOIL_ASSIGN(const auto bytes,
                   core_.index->Get(Family::kLive, BlockKey(source.block)));
    if (!bytes) return false;
    const auto block = BlockRecord::Decode(*bytes);
    if (!block.ok()) return false;
    const uint64_t size = block->location.raw_bytes;
    return length <= size && source.offset <= size - length;
  }

  VolumeCore& core_;
  const bool read_data_;
  const std::function<std::string(InodeId)>& path_;
  Findings& findings_;
};

}  // namespace

Status CheckDirtyData(VolumeCore& core, bool read_data,
                      const std::function<std::string(InodeId)>& path,
                      Findings& findings) {
  return DirtyCheck(core, read_data, path, findings).Run();
}

}  // namespace trefoil
