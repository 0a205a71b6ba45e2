// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/block_check.h"

#include <algorithm>

#include "fs/object/object_format.h"
#include "fs/volume/pack_object.h"

namespace trefoil {
namespace {

constexpr size_t kWindowBlocks = 1U << 20;
constexpr uint64_t kLastNumber = ~0ULL;
// Trees that a lost file is named in.
constexpr size_t kMaxPaths = 20;

std::string Name(BlockNo block) {
  return "block " + std::to_string(block.value);
}

}  // namespace

Status BlockCheck::Run() {
  for (uint64_t from = 0;;) {
    TREFOIL_ASSIGN(const bool more, LoadWindow(from));
    TREFOIL_TRY(CountExtents());
    CheckCounts();
    if (!more) return OkStatus();
    from = window_last_ + 1;
  }
}

Result<bool> BlockCheck::LoadWindow(uint64_t from) {
  window_.clear();
  window_first_ = from;
  window_last_ = kLastNumber;
  auto blocks =
      index_.NewCursor(Family::kLive, KeyOf('B', from), AfterPrefix("B"));
  auto counts =
      index_.NewCursor(Family::kLive, KeyOf('N', from), AfterPrefix("N"));
  auto dead =
      index_.NewCursor(Family::kLive, KeyOf('Z', from), AfterPrefix("Z"));
  blocks->Seek(KeyOf('B', from));
  counts->Seek(KeyOf('N', from));
  dead->Seek(KeyOf('Z', from));
  // The number at the cursor, past keys that have none.
  const auto number = [](IndexCursor& cursor) {
    while (cursor.Valid() && cursor.key().size() != 9) cursor.Next();
    return cursor.Valid() ? NumberInKey(cursor.key()) : kLastNumber;
  };
  for (;;) {
    const uint64_t next =
        std::min({number(*blocks), number(*counts), number(*dead)});
    if (!blocks->Valid() && !counts->Valid() && !dead->Valid()) break;
    if (window_.size() == kWindowBlocks) {
      window_last_ = window_.back().number.value;
      break;
    }
    window_.emplace_back();
    window_.back().number = BlockNo(next);
    if (blocks->Valid() && number(*blocks) == next) {
      LoadBlock(BlockNo(next), blocks->value());
      blocks->Next();
    }
    if (counts->Valid() && number(*counts) == next) {
      const auto count = DecodeNumber(counts->value());
      if (count.ok()) window_.back().count = *count;
      counts->Next();
    }
    if (dead->Valid() && number(*dead) == next) {
      LoadDeadMark(BlockNo(next), dead->value());
      dead->Next();
    }
  }
  TREFOIL_TRY(blocks->status());
  TREFOIL_TRY(counts->status());
  TREFOIL_TRY(dead->status());
  return window_last_ != kLastNumber;
}

void BlockCheck::LoadBlock(BlockNo number, std::string_view value) {
  const auto record = BlockRecord::Decode(value);
  if (!record.ok()) return;
  Block& block = window_.back();
  block.exists = true;
  block.raw_bytes = record->location.raw_bytes;
  block.pack = record->pack;
  block.stored_bytes = record->location.stored_bytes;
  const PackState* const pack = FindPack(record->pack);
  if (pack == nullptr) {
    findings_.Error("block-without-pack", Name(number),
                    "is in pack " + std::to_string(record->pack.value) +
                        ", which is not known");
    return;
  }
  ReportPack(*pack, number);
  const FrameLocation& at = record->location;
  if (at.offset < kHeaderBytes || at.raw_bytes == 0 ||
      at.raw_bytes > kMaxFrameBytes || at.stored_bytes <= kFrameHeaderBytes ||
      at.offset > pack->size_bytes ||
      at.stored_bytes > pack->size_bytes - at.offset) {
    findings_.Error(
        "block-beyond-pack", Name(number),
        "does not lie inside pack " + std::to_string(record->pack.value));
    return;
  }
  block.usable = pack->usable;
}

void BlockCheck::LoadDeadMark(BlockNo number, std::string_view value) {
  const auto record = DeadRecord::Decode(value);
  if (!record.ok()) return;
  Block& block = window_.back();
  block.dead = true;
  if (block.exists && block.pack == record->pack &&
      block.stored_bytes == record->stored_bytes) {
    return;
  }
  findings_.Error("bad-dead-block", Name(number),
                  "is marked as dead, but is " +
                      std::string(block.exists ? "another one" : "not there"));
}

void BlockCheck::ReportPack(const PackState& pack, BlockNo number) {
  const std::string name = "pack " + std::to_string(pack.number.value);
  if (pack.retired) {
    findings_.Error("block-without-pack", Name(number),
                    "is in " + name + ", which is retired");
  }
  if (!pack.absent) return;
  const auto bytes = index_.Get(Family::kLive, PackNoKey(pack.number));
  if (!bytes.ok() || !*bytes) return;
  const auto record = PackRecord::Decode(**bytes);
  if (!record.ok()) return;
  findings_.BadObject(ObjectKeyOf(*record));
  findings_.Error("missing-commit", ObjectKeyOf(*record),
                  name + " is not there");
}

const PackState* BlockCheck::FindPack(PackNo number) const {
  const auto at = std::lower_bound(packs_.begin(), packs_.end(), number,
                                   [](const PackState& pack, PackNo wanted) {
                                     return pack.number < wanted;
                                   });
  return at != packs_.end() && at->number == number ? &*at : nullptr;
}

Status BlockCheck::CountExtents() {
  VersionCursor extents(index_, 'E');
  while (extents.Next()) {
    if (extents.version().inode() != inode_) ReportLosses();
    inode_ = extents.version().inode();
    CountExtent(extents.version());
  }
  ReportLosses();
  return extents.status();
}

void BlockCheck::CountExtent(const Version& version) {
  const auto extent = ExtentRecord::Decode(version.value);
  if (!extent.ok() || extent->block.value < window_first_ ||
      extent->block.value > window_last_) {
    return;
  }
  const auto block = std::lower_bound(
      window_.begin(), window_.end(), extent->block,
      [](const Block& at, BlockNo wanted) { return at.number < wanted; });
  const bool found = block != window_.end() && block->number == extent->block;
  if (found) ++block->references;
  const ViewRange range = views_.Of(version.birth, version.last);
  if (range.empty()) return;  // nobody reads it
  const auto place = [&] {
    return "the data at offset " + std::to_string(version.second()) +
           " are in " + Name(extent->block);
  };
  if (!found || !block->exists) {
    NoteLoss("dangling-extent", range, place() + ", which is not there");
  } else if (extent->length > block->raw_bytes ||
             extent->block_offset > block->raw_bytes - extent->length) {
    NoteLoss("extent-beyond-block", range, place() + ", which is shorter");
  } else if (!block->usable) {
    NoteLoss("lost-data", range,
             place() + " of pack " + std::to_string(block->pack.value) +
                 ", which is missing or damaged");
  }
}

void BlockCheck::NoteLoss(std::string_view code, ViewRange range,
                          std::string text) {
  Loss& loss = losses_[code];
  if (loss.text.empty()) loss.text = std::move(text);
  loss.views.Add(range, 1);
}

void BlockCheck::ReportLosses() {
  for (auto& [code, loss] : losses_) {
    std::vector<std::string> paths;
    for (const uint32_t view : loss.views.NotZero(kMaxPaths)) {
      paths.push_back(names_.Path(inode_, view));
    }
    std::string newest = paths.front();
    paths.erase(paths.begin());
    findings_.Error(code, std::move(newest), std::move(loss.text),
                    std::move(paths));
  }
  losses_.clear();
}

void BlockCheck::CheckCounts() {
  for (const Block& block : window_) {
    // Garbage collection goes by the marks: a wrong one loses data.
    if (block.dead && block.references > 0) {
      findings_.Error("bad-dead-block", Name(block.number),
                      "is marked as dead, but " +
                          std::to_string(block.references) +
                          " extents name it");
    } else if (!block.dead && block.exists && block.references == 0) {
      findings_.Warning("unmarked-dead-block", Name(block.number),
                        "no extent names it and it is not marked as dead: "
                        "its room is never given back");
    }
    if (block.count == block.references) continue;
    findings_.Error("wrong-count", Name(block.number),
                    std::to_string(block.references) +
                        " extents name it, but its count is " +
                        std::to_string(block.count));
  }
}

}  // namespace trefoil
