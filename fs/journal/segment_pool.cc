// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/segment_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace trefoil::journal {
namespace {

constexpr char kNewPrefix[] = "new-";
constexpr char kSparePrefix[] = "spare-";
constexpr size_t kFillBytes = 1 << 20;
constexpr uint64_t kFillWritebackBytes = 8 << 20;
// Ready beyond the reserve, so that a writer finds the next segment waiting.
constexpr size_t kAheadSegments = 2;
constexpr size_t kMaxWritebacks = 64;
constexpr int64_t kRetryNanos = 1'000'000'000;

// The number after `prefix`, if `name` is made of both.
std::optional<uint64_t> NumberAfter(std::string_view prefix,
                                    std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

}  // namespace

SegmentPool::SegmentPool(Env& env, Clock& clock, std::string dir,
                         PoolLimits limits, std::function<void()> on_change)
    : env_(env),
      clock_(clock),
      dir_(std::move(dir)),
      limits_(limits),
      on_change_(std::move(on_change)),
      wanted_(limits.reserve_segments + kAheadSegments) {}

SegmentPool::~SegmentPool() { Stop(); }

void SegmentPool::Stop() {
  {
    const MutexLock lock(mu_);
    stop_ = true;
    work_cv_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

Status SegmentPool::Recover(const std::vector<std::string>& names,
                            size_t in_use) {
  uint64_t highest = 0;
  std::vector<SpareSegment> found;
  for (const std::string& name : names) {
    const std::string path = JoinPath(dir_, name);
    if (NumberAfter(kNewPrefix, name)) TREFOIL_TRY(env_.Remove(path));
    const std::optional<uint64_t> number = NumberAfter(kSparePrefix, name);
    if (!number) continue;
    highest = std::max(highest, *number);
    TREFOIL_ASSIGN(std::shared_ptr<File> file,
                   env_.Open(path, OpenMode::kReadWrite));
    TREFOIL_ASSIGN(const uint64_t size, file->Size());
    if (size != limits_.segment_size_bytes ||
        in_use + found.size() >= limits_.max_segments) {
      TREFOIL_TRY(env_.Remove(path));
      continue;
    }
    found.push_back({path, std::move(file)});
  }
  const MutexLock lock(mu_);
  next_name_ = highest + 1;
  total_ = in_use + found.size();
  ready_.assign(found.begin(), found.end());
  return OkStatus();
}

void SegmentPool::Start() {
  if (single_threaded()) return;
  thread_ = std::thread([this] { RunThread(); });
}

size_t SegmentPool::ready() const {
  const MutexLock lock(mu_);
  return ready_.size();
}

Status SegmentPool::RequestMore() {
  const MutexLock lock(mu_);
  if (preparing_) return OkStatus();
  if (total_ >= limits_.max_segments) {
    return {StatusCode::kBusy, "journal: at its bound"};
  }
  if (!error_.ok()) {
    if (clock_.MonotonicNanos() - error_nanos_ < kRetryNanos) return error_;
    error_ = OkStatus();
  }
  wanted_ = std::max(wanted_, ready_.size() + 1);
  work_cv_.Signal();
  return OkStatus();
}

std::optional<SpareSegment> SegmentPool::Take() {
  const MutexLock lock(mu_);
  if (ready_.empty()) return std::nullopt;
  SpareSegment segment = std::move(ready_.front());
  ready_.pop_front();
  work_cv_.Signal();
  return segment;
}

Result<SpareSegment> SegmentPool::TakeOrCreate() {
  if (std::optional<SpareSegment> ready = Take()) return std::move(*ready);
  {
    const MutexLock lock(mu_);
    ++total_;
  }
  Result<SpareSegment> created = Create();
  if (!created.ok()) Lose();
  return created;
}

Status SegmentPool::Give(SpareSegment segment, uint64_t size_bytes) {
  bool keep = size_bytes == limits_.segment_size_bytes;
  {
    const MutexLock lock(mu_);
    keep = keep && total_ <= limits_.max_segments;
  }
  if (!keep) {
    Lose();
    return env_.Remove(segment.path);
  }
  std::string path = NewPath(kSparePrefix);
  if (Status renamed = env_.Rename(segment.path, path); !renamed.ok()) {
    Lose();
    return renamed;
  }
  segment.path = std::move(path);
  AddReady(std::move(segment));
  return OkStatus();
}

void SegmentPool::Lose() {
  {
    const MutexLock lock(mu_);
    --total_;
    work_cv_.Signal();
  }
  on_change_();
}

void SegmentPool::QueueWriteback(std::shared_ptr<File> file, uint64_t offset,
                                 uint64_t length) {
  if (single_threaded()) return;
  const MutexLock lock(mu_);
  if (writeback_.size() >= kMaxWritebacks) return;
  writeback_.push_back({std::move(file), offset, length});
  work_cv_.Signal();
}

bool SegmentPool::MustPrepare() const {
  return ready_.size() < wanted_ && total_ < limits_.max_segments &&
         error_.ok();
}

void SegmentPool::RunThread() {
  for (;;) {
    std::optional<Writeback> writeback;
    {
      const MutexLock lock(mu_);
      while (!stop_ && !MustPrepare() && writeback_.empty()) {
        work_cv_.Wait(mu_);
      }
      if (stop_) return;
      if (MustPrepare()) {
        preparing_ = true;
        ++total_;
      } else {
        writeback = std::move(writeback_.front());
        writeback_.pop_front();
      }
    }
    if (writeback) {
      writeback->file->StartWriteback(writeback->offset, writeback->length);
    } else {
      PrepareOne();
    }
  }
}

void SegmentPool::PrepareHere() {
  {
    const MutexLock lock(mu_);
    if (!MustPrepare()) return;
    preparing_ = true;
    ++total_;
  }
  PrepareOne();
}

void SegmentPool::PrepareOne() {
  Result<SpareSegment> created = Create();
  {
    const MutexLock lock(mu_);
    preparing_ = false;
    if (!created.ok()) {
      --total_;
      error_ = created.status();
      error_nanos_ = clock_.MonotonicNanos();
    }
  }
  if (created.ok()) {
    AddReady(std::move(created).value());
  } else {
    on_change_();
  }
}

void SegmentPool::AddReady(SpareSegment segment) {
  {
    const MutexLock lock(mu_);
    ready_.push_back(std::move(segment));
    error_ = OkStatus();
    if (ready_.size() >= wanted_) {
      wanted_ = limits_.reserve_segments + kAheadSegments;
    }
  }
  on_change_();
}

Result<SpareSegment> SegmentPool::Create() {
  const std::string unfinished = NewPath(kNewPrefix);
  const std::string finished = NewPath(kSparePrefix);
  TREFOIL_ASSIGN(std::shared_ptr<File> file,
                 env_.Open(unfinished, OpenMode::kCreateExclusive));
  Status status = FillWithZeros(*file);
  if (status.ok()) status = env_.Rename(unfinished, finished);
  if (!status.ok()) {
    // The next opening removes what this one can't.
    static_cast<void>(env_.Remove(unfinished));
    return status;
  }
  return SpareSegment{finished, std::move(file)};
}

Status SegmentPool::FillWithZeros(File& file) {
  static const auto* const zeros = new std::string(kFillBytes, '\0');
  uint64_t started = 0;
  for (uint64_t done = 0; done < limits_.segment_size_bytes;) {
    {
      const MutexLock lock(mu_);
      if (stop_) return {StatusCode::kBusy, "journal: closing"};
    }
    const uint64_t size =
        std::min<uint64_t>(kFillBytes, limits_.segment_size_bytes - done);
    TREFOIL_TRY(file.WriteAt(done, std::string_view(*zeros).substr(0, size)));
    done += size;
    if (done - started >= kFillWritebackBytes ||
        done == limits_.segment_size_bytes) {
      file.StartWriteback(started, done - started);
      started = done;
    }
  }
  return OkStatus();
}

std::string SegmentPool::NewPath(const char* prefix) {
  const MutexLock lock(mu_);
  return JoinPath(dir_, fmt::format("{}{}", prefix, next_name_++));
}

}  // namespace trefoil::journal
