// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/repair.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "fs/base/log.h"
#include "fs/object/local_tree.h"
#include "fs/object/object_reader.h"
#include "fs/volume/rebuild.h"
#include "fs/volume/volume_lock.h"

namespace trefoil {
namespace {

// A chain that is whole again shows what else is missing; nothing needs more
// rounds than this.
constexpr int kMaxRounds = 5;
constexpr size_t kHashDigits = 16;  // in a name below quarantine/

bool Has(const VerifyReport& report,
         std::initializer_list<std::string_view> codes) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const Finding& finding) {
                       return std::find(codes.begin(), codes.end(),
                                        finding.code) != codes.end();
                     });
}

class Repair {
 public:
  using Check = std::function<Result<VerifyReport>(const VerifyOptions&)>;

  Repair(ObjectStore& store, const VerifyOptions& options)
      : store_(store), options_(options) {}

  // Rounds of `check` and of repairs, for which `lock` is held; `more` repairs
  // what is not an object. Both may be empty.
  Result<RepairReport> Run(
      const Check& check,
      const std::function<Result<std::unique_ptr<FileLock>>()>& lock,
      const std::function<Result<bool>(const VerifyReport&)>& more);

 private:
  Result<bool> RepairObjects(const VerifyReport& found);
  Result<std::shared_ptr<Keyring>> OpenKeyring();
  Result<bool> FillChain();
  Result<bool> FetchVolumeObject();
  bool IsWhole(const std::string& key);
  Result<bool> Heal(const std::string& key);
  bool Quarantine(const VerifyReport& found);
  Result<std::string> MoveAway(const std::string& key);

  ObjectStore& store_;
  VerifyOptions options_;
  RepairReport report_;
  std::map<std::string, std::string> hopeless_;  // keys, and why
};

Result<RepairReport> Repair::Run(
    const Check& check,
    const std::function<Result<std::unique_ptr<FileLock>>()>& lock,
    const std::function<Result<bool>(const VerifyReport&)>& more) {
  for (int round = 0;; ++round) {
    TREFOIL_ASSIGN(report_.left, check(options_));
    if (round == kMaxRounds) break;
    std::unique_ptr<FileLock> held;
    if (lock) {
      TREFOIL_ASSIGN(held, lock());
    }
    TREFOIL_ASSIGN(bool changed, RepairObjects(report_.left));
    changed = Quarantine(report_.left) || changed;
    if (!changed && more) {
      TREFOIL_ASSIGN(changed, more(report_.left));
      report_.index_set_aside = report_.index_set_aside || changed;
    }
    // What was put in place was hashed on its way.
    options_.read_data = false;
    for (const auto& [key, why] : hopeless_) options_.known_bad.insert(key);
    if (!changed) break;
  }
  for (const auto& [key, why] : hopeless_) {
    report_.left.findings.push_back(
        {Severity::kError, "not-repaired", key, why});
  }
  return std::move(report_);
}

Result<bool> Repair::RepairObjects(const VerifyReport& found) {
  bool changed = false;
  for (const std::string& key : found.bad_objects) {
    TREFOIL_ASSIGN(const bool healed, Heal(key));
    changed = changed || healed;
  }
  if (Has(found, {"no-volume-object"})) {
    TREFOIL_ASSIGN(const bool fetched, FetchVolumeObject());
    changed = changed || fetched;
  }
  if (!changed && Has(found, {"broken-chain"})) {
    TREFOIL_ASSIGN(changed, FillChain());
  }
  return changed;
}

// What can't be opened, for want of the volume object or of a key, need not be
// damaged.
bool Repair::IsWhole(const std::string& key) {
  const auto info = store_.Head(key);
  return info.ok() && VerifyObjectHash(store_, key, info->size_bytes).ok();
}

// False when there is nothing to repair, or no copy has it good, now and for
// the rest of this repair.
Result<bool> Repair::Heal(const std::string& key) {
  if (hopeless_.contains(key) || IsWhole(key)) return false;
  const auto healed = HealObject(options_.copies, key, 0, store_);
  if (healed.ok()) {
    LogInfo("verify", "{} of {} repaired from {}", key, store_.Describe(),
            *healed);
    report_.repaired.push_back({key, *healed});
    return true;
  }
  const bool is_ours = healed.status().Is(StatusCode::kNoSpace) ||
                       healed.status().Is(StatusCode::kReadOnly) ||
                       healed.status().Is(StatusCode::kPermissionDenied);
  if (is_ours) return healed.status();
  hopeless_[key] = healed.status().message();
  return false;
}

Result<bool> Repair::FetchVolumeObject() {
  std::set<std::string> keys;
  for (const ObjectCopy& copy : options_.copies) {
    const Status listed =
        copy.store->List("volume/", "", [&](const ObjectInfo& info) {
          if (ParseObjectKey(info.key).ok()) keys.insert(info.key);
          return true;
        });
    if (!listed.ok())
      LogWarning("verify", "{}: {}", copy.name, listed.message());
  }
  // The newest that is good anywhere, and none older than one that is here,
  // however bad: who had a way in once must not get it back.
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    if (store_.Head(*key).ok()) break;
    TREFOIL_ASSIGN(const bool healed, Heal(*key));
    if (healed) return true;
  }
  return false;
}

Result<std::shared_ptr<Keyring>> Repair::OpenKeyring() {
  TREFOIL_ASSIGN(
      const CopySecrets copy,
      OpenSecretsOf(store_,
                    options_.secret == nullptr ? Secret() : *options_.secret));
  return copy.secrets.MakeKeyring();
}

// The links that this copy lacks, but none above its newest: those it does not
// know (and a volume refuses).
Result<bool> Repair::FillChain() {
  const auto keyring = OpenKeyring();
  if (!keyring.ok()) {
    LogWarning("verify", "the chain: {}", keyring.status().message());
    return false;
  }
  uint64_t newest = 0;
  std::set<std::string, std::less<>> here;
  for (const char* prefix : {"commit/", "checkpoint/"}) {
    TREFOIL_TRY(store_.List(prefix, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (parsed.ok()) newest = std::max(newest, parsed->number);
      here.insert(info.key);
      return true;
    }));
  }
  bool changed = false;
  for (const ObjectCopy& copy : options_.copies) {
    const auto chain = FindChain(*copy.store, **keyring, options_.readers);
    if (!chain.ok()) {
      LogWarning("verify", "{}: {}", copy.name, chain.status().message());
      continue;
    }
    for (const ChainLink& link : *chain) {
      if (link.parsed.number > newest || here.contains(link.key)) continue;
      TREFOIL_ASSIGN(const bool healed, Heal(link.key));
      changed = changed || healed;
    }
  }
  return changed;
}

// What is damaged, good nowhere, and needed by nothing; and strangers, but only
// inside of what is Trefoil's: the rest of a shared bucket is somebody's.
bool Repair::Quarantine(const VerifyReport& found) {
  std::set<std::string> keys;
  for (const std::string& key : found.unneeded_bad) {
    if (hopeless_.contains(key)) keys.insert(key);
  }
  for (const std::string& key : found.strangers) {
    const bool is_inside =
        key.starts_with("pack/") || key.starts_with("commit/") ||
        key.starts_with("checkpoint/") || key.starts_with("volume/");
    if (is_inside) keys.insert(key);
  }
  bool changed = false;
  for (const std::string& key : keys) {
    const auto moved = MoveAway(key);
    if (!moved.ok()) {
      hopeless_[key] = "can't be moved away: " + moved.status().message();
      continue;
    }
    hopeless_.erase(key);
    // It may have been in a directory that stood in this one's place.
    hopeless_.erase(DirName(key));
    report_.quarantined.push_back({key, *moved});
    changed = true;
  }
  return changed;
}

// The new name has the hash of the bytes, so that nothing that was moved there
// before is in the way or taken for it.
Result<std::string> Repair::MoveAway(const std::string& key) {
  TREFOIL_ASSIGN(const ObjectInfo info, store_.Head(key));
  TREFOIL_ASSIGN(const Hash256 hash, HashObject(store_, key, info.size_bytes));
  std::string to =
      "quarantine/" + key + "-" + hash.ToHex().substr(0, kHashDigits);
  StoreSource source(store_, key, hash, info.size_bytes);
  TREFOIL_TRY(store_.Put(to, source, PutMode::kImmutable));
  TREFOIL_ASSIGN(const Hash256 there, HashObject(store_, to, info.size_bytes));
  if (there != hash) {
    return Status(StatusCode::kCorruption, to + " is something else");
  }
  TREFOIL_TRY(store_.Delete(key));
  return to;
}

}  // namespace

Result<RepairReport> RepairVolume(World world, const std::string& path,
                                  const VerifyOptions& options) {
  LocalTree objects(world.env, JoinPath(path, "objects"));
  const auto rebuild_index = [&](const VerifyReport& found) -> Result<bool> {
    const bool is_wrong = Has(found, {"damaged-index", "index-differs",
                                      "bad-block-id", "missing-member"});
    const bool has_chain =
        !Has(found, {"broken-chain", "damaged-commit", "damaged-checkpoint",
                     "missing-commit", "no-commit", "no-volume-object"});
    if (!is_wrong || !has_chain) return false;
    if (!world.env.Exists(JoinPath(path, "index"))) return false;
    TREFOIL_TRY(SetIndexAside(world.env, path));
    return true;
  };
  VerifyOptions with_key = options;
  const auto key = ReadKeyFile(world.env, KeyFilePath(path));
  if (with_key.secret == nullptr && key.ok()) {
    with_key.secret = std::make_shared<const Secret>(*key);
  }
  return Repair(objects, with_key)
      .Run(
          [&](const VerifyOptions& now) {
            return VerifyVolume(world, path, now);
          },
          [&] { return LockVolume(world.env, path); }, rebuild_index);
}

Result<RepairReport> RepairStore(World world, ObjectStore& store,
                                 const VerifyOptions& options) {
  return Repair(store, options)
      .Run(
          [&](const VerifyOptions& now) {
            return VerifyStore(world, store, now);
          },
          nullptr, nullptr);
}

}  // namespace trefoil
