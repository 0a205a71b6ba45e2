// SPDX-License-Identifier: Apache-2.0
#include "fs/object/verified_ledger.h"

#include <algorithm>
#include <array>
#include <limits>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr std::string_view kMagic = "TFVERIF1";
constexpr size_t kPlaceBytes = 32;
constexpr size_t kCheckBytes = 8;
constexpr size_t kEntryBytes = 44;
constexpr uint64_t kMaxFileBytes = 1ULL << 30;
constexpr int64_t kNanosPerMinute = 60'000'000'000;

}  // namespace

VerifiedLedger::VerifiedLedger(std::string_view place)
    : place_(Sha256::Of(place)) {}

VerifiedLedger VerifiedLedger::Load(Env& env, const std::string& path,
                                    std::string_view place,
                                    std::string* why_empty) {
  VerifiedLedger ledger(place);
  const auto bytes = env.ReadFile(path, kMaxFileBytes);
  if (bytes.status().Is(StatusCode::kNotFound)) return ledger;
  const Status read = bytes.ok() ? ledger.Decode(*bytes) : bytes.status();
  if (read.ok()) return ledger;
  if (why_empty != nullptr) *why_empty = read.message();
  return VerifiedLedger(place);
}

Status VerifiedLedger::Decode(std::string_view all) {
  const Status damaged(StatusCode::kCorruption, "is damaged");
  if (all.size() < kMagic.size() + kPlaceBytes + kCheckBytes) return damaged;
  const std::string_view checked = all.substr(0, all.size() - kCheckBytes);
  ByteReader check(all.substr(checked.size()));
  if (!checked.starts_with(kMagic) || check.U64() != Xxh3(checked)) {
    return damaged;
  }
  ByteReader reader(checked.substr(kMagic.size()));
  if (Hash256::FromBytes(reader.Raw(kPlaceBytes)) != place_) {
    return {StatusCode::kNotFound, "is of another copy"};
  }
  while (reader.remaining() >= kEntryBytes) {
    Entry& entry = entries_[Hash256::FromBytes(reader.Raw(32))];
    entry.size_bytes = reader.U64();
    entry.minutes = reader.U32();
  }
  return OkStatus();
}

bool VerifiedLedger::MayBeOne(Env& env, const std::string& path) {
  if (!env.Exists(path)) return true;
  const auto file = env.Open(path, OpenMode::kRead);
  std::array<char, kMagic.size()> magic{};
  if (!file.ok()) return false;
  const auto got = (*file)->ReadAt(0, magic);
  return got.ok() && std::string_view(magic.data(), *got) == kMagic;
}

Status VerifiedLedger::Save(Env& env, const std::string& path) const {
  TREFOIL_TRY(env.CreateDirs(DirName(path)));
  std::string bytes(kMagic);
  bytes.reserve(kMagic.size() + kPlaceBytes + entries_.size() * kEntryBytes +
                kCheckBytes);
  ByteWriter writer(&bytes);
  writer.Raw(place_.view());
  for (const auto& [name, entry] : entries_) {
    writer.Raw(name.view());
    writer.U64(entry.size_bytes);
    writer.U32(entry.minutes);
  }
  writer.U64(Xxh3(bytes));
  return env.WriteFileAtomically(path, bytes);
}

void VerifiedLedger::Verified(const Hash256& name, uint64_t size_bytes,
                              int64_t wall_nanos) {
  const int64_t minutes = std::clamp<int64_t>(
      wall_nanos / kNanosPerMinute, 1, std::numeric_limits<uint32_t>::max());
  entries_[name] = {size_bytes, static_cast<uint32_t>(minutes)};
}

int64_t VerifiedLedger::VerifiedNanos(const Hash256& name,
                                      uint64_t size_bytes) const {
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.size_bytes != size_bytes) {
    return 0;
  }
  return found->second.minutes * kNanosPerMinute;
}

int64_t VerifiedLedger::Oldest(uint64_t objects) const {
  if (entries_.empty() || entries_.size() < objects) return 0;
  const auto oldest = std::min_element(
      entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
        return a.second.minutes < b.second.minutes;
      });
  return oldest->second.minutes * kNanosPerMinute;
}

uint64_t VerifiedLedger::BytesSince(int64_t wall_nanos) const {
  uint64_t bytes = 0;
  for (const auto& [name, entry] : entries_) {
    const bool since = entry.minutes * kNanosPerMinute >= wall_nanos;
    bytes += since ? entry.size_bytes : 0;
  }
  return bytes;
}

void VerifiedLedger::Retain(const std::function<bool(const Hash256&)>& keep) {
  std::erase_if(entries_,
                [&](const auto& entry) { return !keep(entry.first); });
}

}  // namespace trefoil
