// SPDX-License-Identifier: Apache-2.0
#include "fs/object/local_tree.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <set>

#include "fs/base/mutex.h"
#include "fs/object/frame.h"
#include "fs/object/open_objects.h"
#include "fs/object/tree_walk.h"

namespace trefoil {
namespace {

constexpr size_t kCopyBytes = 1U << 20;
// Leftovers of crashed processes that one search for a free name steps over.
constexpr int kMaxNameAttempts = 100'000;
// Directories remembered as durable; beyond it the memory starts anew.
constexpr size_t kMaxKnownDirs = 4096;

Status CheckKey(std::string_view key) {
  const bool is_reserved =
      key == kTemporaryDir || key.starts_with(std::string(kTemporaryDir) + "/");
  if (IsValidObjectKey(key) && !is_reserved) return OkStatus();
  return {StatusCode::kInvalidArgument, "not a valid object key"};
}

// Filesystems without hard links say so in several ways.
bool MeansNoLinks(const Status& status) {
  const int error = status.posix_errno();
  return error == EPERM || error == EOPNOTSUPP || error == ENOSYS;
}

// Removes a temporary file unless it was moved away.
class TemporaryFile {
 public:
  TemporaryFile(Env& env, std::string path)
      : env_(env), path_(std::move(path)) {}
  ~TemporaryFile() {
    // What can't be removed is found by RemoveTemporaries.
    if (!moved_) static_cast<void>(env_.Remove(path_));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  void WasMoved() { moved_ = true; }

 private:
  Env& env_;
  const std::string path_;
  bool moved_ = false;
};

// An object's file as the source of another store's Put.
class FileSource final : public ObjectSource {
 public:
  FileSource(std::unique_ptr<File> file, std::string path, uint64_t size_bytes,
             const Hash256& sha256)
      : file_(std::move(file)),
        path_(std::move(path)),
        size_bytes_(size_bytes),
        sha256_(sha256) {}
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Hash256 sha256() const override { return sha256_; }
  Status ReadAt(uint64_t offset, std::span<char> out) override {
    TREFOIL_ASSIGN(const size_t got, file_->ReadAt(offset, out));
    if (got == out.size()) return OkStatus();
    return {StatusCode::kCorruption, path_ + ": ends early"};
  }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  const uint64_t size_bytes_;
  const Hash256 sha256_;
};

// O10: what a bad disk made of the source must not become a copy.
Status CopySource(ObjectSource& source, File& file) {
  const uint64_t size = source.size_bytes();
  std::string piece(std::min<uint64_t>(size, kCopyBytes), '\0');
  Sha256 sha256;
  for (uint64_t done = 0; done < size; done += piece.size()) {
    piece.resize(std::min<uint64_t>(size - done, kCopyBytes));
    TREFOIL_TRY(source.ReadAt(done, piece));
    sha256.Update(piece);
    TREFOIL_TRY(file.WriteAt(done, piece));
    file.StartWriteback(done, piece.size());
  }
  if (sha256.Finish() == source.sha256()) return OkStatus();
  return {StatusCode::kCorruption, "the source does not hash to its name"};
}

}  // namespace

struct LocalTree::Impl {
  Impl(Env& env_in, std::string root_in)
      : env(env_in), root(std::move(root_in)), open_objects(env, root) {}

  [[nodiscard]] std::string PathOf(std::string_view key) const {
    return JoinPath(root, key);
  }

  // Makes `dir` (relative to root) durably; remembered, so that it costs
  // nothing the next time.
  Status EnsureDir(std::string_view dir);
  Status EnsureOneDir(const std::string& dir);
  // A directory that was made is gone: somebody removed it.
  void ForgetDirs();
  // The file on tmp/ with everything of `source`, durable.
  Status WriteTemporary(const std::string& path, ObjectSource& source);
  // Moves a durable temporary file to `key`.
  Status Move(const std::string& from, std::string_view key);
  // As Move; the file `from` stays too. kAlreadyExists when there is one.
  Status LinkIfAbsent(const std::string& from, std::string_view key);
  // True when `key` is there with this size, durably; kCorruption when it has
  // another.
  Result<bool> IsThere(std::string_view key, uint64_t size_bytes);
  Result<std::string> ReadRange(const std::string& path, ByteRange range,
                                uint64_t max_bytes);
  Result<OpenedFrame> ReadFrame(std::string_view key,
                                const FrameLocation& location,
                                const Keyring& keyring);

  Env& env;
  const std::string root;
  OpenObjects open_objects;
  std::atomic<uint64_t> next_temporary{1};

  Mutex mu;  // a leaf: no I/O is done under it
  std::set<std::string, std::less<>> known_dirs GUARDED_BY(mu);
};

Status LocalTree::Impl::EnsureDir(std::string_view dir) {
  {
    const MutexLock lock(mu);
    if (known_dirs.contains(dir)) return OkStatus();
  }
  for (size_t end = dir.find('/');; end = dir.find('/', end + 1)) {
    TREFOIL_TRY(EnsureOneDir(std::string(dir.substr(0, end))));
    if (end == std::string_view::npos) return OkStatus();
  }
}

Status LocalTree::Impl::EnsureOneDir(const std::string& dir) {
  const std::string path = PathOf(dir);
  Status created = env.CreateDir(path);
  if (!created.ok() && !created.Is(StatusCode::kAlreadyExists)) return created;
  // One that exists may have been made by a process that died before this.
  TREFOIL_TRY(env.SyncDir(DirName(path)));
  const MutexLock lock(mu);
  if (known_dirs.size() >= kMaxKnownDirs) known_dirs.clear();
  known_dirs.insert(dir);
  return OkStatus();
}

void LocalTree::Impl::ForgetDirs() {
  const MutexLock lock(mu);
  known_dirs.clear();
}

Status LocalTree::Impl::WriteTemporary(const std::string& path,
                                       ObjectSource& source) {
  TREFOIL_ASSIGN(const std::unique_ptr<File> file,
                 env.Open(path, OpenMode::kReadWrite));
  TREFOIL_TRY(CopySource(source, *file));
  return file->Sync();
}

Status LocalTree::Impl::Move(const std::string& from, std::string_view key) {
  const std::string to = PathOf(key);
  Status renamed = env.Rename(from, to);
  // An empty directory in an object's place has nothing that anybody misses.
  if (renamed.posix_errno() == EISDIR && env.RemoveDir(to).ok()) {
    renamed = env.Rename(from, to);
  }
  if (renamed.posix_errno() == EISDIR) {
    return Status::FromErrno(
        EISDIR, to + ": stands where an object belongs; move it elsewhere");
  }
  if (renamed.Is(StatusCode::kNotFound)) ForgetDirs();
  TREFOIL_TRY(renamed);
  open_objects.Forget(key);
  return env.SyncDir(DirName(to));
}

Status LocalTree::Impl::LinkIfAbsent(const std::string& from,
                                     std::string_view key) {
  const std::string to = PathOf(key);
  const Status linked = env.Link(from, to);
  if (linked.Is(StatusCode::kNotFound)) ForgetDirs();
  if (MeansNoLinks(linked)) {
    return {StatusCode::kNotSupported,
            root + ": this filesystem has no hard links"};
  }
  TREFOIL_TRY(linked);
  return env.SyncDir(DirName(to));
}

Result<bool> LocalTree::Impl::IsThere(std::string_view key,
                                      uint64_t size_bytes) {
  const std::string path = PathOf(key);
  const Result<FileInfo> info = env.Stat(path);
  if (info.status().Is(StatusCode::kNotFound)) return false;
  if (!info.ok()) return info.status();
  if (info->is_directory || info->size_bytes != size_bytes) {
    return Status(StatusCode::kCorruption,
                  path + ": has " + std::to_string(info->size_bytes) +
                      " bytes instead of " + std::to_string(size_bytes));
  }
  // Whoever put it there may have died before this.
  TREFOIL_TRY(env.SyncDir(DirName(path)));
  return true;
}

Result<std::string> LocalTree::Impl::ReadRange(const std::string& path,
                                               ByteRange range,
                                               uint64_t max_bytes) {
  TREFOIL_ASSIGN(const FileInfo info, env.Stat(path));
  if (info.is_directory) {
    return Status(StatusCode::kNotFound, path + ": a directory");
  }
  TREFOIL_ASSIGN(const std::unique_ptr<File> file, OpenPlainFile(env, path));
  TREFOIL_ASSIGN(const uint64_t size, file->Size());
  if (range.offset >= size) return std::string();
  uint64_t length = size - range.offset;
  if (range.length != 0) length = std::min(length, range.length);
  if (length > max_bytes) {
    return Status(StatusCode::kCorruption, path + ": has more bytes than the " +
                                               std::to_string(max_bytes) +
                                               " expected");
  }
  std::string bytes(length, '\0');
  TREFOIL_ASSIGN(const size_t got, file->ReadAt(range.offset, bytes));
  bytes.resize(got);
  return bytes;
}

Result<OpenedFrame> LocalTree::Impl::ReadFrame(std::string_view key,
                                               const FrameLocation& location,
                                               const Keyring& keyring) {
  if (location.stored_bytes < kFrameHeaderBytes ||
      location.stored_bytes > kMaxStoredFrameBytes) {
    return Status(StatusCode::kCorruption, "no frame has this length");
  }
  TREFOIL_ASSIGN(const std::shared_ptr<OpenObject> object,
                 open_objects.Get(key, keyring));
  const auto bytes =
      std::make_unique_for_overwrite<char[]>(location.stored_bytes);
  TREFOIL_ASSIGN(const size_t got,
                 object->file->ReadAt(location.offset,
                                      {bytes.get(), location.stored_bytes}));
  TREFOIL_ASSIGN(OpenedFrame frame, OpenFrame(object->sealer, location.offset,
                                              {bytes.get(), got}));
  if (frame.location != location) {
    return Status(StatusCode::kCorruption, "not the frame that was looked for");
  }
  return frame;
}

LocalTree::LocalTree(Env& env, std::string root)
    : impl_(std::make_unique<Impl>(env, std::move(root))) {}

LocalTree::~LocalTree() = default;

Status LocalTree::Put(std::string_view key, ObjectSource& source,
                      PutMode mode) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  if (mode == PutMode::kImmutable) {
    TREFOIL_ASSIGN(const bool is_there,
                   impl_->IsThere(key, source.size_bytes()));
    if (is_there) return OkStatus();
  }
  if (key.find('/') != std::string_view::npos) {
    TREFOIL_TRY(impl_->EnsureDir(DirName(key)));
  }
  TREFOIL_ASSIGN(std::string path, NewTemporaryPath());
  TemporaryFile temporary(impl_->env, std::move(path));
  TREFOIL_TRY(impl_->WriteTemporary(temporary.path(), source).WithContext(key));
  if (mode == PutMode::kIfAbsent) {
    return impl_->LinkIfAbsent(temporary.path(), key);
  }
  TREFOIL_TRY(impl_->Move(temporary.path(), key));
  temporary.WasMoved();
  return OkStatus();
}

Result<std::string> LocalTree::Get(std::string_view key, ByteRange range,
                                   uint64_t max_bytes) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  return impl_->ReadRange(impl_->PathOf(key), range, max_bytes);
}

Result<ObjectInfo> LocalTree::Head(std::string_view key) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  const std::string path = impl_->PathOf(key);
  TREFOIL_ASSIGN(const FileInfo info, impl_->env.Stat(path));
  if (info.is_directory) {
    return Status(StatusCode::kNotFound, path + ": a directory");
  }
  return ObjectInfo{std::string(key), info.size_bytes};
}

Status LocalTree::List(std::string_view prefix, std::string_view start_after,
                       const std::function<bool(const ObjectInfo&)>& visit) {
  return WalkTree(impl_->env, impl_->root, prefix, start_after, visit);
}

// Not synced: an object that a crash brings back is only one to delete again.
Status LocalTree::Delete(std::string_view key) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  const Status removed = impl_->env.Remove(impl_->PathOf(key));
  impl_->open_objects.Forget(key);
  return removed.Is(StatusCode::kNotFound) ? OkStatus() : removed;
}

Status LocalTree::DeleteDurably(std::string_view key) {
  TREFOIL_TRY(Delete(key));
  const Status synced = impl_->env.SyncDir(DirName(impl_->PathOf(key)));
  return synced.Is(StatusCode::kNotFound) ? OkStatus() : synced;
}

void LocalTree::DropCache(std::string_view key) {
  if (!CheckKey(key).ok()) return;
  const auto file = OpenPlainFile(impl_->env, impl_->PathOf(key));
  if (file.ok()) (*file)->DropCache(0, 0);  // all of it
}

std::string LocalTree::Describe() const { return impl_->root; }

Result<std::string> LocalTree::NewTemporaryPath() {
  TREFOIL_TRY(impl_->EnsureDir(kTemporaryDir));
  const std::string dir = impl_->PathOf(kTemporaryDir);
  for (int attempt = 0; attempt < kMaxNameAttempts; ++attempt) {
    const uint64_t number = impl_->next_temporary.fetch_add(1);
    std::string path = JoinPath(dir, "object-" + std::to_string(number));
    const Status status =
        impl_->env.Open(path, OpenMode::kCreateExclusive).status();
    if (status.ok()) return path;
    if (status.Is(StatusCode::kNotFound)) impl_->ForgetDirs();
    if (!status.Is(StatusCode::kAlreadyExists)) return status;
  }
  return Status(StatusCode::kAlreadyExists, dir + ": too many leftovers");
}

Status LocalTree::Adopt(const FinishedObject& object, std::string_view key) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  TREFOIL_ASSIGN(const bool is_there, impl_->IsThere(key, object.size_bytes));
  if (is_there) return impl_->env.Remove(object.temporary_path);
  if (key.find('/') != std::string_view::npos) {
    TREFOIL_TRY(impl_->EnsureDir(DirName(key)));
  }
  return impl_->Move(object.temporary_path, key);
}

Status LocalTree::RemoveTemporaries() {
  const std::string dir = impl_->PathOf(kTemporaryDir);
  const Result<std::vector<DirEntry>> entries = impl_->env.List(dir);
  if (entries.status().Is(StatusCode::kNotFound)) return OkStatus();
  if (!entries.ok()) return entries.status();
  for (const DirEntry& entry : *entries) {
    TREFOIL_TRY(impl_->env.RemoveTree(JoinPath(dir, entry.name)));
  }
  return OkStatus();
}

Result<OpenedFrame> LocalTree::ReadFrame(std::string_view key,
                                         const FrameLocation& location,
                                         const Keyring& keyring) {
  Result<OpenedFrame> frame = impl_->ReadFrame(key, location, keyring);
  if (frame.ok()) return frame;
  // Somebody may repair the file by another way than this tree.
  impl_->open_objects.Forget(key);
  return AtFrame(frame.status(), location.frame_no, location.offset)
      .WithContext(key);
}

Result<std::unique_ptr<ObjectSource>> LocalTree::OpenSource(
    std::string_view key, const Hash256& name) {
  TREFOIL_TRY(CheckKey(key).WithContext(key));
  const std::string path = impl_->PathOf(key);
  TREFOIL_ASSIGN(std::unique_ptr<File> file, OpenPlainFile(impl_->env, path));
  TREFOIL_ASSIGN(const uint64_t size, file->Size());
  return std::unique_ptr<ObjectSource>(
      std::make_unique<FileSource>(std::move(file), path, size, name));
}

}  // namespace trefoil
