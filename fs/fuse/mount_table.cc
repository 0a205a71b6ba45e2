// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/mount_table.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "fs/base/env.h"

namespace trefoil {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8)
                .ptr == text.data() + i + 4) {
      out.push_back(static_cast<char>(value));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

uint32_t ParseNumber(std::string_view text) {
  uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// 36 35 98:0 /root /mountpoint options [optional ...] - type source options
std::optional<MountTableEntry> ParseLine(std::string_view line) {
  const std::vector<std::string_view> fields = Split(line, ' ');
  size_t dash = 6;
  while (dash < fields.size() && fields[dash] != "-") ++dash;
  if (dash + 2 >= fields.size()) return std::nullopt;
  const std::vector<std::string_view> device = Split(fields[2], ':');
  if (device.size() != 2) return std::nullopt;
  MountTableEntry entry;
  entry.device_major = ParseNumber(device[0]);
  entry.device_minor = ParseNumber(device[1]);
  entry.mountpoint = Unescape(fields[4]);
  entry.type = Unescape(fields[dash + 1]);
  entry.source = Unescape(fields[dash + 2]);
  return entry;
}

// A file of a process in /proc; its size is known only when it was read.
Result<std::string> ReadProcFile(const std::string& process,
                                 const std::string& name) {
  const std::string path = "/proc/" + process + "/" + name;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::FromErrno(errno, path);
  std::string text;
  std::array<char, 16384> chunk;
  ssize_t n = 0;
  while ((n = read(fd, chunk.data(), chunk.size())) > 0) {
    text.append(chunk.data(), static_cast<size_t>(n));
  }
  const int error = errno;
  close(fd);
  if (n < 0) return Status::FromErrno(error, path);
  return text;
}

// What a child wrote to `fd`, as one line without "fusermount3: " in front.
std::string DrainMessage(int fd) {
  std::string text;
  std::array<char, 512> chunk;
  ssize_t n = 0;
  while ((n = read(fd, chunk.data(), chunk.size())) > 0 && text.size() < 4096) {
    text.append(chunk.data(), static_cast<size_t>(n));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  constexpr std::string_view kPrefix = "fusermount3: ";
  if (text.compare(0, kPrefix.size(), kPrefix) == 0) {
    text.erase(0, kPrefix.size());
  }
  return text;
}

// Runs fusermount3 with its messages going to `message_fd`; its exit status,
// or -1 when it can't be run.
int RunFusermount(const std::string& mountpoint, bool lazily, int message_fd) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, message_fd, STDERR_FILENO);
  std::string program = "fusermount3";
  std::string unmount = lazily ? "-uz" : "-u";
  std::string end = "--";
  std::string path = mountpoint;
  char* const argv[] = {program.data(), unmount.data(), end.data(), path.data(),
                        nullptr};
  // Mount helpers are started without PATH.
  std::string search = "PATH=/usr/bin:/bin:/usr/local/bin";
  char* const environment[] = {search.data(), nullptr};
  pid_t pid = -1;
  int error = ENOENT;
  for (const char* place : {"/usr/bin/fusermount3", "/bin/fusermount3",
                            "/usr/local/bin/fusermount3"}) {
    error = posix_spawn(&pid, place, &actions, nullptr, argv, environment);
    if (error == 0) break;
  }
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Status UnmountByHelper(const std::string& mountpoint, bool lazily) {
  std::array<int, 2> pipe_fds{};
  if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
    return Status::FromErrno(errno, "pipe");
  }
  const int result = RunFusermount(mountpoint, lazily, pipe_fds[1]);
  close(pipe_fds[1]);
  const std::string message = DrainMessage(pipe_fds[0]);
  close(pipe_fds[0]);
  if (result == 0) return OkStatus();
  if (result < 0) {
    return {StatusCode::kPermissionDenied,
            "unmounting " + mountpoint +
                ": not permitted, and fusermount3 can't be run (install the "
                "package fuse3, or be root)"};
  }
  const bool busy = message.find(std::strerror(EBUSY)) != std::string::npos;
  return {busy ? StatusCode::kBusy : StatusCode::kIoError,
          "unmounting " + mountpoint + ": " + message};
}

}  // namespace

std::vector<MountTableEntry> ParseMountTable(std::string_view mountinfo) {
  std::vector<MountTableEntry> table;
  for (const std::string_view line : Split(mountinfo, '\n')) {
    if (std::optional<MountTableEntry> entry = ParseLine(line)) {
      table.push_back(std::move(*entry));
    }
  }
  return table;
}

Result<std::vector<MountTableEntry>> ReadMountTable() {
  TREFOIL_ASSIGN(const std::string text, ReadProcFile("self", "mountinfo"));
  return ParseMountTable(text);
}

std::optional<MountUser> FindMountUser(const MountTableEntry& mount) {
  const auto processes = Env::Posix().List("/proc");
  if (!processes.ok()) return std::nullopt;
  for (const DirEntry& process : *processes) {
    const uint32_t pid = ParseNumber(process.name);
    const auto text = ReadProcFile(process.name, "mountinfo");
    if (pid == 0 || !text.ok()) continue;
    for (const MountTableEntry& entry : ParseMountTable(*text)) {
      // A device number that is free again may be another one's by now.
      if (entry.device_major != mount.device_major ||
          entry.device_minor != mount.device_minor ||
          entry.type != mount.type || entry.source != mount.source) {
        continue;
      }
      const auto command = ReadProcFile(process.name, "comm");
      return MountUser{
          static_cast<int>(pid),
          std::string(Split(command.ok() ? *command : "?", '\n').front()),
          entry.mountpoint};
    }
  }
  return std::nullopt;
}

std::optional<MountTableEntry> FindMount(
    const std::vector<MountTableEntry>& table, std::string_view path) {
  for (auto it = table.rbegin(); it != table.rend(); ++it) {
    if (it->mountpoint == path) return *it;
  }
  return std::nullopt;
}

bool MountAnswers(const std::string& path) {
  struct statfs space {};
  return statfs(path.c_str(), &space) == 0 ||
         (errno != ENOTCONN && errno != ECONNABORTED);
}

Status Unmount(const std::string& mountpoint, bool lazily) {
  const int flags = UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0);
  if (umount2(mountpoint.c_str(), flags) == 0) return OkStatus();
  if (errno == EPERM) return UnmountByHelper(mountpoint, lazily);
  if (errno == EBUSY) {
    return {StatusCode::kBusy,
            "unmounting " + mountpoint + ": a program still uses it"};
  }
  return Status::FromErrno(errno, "unmounting " + mountpoint);
}

}  // namespace trefoil
