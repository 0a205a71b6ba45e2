// SPDX-License-Identifier: Apache-2.0
// Goal: a name from a target is an object's key in its one spelling, or none;
// a valid one can't lead out of a directory.
// Method: each key that is understood is spelled again.
#include <string>

#include "fs/base/check.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::fuzz {
namespace {

std::string Spell(const ParsedKey& parsed) {
  switch (parsed.kind) {
    case ObjectKind::kPack:
      return PackKey(parsed.name);
    case ObjectKind::kCommit:
      return CommitKey(parsed.generation, CommitSeq(parsed.number),
                       parsed.name);
    case ObjectKind::kCheckpoint:
      return CheckpointKey(parsed.generation, CommitSeq(parsed.number),
                           parsed.name);
    default:
      return VolumeKey(parsed.number, parsed.name);
  }
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string key(reinterpret_cast<const char*>(data), size);
  const bool valid = IsValidObjectKey(key);
  if (valid) {
    TREFOIL_CHECK(key.find("..") == std::string::npos);
    TREFOIL_CHECK(key.front() != '/' && key.back() != '/');
    TREFOIL_CHECK(key.find_first_of(std::string_view("\0\\ ", 3)) ==
                  std::string::npos);
  }
  const Result<ParsedKey> parsed = ParseObjectKey(key);
  if (!parsed.ok()) return 0;
  TREFOIL_CHECK(valid);
  TREFOIL_CHECK(fuzz::Spell(*parsed) == key);
  return 0;
}
