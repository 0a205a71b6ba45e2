// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/workload.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "tests/mount/mounted_test.h"

namespace trefoil::testing {
namespace {

constexpr uint64_t kNames = 8;
constexpr uint64_t kFileBytesMax = 256 << 10;
constexpr uint64_t kWriteBytesMax = 24 << 10;
constexpr uint64_t kPageBytes = 4096;

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

// "name (size)" of what differs, at most a few.
std::string Difference(const std::map<std::string, std::string>& expected,
                       const std::map<std::string, std::string>& found) {
  std::string text;
  const auto add = [&text](const std::string& what) {
    if (text.size() < 500) text += "; " + what;
  };
  for (const auto& [name, content] : expected) {
    const auto at = found.find(name);
    if (at == found.end()) {
      add(name + " is missing");
    } else if (at->second != content) {
      const auto differs = std::mismatch(content.begin(), content.end(),
                                         at->second.begin(), at->second.end());
      add(name + " has " + std::to_string(at->second.size()) +
          " bytes, expected " + std::to_string(content.size()) +
          ", which differ from " +
          std::to_string(differs.first - content.begin()) + " on");
    }
  }
  for (const auto& [name, content] : found) {
    if (!expected.contains(name)) add(name + " should not be there");
  }
  return text;
}

}  // namespace

Workload::Workload(std::string directory, uint64_t seed)
    : directory_(std::move(directory)), random_(seed) {}

void Workload::Run(const std::atomic<bool>& stop) {
  log_.clear();
  acknowledged_ = 0;
  synced_ = 0;
  before_ = now_;
  if (!made_ && !Do({.kind = Kind::kMakeDirectory,
                     .name = "",
                     .to = "",
                     .offset = 0,
                     .data = ""})) {
    return;
  }
  while (!stop && Step()) {
  }
}

bool Workload::Do(Operation operation) {
  log_.push_back(std::move(operation));
  const Operation& doing = log_.back();
  if (!Perform(doing)) return false;
  ++acknowledged_;
  ++operations_;
  Apply(doing, &now_);
  if (doing.kind == Kind::kMakeDirectory) made_ = true;
  if (doing.kind == Kind::kSync) {
    synced_ = log_.size();
    ++fsyncs_;
  }
  return true;
}

bool Workload::Perform(const Operation& operation) const {
  const std::string path = directory_ + "/" + operation.name;
  switch (operation.kind) {
    case Kind::kMakeDirectory:
      return mkdir(directory_.c_str(), 0755) == 0 || errno == EEXIST;
    case Kind::kCreate:
      return Fd(path, O_CREAT | O_EXCL | O_WRONLY) >= 0;
    case Kind::kWrite: {
      const Fd fd(path, O_WRONLY);
      const auto size = static_cast<ssize_t>(operation.data.size());
      return fd >= 0 && pwrite(fd, operation.data.data(), operation.data.size(),
                               static_cast<off_t>(operation.offset)) == size;
    }
    case Kind::kTruncate:
      return truncate(path.c_str(), static_cast<off_t>(operation.offset)) == 0;
    case Kind::kRename:
      return rename(path.c_str(), (directory_ + "/" + operation.to).c_str()) ==
             0;
    case Kind::kRemove:
      return unlink(path.c_str()) == 0;
    case Kind::kSync: {
      // Without a name the directory.
      const Fd fd(path, O_RDONLY);
      return fd >= 0 && fsync(fd) == 0;
    }
  }
  return false;
}

void Workload::Apply(const Operation& operation, State* state) {
  switch (operation.kind) {
    case Kind::kMakeDirectory:
    case Kind::kSync:
      return;
    case Kind::kCreate:
      (*state)[operation.name] = "";
      return;
    case Kind::kWrite: {
      std::string& content = (*state)[operation.name];
      const uint64_t end = operation.offset + operation.data.size();
      if (content.size() < end) content.resize(end, '\0');
      content.replace(operation.offset, operation.data.size(), operation.data);
      return;
    }
    case Kind::kTruncate:
      (*state)[operation.name].resize(operation.offset, '\0');
      return;
    case Kind::kRename:
      (*state)[operation.to] = std::move((*state)[operation.name]);
      state->erase(operation.name);
      return;
    case Kind::kRemove:
      state->erase(operation.name);
      return;
  }
}

std::string Workload::Data(uint64_t bytes_max) {
  return RandomBytes(1 + Draw(bytes_max), random_());
}

bool Workload::Overwrite(const std::string& name) {
  Operation write{.kind = Kind::kWrite,
                  .name = name,
                  .to = "",
                  .offset = 0,
                  .data = Data(kWriteBytesMax)};
  write.offset = Draw(now_[name].size() + 1);
  return Do(std::move(write));
}

bool Workload::Append(const std::string& name) {
  const uint64_t size = now_[name].size();
  if (size > kFileBytesMax) {
    return Do({.kind = Kind::kTruncate,
               .name = name,
               .to = "",
               .offset = Draw(size),
               .data = ""});
  }
  return Do({.kind = Kind::kWrite,
             .name = name,
             .to = "",
             .offset = size,
             .data = Data(kWriteBytesMax)});
}

// As programs save a document.
bool Workload::Replace(const std::string& name) {
  const std::string temporary = name + ".tmp";
  const bool synced = Draw(2) == 0;
  return (now_.contains(temporary) || Do({.kind = Kind::kCreate,
                                          .name = temporary,
                                          .to = "",
                                          .offset = 0,
                                          .data = ""})) &&
         Do({.kind = Kind::kWrite,
             .name = temporary,
             .to = "",
             .offset = 0,
             .data = Data(kWriteBytesMax)}) &&
         (!synced || Do({.kind = Kind::kSync,
                         .name = temporary,
                         .to = "",
                         .offset = 0,
                         .data = ""})) &&
         Do({.kind = Kind::kRename,
             .name = temporary,
             .to = name,
             .offset = 0,
             .data = ""}) &&
         Do({.kind = Kind::kSync,
             .name = "",
             .to = "",
             .offset = 0,
             .data = ""});
}

bool Workload::Step() {
  const std::string name = "f" + std::to_string(Draw(kNames));
  if (!now_.contains(name)) {
    return Do({.kind = Kind::kCreate,
               .name = name,
               .to = "",
               .offset = 0,
               .data = ""});
  }
  switch (Draw(10)) {
    case 0:
    case 1:
    case 2:
      return Overwrite(name);
    case 3:
    case 4:
      return Append(name);
    case 5:
      return Replace(name);
    case 6:
      return Do({.kind = Kind::kTruncate,
                 .name = name,
                 .to = "",
                 .offset = Draw(kFileBytesMax),
                 .data = ""});
    case 7:
      return Draw(2) == 0 || Do({.kind = Kind::kRemove,
                                 .name = name,
                                 .to = "",
                                 .offset = 0,
                                 .data = ""});
    default:
      return Do({.kind = Kind::kSync,
                 .name = name,
                 .to = "",
                 .offset = 0,
                 .data = ""});
  }
}

bool Workload::ReadState(State* state, std::string* why) const {
  const std::unique_ptr<DIR, DirCloser> dir(opendir(directory_.c_str()));
  if (dir == nullptr) {
    *why = directory_ + ": " + std::strerror(errno);
    return false;
  }
  while (const dirent* entry = readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string path = directory_ + "/" + name;
    const Fd fd(path, O_RDONLY);
    struct stat st {};
    if (fd < 0 || fstat(fd, &st) != 0) {
      *why = path + ": " + std::strerror(errno);
      return false;
    }
    std::string content(static_cast<size_t>(st.st_size), '\0');
    if (pread(fd, content.data(), content.size(), 0) != st.st_size) {
      *why = path + ": can't be read: " + std::strerror(errno);
      return false;
    }
    (*state)[name] = std::move(content);
  }
  return true;
}

std::vector<Workload::Operation> Workload::Pieces(const Operation& operation) {
  if (operation.kind != Kind::kWrite) return {operation};
  std::vector<Operation> pieces;
  for (uint64_t at = 0; at < operation.data.size();) {
    const uint64_t in_page = (operation.offset + at) % kPageBytes;
    const uint64_t size =
        std::min(kPageBytes - in_page, operation.data.size() - at);
    pieces.push_back({operation.kind, operation.name, "", operation.offset + at,
                      operation.data.substr(at, size)});
    at += size;
  }
  return pieces;
}

std::string Workload::Adopt(State found) {
  now_ = std::move(found);
  log_.clear();
  acknowledged_ = synced_ = 0;
  before_ = now_;
  return "";
}

std::string Workload::CheckAfterCrash(Promise promise) {
  const size_t first =
      promise == Promise::kAcknowledged ? acknowledged_ : synced_;
  State found;
  std::string why;
  if (!ReadState(&found, &why)) {
    const bool may_lack = !made_ || (first == 0 && before_.empty());
    made_ = false;
    now_.clear();
    return may_lack ? "" : why;
  }
  State state = before_;
  std::string wrong;
  for (size_t done = 0; done <= log_.size(); ++done) {
    if (done == first) wrong = Difference(state, found);
    if (done >= first && state == found) return Adopt(std::move(found));
    if (done == log_.size()) break;
    for (const Operation& piece : Pieces(log_[done])) {
      Apply(piece, &state);
      if (done >= first && state == found) return Adopt(std::move(found));
    }
  }
  if (!log_.empty()) {
    const Operation& last = log_.back();
    wrong += "; the last operation was on " + last.name + " at " +
             std::to_string(last.offset) + ", " +
             std::to_string(last.data.size()) + " bytes";
  }
  return directory_ + " is in none of the " +
         std::to_string(log_.size() - first + 1) + " states from operation " +
         std::to_string(first) + " on" + wrong;
}

}  // namespace trefoil::testing
