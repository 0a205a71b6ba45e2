// SPDX-License-Identifier: Apache-2.0
// A filesystem in memory that knows what of it is on stable storage, and what
// a power cut may leave of the rest. A value type: copying it is cheap, pages
// are shared until they change.
//
// What a cut does:
//   file data    each 512-byte sector is, by itself, as it was when the file
//                was last synced or as any later write left it
//   file size    as after the last sync, or after any later change of it; what
//                was written up to a new end is there when the end is, as ext4,
//                xfs and btrfs order it (unless `unordered`)
//   names        creations, renames, links and removals in a directory that
//                was not synced since are there or not, in any combination;
//                both halves of one rename go together, unless one of two
//                directories was synced
//   inodes       live on their own: a file that no name leads to is gone
// SimDisk does what it is asked; SimEnv injects the faults.
//
// Thread rule: none; SimEnv locks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/base/env.h"

namespace trefoil {

class SimDisk {
 public:
  using InodeNo = uint64_t;
  using Generator = std::mt19937_64;
  static constexpr uint64_t kSectorBytes = 512;
  static constexpr uint64_t kPageBytes = 4096;

  explicit SimDisk(uint64_t capacity_bytes);
  // From now on a cut may leave a new end of a file without the data below.
  void set_unordered() { is_unordered_ = true; }

  // --- Names -----------------------------------------------------------------
  Result<InodeNo> Find(std::string_view path) const;
  // The file at `path`; a new one when there is none.
  Result<InodeNo> Create(const std::string& path, bool exclusive);
  Status CreateDir(const std::string& path);
  Status Rename(const std::string& from, const std::string& to);
  Status Link(const std::string& from, const std::string& to);
  Status Remove(const std::string& path, bool directory);
  Result<std::vector<DirEntry>> List(const std::string& path) const;
  Status SyncDir(const std::string& path);

  // --- Files -----------------------------------------------------------------
  // An inode without names lives until it was closed as often as opened.
  void Open(InodeNo inode);
  void Close(InodeNo inode);
  [[nodiscard]] bool is_directory(InodeNo inode) const;
  [[nodiscard]] uint64_t size(InodeNo inode) const;
  // The name that it got last, for messages and fault rules.
  [[nodiscard]] const std::string& path_of(InodeNo inode) const;
  [[nodiscard]] int64_t mtime_nanos(InodeNo inode) const;
  void set_mtime_nanos(InodeNo inode, int64_t nanos);
  // Bytes read: fewer only at the end.
  size_t Read(InodeNo inode, uint64_t offset, std::span<char> out) const;
  // Writes what fits; kNoSpace when that is not all.
  Status Write(InodeNo inode, uint64_t offset, std::string_view data);
  void Truncate(InodeNo inode, uint64_t size);
  void Sync(InodeNo inode);
  // A sync that failed: any part of what it was for is on the disk, none of it
  // will be tried again, and readers still see all of it, as on Linux.
  void FailSync(InodeNo inode, Generator& random);
  // Turns bits of one byte over, on the disk and in the cache.
  void Flip(InodeNo inode, uint64_t offset, char bits);

  // --- The end of a machine --------------------------------------------------
  void Crash(Generator& random);
  // Only the processes ended: what they wrote is there, nothing is open.
  void CloseAll();

  void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  // Bytes that somebody else's files take.
  void set_taken(uint64_t bytes) { taken_pages_ = bytes / kPageBytes; }
  [[nodiscard]] SpaceInfo Space() const;

 private:
  using Page = std::array<char, kPageBytes>;
  using PageRef = std::shared_ptr<const Page>;  // null: a hole
  static constexpr InodeNo kRoot = 1;
  static constexpr uint64_t kSectorsPerPage = kPageBytes / kSectorBytes;
  static constexpr uint8_t kAllSectors = 0xff;
  static_assert(kSectorsPerPage == 8);
  using Pages = std::vector<PageRef>;

  // A change of a file since it was last synced.
  struct Change {
    enum class Kind : uint8_t { kPage, kSize };
    Kind kind = Kind::kPage;
    uint8_t sectors = 0;  // kPage: a bit for each sector written
    uint64_t page = 0;    // kPage
    PageRef content;      // kPage: after the write
    uint64_t size = 0;    // kSize
  };

  struct Inode {
    bool is_directory = false;
    uint64_t links = 0;
    uint64_t opens = 0;
    std::string path;
    int64_t mtime_nanos = 0;
    uint64_t size = 0;
    Pages pages;
    uint64_t durable_size = 0;
    Pages durable_pages;
    std::vector<Change> changes;
    bool is_free = false;   // nobody has it: a cut may bring it back
    bool diverged = false;  // a failed sync left less than readers see
    std::map<std::string, InodeNo> entries;
    std::map<std::string, InodeNo> durable_entries;
  };

  // A change of a directory's entry since the directory was last synced.
  struct NameChange {
    uint64_t operation = 0;
    InodeNo directory = 0;
    std::string name;
    InodeNo before = 0;  // 0: none
    InodeNo after = 0;   // 0: none
  };

  // How much of what was not synced a cut keeps.
  enum class Keep : uint8_t { kNothing, kAll, kSome };

  Result<std::pair<InodeNo, std::string>> FindParent(
      const std::string& path) const;
  InodeNo NewInode(bool is_directory);
  void SetEntry(uint64_t operation, InodeNo directory, const std::string& name,
                InodeNo after);
  static void ApplyDurably(Inode& directory, const NameChange& change);
  void DropIfUnused(InodeNo inode);
  void Sweep();
  static uint64_t Allocated(const Inode& inode);
  static const PageRef& Zeros();
  static PageRef WithSectors(const PageRef& old, const PageRef& seen,
                             uint8_t sectors);
  Status WritePage(Inode& file, uint64_t page, uint64_t start,
                   std::string_view data);
  static constexpr uint64_t PagesOf(uint64_t size) {
    return (size + kPageBytes - 1) / kPageBytes;
  }
  static void KeepSectors(Inode& file, const Change& change, uint8_t sectors);
  void KeepSize(Inode& file, size_t number);
  void KeepPart(Inode& file, Keep keep, Generator& random);
  void KeepNames(Keep keep, Generator& random);

  uint64_t capacity_bytes_;
  uint64_t used_pages_ = 0;
  uint64_t taken_pages_ = 0;
  bool is_unordered_ = false;
  std::map<InodeNo, Inode> inodes_;
  InodeNo next_inode_ = 2;
  uint64_t next_operation_ = 1;
  std::vector<NameChange> name_changes_;
};

}  // namespace trefoil
