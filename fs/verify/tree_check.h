// SPDX-License-Identifier: Apache-2.0
// Checks a tree of files, live and as every snapshot shows it: names, types,
// link counts, parents, orphans, extents and sizes, and that the root leads to
// every inode. One walk over all tables side by side, inode by inode. Memory
// is bounded but for what DirectoryGraph takes. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "fs/verify/directory_graph.h"
#include "fs/verify/extent_sweep.h"
#include "fs/verify/findings.h"
#include "fs/verify/inode_facts.h"
#include "fs/verify/names.h"
#include "fs/verify/versions.h"

namespace trefoil {

// What a tree is checked against beside its records.
struct TreeContext {
  // Of the names' hashes; empty when it is not known.
  std::string name_key;
  // Inodes whose newest data are in the journal, so that sizes and extents
  // need not agree yet; may be null.
  std::function<bool(InodeId)> is_dirty;
};

class TreeCheck {
 public:
  // All outlive this.
  TreeCheck(IndexView& index, const Views& views, NameTable& names,
            const TreeContext& context, Findings& findings);

  // Once. An error of the index is returned.
  Status Run();
  // Live inodes that are no directories.
  [[nodiscard]] uint64_t files() const { return files_; }

 private:
  // The lowest inode that any table goes on with.
  [[nodiscard]] std::optional<InodeId> NextInode() const;
  Status CheckInode(InodeId inode);
  void LoadVersions();
  void LoadVersion(const InodeRecord& record, ViewRange range);
  Status CheckNames();
  void CheckOneName(const NameOfInode& name);
  void CheckEntries();
  void CheckEntry(const Version& entry, ViewRange range);
  void CheckNameInGroup(const DirentRecord& record, uint64_t position,
                        ViewRange range);
  void CheckExtents();
  void CheckExtent(const Version& extent, ViewRange range);
  void CheckAttributes();
  Status TakeOrphan(bool* marked);

  void Conclude(bool marked_orphan);
  void CheckLinks(const InodeVersion& version);
  void CheckLinkCount(const InodeVersion& version, ViewRange range,
                      uint64_t names);
  void CheckData(const InodeVersion& version);
  void CheckOrphan(bool marked);
  void CheckRoot();

  // The range of a version; reports what is wrong with its epochs.
  ViewRange RangeOf(const Version& version);
  [[nodiscard]] std::string Path(uint32_t view) const {
    return names_.Path(facts_.inode(), view);
  }
  [[nodiscard]] bool IsDirty() const {
    return context_.is_dirty && context_.is_dirty(facts_.inode());
  }

  IndexView& index_;
  const Views& views_;
  NameTable& names_;
  const TreeContext& context_;
  Findings& findings_;

  VersionCursor inodes_;
  VersionCursor entries_;
  VersionCursor extents_;
  VersionCursor attributes_;
  std::unique_ptr<IndexCursor> orphans_;
  std::optional<NameOfInode> name_;  // the next one
  DirectoryGraph directories_;
  bool has_root_ = false;
  uint64_t files_ = 0;
  uint64_t useless_history_ = 0;

  // Of the present inode.
  InodeFacts facts_;
  ViewCounter names_of_inode_;
  ViewCounter subdirectories_;
  ExtentSweep sweep_;
  bool reported_beyond_end_ = false;
  std::vector<ViewCounter::Step> name_steps_;
  std::vector<ViewCounter::Step> subdirectory_steps_;
  std::vector<ViewCounter::Step> byte_steps_;
  // Names whose hash is that of the last entry.
  struct NameInGroup {
    std::string name;
    ViewRange range;
  };
  uint64_t group_ = 0;
  std::vector<NameInGroup> names_in_group_;
};

}  // namespace trefoil
