// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/pack_check.h"

#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/volume/pack_object.h"

namespace trefoil {
namespace {

class PackCheck {
 public:
  PackCheck(ObjectStore& store, ObjectTable& table, const Elsewhere* elsewhere,
            Findings& findings)
      : store_(store),
        table_(table),
        elsewhere_(elsewhere),
        findings_(findings) {}

  Result<PackState> Check(PackNo number, const PackRecord& record) {
    PackState state{number, record.size_bytes, true};
    TREFOIL_ASSIGN(const std::optional<uint64_t> size,
                   SizeOf(record, &state.usable));
    const std::string pack = "pack " + std::to_string(number.value);
    state.retired = record.retired;
    if (!size && record.retired) {
      // Its record goes after its file.
      state.usable = false;
    } else if (!size && IsElsewhere(record)) {
      ++not_here_;
      not_here_bytes_ += record.size_bytes;
    } else if (!size) {
      state.usable = false;
      // A commit without blocks may go while its record stays: see BlockCheck.
      state.absent = record.kind == ObjectKind::kCommit;
      if (!state.absent) {
        findings_.BadObject(ObjectKeyOf(record));
        findings_.Error("missing-pack", ObjectKeyOf(record),
                        pack + " is not there");
      }
    } else if (*size != record.size_bytes) {
      state.usable = false;
      findings_.BadObject(ObjectKeyOf(record));
      findings_.Error("wrong-size", ObjectKeyOf(record),
                      pack + " has " + std::to_string(*size) +
                          " bytes instead of " +
                          std::to_string(record.size_bytes));
    }
    return state;
  }

  void ReportNotHere() {
    if (not_here_ == 0) return;
    findings_.Info("not-here-yet", "pack/",
                   std::to_string(not_here_) + " objects (" +
                       std::to_string(not_here_bytes_) +
                       " bytes) are not here yet: they come from another copy "
                       "while the volume is mounted");
  }

 private:
  [[nodiscard]] bool IsElsewhere(const PackRecord& record) const {
    return elsewhere_ != nullptr && record.kind == ObjectKind::kPack &&
           elsewhere_->MayHave(record.name);
  }
  Result<std::optional<uint64_t>> SizeOf(const PackRecord& record,
                                         bool* usable) {
    const std::string key = ObjectKeyOf(record);
    TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
    ListedObject* const listed = table_.Find(parsed);
    if (listed != nullptr) listed->named = true;
    if (listed != nullptr && !listed->gone) {
      *usable = !listed->bad;
      return std::optional(listed->size_bytes);
    }
    const auto head = store_.Head(key);
    if (head.ok()) return std::optional(head->size_bytes);
    if (!head.status().Is(StatusCode::kNotFound)) return head.status();
    return std::optional<uint64_t>();
  }

  ObjectStore& store_;
  ObjectTable& table_;
  const Elsewhere* const elsewhere_;
  Findings& findings_;
  uint64_t not_here_ = 0;
  uint64_t not_here_bytes_ = 0;
};

}  // namespace

Result<std::vector<PackState>> CheckPacks(IndexView& index, ObjectStore& store,
                                          ObjectTable& table,
                                          const Elsewhere* elsewhere,
                                          Findings& findings) {
  PackCheck check(store, table, elsewhere, findings);
  std::vector<PackState> packs;
  auto cursor = index.NewCursor(Family::kLive, "P", "Q");
  for (cursor->Seek("P"); cursor->Valid(); cursor->Next()) {
    const auto record = PackRecord::Decode(cursor->value());
    if (!record.ok() || cursor->key().size() != 9) continue;
    TREFOIL_ASSIGN(const PackState state,
                   check.Check(PackNo(NumberInKey(cursor->key())), *record));
    packs.push_back(state);
  }
  TREFOIL_TRY(cursor->status());
  check.ReportNotHere();
  return packs;
}

}  // namespace trefoil
