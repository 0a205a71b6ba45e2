// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/store_check.h"

#include <utility>

#include "fs/object/object_reader.h"
#include "fs/verify/keyless_check.h"
#include "fs/verify/long_chain.h"
#include "fs/verify/metadata_check.h"

namespace trefoil {
namespace {

bool IsInChain(ObjectKind kind) {
  return kind == ObjectKind::kCommit || kind == ObjectKind::kCheckpoint;
}

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
  progress_.SetTotal(options_.read_data ? table_.bytes()
                                        : table_.objects().size());
  for (const ChainLink& link : chain_) {
    if (link.parsed.kind == ObjectKind::kCommit) ++findings_.report().commits;
  }
  if (keyless_) return CheckWithoutKey();
  ChainCheck chain(store_, *keyring_, scratch(), table_, volume_id_, findings_,
                   progress_);
  TREFOIL_ASSIGN(state_, chain.Run(chain_, options_.read_data));
  for (ListedObject& object : table_.objects()) {
    if (IsInChain(object.parsed.kind) && !object.named) {
      TREFOIL_TRY(chain.CheckLoose(object));
    }
  }
  TREFOIL_TRY(HashObjects());
  if (!state_.complete) {
    if (has_chain_) {
      findings_.Info("tree-not-checked", store_.Describe(),
                     "without all commits the tree can't be checked");
    }
    return OkStatus();
  }
  MetadataState metadata{scratch(), scratch(),    store_,
                         table_,    state_.epoch, {name_key_, nullptr},
                         elsewhere_};
  return CheckMetadata(metadata, findings_);
}

Status StoreCheck::CheckWithoutKey() {
  KeylessCheck check(store_, table_, *volume_id_, findings_, progress_);
  TREFOIL_TRY(check.CheckChain(chain_));
  if (has_chain_) state_.seq = CommitSeq(chain_.back().parsed.number);
  TREFOIL_TRY(HashObjects());
  TREFOIL_TRY(check.CheckClaims());
  check.Conclude();
  return OkStatus();
}

Status StoreCheck::FindCommits() {
  auto chain = FindChain(store_, *keyring_);
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
    TREFOIL_ASSIGN(chain_, LongestChain(store_, std::move(chain_)));
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
      const VolumeSecrets secrets,
      OpenSecretsOf(store_,
                    options_.secret == nullptr ? Secret() : *options_.secret));
  name_key_ = secrets.identity.name_key;
  keyring_ = secrets.MakeKeyring();
  return OkStatus();
}

Status StoreCheck::HashObjects() {
  for (ListedObject& object : table_.objects()) {
    if (IsInChain(object.parsed.kind)) continue;
    TREFOIL_TRY(HashObject(object));
    progress_.Object(object.size_bytes);
  }
  return OkStatus();
}

// Whether the sample has this pack.
bool StoreCheck::IsDrawn() {
  if (!options_.read_data) return false;
  return options_.sample_percent >= 100 ||
         world_.random.Next64() % 100 < options_.sample_percent;
}

Status StoreCheck::HashObject(ListedObject& object) {
  const bool small = object.parsed.kind == ObjectKind::kVolume;
  const std::string key = object.Key();
  if (options_.known_bad.contains(key)) {
    object.bad = true;
    findings_.Error("bad-hash", key, "is damaged, as an earlier check found");
    return OkStatus();
  }
  if (!small && !IsDrawn()) return OkStatus();
  const Status hashed = VerifyObjectHash(store_, key, object.size_bytes);
  if (!hashed.ok()) {
    object.bad = true;
    findings_.BadObject(key);
    return findings_.ErrorOf(
        hashed.Is(StatusCode::kNotFound) ? "missing-object" : "bad-hash", key,
        hashed);
  }
  const auto header = ReadObjectHeader(store_, key);
  if (!header.ok()) {
    object.bad = true;
    findings_.BadObject(key);
    return findings_.ErrorOf("bad-object", key, header.status());
  }
  if (volume_id_ && header->volume_id != *volume_id_) {
    findings_.Warning("foreign-object", key, "is an object of another volume");
  }
  return OkStatus();
}

void StoreCheck::ReportUnnamed() {
  for (const ListedObject& object : table_.objects()) {
    if (object.named || object.bad) continue;
    const std::string key = object.Key();
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
    } else {
      findings_.Info("other-branch", key,
                     "is of an older owner, and not in the chain");
    }
  }
}

}  // namespace trefoil
