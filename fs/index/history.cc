// SPDX-License-Identifier: Apache-2.0
#include "fs/index/history.h"

#include <algorithm>

namespace trefoil {

void RetainedEpochs::Add(Epoch epoch) {
  epochs_.insert(std::upper_bound(epochs_.begin(), epochs_.end(), epoch),
                 epoch);
}

void RetainedEpochs::Remove(Epoch epoch) {
  const auto at = std::lower_bound(epochs_.begin(), epochs_.end(), epoch);
  TREFOIL_CHECK(at != epochs_.end() && *at == epoch);
  epochs_.erase(at);
}

bool RetainedEpochs::AnyIn(Epoch first, Epoch last) const {
  const auto at = std::lower_bound(epochs_.begin(), epochs_.end(), first);
  return at != epochs_.end() && *at <= last;
}

namespace {

// Whether a value born in `value`'s epoch is visible in `epoch`.
Result<bool> BornBy(std::string_view value, Epoch epoch) {
  TREFOIL_ASSIGN(const Epoch birth, BirthOf(value));
  return birth <= epoch;
}

// Positions `history` at the version of `key` that `epoch` sees.
Result<bool> SeekVersion(IndexCursor& history, std::string_view key,
                         Epoch epoch) {
  history.Seek(HistoryKey(key, epoch));
  TREFOIL_TRY(history.status());
  if (!history.Valid() || LiveKeyOfHistory(history.key()) != key) return false;
  return BornBy(history.value(), epoch);
}

}  // namespace

Result<std::optional<std::string>> GetAt(IndexView& view, std::string_view key,
                                         Epoch epoch) {
  TREFOIL_ASSIGN(auto live, view.Get(Family::kLive, key));
  if (epoch == kLiveEpoch) return live;
  if (live) {
    TREFOIL_ASSIGN(const bool visible, BornBy(*live, epoch));
    if (visible) return live;
  }
  const std::string prefix(key);
  auto history = view.NewCursor(Family::kHistory, prefix, AfterPrefix(prefix));
  TREFOIL_ASSIGN(const bool found, SeekVersion(*history, key, epoch));
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(history->value());
}

Status VisitAt(IndexView& view, std::string_view lower, std::string_view upper,
               Epoch epoch,
               const std::function<bool(std::string_view key,
                                        std::string_view value)>& visit) {
  auto live = view.NewCursor(Family::kLive, lower, upper);
  live->Seek(lower);
  if (epoch == kLiveEpoch) {
    for (; live->Valid(); live->Next()) {
      if (!visit(live->key(), live->value())) return OkStatus();
    }
    return live->status();
  }
  // Both families in key order; of one key the live value wins if it was born
  // in time. A history key sorts after the live key that it begins with.
  auto history = view.NewCursor(Family::kHistory, lower, upper);
  history->Seek(lower);
  while (live->Valid() || history->Valid()) {
    const bool has_history = history->Valid();
    const std::string old_key(has_history ? LiveKeyOfHistory(history->key())
                                          : std::string_view());
    if (live->Valid() && (!has_history || live->key() <= old_key)) {
      TREFOIL_ASSIGN(const bool visible, BornBy(live->value(), epoch));
      if (visible && !visit(live->key(), live->value())) return OkStatus();
      const bool done_with_key = visible && live->key() == old_key;
      const bool only_live = !has_history || live->key() != old_key;
      live->Next();
      if (only_live) continue;
      if (done_with_key) {
        history->Seek(HistoryKey(old_key, kLiveEpoch));
        continue;
      }
    }
    TREFOIL_ASSIGN(const bool found, SeekVersion(*history, old_key, epoch));
    if (found && !visit(old_key, history->value())) return OkStatus();
    history->Seek(HistoryKey(old_key, kLiveEpoch));
  }
  TREFOIL_TRY(live->status());
  return history->status();
}

}  // namespace trefoil
