// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/delta.h"

#include <algorithm>

#include "fs/index/keys.h"

namespace trefoil {

Delta::Delta(const VolumeCore::Cut& cut, const ChangedKeys& destaged,
             const Transaction& pending, Index& index)
    : cut_(cut), pending_(pending), index_(index) {
  ChangedKeys own = destaged;
  for (const auto& [key, value] : pending.changes()) {
    own.Add(key.first, key.second);
  }
  destaged_ = own.Sorted();
  // There may be very many: none is held more often than needed.
  keys_ = cut.changed.Sorted();
  const auto middle = static_cast<std::ptrdiff_t>(keys_.size());
  keys_.insert(keys_.end(), destaged_.begin(), destaged_.end());
  std::inplace_merge(keys_.begin(), keys_.begin() + middle, keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
}

Result<std::optional<std::string>> Delta::Value(const Key& key) const {
  if (const auto at = pending_.changes().find(key);
      at != pending_.changes().end()) {
    return at->second;
  }
  if (std::binary_search(destaged_.begin(), destaged_.end(), key)) {
    return index_.Get(key.first, key.second);
  }
  return cut_.view->Get(key.first, key.second);
}

Status Delta::FindPacks(std::vector<PackRef>* added,
                        std::vector<PackRef>* retired) const {
  for (const auto& key : keys_) {
    if (key.first != Family::kLive || key.second[0] != 'P') continue;
    TREFOIL_ASSIGN(const auto bytes, Value(key));
    if (!bytes) continue;
    TREFOIL_ASSIGN(const PackRecord record, PackRecord::Decode(*bytes));
    if (!record.retired && record.kind != ObjectKind::kPack) continue;
    (record.retired ? retired : added)
        ->push_back(
            {PackNo(NumberInKey(key.second)), record.name, record.size_bytes});
  }
  return OkStatus();
}

Status Delta::WriteTo(CommitWriter& writer) const {
  for (const auto& key : keys_) {
    TREFOIL_ASSIGN(const auto value, Value(key));
    TREFOIL_TRY(
        writer.AddDelta(static_cast<uint8_t>(key.first), key.second, value));
  }
  return OkStatus();
}

}  // namespace trefoil
