// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/elsewhere.h"

#include "fs/object/object_format.h"

namespace trefoil {

Elsewhere Elsewhere::List(const ObjectCopies& copies, Findings& findings) {
  Elsewhere elsewhere;
  elsewhere.anything_ = copies.empty();
  for (const ObjectCopy& copy : copies) {
    const Status listed =
        copy.store->List("pack/", "", [&](const ObjectInfo& info) {
          const auto parsed = ParseObjectKey(info.key);
          if (parsed.ok()) elsewhere.names_.insert(parsed->name);
          return true;
        });
    if (listed.ok()) continue;
    elsewhere.anything_ = true;
    findings.Info(
        "copy-not-asked", copy.name,
        "could not be asked for what is not here yet: " + listed.message());
  }
  return elsewhere;
}

}  // namespace trefoil
