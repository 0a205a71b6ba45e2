// SPDX-License-Identifier: Apache-2.0
// Env over the operating system's files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "fs/base/env.h"

namespace trefoil {
namespace {

constexpr size_t kMaxIovecs = 64;  // well below IOV_MAX

Status Failed(const char* operation, const std::string& path) {
  const int error = errno;
  return Status::FromErrno(error, std::string(operation) + " " + path);
}

// Calls `call` until a signal does not interrupt it.
template <class Call>
auto Uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// A descriptor, closed when destroyed.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd& operator=(Fd&&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

Result<Fd> OpenFd(const std::string& path, int flags) {
  const int fd = Uninterrupted(
      [&] { return open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) return Failed("open", path);
  return Fd(fd);
}

// The vectors of one pwritev call: the first up to kMaxIovecs parts that are
// not yet written.
class PendingParts {
 public:
  explicit PendingParts(std::span<const std::string_view> parts)
      : parts_(parts) {}

  // False when nothing is left.
  bool Fill() {
    while (!parts_.empty() && skip_ == parts_.front().size()) NextPart();
    count_ = 0;
    size_t skip = skip_;
    for (const std::string_view part : parts_) {
      if (count_ == kMaxIovecs) break;
      iovecs_[count_].iov_base = const_cast<char*>(part.data() + skip);
      iovecs_[count_].iov_len = part.size() - skip;
      ++count_;
      skip = 0;
    }
    return count_ > 0;
  }

  void Advance(size_t written) {
    while (written > 0) {
      const size_t step = std::min(written, parts_.front().size() - skip_);
      skip_ += step;
      written -= step;
      if (skip_ == parts_.front().size()) NextPart();
    }
  }

  [[nodiscard]] const iovec* data() const { return iovecs_.data(); }
  [[nodiscard]] int count() const { return static_cast<int>(count_); }

 private:
  void NextPart() {
    parts_ = parts_.subspan(1);
    skip_ = 0;
  }

  std::span<const std::string_view> parts_;
  size_t skip_ = 0;  // bytes of the first part that are written
  std::array<iovec, kMaxIovecs> iovecs_{};
  size_t count_ = 0;
};

class PosixFile final : public File {
 public:
  PosixFile(Fd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = Uninterrupted([&] {
        return pread(fd_.get(), out.data() + done, out.size() - done,
                     static_cast<off_t>(offset + done));
      });
      if (got < 0) return Failed("read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  using File::WriteAt;
  Status WriteAt(uint64_t offset,
                 std::span<const std::string_view> parts) override {
    PendingParts pending(parts);
    while (pending.Fill()) {
      const ssize_t put = Uninterrupted([&] {
        return pwritev(fd_.get(), pending.data(), pending.count(),
                       static_cast<off_t>(offset));
      });
      if (put < 0) return Failed("write", path_);
      // A medium that takes nothing and says nothing would loop for ever.
      if (put == 0) return Status::FromErrno(EIO, "write " + path_);
      pending.Advance(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return OkStatus();
  }

  Status Sync() override {
    // Never repeated, also when interrupted: the first answer is the only one
    // that counts (O1).
    if (fdatasync(fd_.get()) != 0) return Failed("fdatasync", path_);
    return OkStatus();
  }

  void StartWriteback(uint64_t offset, uint64_t length) override {
    // A hint; the error, if any, comes with the next Sync.
    static_cast<void>(sync_file_range(fd_.get(), static_cast<off_t>(offset),
                                      static_cast<off_t>(length),
                                      SYNC_FILE_RANGE_WRITE));
  }

  void DropCache(uint64_t offset, uint64_t length) override {
    static_cast<void>(posix_fadvise(fd_.get(), static_cast<off_t>(offset),
                                    static_cast<off_t>(length),
                                    POSIX_FADV_DONTNEED));
  }

  Status Truncate(uint64_t size) override {
    const int result = Uninterrupted(
        [&] { return ftruncate(fd_.get(), static_cast<off_t>(size)); });
    if (result != 0) return Failed("truncate", path_);
    return OkStatus();
  }

  Result<uint64_t> Size() override {
    struct stat st {};
    if (fstat(fd_.get(), &st) != 0) return Failed("stat", path_);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  const Fd fd_;
  const std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Fd fd) : fd_(std::move(fd)) {}

 private:
  const Fd fd_;  // closing it gives the lock back
};

int OpenFlags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateExclusive:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

bool IsDirectory(DIR* dir, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat st {};
  return fstatat(dirfd(dir), entry.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(st.st_mode);
}

class PosixEnv final : public Env {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override {
    TREFOIL_ASSIGN(Fd fd, OpenFd(path, OpenFlags(mode)));
    return std::unique_ptr<File>(
        std::make_unique<PosixFile>(std::move(fd), path));
  }

  Result<FileInfo> Stat(const std::string& path) override {
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) return Failed("stat", path);
    FileInfo info;
    info.size_bytes = static_cast<uint64_t>(st.st_size);
    info.is_directory = S_ISDIR(st.st_mode);
    info.device = st.st_dev;
    info.mode = st.st_mode & 07777;
    info.mtime_nanos =
        int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec;
    return info;
  }

  Result<FileKind> KindOf(const std::string& path) override {
    struct stat st {};
    if (lstat(path.c_str(), &st) != 0) return Failed("lstat", path);
    if (S_ISREG(st.st_mode)) return FileKind::kFile;
    return S_ISDIR(st.st_mode) ? FileKind::kDirectory : FileKind::kOther;
  }

  Result<std::vector<DirEntry>> List(const std::string& path) override {
    const std::unique_ptr<DIR, DirCloser> dir(opendir(path.c_str()));
    if (dir == nullptr) return Failed("opendir", path);
    std::vector<DirEntry> entries;
    for (;;) {
      errno = 0;
      // Each stream belongs to this call alone.
      const dirent* entry =
          readdir(dir.get());  // NOLINT(concurrency-mt-unsafe)
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      entries.push_back({std::move(name), IsDirectory(dir.get(), *entry)});
    }
    if (errno != 0) return Failed("readdir", path);
    return entries;
  }

  Status CreateDir(const std::string& path) override {
    if (mkdir(path.c_str(), 0700) != 0) return Failed("mkdir", path);
    return OkStatus();
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) return Failed("rename", from);
    return OkStatus();
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (link(from.c_str(), to.c_str()) != 0) return Failed("link", to);
    return OkStatus();
  }

  Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return Failed("unlink", path);
    return OkStatus();
  }

  Status RemoveDir(const std::string& path) override {
    if (rmdir(path.c_str()) != 0) return Failed("rmdir", path);
    return OkStatus();
  }

  Status SyncDir(const std::string& path) override {
    TREFOIL_ASSIGN(const Fd fd, OpenFd(path, O_RDONLY | O_DIRECTORY));
    if (fsync(fd.get()) != 0) return Failed("fsync", path);
    return OkStatus();
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    TREFOIL_ASSIGN(Fd fd, OpenFd(path, O_RDWR | O_CREAT));
    // flock belongs to the open file, so that a second holder in this process
    // is refused as well.
    const int result =
        Uninterrupted([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); });
    if (result != 0 && errno == EWOULDBLOCK) {
      return Status(StatusCode::kBusy, path + ": locked by somebody else");
    }
    if (result != 0) return Failed("flock", path);
    return std::unique_ptr<FileLock>(
        std::make_unique<PosixLock>(std::move(fd)));
  }

  Result<SpaceInfo> Space(const std::string& path) override {
    struct statvfs st {};
    if (statvfs(path.c_str(), &st) != 0) return Failed("statvfs", path);
    SpaceInfo info;
    info.total_bytes = uint64_t{st.f_blocks} * st.f_frsize;
    info.available_bytes = uint64_t{st.f_bavail} * st.f_frsize;
    return info;
  }
};

}  // namespace

Env& Env::Posix() {
  static auto* const env = new PosixEnv;
  return *env;
}

}  // namespace trefoil
