// SPDX-License-Identifier: Apache-2.0
// Checks a store's chain of commits, which may begin with a checkpoint, each
// read whole and hashed, and builds the state after the last one in a scratch
// index. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fs/object/commit.h"
#include "fs/verify/findings.h"
#include "fs/verify/object_table.h"
#include "fs/verify/scratch.h"
#include "fs/volume/rebuild.h"

namespace trefoil {

// The state after a chain's last commit.
struct ChainState {
  // Every commit was whole; the scratch index has the state.
  bool complete = false;
  CommitSeq seq;
  Epoch epoch;
  Lsn cut;
};

class ChainCheck {
 public:
  // All outlive this. `volume_id` is compared when it is known. `readers`
  // threads read at a time.
  ChainCheck(ObjectStore& store, const Keyring& keyring, Index& scratch,
             ObjectTable& table, std::optional<VolumeId> volume_id,
             Findings& findings, ProgressMeter& progress, unsigned readers)
      : store_(store),
        keyring_(keyring),
        table_(table),
        volume_id_(volume_id),
        findings_(findings),
        progress_(progress),
        readers_(readers),
        scratch_(scratch),
        writer_(scratch) {}

  // Reads `chain`, oldest first. With `compare`, checkpoints that equal one of
  // its commits are compared with what the commits give. An error says that
  // the store can't be read.
  Result<ChainState> Run(const std::vector<ChainLink>& chain, bool compare);
  // Reads the commits and checkpoints that belong to no chain, for their own
  // sake.
  Status CheckLoose();

 private:
  Status Damaged(ObjectKind kind, std::string key, const Status& status);
  Status CompareCheckpoints(const ChainLink& commit);
  Status ReadLink(ObjectStore& ahead, const ChainLink& link);
  Status OnInfo(const ChainLink& link, const ObjectHeader& header,
                const CommitInfo& info);
  Status OnEntry(const ChainLink& link, const DeltaEntry& entry);
  // What the chain says of a commit itself, as the volume keeps it. Those of a
  // checkpoint's commit are among its entries.
  Status AddOwnRecords(const ChainLink& link);
  void CheckPacks(const ChainLink& link);
  void Bad(const ChainLink& link, std::string text) {
    findings_.Error("bad-commit", link.key, std::move(text));
  }

  ObjectStore& store_;
  const Keyring& keyring_;
  ObjectTable& table_;
  const std::optional<VolumeId> volume_id_;
  Findings& findings_;
  ProgressMeter& progress_;
  const unsigned readers_;
  Index& scratch_;
  BatchWriter writer_;

  ChainState state_;
  PackNo last_pack_no_;
  CommitInfo info_;  // of the commit being read
  // Records among its entries: of packs that are in use, and of what it
  // retires.
  std::vector<PackRef> packs_seen_;
  std::vector<PackRef> retired_seen_;
};

}  // namespace trefoil
