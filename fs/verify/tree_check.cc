// SPDX-License-Identifier: Apache-2.0
// The walk, and what is seen on it; tree_conclusions.cc has what follows from
// that for each inode.
#include "fs/verify/tree_check.h"

#include <sys/stat.h>

#include "fs/verify/record_check.h"
#include "fs/volume/names.h"
#include "fs/volume/volume.h"

namespace trefoil {
namespace {

// More names of one hash are not compared with each other.
constexpr size_t kMaxGroup = 4096;

bool IsKnownType(uint32_t mode) {
  return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) ||
         S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

}  // namespace

TreeCheck::TreeCheck(IndexView& index, const Views& views, NameTable& names,
                     const TreeContext& context, Findings& findings)
    : index_(index),
      views_(views),
      names_(names),
      context_(context),
      findings_(findings),
      inodes_(index, 'I'),
      entries_(index, 'D'),
      extents_(index, 'E'),
      attributes_(index, 'X') {}

Status TreeCheck::Run() {
  orphans_ = index_.NewCursor(Family::kLive, "O", "P");
  orphans_->Seek("O");
  inodes_.Next();
  entries_.Next();
  extents_.Next();
  attributes_.Next();
  TREFOIL_ASSIGN(name_, names_.Next());
  while (const auto inode = NextInode()) TREFOIL_TRY(CheckInode(*inode));
  for (const VersionCursor* cursor :
       {&inodes_, &entries_, &extents_, &attributes_}) {
    TREFOIL_TRY(cursor->status());
  }
  TREFOIL_TRY(orphans_->status());
  if (!has_root_) {
    findings_.Error("no-root", "/", "there is no root directory");
  }
  directories_.Check([this](InodeId directory, uint32_t view) {
    findings_.Error("unreachable", names_.Path(directory, view),
                    "directory " + std::to_string(directory.value) +
                        ": its parents do not lead to the root");
  });
  if (useless_history_ != 0) {
    findings_.Info("unneeded-history", "",
                   std::to_string(useless_history_) +
                       " old records are kept that no snapshot shows");
  }
  return OkStatus();
}

std::optional<InodeId> TreeCheck::NextInode() const {
  std::optional<InodeId> next;
  const auto consider = [&next](InodeId inode) {
    if (!next || inode < *next) next = inode;
  };
  for (const VersionCursor* cursor :
       {&inodes_, &entries_, &extents_, &attributes_}) {
    if (cursor->valid()) consider(cursor->version().inode());
  }
  if (orphans_->Valid() && orphans_->key().size() == 9) {
    consider(InodeId(NumberInKey(orphans_->key())));
  }
  if (name_) consider(name_->target);
  return next;
}

Status TreeCheck::CheckInode(InodeId inode) {
  facts_.Begin(inode);
  names_of_inode_.Clear();
  subdirectories_.Clear();
  sweep_.Begin();
  names_in_group_.clear();
  reported_beyond_end_ = false;
  LoadVersions();
  TREFOIL_TRY(CheckNames());
  CheckEntries();
  CheckExtents();
  CheckAttributes();
  bool marked_orphan = false;
  TREFOIL_TRY(TakeOrphan(&marked_orphan));
  Conclude(marked_orphan);
  return OkStatus();
}

ViewRange TreeCheck::RangeOf(const Version& version) {
  if (version.overlaps) {
    findings_.Error(
        "bad-history", DescribeKey(Family::kLive, version.key),
        "two of its versions are of the same epoch: one begins in " +
            std::to_string(version.birth.value) +
            ", before the one before it ended");
  }
  const ViewRange range = views_.Of(version.birth, version.last);
  if (range.empty()) ++useless_history_;
  return range;
}

void TreeCheck::LoadVersions() {
  for (; inodes_.valid() && inodes_.version().inode() == facts_.inode();
       inodes_.Next()) {
    const ViewRange range = RangeOf(inodes_.version());
    const auto record = InodeRecord::Decode(inodes_.version().value);
    if (!range.empty() && record.ok()) LoadVersion(*record, range);
  }
}

void TreeCheck::LoadVersion(const InodeRecord& record, ViewRange range) {
  const InodeVersion version{range,        record.mode,       record.nlink,
                             record.flags, record.size_bytes, record.parent};
  if (!facts_.Add(version)) return;
  const bool is_link = S_ISLNK(record.mode);
  const bool bad_link =
      is_link ? record.symlink_target.empty() ||
                    record.symlink_target.size() != record.size_bytes
              : !record.symlink_target.empty();
  if (!IsKnownType(record.mode) || record.size_bytes > kMaxFileBytes ||
      bad_link) {
    findings_.Error("bad-inode", Path(range.newest()),
                    "inode " + std::to_string(facts_.inode().value) +
                        ": type, size or link target make no sense");
  }
}

Status TreeCheck::CheckNames() {
  while (name_ && name_->target == facts_.inode()) {
    CheckOneName(*name_);
    TREFOIL_ASSIGN(name_, names_.Next());
  }
  return OkStatus();
}

void TreeCheck::CheckOneName(const NameOfInode& name) {
  const auto path = [&](uint32_t view) {
    const std::string parent = names_.Path(name.directory, view);
    return (parent == "/" ? "" : parent) + "/" + name.name;
  };
  const auto inode = [&] {
    return "inode " + std::to_string(name.target.value);
  };
  names_of_inode_.Add(name.range, 1);
  if (const auto view = facts_.FindMissing(name.range)) {
    findings_.Error("dangling-name", path(*view),
                    "names " + inode() + ", which is not there");
    return;
  }
  const auto wrong_type = facts_.FindBad(
      name.range,
      [&](const InodeVersion& at) { return at.type() == name.type; });
  if (wrong_type) {
    findings_.Error("wrong-type", path(*wrong_type),
                    "the entry gives another type than " + inode() + " has");
  }
  const auto wrong_parent =
      facts_.FindBad(name.range, [&](const InodeVersion& at) {
        return !at.is_directory() || at.parent == name.directory;
      });
  if (wrong_parent) {
    findings_.Error("wrong-parent", path(*wrong_parent),
                    inode() + " says that it is in another directory");
  }
}

void TreeCheck::CheckEntries() {
  for (; entries_.valid() && entries_.version().inode() == facts_.inode();
       entries_.Next()) {
    const ViewRange range = RangeOf(entries_.version());
    if (!range.empty()) CheckEntry(entries_.version(), range);
  }
}

void TreeCheck::CheckEntry(const Version& entry, ViewRange range) {
  const auto record = DirentRecord::Decode(entry.value);
  if (!record.ok()) return;
  constexpr uint8_t kDirectoryType = S_IFDIR >> 12;
  if (record->type == kDirectoryType) subdirectories_.Add(range, 1);
  const auto path = [&](uint32_t view) {
    const std::string parent = Path(view);
    return (parent == "/" ? "" : parent) + "/" + record->name;
  };
  const auto bad = facts_.FindBad(range, [](const InodeVersion& version) {
    return version.is_directory() && version.nlink != 0;
  });
  if (bad) {
    findings_.Error("entry-without-directory", path(*bad),
                    "is in inode " + std::to_string(facts_.inode().value) +
                        ", which is no directory, or not there");
  }
  if (!CheckName(record->name).ok()) {
    findings_.Error("bad-name", path(range.newest()),
                    "is no name that a file can have");
    return;
  }
  CheckNameInGroup(*record, entry.second(), range);
}

void TreeCheck::CheckNameInGroup(const DirentRecord& record, uint64_t position,
                                 ViewRange range) {
  const uint64_t group = position / kPositionsPerHash;
  if (!context_.name_key.empty() &&
      FirstPosition(context_.name_key, record.name).value / kPositionsPerHash !=
          group) {
    findings_.Error("misplaced-name", Path(range.newest()) + ": " + record.name,
                    "the entry is where its name is never looked for");
  }
  if (group != group_) names_in_group_.clear();
  group_ = group;
  for (const NameInGroup& other : names_in_group_) {
    if (other.name != record.name || range.And(other.range).empty()) continue;
    findings_.Error("duplicate-name",
                    Path(range.And(other.range).newest()) + ": " + record.name,
                    "the directory has two entries of this name");
  }
  if (names_in_group_.size() < kMaxGroup) {
    names_in_group_.push_back({record.name, range});
  }
}

void TreeCheck::CheckExtents() {
  for (; extents_.valid() && extents_.version().inode() == facts_.inode();
       extents_.Next()) {
    const ViewRange range = RangeOf(extents_.version());
    if (!range.empty()) CheckExtent(extents_.version(), range);
  }
}

void TreeCheck::CheckExtent(const Version& extent, ViewRange range) {
  const auto record = ExtentRecord::Decode(extent.value);
  if (!record.ok()) return;
  const uint64_t offset = extent.second();
  const auto place = [&] { return "at offset " + std::to_string(offset); };
  const auto bad = facts_.FindBad(
      range, [](const InodeVersion& version) { return version.is_regular(); });
  if (bad) {
    findings_.Error("extent-without-file", Path(*bad),
                    "data " + place() + " of inode " +
                        std::to_string(facts_.inode().value) +
                        ", which is no regular file, or not there");
    return;
  }
  if (offset > kMaxFileBytes || record->length > kMaxFileBytes - offset) {
    findings_.Error("extent-beyond-end", Path(range.newest()),
                    "data " + place() + ", where no file reaches");
    return;
  }
  if (!sweep_.Add(offset, record->length, range)) {
    findings_.Error("overlapping-extents", Path(range.newest()),
                    "two extents hold the bytes " + place());
  }
  if (reported_beyond_end_ || IsDirty()) return;
  const auto beyond = facts_.FindBad(range, [&](const InodeVersion& version) {
    return version.nlink == 0 || version.size_bytes >= offset + record->length;
  });
  if (!beyond) return;
  reported_beyond_end_ = true;
  findings_.Error("extent-beyond-end", Path(*beyond),
                  "data " + place() + ", beyond the end of the file");
}

void TreeCheck::CheckAttributes() {
  for (; attributes_.valid() && attributes_.version().inode() == facts_.inode();
       attributes_.Next()) {
    const ViewRange range = RangeOf(attributes_.version());
    if (range.empty()) continue;
    const auto missing = facts_.FindMissing(range);
    if (!missing) continue;
    findings_.Error("attribute-without-file", Path(*missing),
                    "an extended attribute of inode " +
                        std::to_string(facts_.inode().value) +
                        ", which is not there");
  }
}

Status TreeCheck::TakeOrphan(bool* marked) {
  while (orphans_->Valid() && orphans_->key().size() != 9) orphans_->Next();
  if (!orphans_->Valid()) return orphans_->status();
  if (InodeId(NumberInKey(orphans_->key())) != facts_.inode()) {
    return OkStatus();
  }
  *marked = true;
  orphans_->Next();
  return orphans_->status();
}

}  // namespace trefoil
