// SPDX-License-Identifier: Apache-2.0
// Repairing one copy from the others: what the verifier names as missing or
// damaged is replaced by the same object of another copy; an index that
// disagrees with the objects is set aside, so that the next opening rebuilds
// it (O6); what is not Trefoil's among the objects, and what is damaged, good
// nowhere and needed by nothing, is moved to quarantine/, not deleted.
//
// Keeps O4 and O10: an object is replaced only by bytes that hash to its name;
// one that is needed and that no copy has good stays as it is.
// Thread rule: free functions; `progress` is called by the calling thread.
#pragma once

#include <string>
#include <vector>

#include "fs/verify/verify.h"

namespace trefoil {

struct RepairedObject {
  std::string key;
  std::string from;  // the copy that had it
};

struct QuarantinedObject {
  std::string key;
  std::string now;  // its name below quarantine/
};

struct RepairReport {
  // What is left, found by a last check.
  VerifyReport left;
  std::vector<RepairedObject> repaired;
  std::vector<QuarantinedObject> quarantined;
  bool index_set_aside = false;
  bool watermark_reset = false;  // of a target, by who checks those
  [[nodiscard]] bool changed() const {
    return !repaired.empty() || !quarantined.empty() || index_set_aside ||
           watermark_reset;
  }
};

// `options.copies` are the other copies. Errors as VerifyVolume and
// VerifyStore.
Result<RepairReport> RepairVolume(World world, const std::string& path,
                                  const VerifyOptions& options);
Result<RepairReport> RepairStore(World world, ObjectStore& store,
                                 const VerifyOptions& options);

}  // namespace trefoil
