// SPDX-License-Identifier: Apache-2.0
// Undo for a command that fills a directory: what was not there before goes.
#pragma once

#include <set>
#include <string>

#include "fs/base/env.h"

namespace trefoil {

class CreatedTree {
 public:
  // Looks at what is at `path` now.
  CreatedTree(Env& env, std::string path);
  // Removes what came since, unless Keep was called. Errors are ignored: the
  // failure that led here is the one to report.
  ~CreatedTree();
  CreatedTree(const CreatedTree&) = delete;
  CreatedTree& operator=(const CreatedTree&) = delete;
  void Keep() { keep_ = true; }

 private:
  Env& env_;
  const std::string path_;
  bool known_ = true;  // false: it could not be looked at; nothing is removed
  bool existed_ = false;
  std::set<std::string> before_;
  bool keep_ = false;
};

}  // namespace trefoil
