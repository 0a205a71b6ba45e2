// SPDX-License-Identifier: Apache-2.0
// Checks one copy's objects: what VerifyStore does, in steps, so that
// VerifyVolume can do the same with the primary's. Not thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "fs/object/object_store.h"
#include "fs/object/verified_ledger.h"
#include "fs/verify/chain_check.h"
#include "fs/verify/elsewhere.h"
#include "fs/verify/findings.h"
#include "fs/verify/object_hasher.h"
#include "fs/verify/object_table.h"
#include "fs/verify/scratch.h"
#include "fs/volume/identity.h"

namespace trefoil {

class StoreCheck {
 public:
  // All outlive this.
  StoreCheck(World world, ObjectStore& store, const VerifyOptions& options,
             Findings& findings)
      : world_(world),
        store_(store),
        options_(options),
        findings_(findings),
        progress_(options),
        readers_(world.env.single_threaded() ? 1 : options.readers) {}

  // Before Run; outlives this.
  void SetElsewhere(const Elsewhere* elsewhere) { elsewhere_ = elsewhere; }
  // Finds the chain, lists and reads the objects, and checks the state after
  // the last commit; commits above `newest` are left out of that (a crash left
  // them, the volume does not know them). An error: nothing could be checked.
  Status Run(std::optional<CommitSeq> newest);

  // Afterwards.
  [[nodiscard]] const ChainState& state() const { return state_; }
  [[nodiscard]] const std::vector<ChainLink>& chain() const { return chain_; }
  // The commit of the newest checkpoint that the chain goes on from; 0: none.
  [[nodiscard]] CommitSeq checkpoint() const { return checkpoint_; }
  [[nodiscard]] const std::string& name_key() const { return name_key_; }
  ObjectTable& table() { return table_; }
  // The state after the chain's last commit, in its live and history family.
  Index& scratch() { return scratch_->index(); }
  // Reports objects that nothing has named. Last.
  void ReportUnnamed();

 private:
  Status FindCommits();
  Status OpenSecrets();
  Status CheckWithoutKey();
  Status HashObjects();
  // Whether a check like this one reads such objects.
  [[nodiscard]] bool IsRead(const ListedObject& object) const {
    return options_.read_data || object.parsed.kind != ObjectKind::kPack;
  }
  // Whether its bytes are to be read this time.
  bool IsDue(ListedObject& object);
  Status Judge(const HashedObject& result);
  [[nodiscard]] bool keeps_state() const {
    return !options_.state_file.empty() && options_.read_data &&
           options_.sample_percent >= 100;
  }
  void LoadState();
  void SaveState();
  bool IsOfFork(const ListedObject& commit);

  const World world_;
  ObjectStore& store_;
  const VerifyOptions& options_;
  Findings& findings_;
  ProgressMeter progress_;
  const unsigned readers_;

  const Elsewhere* elsewhere_ = nullptr;
  std::unique_ptr<ScratchIndex> scratch_;
  ObjectTable table_;
  std::optional<VolumeId> volume_id_;
  std::string name_key_;
  std::shared_ptr<const Keyring> keyring_;
  std::vector<ChainLink> chain_;
  CommitSeq checkpoint_;
  bool has_chain_ = false;
  bool keyless_ = false;  // it is encrypted, and no secret was given
  std::optional<CommitSeq> newest_;
  ChainState state_;
  VerifiedLedger verified_;  // by this check, and those that it continues
  int64_t saved_nanos_ = 0;
};

}  // namespace trefoil
