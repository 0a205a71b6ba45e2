// SPDX-License-Identifier: Apache-2.0
#include "fs/base/overlay_env.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace trefoil {
namespace {

constexpr uint64_t kPageBytes = 16U << 10;

std::string Clean(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool IsZero(std::string_view bytes) {
  // Each byte equals the next: memcmp is faster than any loop here.
  return bytes.empty() ||
         (bytes[0] == '\0' &&
          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

// Memory that all files of an overlay share.
struct OverlayEnv::Budget {
  explicit Budget(uint64_t max) : max_bytes(max) {}
  bool Take(uint64_t bytes) {
    if (used_bytes.fetch_add(bytes) + bytes <= max_bytes) return true;
    used_bytes -= bytes;
    return false;
  }
  const uint64_t max_bytes;
  std::atomic<uint64_t> used_bytes{0};
};

// A file's bytes: pages that were written, over the file of the base.
class OverlayEnv::Content {
 public:
  // `below` may be null: the file is new.
  Content(std::unique_ptr<File> below, uint64_t size,
          std::shared_ptr<Budget> budget)
      : budget_(std::move(budget)),
        below_(std::move(below)),
        below_size_(size),
        size_(size) {}
  ~Content() { budget_->used_bytes -= pages_.size() * kPageBytes; }
  Content(const Content&) = delete;
  Content& operator=(const Content&) = delete;

  Result<size_t> Read(uint64_t offset, std::span<char> out) {
    const MutexLock lock(mu_);
    if (offset >= size_) return size_t{0};
    const size_t length =
        static_cast<size_t>(std::min<uint64_t>(out.size(), size_ - offset));
    TREFOIL_TRY(ReadLocked(offset, out.first(length)));
    return length;
  }

  Status Write(uint64_t offset, std::string_view data) {
    const MutexLock lock(mu_);
    while (!data.empty()) {
      const uint64_t start = offset % kPageBytes;
      const size_t part = static_cast<size_t>(
          std::min<uint64_t>(kPageBytes - start, data.size()));
      TREFOIL_TRY(WritePage(offset / kPageBytes, start, data.substr(0, part)));
      offset += part;
      data.remove_prefix(part);
      size_ = std::max(size_, offset);
    }
    return OkStatus();
  }

  Status Truncate(uint64_t size) {
    const MutexLock lock(mu_);
    if (size < size_) {
      below_size_ = std::min(below_size_, size);
      const auto first =
          pages_.lower_bound((size + kPageBytes - 1) / kPageBytes);
      const auto gone =
          static_cast<uint64_t>(std::distance(first, pages_.end()));
      budget_->used_bytes -= gone * kPageBytes;
      pages_.erase(first, pages_.end());
      const auto last = pages_.find(size / kPageBytes);
      if (last != pages_.end()) {
        const auto keep = static_cast<size_t>(size % kPageBytes);
        std::fill(last->second.begin() + static_cast<std::ptrdiff_t>(keep),
                  last->second.end(), '\0');
      }
    }
    size_ = size;
    return OkStatus();
  }

  uint64_t size() {
    const MutexLock lock(mu_);
    return size_;
  }

 private:
  // Bytes of the base, then zeros.
  Status ReadBelow(uint64_t offset, std::span<char> out) REQUIRES(mu_) {
    size_t got = 0;
    if (below_ != nullptr && offset < below_size_) {
      const auto length = static_cast<size_t>(
          std::min<uint64_t>(out.size(), below_size_ - offset));
      TREFOIL_ASSIGN(got, below_->ReadAt(offset, out.first(length)));
    }
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(got), out.end(), '\0');
    return OkStatus();
  }

  Status ReadLocked(uint64_t offset, std::span<char> out) REQUIRES(mu_) {
    while (!out.empty()) {
      const uint64_t start = offset % kPageBytes;
      const size_t part = static_cast<size_t>(
          std::min<uint64_t>(kPageBytes - start, out.size()));
      const auto page = pages_.find(offset / kPageBytes);
      if (page == pages_.end()) {
        TREFOIL_TRY(ReadBelow(offset, out.first(part)));
      } else {
        page->second.copy(out.data(), part, static_cast<size_t>(start));
      }
      offset += part;
      out = out.subspan(part);
    }
    return OkStatus();
  }

  Status WritePage(uint64_t number, uint64_t start, std::string_view data)
      REQUIRES(mu_) {
    auto page = pages_.find(number);
    if (page == pages_.end()) {
      const bool hole = number * kPageBytes + start >= below_size_;
      if (hole && IsZero(data)) return OkStatus();
      if (!budget_->Take(kPageBytes)) {
        return {StatusCode::kNoSpace,
                fmt::format("more than {} bytes of changes to look at",
                            budget_->max_bytes)};
      }
      std::string bytes(kPageBytes, '\0');
      const Status read = ReadBelow(number * kPageBytes, bytes);
      if (!read.ok()) {
        budget_->used_bytes -= kPageBytes;
        return read;
      }
      page = pages_.emplace(number, std::move(bytes)).first;
    }
    data.copy(page->second.data() + start, data.size());
    return OkStatus();
  }

  const std::shared_ptr<Budget> budget_;
  const std::unique_ptr<File> below_;
  Mutex mu_;
  uint64_t below_size_ GUARDED_BY(mu_);  // of the base that still shows
  uint64_t size_ GUARDED_BY(mu_);
  std::map<uint64_t, std::string> pages_ GUARDED_BY(mu_);
};

class OverlayEnv::OpenedFile final : public File {
 public:
  explicit OpenedFile(std::shared_ptr<Content> content)
      : content_(std::move(content)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    return content_->Read(offset, out);
  }
  using File::WriteAt;
  Status WriteAt(uint64_t offset,
                 std::span<const std::string_view> parts) override {
    for (const std::string_view part : parts) {
      TREFOIL_TRY(content_->Write(offset, part));
      offset += part.size();
    }
    return OkStatus();
  }
  Status Sync() override { return OkStatus(); }
  void StartWriteback(uint64_t, uint64_t) override {}
  void DropCache(uint64_t, uint64_t) override {}
  Status Truncate(uint64_t size) override { return content_->Truncate(size); }
  Result<uint64_t> Size() override { return content_->size(); }

 private:
  const std::shared_ptr<Content> content_;
};

OverlayEnv::OverlayEnv(Env& base, uint64_t max_bytes)
    : base_(base), budget_(std::make_shared<Budget>(max_bytes)) {}

OverlayEnv::~OverlayEnv() = default;

std::string OverlayEnv::OriginOf(const std::string& path) {
  // The nearest parent that changed decides.
  for (std::string parent = path;;) {
    const std::string up = DirName(parent);
    if (up == parent) return path;
    parent = up;
    const auto found = nodes_.find(parent);
    if (found == nodes_.end()) continue;
    const Node& node = found->second;
    if (node.kind != Node::Kind::kDirectory || node.origin.empty()) return "";
    const size_t skip = parent.size() + (parent.back() == '/' ? 0 : 1);
    return JoinPath(node.origin, path.substr(skip));
  }
}

Status OverlayEnv::Missing(const std::string& path) {
  for (std::string at = path; DirName(at) != at;) {
    at = DirName(at);
    const auto found = nodes_.find(at);
    if (found != nodes_.end() && found->second.kind == Node::Kind::kFile) {
      return Status::FromErrno(ENOTDIR, path);
    }
  }
  return Status::FromErrno(ENOENT, path);
}

Status OverlayEnv::RequireDir(const std::string& path) {
  TREFOIL_ASSIGN(const Node node, Find(path));
  if (node.kind == Node::Kind::kDirectory) return OkStatus();
  return Status::FromErrno(ENOTDIR, path);
}

Result<OverlayEnv::Node> OverlayEnv::Find(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found != nodes_.end()) {
    if (found->second.kind == Node::Kind::kGone) return Missing(path);
    return found->second;
  }
  Node node;
  node.origin = OriginOf(path);
  if (node.origin.empty()) return Missing(path);
  TREFOIL_ASSIGN(const FileInfo info, base_.Stat(node.origin));
  node.kind = info.is_directory ? Node::Kind::kDirectory : Node::Kind::kFile;
  return node;
}

Status OverlayEnv::CheckParent(const std::string& path) {
  const std::string parent = DirName(path);
  TREFOIL_ASSIGN(const Node node, Find(parent));
  if (node.kind == Node::Kind::kDirectory) return OkStatus();
  return Status::FromErrno(ENOTDIR, parent);
}

Result<std::shared_ptr<OverlayEnv::Content>> OverlayEnv::Writable(
    const std::string& path, OpenMode mode) {
  Result<Node> node = Find(path);
  if (node.ok() && mode == OpenMode::kCreateExclusive) {
    return Status::FromErrno(EEXIST, path);
  }
  if (node.ok() && node->kind == Node::Kind::kDirectory) {
    return Status::FromErrno(EISDIR, path);
  }
  if (node.ok() && node->content != nullptr) return node->content;
  std::unique_ptr<File> below;
  uint64_t size = 0;
  if (node.ok()) {
    TREFOIL_ASSIGN(below, base_.Open(node->origin, OpenMode::kRead));
    TREFOIL_ASSIGN(size, below->Size());
  } else {
    const bool creates =
        mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
    if (!node.status().Is(StatusCode::kNotFound) || !creates) {
      return node.status();
    }
    TREFOIL_TRY(CheckParent(path));
  }
  auto content = std::make_shared<Content>(std::move(below), size, budget_);
  nodes_[path] = {Node::Kind::kFile, content, ""};
  return content;
}

Result<std::unique_ptr<File>> OverlayEnv::Open(const std::string& given,
                                               OpenMode mode) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  if (mode == OpenMode::kRead) {
    TREFOIL_ASSIGN(const Node node, Find(path));
    if (node.content == nullptr) return base_.Open(node.origin, mode);
    return std::unique_ptr<File>(std::make_unique<OpenedFile>(node.content));
  }
  TREFOIL_ASSIGN(const std::shared_ptr<Content> content, Writable(path, mode));
  return std::unique_ptr<File>(std::make_unique<OpenedFile>(content));
}

Result<FileInfo> OverlayEnv::Stat(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const Node node, Find(path));
  FileInfo info;
  if (!node.origin.empty()) return base_.Stat(node.origin);
  info.is_directory = node.kind == Node::Kind::kDirectory;
  if (node.content != nullptr) info.size_bytes = node.content->size();
  return info;
}

Result<FileKind> OverlayEnv::KindOf(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const Node node, Find(path));
  if (!node.origin.empty()) return base_.KindOf(node.origin);
  return node.kind == Node::Kind::kDirectory ? FileKind::kDirectory
                                             : FileKind::kFile;
}

Result<std::vector<DirEntry>> OverlayEnv::ListLocked(const std::string& path,
                                                     const Node& node) {
  std::map<std::string, bool> entries;
  if (!node.origin.empty()) {
    TREFOIL_ASSIGN(const std::vector<DirEntry> below, base_.List(node.origin));
    for (const DirEntry& entry : below) {
      entries[entry.name] = entry.is_directory;
    }
  }
  const std::string prefix = JoinPath(path, "");
  for (auto it = nodes_.lower_bound(prefix);
       it != nodes_.end() && it->first.rfind(prefix, 0) == 0; ++it) {
    const std::string name = it->first.substr(prefix.size());
    if (name.empty() || name.find('/') != std::string::npos) continue;
    if (it->second.kind == Node::Kind::kGone) {
      entries.erase(name);
    } else {
      entries[name] = it->second.kind == Node::Kind::kDirectory;
    }
  }
  std::vector<DirEntry> list;
  for (const auto& [name, is_directory] : entries) {
    list.push_back({name, is_directory});
  }
  return list;
}

Result<std::vector<DirEntry>> OverlayEnv::List(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const Node node, Find(path));
  if (node.kind != Node::Kind::kDirectory) {
    return Status::FromErrno(ENOTDIR, path);
  }
  return ListLocked(path, node);
}

Status OverlayEnv::CreateDir(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  const Status there = Find(path).status();
  if (there.ok()) return Status::FromErrno(EEXIST, path);
  if (!there.Is(StatusCode::kNotFound)) return there;
  TREFOIL_TRY(CheckParent(path));
  nodes_[path] = {Node::Kind::kDirectory, nullptr, ""};
  return OkStatus();
}

void OverlayEnv::MoveChildren(const std::string& from, const std::string& to) {
  const std::string prefix = from + "/";
  std::map<std::string, Node> moved;
  for (auto it = nodes_.lower_bound(prefix);
       it != nodes_.end() && it->first.rfind(prefix, 0) == 0;) {
    moved[JoinPath(to, it->first.substr(prefix.size()))] =
        std::move(it->second);
    it = nodes_.erase(it);
  }
  // What was removed from a directory that was once at `to` hides nothing now.
  const std::string old = to + "/";
  for (auto it = nodes_.lower_bound(old);
       it != nodes_.end() && it->first.rfind(old, 0) == 0;) {
    it = nodes_.erase(it);
  }
  for (auto& [path, node] : moved) nodes_[path] = std::move(node);
}

Status OverlayEnv::Rename(const std::string& given_from,
                          const std::string& given_to) {
  const std::string from = Clean(given_from);
  const std::string to = Clean(given_to);
  const MutexLock lock(mu_);
  if (from == to) return OkStatus();
  TREFOIL_ASSIGN(Node node, Find(from));
  TREFOIL_TRY(RequireDir(DirName(to)));
  TREFOIL_TRY(CheckParent(to));
  const Result<Node> there = Find(to);
  const bool is_file = node.kind == Node::Kind::kFile;
  if (there.ok() && (!is_file || there->kind != Node::Kind::kFile)) {
    return Status::FromErrno(is_file ? EISDIR : EEXIST, to);
  }
  if (is_file) {
    TREFOIL_ASSIGN(node.content, Writable(from, OpenMode::kReadWrite));
    node.origin.clear();
  }
  nodes_[to] = node;
  if (node.kind == Node::Kind::kDirectory) MoveChildren(from, to);
  nodes_[from] = Node();
  return OkStatus();
}

Status OverlayEnv::Link(const std::string& given_from,
                        const std::string& given_to) {
  const std::string from = Clean(given_from);
  const std::string to = Clean(given_to);
  const MutexLock lock(mu_);
  if (Find(to).ok()) return Status::FromErrno(EEXIST, to);
  TREFOIL_TRY(CheckParent(to));
  TREFOIL_ASSIGN(const std::shared_ptr<Content> content,
                 Writable(from, OpenMode::kReadWrite));
  nodes_[to] = {Node::Kind::kFile, content, ""};
  return OkStatus();
}

Status OverlayEnv::Remove(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const Node node, Find(path));
  if (node.kind == Node::Kind::kDirectory) {
    return Status::FromErrno(EISDIR, path);
  }
  nodes_[path] = Node();
  return OkStatus();
}

Status OverlayEnv::RemoveDir(const std::string& given) {
  const std::string path = Clean(given);
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const Node node, Find(path));
  if (node.kind != Node::Kind::kDirectory) {
    return Status::FromErrno(ENOTDIR, path);
  }
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, ListLocked(path, node));
  if (!entries.empty()) return Status::FromErrno(ENOTEMPTY, path);
  nodes_[path] = Node();
  return OkStatus();
}

Status OverlayEnv::SyncDir(const std::string& given) {
  const MutexLock lock(mu_);
  return Find(Clean(given)).status();
}

Result<std::unique_ptr<FileLock>> OverlayEnv::Lock(const std::string& path) {
  std::string origin;
  {
    const MutexLock lock(mu_);
    origin = OriginOf(Clean(path));
  }
  // A file that the base has not can't be locked by others either.
  if (origin.empty() || !base_.Exists(origin)) {
    return std::make_unique<FileLock>();
  }
  return base_.Lock(origin);
}

Result<SpaceInfo> OverlayEnv::Space(const std::string& path) {
  return base_.Space(path);
}

}  // namespace trefoil
