// SPDX-License-Identifier: Apache-2.0
// An Env that forwards to another one, counts what passes, and fails what a
// test asks it to fail. Operations are numbered from 1 in the order in which
// they come; with threads of their own in play that order may vary.
//
// Thread rule: any thread. Files may outlive a change of the plan, not the
// FaultEnv.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/base/env.h"
#include "fs/base/mutex.h"

namespace trefoil::testing {

enum class FaultOp : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kSyncDir,
  kRename,
  kRemove,
  kTruncate,
  kOther,     // everything else that changes something
  kAnyChange  // in a Fault: any of the above but reading and plain opening
};

struct Fault {
  FaultOp op = FaultOp::kWrite;
  uint64_t nth = 1;  // counted from Arm on
  int error = EIO;
  bool sticky = false;         // from then on everything that changes fails
  size_t torn_bytes = 0;       // of a failing write, this much is written
  std::string path_part = "";  // only paths that contain it; empty: all
};

class FaultEnv final : public Env {
 public:
  explicit FaultEnv(Env& base) : base_(base) {}

  void Arm(Fault fault) {
    const MutexLock lock(mu_);
    fault_ = std::move(fault);
    seen_ = 0;
    dead_ = 0;
  }
  void Disarm() {
    const MutexLock lock(mu_);
    fault_.reset();
    dead_ = 0;
  }
  // Called before each read, with the file's path, by whoever reads.
  void OnRead(std::function<void(const std::string& path)> on_read) {
    const MutexLock lock(mu_);
    on_read_ = std::move(on_read);
  }
  // Syncs are counted and may fail, but are not passed on: for tests that open
  // a journal a thousand times and crash no machine.
  void SkipSyncs() {
    const MutexLock lock(mu_);
    skip_syncs_ = true;
  }
  [[nodiscard]] uint64_t count(FaultOp op) const {
    const MutexLock lock(mu_);
    return counts_[static_cast<size_t>(op)];
  }
  // True once the armed fault has struck.
  [[nodiscard]] bool struck() const {
    const MutexLock lock(mu_);
    return fault_ && seen_ >= fault_->nth;
  }

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override {
    TREFOIL_TRY(Pass(FaultOp::kOpen, path));
    TREFOIL_ASSIGN(std::unique_ptr<File> file, base_.Open(path, mode));
    return std::unique_ptr<File>(
        std::make_unique<FaultFile>(*this, path, std::move(file)));
  }
  Result<FileInfo> Stat(const std::string& path) override {
    return base_.Stat(path);
  }
  Result<std::vector<DirEntry>> List(const std::string& path) override {
    return base_.List(path);
  }
  Status CreateDir(const std::string& path) override {
    TREFOIL_TRY(Pass(FaultOp::kOther, path));
    return base_.CreateDir(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    TREFOIL_TRY(Pass(FaultOp::kRename, to));
    TREFOIL_TRY(base_.Rename(from, to));
    const MutexLock lock(mu_);
    for (auto& [file, path] : open_) {
      if (path == from) path = to;
    }
    return OkStatus();
  }
  Status Link(const std::string& from, const std::string& to) override {
    TREFOIL_TRY(Pass(FaultOp::kOther, to));
    return base_.Link(from, to);
  }
  Status Remove(const std::string& path) override {
    TREFOIL_TRY(Pass(FaultOp::kRemove, path));
    return base_.Remove(path);
  }
  Status RemoveDir(const std::string& path) override {
    TREFOIL_TRY(Pass(FaultOp::kRemove, path));
    return base_.RemoveDir(path);
  }
  Status SyncDir(const std::string& path) override {
    TREFOIL_TRY(Pass(FaultOp::kSyncDir, path));
    return skip_syncs() ? OkStatus() : base_.SyncDir(path);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return base_.Lock(path);
  }
  Result<SpaceInfo> Space(const std::string& path) override {
    TREFOIL_ASSIGN(SpaceInfo space, base_.Space(path));
    space.available_bytes = std::min(space.available_bytes, available_.load());
    return space;
  }
  // From now on the disk has no more room than this.
  void SetAvailable(uint64_t bytes) { available_ = bytes; }

 private:
  class FaultFile final : public File {
   public:
    FaultFile(FaultEnv& env, const std::string& path,
              std::unique_ptr<File> base)
        : env_(env), base_(std::move(base)) {
      const MutexLock lock(env_.mu_);
      env_.open_.emplace(this, path);
    }
    ~FaultFile() override {
      const MutexLock lock(env_.mu_);
      env_.open_.erase(this);
    }
    FaultFile(const FaultFile&) = delete;
    FaultFile& operator=(const FaultFile&) = delete;

    Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
      TREFOIL_TRY(env_.Pass(FaultOp::kRead, Path()));
      if (const auto on_read = env_.on_read()) on_read(Path());
      return base_->ReadAt(offset, out);
    }
    using File::WriteAt;
    Status WriteAt(uint64_t offset,
                   std::span<const std::string_view> parts) override {
      size_t torn_bytes = 0;
      Status passed = env_.Pass(FaultOp::kWrite, Path(), &torn_bytes);
      if (passed.ok()) return base_->WriteAt(offset, parts);
      for (std::string_view part : parts) {
        part = part.substr(0, torn_bytes);
        TREFOIL_TRY(base_->WriteAt(offset, part));
        offset += part.size();
        torn_bytes -= part.size();
      }
      return passed;
    }
    Status Sync() override {
      TREFOIL_TRY(env_.Pass(FaultOp::kSync, Path()));
      return env_.skip_syncs() ? OkStatus() : base_->Sync();
    }
    void StartWriteback(uint64_t offset, uint64_t length) override {
      base_->StartWriteback(offset, length);
    }
    void DropCache(uint64_t offset, uint64_t length) override {
      base_->DropCache(offset, length);
    }
    Status Truncate(uint64_t size) override {
      TREFOIL_TRY(env_.Pass(FaultOp::kTruncate, Path()));
      return base_->Truncate(size);
    }
    Result<uint64_t> Size() override { return base_->Size(); }

   private:
    // Its present one: files are renamed while they are open.
    [[nodiscard]] std::string Path() const {
      const MutexLock lock(env_.mu_);
      return env_.open_.at(this);
    }

    FaultEnv& env_;
    const std::unique_ptr<File> base_;
  };

  static bool Changes(FaultOp op) {
    return op != FaultOp::kRead && op != FaultOp::kOpen;
  }

  [[nodiscard]] std::function<void(const std::string&)> on_read() const {
    const MutexLock lock(mu_);
    return on_read_;
  }
  [[nodiscard]] bool skip_syncs() const {
    const MutexLock lock(mu_);
    return skip_syncs_;
  }

  // Counts one operation; the error if it is to fail.
  Status Pass(FaultOp op, const std::string& path,
              size_t* torn_bytes = nullptr) {
    const MutexLock lock(mu_);
    ++counts_[static_cast<size_t>(op)];
    if (dead_ != 0 && Changes(op)) {
      return Status::FromErrno(dead_, "fault " + path);
    }
    if (!fault_ || path.find(fault_->path_part) == std::string::npos) {
      return OkStatus();
    }
    const bool matches =
        fault_->op == op || (fault_->op == FaultOp::kAnyChange && Changes(op));
    if (!matches || ++seen_ != fault_->nth) return OkStatus();
    if (fault_->sticky) dead_ = fault_->error;
    if (torn_bytes != nullptr) *torn_bytes = fault_->torn_bytes;
    return Status::FromErrno(fault_->error, "fault " + path);
  }

  Env& base_;
  std::atomic<uint64_t> available_{~0ULL};
  mutable Mutex mu_;
  std::optional<Fault> fault_ GUARDED_BY(mu_);
  uint64_t seen_ GUARDED_BY(mu_) = 0;
  int dead_ GUARDED_BY(mu_) = 0;
  bool skip_syncs_ GUARDED_BY(mu_) = false;
  std::function<void(const std::string&)> on_read_ GUARDED_BY(mu_);
  std::array<uint64_t, 9> counts_ GUARDED_BY(mu_){};
  std::map<const File*, std::string> open_ GUARDED_BY(mu_);
};

}  // namespace trefoil::testing
