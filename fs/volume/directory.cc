// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/directory.h"

#include <cerrno>

#include "fs/volume/names.h"

namespace trefoil {
namespace {

// Entries whose folded names have the hash of `name`, as `epoch` sees them.
Status VisitSameHash(
    IndexView& index, InodeId directory, DirPosition first, Epoch epoch,
    const std::function<bool(DirPosition, const DirentRecord&)>& visit) {
  Status bad;
  TREFOIL_TRY(VisitAt(
      index, DirentKey(directory, first),
      DirentKey(directory, DirPosition(first.value + kPositionsPerHash)), epoch,
      [&](std::string_view key, std::string_view value) {
        auto record = DirentRecord::Decode(value);
        if (!record.ok()) {
          bad = record.status();
          return false;
        }
        return visit(DirPosition(NumberInKey(key, 9)), *record);
      }));
  return bad;
}

}  // namespace

Result<std::optional<FoundEntry>> FindEntry(IndexView& index,
                                            std::string_view name_key,
                                            InodeId directory,
                                            std::string_view name,
                                            Epoch epoch) {
  std::optional<FoundEntry> found;
  TREFOIL_TRY(VisitSameHash(index, directory, FirstPosition(name_key, name),
                            epoch,
                            [&](DirPosition at, const DirentRecord& record) {
                              if (record.name != name) return true;
                              found = FoundEntry{at, record};
                              return false;
                            }));
  return found;
}

Result<std::optional<FoundEntry>> FindEntryFolded(IndexView& index,
                                                  std::string_view name_key,
                                                  InodeId directory,
                                                  std::string_view name,
                                                  Epoch epoch) {
  std::optional<FoundEntry> found;
  TREFOIL_TRY(VisitSameHash(
      index, directory, FirstPosition(name_key, name), epoch,
      [&](DirPosition at, const DirentRecord& record) {
        const bool exact = record.name == name;
        if (exact || (!found && EqualIgnoringCase(record.name, name))) {
          found = FoundEntry{at, record};
        }
        return !exact;
      }));
  return found;
}

Status AddEntry(Transaction& tx, IndexView& index, std::string_view name_key,
                InodeId directory, std::string_view name, InodeId inode,
                uint32_t mode) {
  const DirPosition first = FirstPosition(name_key, name);
  uint64_t free = first.value;
  TREFOIL_TRY(VisitSameHash(index, directory, first, kLiveEpoch,
                            [&](DirPosition at, const DirentRecord&) {
                              if (at.value != free) return false;
                              ++free;
                              return true;
                            }));
  if (free >= first.value + kPositionsPerHash) return Status::Posix(ENOSPC);
  DirentRecord record;
  record.birth = tx.epoch();
  record.inode = inode;
  record.type = DirentType(mode);
  record.name = name;
  return tx.PutVersioned(DirentKey(directory, DirPosition(free)),
                         record.Encode());
}

Result<bool> IsEmptyDirectory(IndexView& index, InodeId directory) {
  const std::string lower = KeyOf('D', directory.value);
  auto cursor = index.NewCursor(Family::kLive, lower, AfterPrefix(lower));
  cursor->Seek(lower);
  TREFOIL_TRY(cursor->status());
  return !cursor->Valid();
}

}  // namespace trefoil
