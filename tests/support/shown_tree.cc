// SPDX-License-Identifier: Apache-2.0
// What a volume shows, and what two trees differ in.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/model_tree.h"

namespace trefoil {

namespace {

class Walk {
 public:
  Walk(Volume& volume, bool rot) : volume_(volume), rot_(rot) {}

  Status Visit(const std::string& path, NodeId node);
  ShownTree Take() { return std::move(shown_); }

 private:
  Status ReadContent(NodeId node, ShownFile* file);
  Status ReadXattrs(NodeId node, ShownFile* file);
  Status VisitChildren(const std::string& path, NodeId node);

  Volume& volume_;
  const bool rot_;
  ShownTree shown_;
  std::map<InodeId, std::string> first_;
};

Status Walk::ReadContent(NodeId node, ShownFile* file) {
  if (S_ISLNK(file->mode)) {
    TREFOIL_ASSIGN(const std::string target, volume_.ReadLink(node));
    file->content_hash = Xxh3(target);
    return OkStatus();
  }
  if (!S_ISREG(file->mode)) return OkStatus();
  std::string bytes(file->size_bytes, '\0');
  const auto size = volume_.Read(node, 0, bytes);
  if (!size.ok()) {
    file->unreadable = rot_ && size.status().posix_errno() == EIO;
    return file->unreadable ? OkStatus() : size.status();
  }
  bytes.resize(*size);
  file->content_hash = Xxh3(bytes);
  return OkStatus();
}

Status Walk::ReadXattrs(NodeId node, ShownFile* file) {
  TREFOIL_ASSIGN(const std::string names, volume_.ListXattr(node, true));
  for (size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    TREFOIL_ASSIGN(file->xattrs[name], volume_.GetXattr(node, name));
    at += name.size() + 1;
  }
  return OkStatus();
}

Status Walk::VisitChildren(const std::string& path, NodeId node) {
  std::map<std::string, NodeId> children;
  TREFOIL_TRY(
      volume_.ReadDirectory(node, 0, [&children](const DirectoryItem& item) {
        if (item.name != "." && item.name != "..") {
          children[std::string(item.name)] = item.attr.node;
        }
        return true;
      }));
  for (const auto& [name, child] : children) {
    TREFOIL_TRY(Visit(path.empty() ? name : path + "/" + name, child));
  }
  return OkStatus();
}

Status Walk::Visit(const std::string& path, NodeId node) {
  const auto attr = volume_.GetAttr(node);
  if (!attr.ok()) return attr.status().WithContext("'" + path + "'");
  ShownFile file;
  file.mode = attr->mode;
  file.nlink = attr->nlink;
  file.uid = attr->uid;
  file.gid = attr->gid;
  file.size_bytes = attr->size_bytes;
  file.atime_nanos = attr->atime_nanos;
  file.mtime_nanos = attr->mtime_nanos;
  file.ctime_nanos = attr->ctime_nanos;
  TREFOIL_TRY(ReadContent(node, &file).WithContext("'" + path + "'"));
  TREFOIL_TRY(ReadXattrs(node, &file).WithContext("'" + path + "'"));
  file.same_as = first_.try_emplace(node.inode(), path).first->second;
  shown_.emplace(path, std::move(file));
  return S_ISDIR(attr->mode) ? VisitChildren(path, node) : OkStatus();
}

// The first field in which the two differ.
std::string DifferenceOf(const ShownFile& expected, const ShownFile& found) {
  const auto differ = [](std::string_view what, auto a, auto b) {
    return a == b ? std::string() : fmt::format("{} {}, not {}", what, b, a);
  };
  std::vector<std::string> all = {
      differ("mode", expected.mode, found.mode),
      differ("links", expected.nlink, found.nlink),
      differ("user", expected.uid, found.uid),
      differ("group", expected.gid, found.gid),
      differ("size", expected.size_bytes, found.size_bytes),
      differ("atime", expected.atime_nanos, found.atime_nanos),
      differ("mtime", expected.mtime_nanos, found.mtime_nanos),
      differ("ctime", expected.ctime_nanos, found.ctime_nanos),
      differ("the inode of", expected.same_as, found.same_as),
  };
  if (!expected.unreadable && !found.unreadable) {
    all.push_back(differ("content", expected.content_hash, found.content_hash));
  }
  if (expected.xattrs != found.xattrs) {
    all.push_back(fmt::format("{} attributes, not {}, or other values",
                              found.xattrs.size(), expected.xattrs.size()));
  }
  for (const std::string& one : all) {
    if (!one.empty()) return one;
  }
  return {};
}

}  // namespace

Result<ShownTree> ShowVolume(Volume& volume, NodeId root, bool rot) {
  Walk walk(volume, rot);
  TREFOIL_TRY(walk.Visit("", root));
  return walk.Take();
}

std::string FirstDifference(const ShownTree& expected, const ShownTree& found) {
  auto left = expected.begin();
  auto right = found.begin();
  while (left != expected.end() || right != found.end()) {
    if (right == found.end() ||
        (left != expected.end() && left->first < right->first)) {
      return fmt::format("'{}' is missing", left->first);
    }
    if (left == expected.end() || right->first < left->first) {
      return fmt::format("'{}' should not be there", right->first);
    }
    const std::string difference = DifferenceOf(left->second, right->second);
    if (!difference.empty()) {
      return fmt::format("'{}' has {}", left->first, difference);
    }
    ++left;
    ++right;
  }
  return {};
}

}  // namespace trefoil
