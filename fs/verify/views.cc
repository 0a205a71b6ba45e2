// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/views.h"

namespace trefoil {

Result<Views> Views::Load(IndexView& index) {
  std::map<Epoch, std::string> names;
  auto cursor = index.NewCursor(Family::kLive, "S", "T");
  for (cursor->Seek("S"); cursor->Valid(); cursor->Next()) {
    const auto record = SnapshotRecord::Decode(cursor->value());
    if (record.ok()) names.emplace(record->epoch, record->name);
  }
  TREFOIL_TRY(cursor->status());
  names.erase(kLiveEpoch);
  Views views;
  for (auto& [epoch, name] : names) {
    views.epochs_.push_back(epoch);
    views.roots_.push_back("/.snapshots/" + name);
  }
  views.epochs_.push_back(kLiveEpoch);
  views.roots_.emplace_back();
  return views;
}

ViewRange Views::Of(Epoch birth, Epoch last) const {
  const auto first = std::lower_bound(epochs_.begin(), epochs_.end(), birth);
  const auto end = std::upper_bound(first, epochs_.end(), last);
  return {static_cast<uint32_t>(first - epochs_.begin()),
          static_cast<uint32_t>(end - epochs_.begin())};
}

std::vector<ViewCounter::Step> ViewCounter::Steps(ViewRange all) const {
  std::vector<Step> steps;
  uint64_t value = 0;
  uint32_t from = all.first;
  for (const auto& [view, change] : changes_) {
    if (change == 0) continue;
    if (view > from) steps.push_back({{from, view}, value});
    value += change;
    from = view;
  }
  if (from < all.end) steps.push_back({{from, all.end}, value});
  return steps;
}

std::vector<uint32_t> ViewCounter::NotZero(size_t max) const {
  std::vector<uint32_t> views;
  if (changes_.empty()) return views;
  const std::vector<Step> steps =
      Steps({changes_.begin()->first, changes_.rbegin()->first});
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (step->value == 0) continue;
    for (uint32_t view = step->range.end; view-- > step->range.first;) {
      if (views.size() == max) return views;
      views.push_back(view);
    }
  }
  return views;
}

}  // namespace trefoil
