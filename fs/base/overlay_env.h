// SPDX-License-Identifier: Apache-2.0
// OverlayEnv: shows the files of another Env, and keeps every change to them
// in memory. What was never meant to change can so be opened by code that
// writes: a volume that crashed is replayed and looked at, and is afterwards
// as it was.
//
// Locks are the other Env's: nobody else may change what lies below. Memory is
// bounded; beyond it writes fail with kNoSpace. Zeros written where a file had
// nothing take no memory. A file that was opened kRead before its first change
// goes on showing what the other Env has.
// Thread rule: as Env.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fs/base/env.h"
#include "fs/base/mutex.h"

namespace trefoil {

class OverlayEnv final : public Env {
 public:
  static constexpr uint64_t kMaxBytes = 1ULL << 30;

  // `base` outlives this, and this the files that it opened.
  explicit OverlayEnv(Env& base, uint64_t max_bytes = kMaxBytes);
  ~OverlayEnv() override;

  Result<std::unique_ptr<File>> Open(const std::string& path,
                                     OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<FileKind> KindOf(const std::string& path) override;
  Result<std::vector<DirEntry>> List(const std::string& path) override;
  Status CreateDir(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDir(const std::string& path) override;
  Status SyncDir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<SpaceInfo> Space(const std::string& path) override;
  [[nodiscard]] bool single_threaded() const override {
    return base_.single_threaded();
  }

 private:
  class Content;
  class OpenedFile;
  struct Budget;
  // What a path stands for, where that is not what `base` has there.
  struct Node {
    enum class Kind { kGone, kFile, kDirectory };
    Kind kind = Kind::kGone;
    std::shared_ptr<Content> content;  // kFile
    // kDirectory: where `base` has what is in it; empty: nowhere.
    std::string origin;
  };

  // What `path` stands for now; kNotFound.
  Result<Node> Find(const std::string& path) REQUIRES(mu_);
  // Why there is nothing at `path`: ENOENT, or ENOTDIR below a file.
  Status Missing(const std::string& path) REQUIRES(mu_);
  Status RequireDir(const std::string& path) REQUIRES(mu_);
  // Where `base` has `path`; empty when it can't have it.
  std::string OriginOf(const std::string& path) REQUIRES(mu_);
  // OK when something can be made at `path`.
  Status CheckParent(const std::string& path) REQUIRES(mu_);
  // The file at `path`, able to take changes.
  Result<std::shared_ptr<Content>> Writable(const std::string& path,
                                            OpenMode mode) REQUIRES(mu_);
  void MoveChildren(const std::string& from, const std::string& to)
      REQUIRES(mu_);
  Result<std::vector<DirEntry>> ListLocked(const std::string& path,
                                           const Node& node) REQUIRES(mu_);

  Env& base_;
  const std::shared_ptr<Budget> budget_;
  Mutex mu_;
  std::map<std::string, Node> nodes_ GUARDED_BY(mu_);
};

}  // namespace trefoil
