// SPDX-License-Identifier: Apache-2.0
#include "tools/state_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "fs/base/env.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

std::string AbsoluteFromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

Result<std::string> Directory() {
  const std::string state = AbsoluteFromEnvironment("XDG_STATE_HOME");
  if (!state.empty()) return JoinPath(state, "trefoil");
  if (geteuid() == 0) return std::string("/var/lib/trefoil");
  const std::string home = AbsoluteFromEnvironment("HOME");
  if (!home.empty()) return JoinPath(home, ".local/state/trefoil");
  return Status(StatusCode::kNotFound,
                "neither XDG_STATE_HOME nor HOME is set");
}

// Who can write there can say what was verified.
Status CheckOurs(const std::string& directory) {
  struct stat st {};
  if (lstat(directory.c_str(), &st) != 0) {
    return Status::FromErrno(errno, directory);
  }
  const bool is_ours = S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
                       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  if (is_ours) return OkStatus();
  return {StatusCode::kPermissionDenied,
          directory + ": is no directory that only this user can change"};
}

}  // namespace

Result<std::string> UsualStateFile(std::string_view command,
                                   std::string_view place) {
  constexpr size_t kHashDigits = 32;
  TREFOIL_ASSIGN(const std::string directory, Directory());
  TREFOIL_TRY(Env::Posix().CreateDirs(directory));
  TREFOIL_TRY(CheckOurs(directory));
  return JoinPath(
      directory, fmt::format("{}-{}.state", command,
                             Sha256::Of(place).ToHex().substr(0, kHashDigits)));
}

}  // namespace trefoil
