// SPDX-License-Identifier: Apache-2.0
#include "replicator/scrub_ledger.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "fs/base/bytes.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

constexpr std::string_view kMagic = "TFSCRUB1";
constexpr size_t kCheckBytes = 8;
constexpr size_t kEntryBytes = 36;
constexpr uint64_t kMaxFileBytes = 1ULL << 30;
constexpr int64_t kNanosPerMinute = 60'000'000'000;

}  // namespace

ScrubLedger ScrubLedger::Load(Env& env, const std::string& path) {
  ScrubLedger ledger;
  const auto bytes = env.ReadFile(path, kMaxFileBytes);
  if (!bytes.ok() || bytes->size() < kMagic.size() + kCheckBytes) {
    return ledger;
  }
  const std::string_view all(*bytes);
  const std::string_view checked = all.substr(0, all.size() - kCheckBytes);
  ByteReader check(all.substr(checked.size()));
  if (!checked.starts_with(kMagic) || check.U64() != Xxh3(checked)) {
    return ledger;
  }
  ByteReader reader(checked.substr(kMagic.size()));
  while (reader.remaining() >= kEntryBytes) {
    const Hash256 name = Hash256::FromBytes(reader.Raw(32));
    ledger.minutes_[name] = reader.U32();
  }
  return ledger;
}

Status ScrubLedger::Save(Env& env, const std::string& path) const {
  TREFOIL_TRY(env.CreateDirs(DirName(path)));
  std::string bytes(kMagic);
  bytes.reserve(kMagic.size() + minutes_.size() * kEntryBytes + kCheckBytes);
  ByteWriter writer(&bytes);
  for (const auto& [name, minutes] : minutes_) {
    writer.Raw(name.view());
    writer.U32(minutes);
  }
  writer.U64(Xxh3(bytes));
  return env.WriteFileAtomically(path, bytes);
}

void ScrubLedger::Verified(const Hash256& name, int64_t wall_nanos) {
  const int64_t minutes = std::clamp<int64_t>(
      wall_nanos / kNanosPerMinute, 1, std::numeric_limits<uint32_t>::max());
  minutes_[name] = static_cast<uint32_t>(minutes);
}

int64_t ScrubLedger::VerifiedNanos(const Hash256& name) const {
  const auto found = minutes_.find(name);
  return found == minutes_.end() ? 0 : found->second * kNanosPerMinute;
}

int64_t ScrubLedger::Oldest(uint64_t objects) const {
  if (minutes_.empty() || minutes_.size() < objects) return 0;
  const auto oldest = std::min_element(
      minutes_.begin(), minutes_.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  return oldest->second * kNanosPerMinute;
}

void ScrubLedger::Retain(const NameSet& names) {
  std::erase_if(minutes_, [&](const auto& entry) {
    return !names.contains(entry.first);
  });
}

}  // namespace trefoil
