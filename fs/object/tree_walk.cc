// SPDX-License-Identifier: Apache-2.0
#include "fs/object/tree_walk.h"

#include <algorithm>

namespace trefoil {
namespace {

class Walk {
 public:
  Walk(Env& env, const std::string& root, std::string_view prefix,
       std::string_view start_after,
       const std::function<bool(const ObjectInfo&)>& visit)
      : env_(env),
        root_(root),
        prefix_(prefix),
        start_after_(start_after),
        visit_(visit) {}

  // `dir` is empty or ends with a slash. The depth is bounded: every level
  // takes two bytes of a key's at most 255.
  Status Directory(const std::string& dir);

 private:
  // The keys to look at in `dir`, in byte order, directories with their slash:
  // "a-b" comes before "a/b", since '-' is below '/'.
  Result<std::vector<std::string>> Names(const std::string& dir);
  [[nodiscard]] bool IsWanted(const std::string& name, bool is_directory) const;
  Status File(const std::string& key);

  Env& env_;
  const std::string& root_;
  const std::string_view prefix_;
  const std::string_view start_after_;
  const std::function<bool(const ObjectInfo&)>& visit_;
  bool stopped_ = false;
};

bool Walk::IsWanted(const std::string& name, bool is_directory) const {
  if (!is_directory) {
    return IsValidObjectKey(name) && name != kTemporaryDir &&
           name.starts_with(prefix_) && name > start_after_;
  }
  const std::string_view key =
      std::string_view(name).substr(0, name.size() - 1);
  if (!IsValidObjectKey(key) || key == kTemporaryDir) return false;
  return (name.starts_with(prefix_) || prefix_.starts_with(name)) &&
         (name > start_after_ || start_after_.starts_with(name));
}

Result<std::vector<std::string>> Walk::Names(const std::string& dir) {
  const std::string path =
      dir.empty() ? root_ : JoinPath(root_, dir.substr(0, dir.size() - 1));
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, env_.List(path));
  std::vector<std::string> names;
  for (const DirEntry& entry : entries) {
    std::string name = dir + entry.name;
    if (entry.is_directory) name += '/';
    if (IsWanted(name, entry.is_directory)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status Walk::Directory(const std::string& dir) {
  const Result<std::vector<std::string>> names = Names(dir);
  // A directory may go while its parent is walked; the root may not.
  if (!dir.empty() && names.status().Is(StatusCode::kNotFound)) {
    return OkStatus();
  }
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    TREFOIL_TRY(name.back() == '/' ? Directory(name) : File(name));
    if (stopped_) break;
  }
  return OkStatus();
}

Status Walk::File(const std::string& key) {
  const Result<FileInfo> info = env_.Stat(JoinPath(root_, key));
  // It may have been deleted since the directory was read.
  if (info.status().Is(StatusCode::kNotFound)) return OkStatus();
  const bool is_refused = info.status().Is(StatusCode::kCorruption);
  if (!info.ok() && !is_refused) return info.status();
  if (info.ok() && info->is_directory) return OkStatus();  // through a link
  // What no object can be is a bad one in its place: to be found and replaced,
  // not to hide all others.
  stopped_ = !visit_(ObjectInfo{key, info.ok() ? info->size_bytes : 0});
  return OkStatus();
}

}  // namespace

Status WalkTree(Env& env, const std::string& root, std::string_view prefix,
                std::string_view start_after,
                const std::function<bool(const ObjectInfo&)>& visit) {
  return Walk(env, root, prefix, start_after, visit).Directory("");
}

}  // namespace trefoil
