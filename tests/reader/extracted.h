// SPDX-License-Identifier: Apache-2.0
// trefoil-reader as a program, and what it left in a directory, to be compared
// with what a volume shows.
#pragma once

#include <string>
#include <vector>

#include "tests/support/model_tree.h"

namespace trefoil {

struct ReaderRun {
  int exit_code = -1;
  std::string output;  // of both streams
};

ReaderRun RunReader(const std::vector<std::string>& arguments);

// What is below `path`, as ShowVolume shows a volume; without what no reader
// can bring back: ctimes, atimes (looking changes them), sizes of directories.
ShownTree ShowDirectory(const std::string& path);
ShownTree WithoutPlace(ShownTree tree);

}  // namespace trefoil
