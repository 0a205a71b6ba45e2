// SPDX-License-Identifier: Apache-2.0
// Opening the journal: find its files, replay them, start a new segment.
#include "fs/journal/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "fs/base/log.h"
#include "fs/journal/journal_impl.h"
#include "fs/journal/replay.h"

namespace trefoil {
namespace journal {
namespace {

constexpr char kTag[] = "journal";
constexpr uint64_t kMinSegmentBytes = 64 << 10;
constexpr uint64_t kMaxSegmentBytes = 1 << 30;
constexpr uint64_t kMinSegments = 4;
constexpr uint64_t kReserveBytes = 64 << 20;

Result<PoolLimits> LimitsOf(const JournalOptions& options) {
  const uint64_t size = options.segment_size_bytes;
  if (size < kMinSegmentBytes || size > kMaxSegmentBytes ||
      size % kPageBytes != 0) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("journal: segments of {} bytes", size));
  }
  PoolLimits limits;
  limits.segment_size_bytes = size;
  limits.max_segments = options.capacity_bytes / size;
  if (limits.max_segments < kMinSegments) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("journal: a capacity of {} bytes is less than "
                              "{} segments",
                              options.capacity_bytes, kMinSegments));
  }
  limits.reserve_segments = std::clamp<size_t>(
      kReserveBytes / size, 1, limits.max_segments / kMinSegments);
  return limits;
}

Status EnsureDir(Env& env, const std::string& dir) {
  if (env.Exists(dir)) return OkStatus();
  TREFOIL_TRY(env.CreateDirs(dir));
  return env.SyncDir(DirName(dir));
}

Result<SegmentFile> OpenSegment(Env& env, const std::string& dir,
                                uint64_t number) {
  SegmentFile segment;
  segment.number = number;
  segment.path = JoinPath(dir, SegmentName(number));
  TREFOIL_ASSIGN(segment.file, env.Open(segment.path, OpenMode::kReadWrite));
  TREFOIL_ASSIGN(segment.size_bytes, segment.file->Size());
  std::string raw(kSegmentHeaderUsedBytes, '\0');
  TREFOIL_ASSIGN(const size_t got, segment.file->ReadAt(0, raw));
  raw.resize(got);
  Result<SegmentHeader> header = DecodeSegmentHeader(raw, number);
  if (header.status().Is(StatusCode::kNewerFormat)) return header.status();
  if (header.ok()) segment.header = *header;
  return segment;
}

// The segments among `names`, by number.
Result<std::vector<SegmentFile>> OpenSegments(
    Env& env, const std::string& dir, const std::vector<std::string>& names) {
  std::vector<SegmentFile> segments;
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = ParseSegmentName(name);
    if (!number) continue;
    TREFOIL_ASSIGN(SegmentFile segment, OpenSegment(env, dir, *number));
    segments.push_back(std::move(segment));
  }
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) {
              return a.number < b.number;
            });
  return segments;
}

// The header of the segment that a new opening starts with.
SegmentHeader NewOpening(Random& random, const PoolLimits& limits, Lsn from,
                         const std::vector<SegmentFile>& files,
                         const Replayer& replayer) {
  SegmentHeader header;
  header.number = files.empty() ? 1 : files.back().number + 1;
  header.size_bytes = limits.segment_size_bytes;
  while (header.incarnation == 0) header.incarnation = random.Next64();
  header.first_lsn = std::max(replayer.end(), from.Next());
  header.durable = Lsn(header.first_lsn.value - 1);
  if (const SegmentFile* last = replayer.last_segment()) {
    header.previous_number = last->number;
    header.previous_incarnation = last->header->incarnation;
    header.previous_end = replayer.end();
  }
  return header;
}

// What is not part of the journal any more becomes spare. Only after the new
// opening is durable: until then it is evidence.
Status RecycleDead(SegmentPool& pool, const std::vector<SegmentFile>& files,
                   const std::vector<const SegmentFile*>& live) {
  for (const SegmentFile& file : files) {
    if (std::find(live.begin(), live.end(), &file) != live.end()) continue;
    TREFOIL_TRY(pool.Give({file.path, file.file}, file.size_bytes));
  }
  return OkStatus();
}

Result<std::unique_ptr<Journal>> OpenJournal(
    Env& env, Clock& clock, Random& random, const std::string& dir,
    const JournalOptions& options, Lsn from, const ReplayCallback& replay) {
  TREFOIL_ASSIGN(const PoolLimits limits, LimitsOf(options));
  TREFOIL_TRY(EnsureDir(env, dir));
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, env.List(dir));
  std::vector<std::string> names;
  for (const DirEntry& entry : entries) names.push_back(entry.name);
  TREFOIL_ASSIGN(const std::vector<SegmentFile> files,
                 OpenSegments(env, dir, names));

  // What is replayed becomes visible in the index at once: it must be on
  // stable storage before (O2), names included, not only in the page cache of
  // a process that was killed.
  for (const SegmentFile& file : files) TREFOIL_TRY(file.file->Sync());
  TREFOIL_TRY(env.SyncDir(dir));
  Replayer replayer(files, from);
  TREFOIL_TRY(replayer.Settle());
  if (replayer.end() <= options.needed) {
    return Status(StatusCode::kNotFound,
                  fmt::format("journal: ends before record {}, and record {} "
                              "was seen",
                              replayer.end().value, options.needed.value));
  }
  for (const SegmentFile* segment : replayer.rewritten()) {
    TREFOIL_TRY(segment->file->Sync());
  }
  TREFOIL_TRY(replayer.Replay(replay));

  const SegmentHeader opening =
      NewOpening(random, limits, from, files, replayer);
  auto journal = std::make_unique<JournalImpl>(
      env, clock, dir, limits, Lsn(opening.first_lsn.value - 1));
  TREFOIL_TRY(journal->pool().Recover(names, files.size()));
  const std::vector<const SegmentFile*> live = replayer.live_segments();
  for (const SegmentFile* segment : live) journal->AddOld(*segment);
  TREFOIL_TRY(journal->StartSegment(opening));
  TREFOIL_TRY(RecycleDead(journal->pool(), files, live));
  journal->pool().Start();
  LogInfo(kTag, "opened {}: {} segments, goes on at record {} in segment {}",
          dir, live.size(), opening.first_lsn.value, opening.number);
  return std::unique_ptr<Journal>(std::move(journal));
}

}  // namespace
}  // namespace journal

Result<std::unique_ptr<Journal>> Journal::Open(
    Env& env, Clock& clock, Random& random, const std::string& dir,
    const JournalOptions& options, Lsn from,
    const std::function<Status(const JournalRecord&)>& replay) {
  return journal::OpenJournal(env, clock, random, dir, options, from, replay);
}

}  // namespace trefoil
