// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/metadata_check.h"

#include "fs/verify/block_check.h"
#include "fs/verify/pack_check.h"
#include "fs/verify/record_check.h"

namespace trefoil {

Status CheckMetadata(MetadataState& state, Findings& findings) {
  TREFOIL_TRY(CheckRecords(state.index, state.newest, findings));
  TREFOIL_ASSIGN(const Views views, Views::Load(state.index));
  TREFOIL_ASSIGN(const auto names,
                 NameTable::Build(state.scratch, state.index, views));
  {
    TreeCheck tree(state.index, views, *names, state.tree, findings);
    TREFOIL_TRY(tree.Run());
    findings.report().files = tree.files();
  }
  TREFOIL_ASSIGN(const auto packs,
                 CheckPacks(state.index, state.objects, state.table,
                            state.elsewhere, findings));
  return BlockCheck(state.index, views, *names, packs, findings).Run();
}

}  // namespace trefoil
