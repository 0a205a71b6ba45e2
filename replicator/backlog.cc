// SPDX-License-Identifier: Apache-2.0
#include "replicator/backlog.h"

#include <algorithm>
#include <utility>

namespace trefoil {

void Backlog::Reset(CommitSeq complete, NameSet present) {
  present_ = std::move(present);
  window_.clear();
  planned_ = complete;
  scanned_ = complete;
  objects_ = 0;
  bytes_ = 0;
  RestartPacks();
}

Result<Backlog::Item> Backlog::ReadItem(CommitSeq after) {
  TREFOIL_ASSIGN(const CommitRef ref, source_.NextCommit(after));
  TREFOIL_ASSIGN(CommitInfo info,
                 ReadCommitInfo(source_.objects(),
                                CommitKey(ref.generation, ref.seq, ref.name)));
  return Item{ref, std::move(info.packs_added)};
}

void Backlog::Count(const Item& item) {
  if (!IsPresent(item.ref.name)) {
    ++objects_;
    bytes_ += item.ref.size_bytes;
  }
  for (const PackRef& pack : item.packs) {
    if (IsPresent(pack.name)) continue;
    ++objects_;
    bytes_ += pack.size_bytes;
  }
}

void Backlog::Discount(uint64_t bytes) {
  objects_ -= std::min<uint64_t>(objects_, 1);
  bytes_ -= std::min(bytes_, bytes);
}

Status Backlog::FillWindow() {
  while (window_.size() < kWindow && planned_ < scanned_) {
    TREFOIL_ASSIGN(Item item, ReadItem(planned_));
    planned_ = item.ref.seq;
    window_.push_back(std::move(item));
  }
  return OkStatus();
}

Status Backlog::Scan(size_t max_commits) {
  TREFOIL_TRY(FillWindow());
  for (size_t i = 0; i < max_commits && !scanned_all(); ++i) {
    TREFOIL_ASSIGN(Item item, ReadItem(scanned_));
    Count(item);
    const bool in_order = planned_ == scanned_;
    scanned_ = item.ref.seq;
    if (!in_order || window_.size() >= kWindow) continue;
    planned_ = item.ref.seq;
    window_.push_back(std::move(item));
  }
  return OkStatus();
}

bool Backlog::FrontReady() const {
  if (window_.empty()) return false;
  const auto& packs = window_.front().packs;
  return std::all_of(packs.begin(), packs.end(),
                     [&](const PackRef& pack) { return IsPresent(pack.name); });
}

std::optional<PackRef> Backlog::NextPack() {
  for (; next_item_ < window_.size(); ++next_item_, next_pack_ = 0) {
    const auto& packs = window_[next_item_].packs;
    while (next_pack_ < packs.size()) {
      const PackRef& pack = packs[next_pack_++];
      if (!IsPresent(pack.name)) return pack;
    }
  }
  return std::nullopt;
}

void Backlog::RestartPacks() {
  next_item_ = 0;
  next_pack_ = 0;
}

void Backlog::PackDone(const PackRef& pack) {
  if (present_.insert(pack.name).second) Discount(pack.size_bytes);
}

void Backlog::FrontDone() {
  TREFOIL_CHECK(FrontReady());
  const Item& item = window_.front();
  if (!IsPresent(item.ref.name)) Discount(item.ref.size_bytes);
  present_.erase(item.ref.name);
  for (const PackRef& pack : item.packs) present_.erase(pack.name);
  window_.pop_front();
  if (next_item_ > 0) {
    --next_item_;
  } else {
    next_pack_ = 0;
  }
}

}  // namespace trefoil
