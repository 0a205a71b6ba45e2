// SPDX-License-Identifier: Apache-2.0
// Checks blocks: that extents name blocks that are there and lie inside them,
// that counts are right, that blocks lie inside packs, and which files lose
// data by a pack that is missing or bad. Blocks are taken a window at a time,
// each window with one walk over all extents, so memory is bounded. Not
// thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fs/verify/findings.h"
#include "fs/verify/names.h"
#include "fs/verify/versions.h"

namespace trefoil {

struct PackState {
  PackNo number;
  uint64_t size_bytes = 0;
  bool usable = true;    // its object is there and whole, as far as is known
  bool absent = false;   // a commit that is not there
  bool retired = false;  // holds no block any more
};

class BlockCheck {
 public:
  // `packs` has every pack record, sorted by number. All outlive this.
  BlockCheck(IndexView& index, const Views& views, const NameTable& names,
             const std::vector<PackState>& packs, Findings& findings)
      : index_(index),
        views_(views),
        names_(names),
        packs_(packs),
        findings_(findings) {}

  Status Run();

 private:
  struct Block {
    BlockNo number;
    uint64_t count = 0;       // as its record says
    uint64_t references = 0;  // as extents say
    uint32_t raw_bytes = 0;
    bool exists = false;
    bool usable = false;
    bool dead = false;  // is marked so
    PackNo pack;
    uint32_t stored_bytes = 0;
  };

  // The next blocks from `from` on; false when that is the last window.
  Result<bool> LoadWindow(uint64_t from);
  void LoadBlock(BlockNo number, std::string_view value);
  void LoadDeadMark(BlockNo number, std::string_view value);
  void ReportPack(const PackState& pack, BlockNo number);
  const PackState* FindPack(PackNo number) const;
  Block& BlockOf(BlockNo number);
  Status CountExtents();
  void CountExtent(const Version& version);
  // Data of the present file that are not to be had; said once for each file.
  void NoteLoss(std::string_view code, ViewRange range, std::string text);
  void ReportLosses();
  void CheckCounts();

  IndexView& index_;
  const Views& views_;
  const NameTable& names_;
  const std::vector<PackState>& packs_;
  Findings& findings_;

  std::vector<Block> window_;  // sorted
  uint64_t window_first_ = 0;
  uint64_t window_last_ = 0;
  InodeId inode_;  // whose extents are being looked at
  struct Loss {
    std::string text;
    ViewCounter views;
  };
  std::map<std::string_view, Loss> losses_;  // of it, by code
};

}  // namespace trefoil
