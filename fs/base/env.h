// SPDX-License-Identifier: Apache-2.0
// Env: the one seam for file I/O. Journal, objects, index and state files use
// nothing else, so that a simulated disk can stand in for the real one.
//
// Thread rule: an Env is thread-safe; a File may be used by many threads at
// once (all I/O is positional).
// Errors: Status::FromErrno with the operation and the path.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/status.h"

namespace trefoil {

class File {
 public:
  virtual ~File() = default;  // closes
  // Reads up to `out.size()` bytes at `offset`; fewer only at the end of the
  // file. Returns the number read.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<char> out) = 0;
  // Writes all of `parts`, one after the other, from `offset` on.
  virtual Status WriteAt(uint64_t offset,
                         std::span<const std::string_view> parts) = 0;
  Status WriteAt(uint64_t offset, std::string_view data) {
    return WriteAt(offset, std::span<const std::string_view>(&data, 1));
  }
  // fdatasync: what was written before is on stable storage when this is OK.
  // After an error nothing is known of earlier writes; never retry (O1).
  virtual Status Sync() = 0;
  // Starts writing [offset, offset+length) out without waiting; a hint.
  virtual void StartWriteback(uint64_t offset, uint64_t length) = 0;
  // Drops [offset, offset+length) from the page cache; a hint.
  virtual void DropCache(uint64_t offset, uint64_t length) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() = 0;
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,             // must exist
  kReadWrite,        // must exist
  kCreate,           // read-write; created (0600) when absent
  kCreateExclusive,  // read-write; kAlreadyExists when present
};

struct FileInfo {
  uint64_t size_bytes = 0;
  bool is_directory = false;
  uint64_t device = 0;  // st_dev
  int64_t mtime_nanos = 0;
  uint32_t mode = 0600;  // permission bits
};

// What a path names itself, not what it leads to.
enum class FileKind { kFile, kDirectory, kOther };  // other: links, devices ...

struct DirEntry {
  std::string name;
  bool is_directory = false;
};

struct SpaceInfo {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // to an ordinary user
};

class Env {
 public:
  virtual ~Env() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path,
                                             OpenMode mode) = 0;
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  // Follows no symbolic link. Where there are none, as Stat.
  virtual Result<FileKind> KindOf(const std::string& path);
  // Entries without `.` and `..`, in no order.
  virtual Result<std::vector<DirEntry>> List(const std::string& path) = 0;
  // Mode 0700; kAlreadyExists when present.
  virtual Status CreateDir(const std::string& path) = 0;
  // Creates what is missing on the way; OK when all is there.
  Status CreateDirs(const std::string& path);
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;     // a file
  virtual Status RemoveDir(const std::string& path) = 0;  // an empty directory
  // Everything below `path`, and `path`; OK when it is not there. Links are
  // removed, not followed.
  Status RemoveTree(const std::string& path);
  // fsync of a directory: creations, renames and removals in it are durable.
  virtual Status SyncDir(const std::string& path) = 0;
  // kBusy when another process or another holder has it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  virtual Result<SpaceInfo> Space(const std::string& path) = 0;
  // Work on these files is done by the threads that ask for it, and nobody
  // starts threads of its own: a simulation, where one seed is one run.
  [[nodiscard]] virtual bool single_threaded() const { return false; }

  // Conveniences over the above.
  // False only where certainly nothing is. What can't be looked at counts as
  // there: whoever opens it learns why, and nobody takes it for lost.
  bool Exists(const std::string& path);
  // kCorruption when the file is larger than `max_bytes`.
  Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes);
  // Replaces `path` atomically and durably: temporary, sync, rename, sync of
  // the directory.
  Status WriteFileAtomically(const std::string& path, std::string_view data);

  // The operating system's; never destroyed.
  static Env& Posix();
};

// "a/b" of "a" and "b".
std::string JoinPath(std::string_view dir, std::string_view name);
// "/a/b" of "/a/b/c"; "." when there is no slash.
std::string DirName(std::string_view path);

}  // namespace trefoil
