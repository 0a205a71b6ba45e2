// SPDX-License-Identifier: Apache-2.0
// A directory for temporary files, made below a place that others may write
// to, such as /var/tmp, and removed with everything in it when it is destroyed.
// It is locked while it is used: what a killed process left is known by that,
// and goes when the next one is made.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/status.h"

namespace trefoil {

// The system's place for large temporary files: TMPDIR, else /var/tmp.
std::string ScratchParent(Env& env);

class ScratchDirectory {
 public:
  // PARENT/PREFIX... (0700), new and empty but for its lock file; what was left
  // behind under `prefix` is removed before.
  static Result<std::unique_ptr<ScratchDirectory>> Create(
      Env& env, Random& random, const std::string& parent,
      std::string_view prefix);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  // In it; `name` is not "lock".
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }

 private:
  ScratchDirectory(Env& env, std::string path, std::unique_ptr<FileLock> lock)
      : env_(env), path_(std::move(path)), lock_(std::move(lock)) {}

  Env& env_;
  const std::string path_;
  const std::unique_ptr<FileLock> lock_;
};

}  // namespace trefoil
