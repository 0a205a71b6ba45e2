// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/names.h"

#include "fs/verify/versions.h"

namespace trefoil {
namespace {

constexpr char kTable = 'n';
constexpr size_t kEntryKeyBytes = 1 + 4 * 8;
// Deeper paths are shown by their last names; also ends a walk in a circle.
constexpr int kMaxPathNames = 256;

std::string NameKey(InodeId target, const Version& entry) {
  std::string key = KeyOf(kTable, target.value, entry.inode().value);
  AppendBe64(&key, entry.second());
  AppendBe64(&key, entry.last.value);
  return key;
}

Status ClearTable(Index& scratch) {
  BatchWriter writer(scratch);
  {
    auto cursor = scratch.NewCursor(Family::kLocal, std::string(1, kTable),
                                    std::string(1, kTable + 1));
    for (cursor->Seek(""); cursor->Valid(); cursor->Next()) {
      TREFOIL_TRY(writer.Delete(Family::kLocal, std::string(cursor->key())));
    }
    TREFOIL_TRY(cursor->status());
  }
  return writer.Flush();
}

}  // namespace

NameTable::NameTable(Index& scratch, const Views& views)
    : scratch_(scratch), views_(views) {}

Result<std::unique_ptr<NameTable>> NameTable::Build(Index& scratch,
                                                    IndexView& index,
                                                    const Views& views) {
  TREFOIL_TRY(ClearTable(scratch));
  BatchWriter writer(scratch);
  VersionCursor entries(index, 'D');
  while (entries.Next()) {
    const Version& entry = entries.version();
    if (views.Of(entry.birth, entry.last).empty()) continue;
    auto record = DirentRecord::Decode(entry.value);
    if (!record.ok()) continue;
    const std::string key = NameKey(record->inode, entry);
    record->inode = InodeId();  // stands in the key
    TREFOIL_TRY(writer.Put(Family::kLocal, key, record->Encode()));
  }
  TREFOIL_TRY(entries.status());
  TREFOIL_TRY(writer.Flush());
  return std::unique_ptr<NameTable>(new NameTable(scratch, views));
}

Result<NameOfInode> NameTable::Decode(const Views& views, std::string_view key,
                                      std::string_view value) {
  TREFOIL_CHECK(key.size() == kEntryKeyBytes);
  TREFOIL_ASSIGN(DirentRecord record, DirentRecord::Decode(value));
  NameOfInode name;
  name.target = InodeId(NumberInKey(key));
  name.directory = InodeId(NumberInKey(key, 9));
  name.range = views.Of(record.birth, Epoch(NumberInKey(key, 25)));
  name.type = record.type;
  name.name = std::move(record.name);
  return name;
}

Result<std::optional<NameOfInode>> NameTable::Next() {
  if (started_) {
    cursor_->Next();
  } else {
    cursor_ = scratch_.NewCursor(Family::kLocal, std::string(1, kTable),
                                 std::string(1, kTable + 1));
    cursor_->Seek("");
    started_ = true;
  }
  if (!cursor_->Valid()) {
    TREFOIL_TRY(cursor_->status());
    return std::optional<NameOfInode>();
  }
  TREFOIL_ASSIGN(NameOfInode name,
                 Decode(views_, cursor_->key(), cursor_->value()));
  return std::optional<NameOfInode>(std::move(name));
}

std::optional<NameOfInode> NameTable::Find(InodeId inode, uint32_t view) const {
  const std::string lower = KeyOf(kTable, inode.value);
  auto cursor = scratch_.NewCursor(Family::kLocal, lower, AfterPrefix(lower));
  for (cursor->Seek(lower); cursor->Valid(); cursor->Next()) {
    auto name = Decode(views_, cursor->key(), cursor->value());
    if (name.ok() && name->range.first <= view && view < name->range.end) {
      return std::move(*name);
    }
  }
  return std::nullopt;
}

std::string NameTable::Path(InodeId inode, uint32_t view) const {
  const std::string fallback = "inode " + std::to_string(inode.value);
  std::string path;
  InodeId at = inode;
  for (int names = 0; at != kRootInode; ++names) {
    if (names == kMaxPathNames) return "..." + path;
    const auto name = Find(at, view);
    if (!name) {
      return path.empty() ? views_.Root(view) +
                                (view == views_.live() ? "" : "/") + fallback
                          : "..." + path;
    }
    path = "/" + name->name + path;
    at = name->directory;
  }
  path = views_.Root(view) + path;
  return path.empty() ? "/" : path;
}

std::string NameTable::AnyPath(InodeId inode) const {
  const std::string lower = KeyOf(kTable, inode.value);
  auto cursor = scratch_.NewCursor(Family::kLocal, lower, AfterPrefix(lower));
  uint32_t newest = 0;
  for (cursor->Seek(lower); cursor->Valid(); cursor->Next()) {
    const auto name = Decode(views_, cursor->key(), cursor->value());
    if (name.ok() && !name->range.empty()) {
      newest = std::max(newest, name->range.newest());
    }
  }
  return Path(inode, inode == kRootInode ? views_.live() : newest);
}

}  // namespace trefoil
