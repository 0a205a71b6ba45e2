// SPDX-License-Identifier: Apache-2.0
#include "replicator/backlog.h"

#include <algorithm>
#include <utility>

namespace trefoil {

namespace {

Status Trimmed(const Status& why) {
  return {StatusCode::kTrimmed, why.message()};
}

}  // namespace

void Backlog::Reset(CommitSeq complete, HeldObjects held) {
  held_ = std::move(held);
  window_.clear();
  rebasing_ = false;
  planned_ = complete;
  scanned_ = complete;
  objects_ = 0;
  bytes_ = 0;
  front_present_ = 0;
  RestartUploads();
}

void Backlog::Rebase(Item checkpoint, HeldObjects held) {
  Reset(checkpoint.ref.seq, std::move(held));
  Count(checkpoint);
  window_.push_back(std::move(checkpoint));
  rebasing_ = true;
}

Result<Backlog::Item> Backlog::ReadItem(CommitSeq after) {
  TREFOIL_ASSIGN(const CommitRef ref, source_.NextCommit(after));
  Item item;
  item.ref = ref;
  item.last = {CommitKey(ref.generation, ref.seq, ref.name), ref.name,
               ref.size_bytes};
  const auto info =
      ReadCommitInfo(source_.objects(), source_.keyring(), item.last.key);
  // A checkpoint stands for it since just now.
  if (info.status().Is(StatusCode::kNotFound)) return Trimmed(info.status());
  if (!info.ok()) return info.status();
  for (const PackRef& pack : info->packs_added) {
    item.first.push_back(ItemOf(pack));
  }
  return item;
}

void Backlog::CountOne(const ObjectItem& object) {
  if (IsPresent(object)) return;
  ++objects_;
  bytes_ += object.size_bytes;
}

void Backlog::Count(const Item& item) {
  CountOne(item.last);
  for (const ObjectItem& object : item.first) CountOne(object);
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

void Backlog::AdvancePresent() {
  const auto& first = window_.front().first;
  while (front_present_ < first.size() && IsPresent(first[front_present_])) {
    ++front_present_;
  }
}

bool Backlog::FrontReady() {
  if (window_.empty()) return false;
  AdvancePresent();
  return front_present_ == window_.front().first.size();
}

std::optional<ObjectItem> Backlog::NextUpload() {
  for (; next_item_ < window_.size(); ++next_item_, next_object_ = 0) {
    const Item& item = window_[next_item_];
    while (next_object_ < item.first.size()) {
      if (next_item_ == 0 && next_object_ >= item.first_of_all &&
          item.first_of_all > 0) {
        AdvancePresent();
        if (front_present_ < item.first_of_all) return std::nullopt;
      }
      const ObjectItem& object = item.first[next_object_++];
      if (!IsPresent(object)) return object;
    }
  }
  return std::nullopt;
}

void Backlog::RestartUploads() {
  next_item_ = 0;
  next_object_ = 0;
}

void Backlog::UploadDone(const ObjectItem& object) {
  if (IsPresent(object)) return;
  held_.sizes[object.name] = object.size_bytes;
  Discount(object.size_bytes);
}

bool Backlog::IsInWindow(const ObjectItem& object) const {
  const auto is_same = [&](const ObjectItem& other) {
    return other.name == object.name;
  };
  return std::any_of(window_.begin(), window_.end(), [&](const Item& item) {
    return std::any_of(item.first.begin(), item.first.end(), is_same);
  });
}

void Backlog::FrontDone() {
  TREFOIL_CHECK(FrontReady());
  const Item item = std::move(window_.front());
  window_.pop_front();
  if (!IsPresent(item.last)) Discount(item.last.size_bytes);
  held_.sizes.erase(item.last.name);
  for (const ObjectItem& object : item.first) {
    // After a crash a commit may tell of a pack that the last one told of.
    if (!IsInWindow(object)) held_.sizes.erase(object.name);
  }
  front_present_ = 0;
  rebasing_ = false;
  if (next_item_ > 0) {
    --next_item_;
  } else {
    next_object_ = 0;
  }
}

}  // namespace trefoil
