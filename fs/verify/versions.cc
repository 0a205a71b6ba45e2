// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/versions.h"

#include "fs/volume/rebuild.h"

namespace trefoil {

VersionCursor::VersionCursor(IndexView& index, char table) {
  const std::string lower(1, table);
  const std::string upper = AfterPrefix(lower);
  live_ = index.NewCursor(Family::kLive, lower, upper);
  history_ = index.NewCursor(Family::kHistory, lower, upper);
  live_->Seek(lower);
  history_->Seek(lower);
}

bool VersionCursor::Next() {
  valid_ = false;
  while (!valid_ && (live_->Valid() || history_->Valid())) valid_ = Take();
  if (!valid_) {
    status_ = live_->status().ok() ? history_->status() : live_->status();
  }
  return valid_;
}

bool VersionCursor::Take() {
  const auto well_formed = [](Family family, std::string_view key) {
    return CheckEntry(static_cast<uint8_t>(family), key, std::nullopt).ok();
  };
  // A history key below every live one that it could belong to comes first.
  std::string_view old_key;
  if (history_->Valid()) {
    if (!well_formed(Family::kHistory, history_->key())) {
      history_->Next();
      return false;
    }
    old_key = LiveKeyOfHistory(history_->key());
  }
  if (history_->Valid() && (!live_->Valid() || old_key <= live_->key())) {
    const bool ok = BirthOf(history_->value()).ok();
    if (ok) Fill(old_key, LastOfHistory(history_->key()), history_->value());
    history_->Next();
    return ok;
  }
  const bool ok =
      well_formed(Family::kLive, live_->key()) && BirthOf(live_->value()).ok();
  if (ok) Fill(live_->key(), kLiveEpoch, live_->value());
  live_->Next();
  return ok;
}

void VersionCursor::Fill(std::string_view key, Epoch last,
                         std::string_view value) {
  const Epoch birth = *BirthOf(value);
  version_.overlaps = version_.key == key && birth <= version_.last;
  version_.key.assign(key);
  version_.birth = birth;
  version_.last = last;
  version_.value.assign(value);
}

}  // namespace trefoil
