// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/store_check.h"

#include <algorithm>
#include <utility>

#include "fs/base/log.h"
#include "fs/object/object_reader.h"
#include "fs/verify/keyless_check.h"
#include "fs/verify/long_chain.h"
#include "fs/verify/metadata_check.h"

namespace trefoil {
namespace {

// What was verified is so for this long.
constexpr int64_t kStateLastsNanos = 7LL * 24 * 3600 * 1'000'000'000;
// How much of an interrupted check is done again, at most.
constexpr int64_t kSaveNanos = 10'000'000'000;

}  // namespace

Status StoreCheck::Run(std::optional<CommitSeq> newest) {
  newest_ = newest;
  TREFOIL_ASSIGN(scratch_,
                 ScratchIndex::Create(world_, options_.scratch_directory));
  TREFOIL_TRY(OpenSecrets());
  // The chain first: on a copy that is being shipped to, everything that the
  // chain needs is there before its last commit (O3), so a later listing has
  // it.
  TREFOIL_TRY(FindCommits());
  TREFOIL_ASSIGN(table_, ObjectTable::List(store_, findings_));
  findings_.report().objects = table_.objects().size();
  findings_.report().bytes = table_.bytes();
  for (const ListedObject& object : table_.objects()) {
    if (IsRead(object)) progress_.Expect(object.size_bytes);
  }
  progress_.Begin(CheckPhase::kCommits);
  for (const ChainLink& link : chain_) {
    if (link.parsed.kind == ObjectKind::kCommit) ++findings_.report().commits;
  }
  if (keyless_) return CheckWithoutKey();
  ChainCheck chain(store_, *keyring_, scratch(), table_, volume_id_, findings_,
                   progress_, readers_);
  TREFOIL_ASSIGN(state_, chain.Run(chain_, options_.read_data));
  TREFOIL_TRY(chain.CheckLoose());
  TREFOIL_TRY(HashObjects());
  if (!state_.complete) {
    if (has_chain_) {
      findings_.Info("tree-not-checked", store_.Describe(),
                     "without all commits the tree can't be checked");
    }
    return OkStatus();
  }
  progress_.Begin(CheckPhase::kTree);
  MetadataState metadata{scratch(), scratch(),    store_,
                         table_,    state_.epoch, {name_key_, nullptr},
                         elsewhere_};
  return CheckMetadata(metadata, findings_);
}

Status StoreCheck::CheckWithoutKey() {
  KeylessCheck check(store_, table_, *volume_id_, findings_, progress_,
                     readers_);
  TREFOIL_TRY(check.CheckChain(chain_));
  if (has_chain_) state_.seq = CommitSeq(chain_.back().parsed.number);
  TREFOIL_TRY(HashObjects());
  TREFOIL_TRY(check.CheckClaims());
  check.Conclude();
  return OkStatus();
}

Status StoreCheck::FindCommits() {
  auto chain = FindChain(store_, *keyring_, readers_);
  if (!chain.ok()) {
    return findings_.ErrorOf("broken-chain", store_.Describe(), chain.status());
  }
  chain_ = std::move(*chain);
  while (newest_ && !chain_.empty() &&
         chain_.back().parsed.number > newest_->value) {
    chain_.pop_back();
  }
  if (!chain_.empty() &&
      chain_.front().parsed.kind == ObjectKind::kCheckpoint) {
    checkpoint_ = CommitSeq(chain_.front().parsed.number);
  }
  if (options_.read_data) {
    TREFOIL_ASSIGN(chain_, LongestChain(store_, std::move(chain_), readers_));
  }
  has_chain_ = !chain_.empty();
  if (!has_chain_) {
    findings_.Warning("no-commit", store_.Describe(),
                      "there is no commit: nothing can be recovered from here");
  }
  return OkStatus();
}

Status StoreCheck::OpenSecrets() {
  keyring_ = std::make_shared<const Keyring>(Keyring::Mode::kPlain);
  const auto object = ReadVolumeObject(store_);
  if (!object.ok()) {
    return findings_.ErrorOf("no-volume-object", store_.Describe(),
                             object.status());
  }
  volume_id_ = object->volume_id;
  if (object->encrypted && options_.secret == nullptr) {
    keyless_ = true;
    keyring_ = std::make_shared<const Keyring>(Keyring::Mode::kSealed);
    return OkStatus();
  }
  TREFOIL_ASSIGN(
      const CopySecrets copy,
      OpenSecretsOf(store_,
                    options_.secret == nullptr ? Secret() : *options_.secret));
  name_key_ = copy.secrets.identity.name_key;
  keyring_ = copy.secrets.MakeKeyring();
  return OkStatus();
}

Status StoreCheck::HashObjects() {
  if (keeps_state()) LoadState();
  std::vector<ListedObject*> due;
  uint64_t before = 0;
  for (ListedObject& object : table_.objects()) {
    if (IsInChain(object.parsed.kind)) continue;
    if (IsDue(object)) {
      due.push_back(&object);
      continue;
    }
    if (!IsRead(object)) continue;
    progress_.Skip(object.size_bytes);
    ++before;
  }
  if (verified_.size() > 0) {
    findings_.Info("continued", store_.Describe(),
                   std::to_string(before) +
                       " objects were verified before the check was "
                       "interrupted, and not again");
  }
  progress_.Begin(CheckPhase::kData);
  const Status done = HashObjectsOf(
      store_, due, readers_,
      [this](const HashedObject& result) { return Judge(result); });
  SaveState();
  return done;
}

// The sample has some packs; what is known of the others need not be asked.
bool StoreCheck::IsDue(ListedObject& object) {
  if (options_.known_bad.contains(object.Key())) {
    object.bad = true;
    findings_.Error("bad-hash", object.Key(),
                    "is damaged, as an earlier check found");
    return false;
  }
  if (object.parsed.kind == ObjectKind::kVolume) return true;
  if (!options_.read_data) return false;
  if (options_.sample_percent < 100) {
    return world_.random.Next64() % 100 < options_.sample_percent;
  }
  const int64_t verified =
      verified_.VerifiedNanos(object.parsed.name, object.size_bytes);
  return world_.clock.WallNanos() - verified > kStateLastsNanos;
}

Status StoreCheck::Judge(const HashedObject& result) {
  ListedObject& object = *result.object;
  const std::string key = object.Key();
  if (result.hashed.Is(StatusCode::kNotFound) && state_.complete) {
    // Collection was quicker; whether something needs it will be seen.
    object.gone = true;
  } else if (!result.hashed.ok() || !result.header.ok()) {
    object.bad = true;
    findings_.BadObject(key);
    TREFOIL_TRY(findings_.ErrorOf(
        !result.header.ok()                       ? "bad-object"
        : result.hashed.Is(StatusCode::kNotFound) ? "missing-object"
                                                  : "bad-hash",
        key, result.hashed.ok() ? result.header : result.hashed));
  } else if (volume_id_ && result.volume_id != *volume_id_) {
    object.foreign = true;
    findings_.Warning("foreign-object", key, "is an object of another volume");
  } else {
    verified_.Verified(object.parsed.name, object.size_bytes,
                       world_.clock.WallNanos());
  }
  if (world_.clock.MonotonicNanos() - saved_nanos_ >= kSaveNanos) SaveState();
  return progress_.Object(object.size_bytes);
}

// What was verified of another volume, or on another disk, says nothing here.
void StoreCheck::LoadState() {
  std::string place = store_.Describe() + '\0' + options_.place_id + '\0';
  if (volume_id_) place.append(volume_id_->data(), volume_id_->size());
  std::string why_ignored;
  verified_ = VerifiedLedger::Load(world_.env, options_.state_file, place,
                                   &why_ignored);
  if (why_ignored.empty()) return;
  findings_.Info(
      "state-ignored", options_.state_file,
      "the state of an earlier check " + why_ignored + ": everything is read");
}

void StoreCheck::SaveState() {
  saved_nanos_ = world_.clock.MonotonicNanos();
  if (!keeps_state()) return;
  const Status saved = verified_.Save(world_.env, options_.state_file);
  if (!saved.ok()) LogWarning("verify", "{}", saved.ToString());
}

void StoreCheck::ReportUnnamed() {
  for (const ListedObject& object : table_.objects()) {
    if (object.named || object.gone) continue;
    const std::string key = object.Key();
    // Else it may be the volume object that is not this copy's.
    if (object.foreign && state_.complete) findings_.Stranger(key);
    if (object.bad) {
      const bool may_go = object.parsed.kind != ObjectKind::kVolume;
      if (state_.complete && may_go)
        findings_.report().unneeded_bad.insert(key);
      continue;
    }
    const CommitSeq seq(object.parsed.number);
    if (object.parsed.kind == ObjectKind::kPack && state_.complete) {
      findings_.Info("unnamed-pack", key,
                     "nothing needs it: retired, left by a crash, or of a "
                     "commit still to come");
    } else if (object.parsed.kind != ObjectKind::kCommit || !has_chain_) {
      continue;
    } else if (newest_ && seq > *newest_) {
      findings_.Info("unregistered-commit", key,
                     "a crash left it; the next opening removes it");
    } else if (seq <= checkpoint_) {
      findings_.Info("unneeded-commit", key,
                     "nothing needs it: a checkpoint stands for it");
    } else if (seq > state_.seq) {
      findings_.Warning("newer-commit", key,
                        "is newer than the chain, and of an older owner: its "
                        "changes are in no tree");
    } else if (IsOfFork(object)) {
      findings_.Error("forked-chain", key,
                      "and the commits before it are of the owner whose chain "
                      "this is, and not in it: two machines wrote as one; "
                      "what only this branch has is in no tree");
    } else {
      findings_.Info("other-branch", key,
                     "is not in the chain: it is of an older owner, or of a "
                     "round that was repeated");
    }
  }
}

// A single commit beside its equal may be of a round that failed when the
// commit was in place already (see FindChain); a second one on top is not.
bool StoreCheck::IsOfFork(const ListedObject& commit) {
  const ParsedKey& parsed = commit.parsed;
  const bool same_owner =
      std::any_of(chain_.begin(), chain_.end(), [&](const ChainLink& link) {
        return link.parsed.generation == parsed.generation &&
               link.parsed.number == parsed.number;
      });
  if (!same_owner) return false;
  const auto header = ReadObjectHeader(store_, commit.Key());
  if (!header.ok()) return false;
  const ListedObject* const before =
      table_.Find({ObjectKind::kCommit, parsed.generation, parsed.number - 1,
                   header->previous});
  return before != nullptr && !before->named;
}

}  // namespace trefoil
