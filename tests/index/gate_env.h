// SPDX-License-Identifier: Apache-2.0
// An Env over another that lets a test fail writes, watch them, and take an
// image of a directory as a crash at this moment would leave it: every file
// cut at what was synced of it. Nothing is really synced.
// Thread rule: thread-safe; set the callbacks before the Env is used.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/base/env.h"
#include "fs/base/mutex.h"

namespace trefoil {

class GateEnv final : public Env {
 public:
  // Asked before each write to `path`; its error is the write's.
  using Gate = std::function<Status(const std::string& path)>;

  explicit GateEnv(Env& base) : base_(base) {}
  void SetGate(Gate gate) { gate_ = std::move(gate); }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) override {
    return base_.Stat(path);
  }
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    return base_.List(path);
  }
  Status CreateDir(const std::string& path) override {
    return base_.CreateDir(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    const MutexLock lock(mu_);
    TREFOIL_TRY(base_.Rename(from, to));
    synced_[to] = synced_[from];
    synced_.erase(from);
    return OkStatus();
  }
  Status Link(const std::string& from, const std::string& to) override {
    return base_.Link(from, to);
  }
  Status Remove(const std::string& path) override {
    const MutexLock lock(mu_);
    synced_.erase(path);
    return base_.Remove(path);
  }
  Status RemoveDir(const std::string& path) override {
    return base_.RemoveDir(path);
  }
  Status SyncDir(const std::string& /*path*/) override { return OkStatus(); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return base_.Lock(path);
  }
  Result<SpaceInfo> Space(const std::string& path) override {
    return base_.Space(path);
  }

  // Copies what a crash would leave of `dir` (which has no directories) into
  // the new directory `image`.
  Status TakeImage(const std::string& dir, const std::string& image);

 private:
  class GateFile;

  Env& base_;
  Gate gate_;
  Mutex mu_;  // held over each change of a file and over a whole image
  std::map<std::string, uint64_t> synced_ GUARDED_BY(mu_);
};

class GateEnv::GateFile final : public File {
 public:
  GateFile(GateEnv& env, std::string path, std::unique_ptr<File> file)
      : env_(env), path_(std::move(path)), file_(std::move(file)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    return file_->ReadAt(offset, out);
  }
  using File::WriteAt;
  Status WriteAt(uint64_t offset,
                 std::span<const std::string_view> parts) override {
    if (env_.gate_ != nullptr) TREFOIL_TRY(env_.gate_(path_));
    const MutexLock lock(env_.mu_);
    return file_->WriteAt(offset, parts);
  }
  Status Sync() override {
    const MutexLock lock(env_.mu_);
    TREFOIL_ASSIGN(env_.synced_[path_], file_->Size());
    return OkStatus();
  }
  void StartWriteback(uint64_t /*offset*/, uint64_t /*length*/) override {}
  void DropCache(uint64_t offset, uint64_t length) override {
    file_->DropCache(offset, length);
  }
  Status Truncate(uint64_t size) override {
    const MutexLock lock(env_.mu_);
    return file_->Truncate(size);
  }
  Result<uint64_t> Size() override { return file_->Size(); }

 private:
  GateEnv& env_;
  const std::string path_;
  const std::unique_ptr<File> file_;
};

inline Result<std::unique_ptr<File>> GateEnv::Open(const std::string& path,
                                                   OpenMode mode) {
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(std::unique_ptr<File> file, base_.Open(path, mode));
  return std::unique_ptr<File>(
      std::make_unique<GateFile>(*this, path, std::move(file)));
}

inline Status GateEnv::TakeImage(const std::string& dir,
                                 const std::string& image) {
  const MutexLock lock(mu_);
  TREFOIL_TRY(base_.CreateDir(image));
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, base_.List(dir));
  for (const DirEntry& entry : entries) {
    const std::string path = JoinPath(dir, entry.name);
    TREFOIL_ASSIGN(std::string content, base_.ReadFile(path, 1ULL << 32));
    const auto synced = synced_.find(path);
    content.resize(std::min<size_t>(
        content.size(), synced == synced_.end() ? 0 : synced->second));
    TREFOIL_ASSIGN(
        const std::unique_ptr<File> file,
        base_.Open(JoinPath(image, entry.name), OpenMode::kCreateExclusive));
    TREFOIL_TRY(file->WriteAt(0, content));
  }
  return OkStatus();
}

}  // namespace trefoil
