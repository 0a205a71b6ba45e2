// SPDX-License-Identifier: Apache-2.0
#include "fs/index/rocksdb_reader.h"

#include <utility>

#include "fs/index/rocksdb_options.h"

namespace trefoil {
namespace {

// The first key after kAppliedKey.
constexpr std::string_view kFirstKey = {"\0", 1};

class Cursor final : public IndexCursor {
 public:
  Cursor(const Database& database, Family family,
         const rocksdb::Snapshot* snapshot, std::string_view lower,
         std::string_view upper)
      : database_(database),
        lower_(lower.empty() ? kFirstKey : lower),
        upper_(upper),
        lower_slice_(lower_),
        upper_slice_(upper_) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) options.iterate_upper_bound = &upper_slice_;
    options.auto_prefix_mode = MaySkipByPrefix(upper_);
    options.total_order_seek = !options.auto_prefix_mode;
    iterator_.reset(database.db->NewIterator(options, database.Handle(family)));
  }

  void Seek(std::string_view key) override {
    // RocksDB leaves a seek below the lower bound to the caller.
    if (key < lower_) key = lower_;
    iterator_->Seek(ToSlice(key));
  }
  void SeekBack(std::string_view key) override {
    iterator_->SeekForPrev(ToSlice(key));
  }
  void Next() override {
    if (iterator_->Valid()) iterator_->Next();
  }
  void Prev() override {
    if (iterator_->Valid()) iterator_->Prev();
  }
  [[nodiscard]] bool Valid() const override { return iterator_->Valid(); }
  [[nodiscard]] std::string_view key() const override {
    return iterator_->key().ToStringView();
  }
  [[nodiscard]] std::string_view value() const override {
    return iterator_->value().ToStringView();
  }
  [[nodiscard]] Status status() const override {
    return database_.ToStatus(iterator_->status());
  }

 private:
  const Database& database_;
  const std::string lower_;
  const std::string upper_;
  const rocksdb::Slice lower_slice_;
  const rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class SnapshotView final : public IndexView {
 public:
  explicit SnapshotView(const Database& database)
      : database_(database),
        snapshot_(database.db->GetSnapshot()),
        reader_(database, snapshot_) {}
  ~SnapshotView() override { database_.db->ReleaseSnapshot(snapshot_); }
  SnapshotView(const SnapshotView&) = delete;
  SnapshotView& operator=(const SnapshotView&) = delete;

  Result<std::optional<std::string>> Get(Family family,
                                         std::string_view key) override {
    return reader_.Get(family, key);
  }
  std::unique_ptr<IndexCursor> NewCursor(Family family, std::string_view lower,
                                         std::string_view upper) override {
    return reader_.NewCursor(family, lower, upper);
  }

 private:
  const Database& database_;
  const rocksdb::Snapshot* const snapshot_;
  const Reader reader_;
};

}  // namespace

StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsCorruption()) return StatusCode::kCorruption;
  if (status.IsNoSpace()) return StatusCode::kNoSpace;
  if (status.IsBusy()) return StatusCode::kBusy;
  if (status.IsInvalidArgument()) return StatusCode::kInvalidArgument;
  // A file that the manifest names is gone.
  if (status.IsPathNotFound() || status.IsNotFound()) {
    return StatusCode::kCorruption;
  }
  return StatusCode::kIoError;
}

Status Database::ToStatus(const rocksdb::Status& status) const {
  if (status.ok()) return OkStatus();
  return {CodeOf(status), "index " + dir + ": " + status.ToString()};
}

Result<std::optional<std::string>> Reader::Get(Family family,
                                               std::string_view key) const {
  if (key == kAppliedKey) return std::optional<std::string>();
  std::string value;
  const rocksdb::Status status = database_.db->Get(
      options_, database_.Handle(family), ToSlice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return database_.ToStatus(status);
  return std::optional<std::string>(std::move(value));
}

std::unique_ptr<IndexCursor> Reader::NewCursor(Family family,
                                               std::string_view lower,
                                               std::string_view upper) const {
  return std::make_unique<Cursor>(database_, family, options_.snapshot, lower,
                                  upper);
}

std::unique_ptr<IndexView> NewSnapshotView(const Database& database) {
  return std::make_unique<SnapshotView>(database);
}

}  // namespace trefoil
