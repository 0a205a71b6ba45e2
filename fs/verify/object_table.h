// SPDX-License-Identifier: Apache-2.0
// The objects that a store lists, by kind and name; about 80 bytes of memory
// each. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "fs/verify/findings.h"

namespace trefoil {

struct ListedObject {
  ParsedKey parsed;
  uint64_t size_bytes = 0;
  bool named = false;    // something needs it
  bool bad = false;      // its bytes are not what they should be
  bool foreign = false;  // belongs to another volume
  bool gone = false;     // it was listed, and is not there any more

  [[nodiscard]] std::string Key() const;
};

inline bool IsInChain(ObjectKind kind) {
  return kind == ObjectKind::kCommit || kind == ObjectKind::kCheckpoint;
}

class ObjectTable {
 public:
  // Lists all of `store`. Objects that are not Trefoil's are reported.
  static Result<ObjectTable> List(ObjectStore& store, Findings& findings);

  // Null when it is not listed.
  ListedObject* Find(const ParsedKey& parsed);
  // Sorted by kind, generation, number and name.
  std::vector<ListedObject>& objects() { return objects_; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  std::vector<ListedObject> objects_;
  uint64_t bytes_ = 0;
};

}  // namespace trefoil
