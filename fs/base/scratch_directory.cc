// SPDX-License-Identifier: Apache-2.0
#include "fs/base/scratch_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "fs/base/bytes.h"
#include "fs/base/log.h"

namespace trefoil {
namespace {

constexpr std::string_view kLockFile = "lock";

// Nobody but this user can have made it, or change what is in it.
bool IsOurs(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
         st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

void RemoveWithWarning(Env& env, const std::string& path) {
  const Status removed = env.RemoveTree(path);
  if (!removed.ok()) {
    LogWarning("scratch", "temporary files stay: {}", removed.ToString());
  }
}

void RemoveLeftovers(Env& env, const std::string& parent,
                     std::string_view prefix) {
  const auto entries = env.List(parent);
  if (!entries.ok()) return;
  for (const DirEntry& entry : *entries) {
    const std::string path = JoinPath(parent, entry.name);
    const std::string lock_path = JoinPath(path, kLockFile);
    if (!entry.name.starts_with(prefix) || !IsOurs(path) ||
        !env.Exists(lock_path)) {
      continue;
    }
    const auto unused = env.Lock(lock_path);
    if (unused.ok()) RemoveWithWarning(env, path);
  }
}

}  // namespace

std::string ScratchParent(Env& env) {
  const char* const configured = std::getenv("TMPDIR");
  if (configured != nullptr && configured[0] != '\0') return configured;
  return env.Exists("/var/tmp") ? "/var/tmp" : "/tmp";
}

Result<std::unique_ptr<ScratchDirectory>> ScratchDirectory::Create(
    Env& env, Random& random, const std::string& parent,
    std::string_view prefix) {
  RemoveLeftovers(env, parent, prefix);
  const std::string name = std::string(prefix) + ToHex(random.Bytes(8));
  const std::string path = JoinPath(parent, name);
  // It has its name only once it is locked.
  const std::string unlocked = JoinPath(parent, "." + name);
  TREFOIL_TRY(env.CreateDir(unlocked));
  auto lock = env.Lock(JoinPath(unlocked, kLockFile));
  Status made = lock.status();
  if (made.ok()) made = env.Rename(unlocked, path);
  if (!made.ok()) {
    RemoveWithWarning(env, unlocked);
    return made;
  }
  return std::unique_ptr<ScratchDirectory>(
      new ScratchDirectory(env, path, std::move(*lock)));
}

ScratchDirectory::~ScratchDirectory() { RemoveWithWarning(env_, path_); }

}  // namespace trefoil
