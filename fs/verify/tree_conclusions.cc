// SPDX-License-Identifier: Apache-2.0
// What must hold for an inode once all of its records were seen.
#include <sys/stat.h>

#include "fs/verify/tree_check.h"

namespace trefoil {

void TreeCheck::Conclude(bool marked_orphan) {
  name_steps_ = names_of_inode_.Steps(views_.All());
  subdirectory_steps_ = subdirectories_.Steps(views_.All());
  byte_steps_ = sweep_.bytes().Steps(views_.All());
  for (const InodeVersion& version : facts_.versions()) {
    CheckLinks(version);
    CheckData(version);
    const bool live = version.range.end == views_.All().end;
    if (live && !version.is_directory() && version.nlink != 0) ++files_;
    if (version.is_directory() && version.nlink != 0 &&
        facts_.inode() != kRootInode) {
      directories_.Add(facts_.inode(), version.parent, version.range);
    }
  }
  CheckOrphan(marked_orphan);
  if (facts_.inode() == kRootInode) CheckRoot();
}

void TreeCheck::CheckLinks(const InodeVersion& version) {
  for (auto step = FirstStep(name_steps_, version.range);
       step != name_steps_.end() && step->range.first < version.range.end;
       ++step) {
    CheckLinkCount(version, step->range.And(version.range), step->value);
  }
  if (!version.is_directory()) return;
  for (auto step = FirstStep(subdirectory_steps_, version.range);
       step != subdirectory_steps_.end() &&
       step->range.first < version.range.end;
       ++step) {
    const uint64_t right =
        version.nlink == 0 && step->value == 0 ? 0 : 2 + step->value;
    if (version.nlink == right) continue;
    findings_.Error(
        "wrong-link-count", Path(step->range.And(version.range).newest()),
        "the directory's link count is " + std::to_string(version.nlink) +
            " and should be " + std::to_string(right));
  }
}

void TreeCheck::CheckLinkCount(const InodeVersion& version, ViewRange range,
                               uint64_t names) {
  const bool is_root = facts_.inode() == kRootInode;
  uint64_t right = version.nlink;
  if (version.is_directory()) right = version.nlink == 0 || is_root ? 0 : 1;
  if (names == right) return;
  const std::string inode = "inode " + std::to_string(facts_.inode().value);
  if (names == 0) {
    findings_.Error("unreachable", Path(range.newest()),
                    inode + " has no name");
  } else if (version.is_directory()) {
    findings_.Error("directory-names", Path(range.newest()),
                    inode + ", a directory, has " + std::to_string(names) +
                        " names instead of " + std::to_string(right));
  } else {
    findings_.Error("wrong-link-count", Path(range.newest()),
                    inode + " has " + std::to_string(names) +
                        " names, but a link count of " +
                        std::to_string(version.nlink));
  }
}

void TreeCheck::CheckData(const InodeVersion& version) {
  const bool whole = version.is_regular() && version.nlink != 0 &&
                     (version.flags & kInodeSparse) == 0;
  if (!whole || IsDirty()) return;
  for (auto step = FirstStep(byte_steps_, version.range);
       step != byte_steps_.end() && step->range.first < version.range.end;
       ++step) {
    if (step->value >= version.size_bytes) continue;
    findings_.Error(
        "missing-data", Path(step->range.And(version.range).newest()),
        std::to_string(version.size_bytes - step->value) + " of " +
            std::to_string(version.size_bytes) + " bytes are in no extent");
    return;
  }
}

void TreeCheck::CheckOrphan(bool marked) {
  const uint32_t live = views_.live();
  const auto& versions = facts_.versions();
  const bool exists = !versions.empty() && versions.back().range.end > live;
  const std::string inode = "inode " + std::to_string(facts_.inode().value);
  if (marked && (!exists || versions.back().nlink != 0)) {
    findings_.Error("bad-orphan", Path(live),
                    inode + " is marked as an orphan, but " +
                        (exists ? "has names" : "is not there"));
  }
  if (!marked && exists && versions.back().nlink == 0) {
    findings_.Error("unmarked-orphan", Path(live),
                    inode + " has no names and is not marked as an orphan");
  }
}

void TreeCheck::CheckRoot() {
  has_root_ = true;
  const auto bad =
      facts_.FindBad(views_.All(), [](const InodeVersion& version) {
        return version.is_directory() && version.nlink != 0 &&
               version.parent == kRootInode;
      });
  if (bad) {
    findings_.Error("no-root", Path(*bad),
                    "the root is no directory, or not there");
  }
}

}  // namespace trefoil
