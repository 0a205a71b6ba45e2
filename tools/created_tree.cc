// SPDX-License-Identifier: Apache-2.0
#include "tools/created_tree.h"

namespace trefoil {

CreatedTree::CreatedTree(Env& env, std::string path)
    : env_(env), path_(std::move(path)) {
  const Result<std::vector<DirEntry>> entries = env_.List(path_);
  existed_ = entries.ok();
  known_ = existed_ || entries.status().Is(StatusCode::kNotFound);
  if (!existed_) return;
  for (const DirEntry& entry : *entries) before_.insert(entry.name);
}

CreatedTree::~CreatedTree() {
  if (keep_ || !known_) return;
  if (!existed_) {
    static_cast<void>(env_.RemoveTree(path_));
    return;
  }
  const Result<std::vector<DirEntry>> entries = env_.List(path_);
  if (!entries.ok()) return;
  for (const DirEntry& entry : *entries) {
    if (before_.count(entry.name) != 0) continue;
    static_cast<void>(env_.RemoveTree(JoinPath(path_, entry.name)));
  }
}

}  // namespace trefoil
