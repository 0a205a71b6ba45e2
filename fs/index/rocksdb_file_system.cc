// SPDX-License-Identifier: Apache-2.0
#include "fs/index/rocksdb_file_system.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trefoil {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

using BeforeManifest = std::function<Status()>;

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// How often a write that found no room is tried when nobody asks.
constexpr std::chrono::milliseconds kTryAgainAfter{250};

// RocksDB goes on after NoSpace only, and tells a missing file from a failing
// disk; the rest is an I/O error to it.
IOStatus ToIoStatus(const Status& status) {
  if (status.ok()) return IOStatus::OK();
  switch (status.code()) {
    case StatusCode::kNotFound:
      return IOStatus::PathNotFound(status.message());
    case StatusCode::kNoSpace:
      return IOStatus::NoSpace(status.message());
    case StatusCode::kCorruption:
      return IOStatus::Corruption(status.message());
    case StatusCode::kBusy:
      return IOStatus::Busy(status.message());
    case StatusCode::kNotSupported:
      return IOStatus::NotSupported(status.message());
    default:
      return IOStatus::IOError(status.ToString());
  }
}

IOStatus ReadInto(File& file, uint64_t offset, size_t size, Slice* result,
                  char* scratch) {
  const Result<size_t> got = file.ReadAt(offset, {scratch, size});
  *result = Slice(scratch, got.ok() ? *got : 0);
  return ToIoStatus(got.status());
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file)
      : file_(std::move(file)) {}

  IOStatus Read(size_t size, const IOOptions& /*options*/, Slice* result,
                char* scratch, IODebugContext* /*debug*/) override {
    IOStatus status = ReadInto(*file_, offset_, size, result, scratch);
    offset_ += result->size();
    return status;
  }

  IOStatus Skip(uint64_t size) override {
    offset_ += size;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file)
      : file_(std::move(file)) {}

  IOStatus Read(uint64_t offset, size_t size, const IOOptions& /*options*/,
                Slice* result, char* scratch,
                IODebugContext* /*debug*/) const override {
    return ReadInto(*file_, offset, size, result, scratch);
  }

  IOStatus InvalidateCache(size_t offset, size_t length) override {
    file_->DropCache(offset, length);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  // Without `full_disk` a full disk fails the append.
  WritableFile(std::unique_ptr<File> file, std::shared_ptr<FullDisk> full_disk,
               BeforeManifest before_append)
      : full_disk_(std::move(full_disk)),
        before_append_(std::move(before_append)),
        file_(std::move(file)) {}

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                  IODebugContext* /*debug*/) override {
    if (before_append_ != nullptr) {
      IOStatus allowed = ToIoStatus(before_append_());  // O2
      if (!allowed.ok()) return allowed;
    }
    const auto write = [&] {
      return file_->WriteAt(size_, data.ToStringView());
    };
    IOStatus status =
        ToIoStatus(full_disk_ != nullptr ? full_disk_->Run(write) : write());
    if (status.ok()) size_ += data.size();
    return status;
  }

  IOStatus Truncate(uint64_t size, const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    IOStatus status = ToIoStatus(file_->Truncate(size));
    if (status.ok()) size_ = size;
    return status;
  }

  IOStatus Close(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    file_.reset();
    return IOStatus::OK();
  }

  IOStatus Flush(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    return IOStatus::OK();  // nothing is buffered here
  }

  IOStatus Sync(const IOOptions& /*options*/,
                IODebugContext* /*debug*/) override {
    return ToIoStatus(file_->Sync());  // never tried again
  }

  uint64_t GetFileSize(const IOOptions& /*options*/,
                       IODebugContext* /*debug*/) override {
    return size_;
  }

  IOStatus InvalidateCache(size_t offset, size_t length) override {
    file_->DropCache(offset, length);
    return IOStatus::OK();
  }

  IOStatus RangeSync(uint64_t offset, uint64_t length,
                     const IOOptions& /*options*/,
                     IODebugContext* /*debug*/) override {
    file_->StartWriteback(offset, length);
    return IOStatus::OK();
  }

 private:
  const std::shared_ptr<FullDisk> full_disk_;
  const BeforeManifest before_append_;  // empty but for a MANIFEST
  std::unique_ptr<File> file_;          // until Close
  uint64_t size_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(Env& env, std::string path) : env_(env), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.SyncDir(path_));
  }

  IOStatus Close(const IOOptions& /*options*/,
                 IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }

 private:
  Env& env_;
  const std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<trefoil::FileLock> lock)
      : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<trefoil::FileLock> lock_;
};

bool IsManifest(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name =
      slash == std::string_view::npos ? path : path.substr(slash + 1);
  return name.substr(0, 9) == "MANIFEST-";
}

class EnvFileSystem final : public rocksdb::FileSystem {
 public:
  EnvFileSystem(Env& env, std::shared_ptr<FullDisk> full_disk,
                BeforeManifest before_manifest)
      : env_(env),
        full_disk_(std::move(full_disk)),
        before_manifest_(std::move(before_manifest)) {}

  const char* Name() const override { return "TrefoilEnvFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path,
                             const FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* /*debug*/) override {
    return OpenAs<SequentialFile>(path, result);
  }

  IOStatus NewRandomAccessFile(
      const std::string& path, const FileOptions& /*options*/,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
      IODebugContext* /*debug*/) override {
    return OpenAs<RandomAccessFile>(path, result);
  }

  // An existing file is emptied, as RocksDB expects.
  IOStatus NewWritableFile(const std::string& path,
                           const FileOptions& /*options*/,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* /*debug*/) override {
    result->reset();
    std::unique_ptr<File> file;
    const auto create = [&]() -> Status {
      TREFOIL_ASSIGN(file, env_.Open(path, OpenMode::kCreate));
      return file->Truncate(0);
    };
    const bool is_manifest = IsManifest(path);
    const std::shared_ptr<FullDisk> full_disk =
        is_manifest || full_disk_->IsFlushFile(path) ? full_disk_ : nullptr;
    IOStatus status =
        ToIoStatus(full_disk != nullptr ? full_disk->Run(create) : create());
    if (!status.ok()) return status;
    *result = std::make_unique<WritableFile>(
        std::move(file), full_disk,
        is_manifest ? before_manifest_ : BeforeManifest());
    return IOStatus::OK();
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& /*options*/,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* /*debug*/) override {
    *result = std::make_unique<Directory>(env_, path);
    return IOStatus::OK();
  }

  IOStatus FileExists(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    const Status status = env_.Stat(path).status();
    // Here RocksDB asks for this answer, not for PathNotFound.
    if (status.Is(StatusCode::kNotFound)) return IOStatus::NotFound(path);
    return ToIoStatus(status);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions& /*options*/,
                       std::vector<std::string>* result,
                       IODebugContext* /*debug*/) override {
    result->clear();
    Result<std::vector<DirEntry>> entries = env_.List(path);
    if (!entries.ok()) return ToIoStatus(entries.status());
    for (DirEntry& entry : *entries) result->push_back(std::move(entry.name));
    return IOStatus::OK();
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.Remove(path));
  }

  IOStatus Truncate(const std::string& path, size_t size,
                    const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    Result<std::unique_ptr<File>> file = env_.Open(path, OpenMode::kReadWrite);
    if (!file.ok()) return ToIoStatus(file.status());
    return ToIoStatus((*file)->Truncate(size));
  }

  IOStatus CreateDir(const std::string& path, const IOOptions& /*options*/,
                     IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.CreateDir(path));
  }

  IOStatus CreateDirIfMissing(const std::string& path,
                              const IOOptions& /*options*/,
                              IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.CreateDirs(path));
  }

  IOStatus DeleteDir(const std::string& path, const IOOptions& /*options*/,
                     IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.RemoveDir(path));
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions& /*options*/,
                       uint64_t* size, IODebugContext* /*debug*/) override {
    const Result<FileInfo> info = env_.Stat(path);
    *size = info.ok() ? info->size_bytes : 0;
    return ToIoStatus(info.status());
  }

  IOStatus GetFileModificationTime(const std::string& path,
                                   const IOOptions& /*options*/,
                                   uint64_t* seconds,
                                   IODebugContext* /*debug*/) override {
    const Result<FileInfo> info = env_.Stat(path);
    *seconds = info.ok()
                   ? static_cast<uint64_t>(info->mtime_nanos / kNanosPerSecond)
                   : 0;
    return ToIoStatus(info.status());
  }

  IOStatus RenameFile(const std::string& from, const std::string& to,
                      const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    if (to.ends_with("/CURRENT")) {
      // The manifest that it names must be there when it is: RocksDB takes the
      // sync of the file for one of its name, which POSIX does not promise.
      const Status synced = env_.SyncDir(DirName(to));
      if (!synced.ok()) return ToIoStatus(synced);
    }
    return ToIoStatus(env_.Rename(from, to));
  }

  IOStatus LinkFile(const std::string& from, const std::string& to,
                    const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    return ToIoStatus(env_.Link(from, to));
  }

  IOStatus LockFile(const std::string& path, const IOOptions& /*options*/,
                    rocksdb::FileLock** lock,
                    IODebugContext* /*debug*/) override {
    *lock = nullptr;
    Result<std::unique_ptr<trefoil::FileLock>> held = env_.Lock(path);
    if (!held.ok()) return ToIoStatus(held.status());
    *lock = std::make_unique<HeldLock>(*std::move(held)).release();
    return IOStatus::OK();
  }

  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    const std::unique_ptr<rocksdb::FileLock> given_back(lock);
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(const IOOptions& /*options*/, std::string* /*path*/,
                            IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("test directory");
  }

  // An Env has no working directory: paths stay as they are.
  IOStatus GetAbsolutePath(const std::string& path,
                           const IOOptions& /*options*/, std::string* result,
                           IODebugContext* /*debug*/) override {
    *result = path;
    return IOStatus::OK();
  }

  IOStatus GetFreeSpace(const std::string& path, const IOOptions& /*options*/,
                        uint64_t* bytes, IODebugContext* /*debug*/) override {
    const Result<SpaceInfo> space = env_.Space(path);
    *bytes = space.ok() ? space->available_bytes : 0;
    return ToIoStatus(space.status());
  }

  IOStatus IsDirectory(const std::string& path, const IOOptions& /*options*/,
                       bool* is_directory, IODebugContext* /*debug*/) override {
    const Result<FileInfo> info = env_.Stat(path);
    *is_directory = info.ok() && info->is_directory;
    return ToIoStatus(info.status());
  }

 private:
  template <class Reader, class Interface>
  IOStatus OpenAs(const std::string& path, std::unique_ptr<Interface>* result) {
    result->reset();
    Result<std::unique_ptr<File>> file = env_.Open(path, OpenMode::kRead);
    if (!file.ok()) return ToIoStatus(file.status());
    *result = std::make_unique<Reader>(*std::move(file));
    return IOStatus::OK();
  }

  Env& env_;
  const std::shared_ptr<FullDisk> full_disk_;
  const BeforeManifest before_manifest_;
};

}  // namespace

Status FullDisk::Run(const std::function<Status()>& write) {
  bool counted = false;
  for (;;) {
    Status status = write();
    const MutexLock lock(mu_);
    const bool again = status.Is(StatusCode::kNoSpace) && waits_;
    waiting_ += (again ? 1 : 0) - (counted ? 1 : 0);
    counted = again;
    changed_.SignalAll();
    if (!again) return status;
    const uint64_t failure = ++failures_;
    error_ = std::move(status);
    if (waits_ && wanted_ < failure) changed_.WaitFor(mu_, kTryAgainAfter);
  }
}

void FullDisk::Start() {
  const MutexLock lock(mu_);
  waits_ = true;
}

void FullDisk::Stop() {
  const MutexLock lock(mu_);
  waits_ = false;
  changed_.SignalAll();
}

Status FullDisk::TryNow() {
  const MutexLock lock(mu_);
  const uint64_t failure = failures_;
  wanted_ = failure;
  changed_.SignalAll();
  while (waits_ && waiting_ > 0 && failures_ == failure) changed_.Wait(mu_);
  return waiting_ > 0 ? error_ : OkStatus();
}

void FullDisk::SetFlushFile(const std::string& path) {
  const MutexLock lock(mu_);
  flush_file_ = path;
}

bool FullDisk::IsFlushFile(const std::string& path) {
  const MutexLock lock(mu_);
  return path == flush_file_;
}

std::shared_ptr<rocksdb::FileSystem> NewEnvFileSystem(
    Env& env, std::shared_ptr<FullDisk> full_disk,
    std::function<Status()> before_manifest) {
  return std::make_shared<EnvFileSystem>(env, std::move(full_disk),
                                         std::move(before_manifest));
}

}  // namespace trefoil
