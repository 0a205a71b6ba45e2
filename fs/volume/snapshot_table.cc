// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/snapshot_table.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace trefoil {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// What Samba's shadow_copy2 parses by default.
std::string NameOf(int64_t seconds) {
  return fmt::format("@GMT-{:%Y.%m.%d-%H.%M.%S}",
                     fmt::gmtime(static_cast<std::time_t>(seconds)));
}

}  // namespace

void SnapshotTable::Add(const SnapshotInfo& info) {
  MutexLock lock(mu_);
  by_id_[info.id] = info;
  by_name_[info.name] = info.id;
  retained_.Add(info.epoch);
}

void SnapshotTable::Remove(SnapshotId id) {
  MutexLock lock(mu_);
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return;
  retained_.Remove(at->second.epoch);
  by_name_.erase(at->second.name);
  removed_.insert(at->second.name);
  if (removed_.size() > kMaxRemoved) removed_.erase(removed_.begin());
  by_id_.erase(at);
}

std::optional<SnapshotInfo> SnapshotTable::Find(SnapshotId id) const {
  MutexLock lock(mu_);
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return std::nullopt;
  return at->second;
}

std::optional<SnapshotInfo> SnapshotTable::FindByName(
    std::string_view name) const {
  MutexLock lock(mu_);
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) return std::nullopt;
  return by_id_.at(at->second);
}

std::vector<SnapshotInfo> SnapshotTable::List() const {
  MutexLock lock(mu_);
  std::vector<SnapshotInfo> list;
  list.reserve(by_id_.size());
  for (const auto& [id, info] : by_id_) list.push_back(info);
  return list;
}

std::optional<Epoch> SnapshotTable::EpochOf(SnapshotId id) const {
  if (id == kLiveTree) return kLiveEpoch;
  MutexLock lock(mu_);
  const auto at = by_id_.find(id);
  if (at == by_id_.end()) return std::nullopt;
  return at->second.epoch;
}

RetainedEpochs SnapshotTable::Retained() const {
  MutexLock lock(mu_);
  return retained_;
}

std::string SnapshotTable::NewName(int64_t wall_nanos) const {
  MutexLock lock(mu_);
  int64_t seconds = wall_nanos / kNanosPerSecond;
  // Names sort as time does; stepping over taken ones keeps a burst in order.
  std::string name = NameOf(seconds);
  while (by_name_.contains(name) || removed_.contains(name)) {
    name = NameOf(++seconds);
  }
  return name;
}

}  // namespace trefoil
