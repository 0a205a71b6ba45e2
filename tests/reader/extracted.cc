// SPDX-License-Identifier: Apache-2.0
#include "tests/reader/extracted.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cstdio>
#include <filesystem>
#include <set>

#include "fs/base/env.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

constexpr uint64_t kMaxFileBytes = 1U << 30;

int64_t Nanos(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

std::map<std::string, std::string> XattrsOf(const std::string& path) {
  std::map<std::string, std::string> found;
  char names[4096];
  const ssize_t size = llistxattr(path.c_str(), names, sizeof(names));
  for (ssize_t at = 0; at < size;) {
    const std::string name = names + at;
    char value[4096];
    const ssize_t length =
        lgetxattr(path.c_str(), name.c_str(), value, sizeof(value));
    if (length >= 0) found[name].assign(value, static_cast<size_t>(length));
    at += static_cast<ssize_t>(name.size()) + 1;
  }
  return found;
}

void Visit(const std::string& root, const std::string& path,
           std::map<uint64_t, std::string>* first, ShownTree* shown) {
  const std::string place = path.empty() ? root : root + "/" + path;
  struct stat info {};
  if (lstat(place.c_str(), &info) != 0) return;
  ShownFile file;
  file.mode = info.st_mode;
  file.nlink = static_cast<uint32_t>(info.st_nlink);
  file.uid = info.st_uid;
  file.gid = info.st_gid;
  file.size_bytes = static_cast<uint64_t>(info.st_size);
  file.mtime_nanos = Nanos(info.st_mtim);
  file.xattrs = XattrsOf(place);
  file.same_as = first->try_emplace(info.st_ino, path).first->second;
  if (S_ISLNK(info.st_mode)) {
    file.content_hash = Xxh3(std::filesystem::read_symlink(place).string());
  } else if (S_ISREG(info.st_mode)) {
    file.content_hash =
        Xxh3(Env::Posix().ReadFile(place, kMaxFileBytes).value());
  }
  (*shown)[path] = file;
  if (!S_ISDIR(info.st_mode)) return;
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(place)) {
    names.insert(entry.path().filename());
  }
  for (const std::string& name : names) {
    Visit(root, path.empty() ? name : path + "/" + name, first, shown);
  }
}

}  // namespace

ReaderRun RunReader(const std::vector<std::string>& arguments) {
  std::string command = TREFOIL_READER;
  for (const std::string& argument : arguments)
    command += " '" + argument + "'";
  command += " 2>&1";
  ReaderRun run;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return run;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof(buffer), pipe)) {
    run.output.append(buffer, size);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  return run;
}

ShownTree WithoutPlace(ShownTree tree) {
  for (auto& [path, file] : tree) {
    file.atime_nanos = 0;
    file.ctime_nanos = 0;
    if (!S_ISDIR(file.mode)) continue;
    file.size_bytes = 0;
    file.nlink = 0;
  }
  return tree;
}

ShownTree ShowDirectory(const std::string& path) {
  ShownTree shown;
  std::map<uint64_t, std::string> first;
  Visit(path, "", &first, &shown);
  return WithoutPlace(std::move(shown));
}

}  // namespace trefoil
