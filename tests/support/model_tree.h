// SPDX-License-Identifier: Apache-2.0
// A reference model of what a volume shows: a tree of files in memory with the
// rules of POSIX and nothing else, and the comparison of the two.
//
// A ModelTree is a value; copies share what they have in common, so that the
// state after every single operation can be kept. Operations name files by
// paths ("a/b", "" is the root), take the time at which they happen, and
// return 0 or the errno that the volume must answer; then nothing has changed.
//
// Thread rule: as for std::string.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/volume/volume.h"

namespace trefoil {

// What is seen of one file under one path.
struct ShownFile {
  uint32_t mode = 0;
  uint32_t nlink = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size_bytes = 0;
  int64_t atime_nanos = 0;
  int64_t mtime_nanos = 0;
  int64_t ctime_nanos = 0;
  uint64_t content_hash = 0;  // of a regular file or a symlink's target
  bool unreadable = false;    // the content gave EIO
  std::string same_as;        // the first path of the same inode
  std::map<std::string, std::string> xattrs;
  bool operator==(const ShownFile&) const = default;
};

// All that is below a root, by path; the root itself is "".
using ShownTree = std::map<std::string, ShownFile>;

// Walks a tree of the volume. Content that gives EIO is shown as unreadable
// when `rot` says that some may be; everything else must answer.
Result<ShownTree> ShowVolume(Volume& volume, NodeId root, bool rot);

// What differs first, by path; empty when nothing does. An unreadable file
// has no content to differ.
std::string FirstDifference(const ShownTree& expected, const ShownTree& found);

class ModelTree {
 public:
  // A root directory as Format makes it.
  explicit ModelTree(const Attr& root);

  int Make(const std::string& path, uint32_t mode, std::string_view target,
           const Caller& caller, int64_t now);
  int Link(const std::string& from, const std::string& to, int64_t now);
  int Remove(const std::string& path, bool directory, int64_t now);
  int Rename(const std::string& from, const std::string& to, uint32_t flags,
             int64_t now);
  int Write(const std::string& path, uint64_t offset, std::string_view data,
            int64_t now);
  int SetAttr(const std::string& path, const AttrChange& change, int64_t now);
  int SetXattr(const std::string& path, const std::string& name,
               std::string_view value, XattrFlags flags, int64_t now);
  int RemoveXattr(const std::string& path, const std::string& name,
                  int64_t now);
  int Allocate(const std::string& path, int mode, uint64_t offset,
               uint64_t length, int64_t now);

  // The bytes of a regular file; null when there is none.
  [[nodiscard]] std::shared_ptr<const std::string> Content(
      const std::string& path) const;
  [[nodiscard]] uint32_t ModeOf(const std::string& path) const;  // 0: none
  // All paths but the root's, sorted.
  [[nodiscard]] std::vector<std::string> Paths() const;
  [[nodiscard]] ShownTree Show() const;

 private:
  using Number = uint64_t;
  struct Bytes {
    std::string data;
    uint64_t hash = 0;
  };
  struct Inode {
    uint32_t mode = 0;
    uint32_t nlink = 0;
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t atime_nanos = 0;
    int64_t mtime_nanos = 0;
    int64_t ctime_nanos = 0;
    std::shared_ptr<const Bytes> content;
    std::map<std::string, std::string> xattrs;
    std::map<std::string, Number> entries;
    Number parent = 0;
  };
  // A directory and a name in it; `inode` 0 when nobody has the name.
  struct Place {
    int error = 0;
    Number directory = 0;
    std::string name;
    Number inode = 0;
  };

  [[nodiscard]] Place Find(const std::string& path) const;
  [[nodiscard]] const Inode& At(Number number) const {
    return *inodes_.at(number);
  }
  Inode& Change(Number number);
  void Touch(Number directory, int64_t now, int links);
  void Drop(Number number, int64_t now);
  [[nodiscard]] bool IsBelow(Number inner, Number directory) const;
  int Replaceable(const Inode& from, const Place& to) const;
  void Exchange(const Place& from, const Place& to, int64_t now);
  void SetContent(Inode& inode, std::string data);
  void ShowInto(const std::string& path, Number number,
                std::map<Number, std::string>* first, ShownTree* shown) const;

  std::map<Number, std::shared_ptr<const Inode>> inodes_;
  Number next_ = 2;
};

}  // namespace trefoil
