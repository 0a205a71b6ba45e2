// SPDX-License-Identifier: Apache-2.0
// Goal: no value of the index, which a commit of somebody else may bring, and
// no transaction of the journal makes its reader crash.
// Method: the input as each kind of record; what is read is written the same.
#include <string>

#include "fs/base/check.h"
#include "fs/index/records.h"
#include "fs/volume/posix_acl.h"
#include "fs/volume/transaction.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::fuzz {
namespace {

template <class Record>
void CheckRecord(std::string_view bytes) {
  const Result<Record> record = Record::Decode(bytes);
  if (!record.ok()) return;
  const Result<Record> again = Record::Decode(record->Encode());
  TREFOIL_CHECK(again.ok());
  TREFOIL_CHECK(again->Encode() == record->Encode());
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz::CheckRecord<InodeRecord>(bytes);
  fuzz::CheckRecord<DirentRecord>(bytes);
  fuzz::CheckRecord<XattrRecord>(bytes);
  fuzz::CheckRecord<ExtentRecord>(bytes);
  fuzz::CheckRecord<BlockRecord>(bytes);
  fuzz::CheckRecord<PackRecord>(bytes);
  fuzz::CheckRecord<DeadRecord>(bytes);
  fuzz::CheckRecord<SnapshotRecord>(bytes);
  fuzz::CheckRecord<CommitRecord>(bytes);
  static_cast<void>(DecodeNumber(bytes));
  static_cast<void>(BirthOf(bytes));
  static_cast<void>(ParseAcl(bytes));
  static_cast<void>(DecodeTransaction(bytes));
  return 0;
}
