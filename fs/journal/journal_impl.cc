// SPDX-License-Identifier: Apache-2.0
#include "fs/journal/journal_impl.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace trefoil::journal {

JournalImpl::JournalImpl(Env& env, Clock& clock, std::string dir,
                         PoolLimits limits, Lsn durable)
    : env_(env),
      dir_(std::move(dir)),
      pool_(env, clock, dir_, limits, [this] { admission_.Wake(); }),
      admission_(clock, pool_),
      commit_(env, dir_, durable, [this](const Status& why) {
        admission_.Stop(why);
        if (on_failure_) on_failure_(why);
      }) {}

JournalImpl::~JournalImpl() {
  const GroupCommit::Progress progress = commit_.progress();
  if (commit_.failure().ok() && progress.durable == progress.reserved) {
    WriteSeal();
  }
  pool_.Stop();
}

void JournalImpl::AddOld(const SegmentFile& found) {
  const MutexLock lock(mu_);
  full_bytes_ += found.size_bytes;
  live_.emplace(found.number, std::make_shared<Segment>(found));
}

Status JournalImpl::StartSegment(const SegmentHeader& header) {
  incarnation_ = header.incarnation;
  TREFOIL_ASSIGN(SpareSegment spare, pool_.TakeOrCreate());
  auto segment = std::make_shared<Segment>(header, std::move(spare));
  bool renamed = false;
  TREFOIL_TRY(segment->Activate(env_, dir_, &renamed));
  TREFOIL_TRY(segment->file()->Sync());
  TREFOIL_TRY(env_.SyncDir(dir_));
  const MutexLock lock(mu_);
  next_lsn_ = header.first_lsn;
  MakeActive(std::move(segment));
  admission_.OnReserve(0, header.size_bytes - offset_, UsedBytes());
  return OkStatus();
}

void JournalImpl::MakeActive(SegmentPtr segment) {
  if (active_ != nullptr) full_bytes_ += active_->header().size_bytes;
  active_ = std::move(segment);
  live_.emplace(active_->number(), active_);
  offset_ = kSegmentHeaderBytes;
}

uint64_t JournalImpl::UsedBytes() const { return full_bytes_ + offset_; }

Status JournalImpl::Admit(uint64_t bytes, bool urgent) {
  return admission_.Admit(bytes, urgent);
}

void JournalImpl::Cancel(uint64_t bytes) { admission_.Cancel(bytes); }

JournalReservation JournalImpl::Reserve(Epoch epoch, uint32_t meta_length_bytes,
                                        uint32_t data_length_bytes) {
  TREFOIL_CHECK(meta_length_bytes <= kMaxRecordMetaBytes);
  TREFOIL_CHECK(data_length_bytes <= kMaxRecordDataBytes);
  const MutexLock lock(mu_);
  const uint64_t size = active_->header().size_bytes;
  RecordLayout layout = LayoutOf(offset_, meta_length_bytes, data_length_bytes);
  bool placed = offset_ + layout.length <= size;
  if (!placed && Roll()) {
    layout = LayoutOf(offset_, meta_length_bytes, data_length_bytes);
    placed = offset_ + layout.length <= size;
  }
  JournalReservation reservation;
  reservation.lsn = next_lsn_;
  reservation.epoch = epoch;
  reservation.meta_length_bytes = meta_length_bytes;
  reservation.data_length_bytes = data_length_bytes;
  if (placed) {
    reservation.position = {active_->number(), static_cast<uint32_t>(offset_),
                            0};
    offset_ += layout.length;
  }
  next_lsn_ = next_lsn_.Next();
  commit_.OnReserve(reservation.lsn);
  admission_.OnReserve(uint64_t{meta_length_bytes} + data_length_bytes,
                       size - offset_, UsedBytes());
  return reservation;
}

bool JournalImpl::Roll() {
  // Admit made sure that one is ready; creating one is for callers without.
  Result<SpareSegment> spare = pool_.TakeOrCreate();
  if (!spare.ok()) {
    static_cast<void>(commit_.Fail(spare.status()));
    return false;
  }
  SegmentHeader header = active_->header();
  header.previous_number = header.number;
  header.previous_incarnation = incarnation_;
  header.previous_end = next_lsn_;
  header.number += 1;
  header.first_lsn = next_lsn_;
  header.durable = commit_.progress().durable;
  MakeActive(std::make_shared<Segment>(header, std::move(spare).value()));
  return true;
}

JournalImpl::SegmentPtr JournalImpl::Find(uint64_t segment_no) const {
  const MutexLock lock(mu_);
  const auto found = live_.find(segment_no);
  return found == live_.end() ? nullptr : found->second;
}

Status JournalImpl::Write(const JournalReservation& reservation,
                          std::string_view meta, std::string_view data) {
  TREFOIL_CHECK(meta.size() == reservation.meta_length_bytes);
  TREFOIL_CHECK(data.size() == reservation.data_length_bytes);
  TREFOIL_TRY(commit_.failure());
  const SegmentPtr segment = Find(reservation.position.segment_no);
  if (segment == nullptr) {
    return commit_.Fail({StatusCode::kInvalidArgument,
                         "journal: a record larger than a segment"});
  }
  const RecordPlace place = {segment->number(),
                             reservation.position.record_offset};
  RecordHeader header;
  header.meta_length = reservation.meta_length_bytes;
  header.data_length = reservation.data_length_bytes;
  header.lsn = reservation.lsn;
  header.epoch = reservation.epoch;
  Status written = WriteRecord(*segment, place, header, meta, data);
  if (!written.ok()) return commit_.Fail(written);
  commit_.OnWritten(reservation.lsn, segment);
  const uint64_t end =
      place.offset +
      LayoutOf(place.offset, header.meta_length, header.data_length).length;
  const uint64_t from = segment->TakeWriteback(end);
  if (from < end) pool_.QueueWriteback(segment->file(), from, end - from);
  return OkStatus();
}

Status JournalImpl::WriteRecord(Segment& segment, RecordPlace place,
                                const RecordHeader& header,
                                std::string_view meta, std::string_view data) {
  bool renamed = false;
  TREFOIL_TRY(segment.Activate(env_, dir_, &renamed));
  if (renamed) commit_.OnNewSegment();
  RecordHeader full = header;
  full.incarnation = incarnation_;
  full.durable = commit_.progress().durable;
  thread_local std::string head;
  head.clear();
  EncodeRecordHead(place, full, meta, data, &head);
  static constexpr std::array<char, kPageBytes> kZeros{};
  const RecordLayout layout =
      LayoutOf(place.offset, header.meta_length, header.data_length);
  const size_t padding = layout.data_start - layout.meta_start - meta.size();
  const std::array<std::string_view, 4> parts = {
      head, meta, std::string_view(kZeros.data(), padding), data};
  return segment.Write(place.offset, parts);
}

Status JournalImpl::WaitWritten(Lsn lsn) { return commit_.WaitWritten(lsn); }

Status JournalImpl::Sync(Lsn lsn) { return commit_.Sync(lsn); }

Status JournalImpl::ReadData(const JournalPosition& position,
                             std::span<char> out) {
  const Status trimmed(
      StatusCode::kNotFound,
      fmt::format("journal segment {}: trimmed", position.segment_no));
  const SegmentPtr segment = Find(position.segment_no);
  if (segment == nullptr) return trimmed;
  Status read = segment->ReadData(position, out);
  // What Trim has passed meanwhile may have been written over.
  if (!read.ok() && Find(position.segment_no) == nullptr) return trimmed;
  return read;
}

Status JournalImpl::Trim(Lsn lsn) {
  std::vector<SegmentPtr> passed;
  {
    const MutexLock lock(mu_);
    for (auto next = std::next(live_.begin());
         next != live_.end() && next->second->header().first_lsn <= lsn.Next();
         next = std::next(live_.begin())) {
      passed.push_back(std::move(live_.begin()->second));
      full_bytes_ -= passed.back()->header().size_bytes;
      live_.erase(live_.begin());
    }
  }
  Status first;
  for (const SegmentPtr& segment : passed) {
    Status given = pool_.Give({segment->path(), segment->file()},
                              segment->header().size_bytes);
    if (first.ok()) first = given;
  }
  const MutexLock lock(mu_);
  admission_.OnTrim(UsedBytes());
  return first;
}

JournalStats JournalImpl::stats() const {
  const GroupCommit::Progress progress = commit_.progress();
  JournalStats stats;
  stats.reserved = progress.reserved;
  stats.written = progress.written;
  stats.durable = progress.durable;
  stats.syncs = progress.syncs;
  const PoolLimits& limits = pool_.limits();
  stats.capacity_bytes = limits.max_segments * limits.segment_size_bytes;
  const MutexLock lock(mu_);
  stats.used_bytes = UsedBytes();
  return stats;
}

void JournalImpl::WriteSeal() {
  const MutexLock lock(mu_);
  if (active_ == nullptr || next_lsn_ == active_->header().first_lsn) return;
  const RecordPlace place = {active_->number(), static_cast<uint32_t>(offset_)};
  if (offset_ + LayoutOf(offset_, 0, 0).length > active_->header().size_bytes) {
    return;
  }
  RecordHeader header;
  header.type = RecordType::kSeal;
  header.lsn = next_lsn_;
  // A seal that does not reach the disk only leaves the claim unmade.
  static_cast<void>(WriteRecord(*active_, place, header, {}, {}));
}

}  // namespace trefoil::journal
