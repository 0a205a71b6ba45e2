// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/store_check.h"
#include "fs/verify/verify.h"

namespace trefoil {

Result<VerifyReport> VerifyStore(World world, ObjectStore& store,
                                 const VerifyOptions& options) {
  VerifyReport report;
  Findings findings(report);
  StoreCheck check(world, store, options, findings);
  TREFOIL_TRY(check.Run(std::nullopt));
  check.ReportUnnamed();
  findings.Finish();
  return report;
}

}  // namespace trefoil
