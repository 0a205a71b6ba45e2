// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_env.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fs/base/hash.h"

namespace trefoil {
namespace {

Status Gone(const std::string& path) {
  return Status::FromErrno(EIO, "the machine has stopped: " + path);
}

uint64_t TotalSize(std::span<const std::string_view> parts) {
  uint64_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  return size;
}

}  // namespace

std::string_view SimOpName(SimOp op) {
  static constexpr std::array<std::string_view, kSimOps> kNames = {
      "open",   "read",  "stat",     "list", "lock",    "space",
      "create", "write", "truncate", "sync", "syncdir", "mkdir",
      "rename", "link",  "remove",   "rmdir"};
  return kNames[static_cast<size_t>(op)];
}

class SimEnv::SimFile final : public File {
 public:
  SimFile(SimEnv& env, SimDisk::InodeNo inode, uint64_t life)
      : env_(env), inode_(inode), life_(life) {}
  ~SimFile() override { env_.CloseFile(*this); }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    return env_.ReadFile(*this, offset, out);
  }
  using File::WriteAt;
  Status WriteAt(uint64_t offset,
                 std::span<const std::string_view> parts) override {
    return env_.WriteFile(*this, offset, parts);
  }
  Status Sync() override { return env_.SyncFile(*this); }
  void StartWriteback(uint64_t /*offset*/, uint64_t /*length*/) override {}
  void DropCache(uint64_t /*offset*/, uint64_t /*length*/) override {}
  Status Truncate(uint64_t size) override {
    return env_.TruncateFile(*this, size);
  }
  Result<uint64_t> Size() override { return env_.SizeOf(*this); }

  [[nodiscard]] SimDisk::InodeNo inode() const { return inode_; }
  [[nodiscard]] uint64_t life() const { return life_; }

 private:
  SimEnv& env_;
  const SimDisk::InodeNo inode_;
  const uint64_t life_;
};

class SimEnv::SimLock final : public FileLock {
 public:
  SimLock(SimEnv& env, SimDisk::InodeNo inode, uint64_t life)
      : env_(env), inode_(inode), life_(life) {}
  ~SimLock() override { env_.Unlock(*this); }
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;

  [[nodiscard]] SimDisk::InodeNo inode() const { return inode_; }
  [[nodiscard]] uint64_t life() const { return life_; }

 private:
  SimEnv& env_;
  const SimDisk::InodeNo inode_;
  const uint64_t life_;
};

SimEnv::SimEnv(const SimEnvOptions& options)
    : clock_(options.clock),
      single_threaded_(options.single_threaded),
      disk_(options.capacity_bytes),
      random_(options.seed) {
  if (options.unordered) disk_.set_unordered();
}

SimEnv::~SimEnv() = default;

std::unique_ptr<SimEnv> SimEnv::Fork(uint64_t seed) const {
  SimEnvOptions options;
  options.seed = seed;
  options.clock = clock_;
  options.single_threaded = single_threaded_;
  auto fork = std::make_unique<SimEnv>(options);
  const MutexLock lock(mu_);
  const MutexLock other(fork->mu_);
  fork->disk_ = disk_;
  fork->disk_.CloseAll();
  return fork;
}

// --- Ends --------------------------------------------------------------------

void SimEnv::CrashAt(uint64_t nth) {
  const MutexLock lock(mu_);
  crash_at_ = changes_ + nth;
}

bool SimEnv::crashed() const {
  const MutexLock lock(mu_);
  return crashed_;
}

void SimEnv::Restart() {
  ++life_;
  if (crashed_) crash_at_ = 0;
  crashed_ = false;
  locked_.clear();
}

void SimEnv::Crash() {
  const MutexLock lock(mu_);
  disk_.Crash(random_);
  crash_at_ = 0;
  Restart();
}

void SimEnv::Kill() {
  const MutexLock lock(mu_);
  disk_.CloseAll();
  Restart();
}

void SimEnv::Reseed(uint64_t seed) {
  const MutexLock lock(mu_);
  random_.seed(seed);
}

// --- Faults ------------------------------------------------------------------

void SimEnv::Inject(SimFault fault) {
  const MutexLock lock(mu_);
  rules_.push_back({std::move(fault), 0});
}

void SimEnv::ClearFaults() {
  const MutexLock lock(mu_);
  rules_.clear();
}

uint64_t SimEnv::struck() const {
  const MutexLock lock(mu_);
  return struck_;
}

void SimEnv::SetCapacity(uint64_t bytes) {
  const MutexLock lock(mu_);
  disk_.set_capacity(bytes);
}

void SimEnv::FillUpTo(uint64_t bytes) {
  const MutexLock lock(mu_);
  disk_.set_taken(0);
  const uint64_t available = disk_.Space().available_bytes;
  disk_.set_taken(available - std::min(available, bytes));
}

Status SimEnv::Flip(const std::string& path, uint64_t offset, char bits) {
  const MutexLock lock(mu_);
  TREFOIL_ASSIGN(const SimDisk::InodeNo inode, disk_.Find(path));
  disk_.Flip(inode, offset, bits);
  return OkStatus();
}

// --- What happened -----------------------------------------------------------

uint64_t SimEnv::count(SimOp op) const {
  const MutexLock lock(mu_);
  return counts_[static_cast<size_t>(op)];
}

uint64_t SimEnv::changes() const {
  const MutexLock lock(mu_);
  return changes_;
}

void SimEnv::StartTrace(bool lines, std::string without_data) {
  const MutexLock lock(mu_);
  tracing_ = true;
  without_data_ = std::move(without_data);
  keeping_lines_ = lines;
}

uint64_t SimEnv::trace_hash() const {
  const MutexLock lock(mu_);
  return trace_hash_;
}

std::vector<std::string> SimEnv::trace() const {
  const MutexLock lock(mu_);
  return trace_;
}

void SimEnv::Note(const SimOperation& operation, std::string_view data) {
  if (!tracing_) return;
  if (!without_data_.empty() &&
      operation.path.find(without_data_) != std::string::npos) {
    data = {};
  }
  std::string line = fmt::format(
      "{} {} {} {} {:016x}", SimOpName(operation.op), operation.path,
      operation.offset, operation.length, data.empty() ? 0 : Xxh3(data));
  trace_hash_ = Xxh3(line, trace_hash_);
  if (keeping_lines_) trace_.push_back(std::move(line));
}

// --- Operations --------------------------------------------------------------

void SimEnv::Strike(const SimOperation& operation, Fate* fate) {
  for (Rule& rule : rules_) {
    const SimFault& fault = rule.fault;
    const bool matches =
        fault.matches != nullptr
            ? fault.matches(operation)
            : fault.op == operation.op &&
                  operation.path.find(fault.path_part) != std::string::npos;
    if (!matches) continue;
    const uint64_t number = rule.seen++;
    if (number < fault.skip || number - fault.skip >= fault.times) continue;
    ++struck_;
    fate->fault = fault;
    if (fault.kind == SimFault::Kind::kError) {
      fate->happens = false;
      fate->answer = Status::FromErrno(
          fault.error,
          fmt::format("{} {}", SimOpName(operation.op), operation.path));
    }
    return;
  }
}

SimEnv::Fate SimEnv::Begin(const SimOperation& operation) {
  Fate fate;
  if (crashed_) return {false, Gone(operation.path), std::nullopt};
  ++counts_[static_cast<size_t>(operation.op)];
  if (Changes(operation.op)) {
    ++changes_;
    if (changes_ == crash_at_) {
      crashed_ = true;
      return {random_() % 2 == 0, Gone(operation.path), std::nullopt};
    }
  }
  Strike(operation, &fate);
  return fate;
}

// An operation that nothing but an error can happen to.
Status SimEnv::Run(SimOp op, const std::string& path,
                   const std::function<Status()>& body) {
  SimOperation operation;
  operation.op = op;
  operation.path = path;
  const Fate fate = Begin(operation);
  Note(operation, {});
  const Status done = fate.happens ? body() : OkStatus();
  return fate.answer.ok() ? done : fate.answer;
}

Result<std::unique_ptr<File>> SimEnv::Open(const std::string& path,
                                           OpenMode mode) {
  const MutexLock lock(mu_);
  Result<SimDisk::InodeNo> inode = disk_.Find(path);
  const bool creates =
      mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  const bool is_new = creates && !inode.ok();
  TREFOIL_TRY(Run(is_new ? SimOp::kCreate : SimOp::kOpen, path, [&]() {
    mu_.AssertHeld();
    if (creates) {
      inode = disk_.Create(path, mode == OpenMode::kCreateExclusive);
    }
    TREFOIL_TRY(inode.status());
    if (mode != OpenMode::kRead && disk_.is_directory(*inode)) {
      return Status::FromErrno(EISDIR, path);
    }
    return OkStatus();
  }));
  disk_.Open(*inode);
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, *inode, life_));
}

Result<FileInfo> SimEnv::Stat(const std::string& path) {
  const MutexLock lock(mu_);
  FileInfo info;
  TREFOIL_TRY(Run(SimOp::kStat, path, [&]() -> Status {
    mu_.AssertHeld();
    TREFOIL_ASSIGN(const SimDisk::InodeNo inode, disk_.Find(path));
    info.size_bytes = disk_.size(inode);
    info.is_directory = disk_.is_directory(inode);
    info.device = 1;
    info.mtime_nanos = disk_.mtime_nanos(inode);
    return OkStatus();
  }));
  return info;
}

Result<std::vector<DirEntry>> SimEnv::List(const std::string& path) {
  const MutexLock lock(mu_);
  std::vector<DirEntry> entries;
  TREFOIL_TRY(Run(SimOp::kList, path, [&]() -> Status {
    mu_.AssertHeld();
    TREFOIL_ASSIGN(entries, disk_.List(path));
    return OkStatus();
  }));
  return entries;
}

Status SimEnv::CreateDir(const std::string& path) {
  const MutexLock lock(mu_);
  return Run(SimOp::kCreateDir, path, [&] {
    mu_.AssertHeld();
    return disk_.CreateDir(path);
  });
}

Status SimEnv::Rename(const std::string& from, const std::string& to) {
  const MutexLock lock(mu_);
  return Run(SimOp::kRename, to, [&] {
    mu_.AssertHeld();
    return disk_.Rename(from, to);
  });
}

Status SimEnv::Link(const std::string& from, const std::string& to) {
  const MutexLock lock(mu_);
  return Run(SimOp::kLink, to, [&] {
    mu_.AssertHeld();
    return disk_.Link(from, to);
  });
}

Status SimEnv::Remove(const std::string& path) {
  const MutexLock lock(mu_);
  return Run(SimOp::kRemove, path, [&] {
    mu_.AssertHeld();
    return disk_.Remove(path, false);
  });
}

Status SimEnv::RemoveDir(const std::string& path) {
  const MutexLock lock(mu_);
  return Run(SimOp::kRemoveDir, path, [&] {
    mu_.AssertHeld();
    return disk_.Remove(path, true);
  });
}

Status SimEnv::SyncDir(const std::string& path) {
  const MutexLock lock(mu_);
  return Run(SimOp::kSyncDir, path, [&] {
    mu_.AssertHeld();
    return disk_.SyncDir(path);
  });
}

Result<std::unique_ptr<FileLock>> SimEnv::Lock(const std::string& path) {
  const MutexLock lock(mu_);
  SimDisk::InodeNo inode = 0;
  TREFOIL_TRY(Run(SimOp::kLock, path, [&]() -> Status {
    mu_.AssertHeld();
    TREFOIL_ASSIGN(inode, disk_.Create(path, false));
    if (locked_.insert(inode).second) return OkStatus();
    return {StatusCode::kBusy, path + ": locked by somebody else"};
  }));
  return std::unique_ptr<FileLock>(
      std::make_unique<SimLock>(*this, inode, life_));
}

void SimEnv::Unlock(const SimLock& lock) {
  const MutexLock guard(mu_);
  if (lock.life() == life_) locked_.erase(lock.inode());
}

Result<SpaceInfo> SimEnv::Space(const std::string& path) {
  const MutexLock lock(mu_);
  SpaceInfo space;
  TREFOIL_TRY(Run(SimOp::kSpace, path, [&]() -> Status {
    mu_.AssertHeld();
    TREFOIL_TRY(disk_.Find(path).status());
    space = disk_.Space();
    return OkStatus();
  }));
  return space;
}

// --- Files -------------------------------------------------------------------

void SimEnv::CloseFile(const SimFile& file) {
  const MutexLock lock(mu_);
  if (file.life() == life_) disk_.Close(file.inode());
}

Result<size_t> SimEnv::ReadFile(const SimFile& file, uint64_t offset,
                                std::span<char> out) {
  const MutexLock lock(mu_);
  if (file.life() != life_) return Gone("an old file");
  SimOperation operation;
  operation.op = SimOp::kRead;
  operation.path = disk_.path_of(file.inode());
  operation.offset = offset;
  operation.length = out.size();
  const Fate fate = Begin(operation);
  TREFOIL_TRY(fate.answer);
  size_t got = disk_.Read(file.inode(), offset, out);
  if (fate.fault && fate.fault->kind == SimFault::Kind::kShortRead) got /= 2;
  if (fate.fault && fate.fault->kind == SimFault::Kind::kFlip && got > 0) {
    char& byte = out[random_() % got];
    byte = static_cast<char>(byte ^ (1 << random_() % 8));
  }
  Note(operation, {out.data(), got});
  return got;
}

Status SimEnv::WriteFile(const SimFile& file, uint64_t offset,
                         std::span<const std::string_view> parts) {
  const MutexLock lock(mu_);
  if (file.life() != life_) return Gone("an old file");
  SimOperation operation;
  operation.op = SimOp::kWrite;
  operation.path = disk_.path_of(file.inode());
  operation.offset = offset;
  operation.length = TotalSize(parts);
  const Fate fate = Begin(operation);
  uint64_t at = offset;
  if (fate.fault && fate.fault->kind == SimFault::Kind::kMisdirect) {
    at += fate.fault->shift_bytes;
  }
  const bool is_dropped =
      fate.fault && fate.fault->kind == SimFault::Kind::kDropWrite;
  Status written;
  for (const std::string_view part : parts) {
    Note(operation, part);
    if (!fate.happens || is_dropped || !written.ok()) continue;
    written = disk_.Write(file.inode(), at, part);
    at += part.size();
  }
  Touch(file.inode());
  return fate.answer.ok() ? written : fate.answer;
}

Status SimEnv::SyncFile(const SimFile& file) {
  const MutexLock lock(mu_);
  if (file.life() != life_) return Gone("an old file");
  SimOperation operation;
  operation.op = SimOp::kSync;
  operation.path = disk_.path_of(file.inode());
  const Fate fate = Begin(operation);
  Note(operation, {});
  const bool is_lie =
      fate.fault && fate.fault->kind == SimFault::Kind::kDropWrite;
  if (fate.happens && !is_lie) disk_.Sync(file.inode());
  if (fate.fault && !fate.answer.ok()) disk_.FailSync(file.inode(), random_);
  return fate.answer;
}

Status SimEnv::TruncateFile(const SimFile& file, uint64_t size) {
  const MutexLock lock(mu_);
  if (file.life() != life_) return Gone("an old file");
  SimOperation operation;
  operation.op = SimOp::kTruncate;
  operation.path = disk_.path_of(file.inode());
  operation.length = size;
  const Fate fate = Begin(operation);
  Note(operation, {});
  if (fate.happens) disk_.Truncate(file.inode(), size);
  Touch(file.inode());
  return fate.answer;
}

Result<uint64_t> SimEnv::SizeOf(const SimFile& file) {
  const MutexLock lock(mu_);
  if (file.life() != life_) return Gone("an old file");
  TREFOIL_TRY(Run(SimOp::kStat, disk_.path_of(file.inode()),
                  [] { return OkStatus(); }));
  return disk_.size(file.inode());
}

void SimEnv::Touch(SimDisk::InodeNo inode) {
  if (clock_ != nullptr) disk_.set_mtime_nanos(inode, clock_->WallNanos());
}

}  // namespace trefoil
