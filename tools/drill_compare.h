// SPDX-License-Identifier: Apache-2.0
// Comparing what a copy gives back with what should be there, file by file:
// every byte by its SHA-256, and everything else that a file has.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fs/base/clock.h"
#include "fs/base/hash.h"
#include "tools/tree_view.h"

namespace trefoil {

enum class FileVerdict {
  kSame,
  kChangedSince,  // the live file is newer than the copy's state
  kDifferent,     // from what it was in the same state
  kMissing,       // in the copy
  kUnreadable,    // in the copy
  kNotCompared,   // what it should be compared with can't be read
};
const char* VerdictName(FileVerdict verdict);
bool IsError(FileVerdict verdict);

struct DrillFile {
  std::string path;  // relative, "" is the root
  const char* type = "other";
  uint64_t size_bytes = 0;
  // Of a file's bytes, a symbolic link's target, or a directory's names, each
  // followed by a NUL; of the copy. Zeroes: it has none, or can't be read.
  Hash256 sha256;
  double seconds = 0;  // that the copy took
  FileVerdict verdict = FileVerdict::kSame;
  std::string text;  // what is different, or why it can't be read
};

struct CompareOptions {
  // Both trees are of one state; otherwise a live file with another inode or
  // time of change than in the copy was changed since.
  bool same_state = false;
  // Asked now and then: ends it.
  std::function<bool()> stop;
  // Called when the copy gave a file's first byte.
  std::function<void()> on_byte;
};

// `path` in both trees.
DrillFile CompareFile(TreeView& copy, TreeView& live, Clock& clock,
                      const CompareOptions& options, const std::string& path);

// Calls `visit` for everything in `tree`, the root first, until it returns
// false. The directories that could not be listed: comparing them says why.
std::vector<std::string> WalkTree(
    TreeView& tree,
    const std::function<bool(const std::string& path, bool is_directory)>&
        visit);

struct Sample {
  std::vector<std::string> paths;  // sorted
  uint64_t of = 0;
};
// `count` of all that is no directory, each as likely as any other; one seed
// is one choice. Directories that could not be listed come on top.
Sample DrawSample(TreeView& tree, uint64_t count, uint64_t seed,
                  const std::function<bool()>& stop);

}  // namespace trefoil
