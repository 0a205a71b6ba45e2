// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/record_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "fs/index/history.h"
#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/volume/rebuild.h"

namespace trefoil {
namespace {

// More than there are; a hostile commit may bring any number.
constexpr size_t kMaxCounters = 64;

std::string DescribeLiveKey(std::string_view key) {
  const char table = key.empty() ? '\0' : key[0];
  if (table == 'C') return "counter " + std::string(key.substr(1));
  if (key.size() < 9) return "record " + ToHex(key);
  const std::string number = std::to_string(NumberInKey(key));
  switch (table) {
    case 'D':
      return "entry of directory " + number;
    case 'E':
      return "extent of inode " + number +
             (key.size() == 17 ? " at " + std::to_string(NumberInKey(key, 9))
                               : "");
    case 'I':
      return "inode " + number;
    case 'X':
      return "attribute of inode " + number;
    case 'B':
      return "block " + number;
    case 'N':
      return "count of block " + number;
    case 'O':
      return "orphan " + number;
    case 'P':
      return "pack " + number;
    case 'S':
      return "snapshot " + number;
    case 'Z':
      return "mark of dead block " + number;
    default:
      return "record " + ToHex(key);
  }
}

class RecordCheck {
 public:
  RecordCheck(IndexView& index, Epoch newest, Findings& findings)
      : index_(index), newest_(newest), findings_(findings) {}

  Status Run() {
    TREFOIL_TRY(Walk(Family::kLive));
    TREFOIL_TRY(Walk(Family::kHistory));
    CheckCounter(kInodeCounter, 'I');
    CheckCounter(kBlockCounter, 'B');
    CheckCounter(kPackCounter, 'P');
    CheckCounter(kSnapshotCounter, 'S');
    return OkStatus();
  }

 private:
  Status Walk(Family family) {
    auto cursor = index_.NewCursor(family, "", "");
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      Look(family, cursor->key(), cursor->value());
    }
    return cursor->status();
  }

  void Look(Family family, std::string_view key, std::string_view value) {
    const Status bad = CheckEntry(static_cast<uint8_t>(family), key,
                                  std::optional<std::string>(value));
    if (!bad.ok()) {
      findings_.Error("bad-record", DescribeKey(family, key),
                      "the record is malformed");
      return;
    }
    if (IsVersioned(key)) LookAtEpochs(family, key, value);
    if (key[0] == 'S') LookAtSnapshot(key, value);
    if (key[0] == 'C') {
      if (counters_.size() < kMaxCounters) {
        counters_[std::string(key.substr(1))] = *DecodeNumber(value);
      }
    } else if (key.size() == 9) {
      uint64_t& highest = highest_[key[0]];
      highest = std::max(highest, NumberInKey(key));
    } else if (family == Family::kHistory && key[0] == 'I') {
      highest_['I'] = std::max(highest_['I'], NumberInKey(key));
    }
  }

  void LookAtEpochs(Family family, std::string_view key,
                    std::string_view value) {
    const Epoch birth = *BirthOf(value);
    const Epoch last =
        family == Family::kHistory ? LastOfHistory(key) : newest_;
    if (birth > newest_ || last > newest_) {
      findings_.Error("bad-epoch", DescribeKey(family, key),
                      "is of epoch " + std::to_string(birth.value) +
                          ", which has not begun");
    } else if (birth > last) {
      findings_.Error("bad-history", DescribeKey(family, key),
                      "ended in epoch " + std::to_string(last.value) +
                          ", before it began in " +
                          std::to_string(birth.value));
    }
  }

  void LookAtSnapshot(std::string_view key, std::string_view value) {
    const SnapshotRecord record = *SnapshotRecord::Decode(value);
    if (record.epoch == Epoch() || record.epoch > newest_) {
      findings_.Error("bad-snapshot", record.name,
                      "is of epoch " + std::to_string(record.epoch.value) +
                          ", which is none of this tree");
    }
    if (!names_.insert(record.name).second) {
      findings_.Error("bad-snapshot", record.name,
                      "there are two snapshots of this name");
    }
    if (NumberInKey(key) == 0) {
      findings_.Error("bad-snapshot", record.name, "has the number 0");
    }
  }

  void CheckCounter(std::string_view name, char table) {
    const uint64_t highest = highest_[table];
    const auto at = counters_.find(name);
    const uint64_t next = at == counters_.end() ? 1 : at->second;
    if (next > highest) return;
    findings_.Error("bad-counter", "counter " + std::string(name),
                    "says that " + std::to_string(next) + " comes next, but " +
                        std::to_string(highest) + " is used already");
  }

  IndexView& index_;
  const Epoch newest_;
  Findings& findings_;
  std::map<std::string, uint64_t, std::less<>> counters_;
  std::map<char, uint64_t> highest_;  // number used, by table
  std::set<std::string> names_;       // of snapshots
};

}  // namespace

std::string DescribeKey(Family family, std::string_view key) {
  if (family != Family::kHistory) return DescribeLiveKey(key);
  if (key.size() <= 8) return "record " + ToHex(key);
  return DescribeLiveKey(LiveKeyOfHistory(key)) + " up to epoch " +
         std::to_string(LastOfHistory(key).value);
}

Status CheckRecords(IndexView& index, Epoch newest, Findings& findings) {
  return RecordCheck(index, newest, findings).Run();
}

}  // namespace trefoil
