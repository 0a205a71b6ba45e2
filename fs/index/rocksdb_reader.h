// SPDX-License-Identifier: Apache-2.0
// Reading the open database: gets, cursors and snapshots, and what RocksDB's
// statuses mean to us.
// Thread rule: as in index.h. Readers borrow the Database.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fs/index/index.h"
#include "fs/index/rocksdb_inline_env.h"

namespace trefoil {

// The key of the local family under which the applied LSN is kept. It sorts
// first and no reader shows it.
inline constexpr std::string_view kAppliedKey;

inline rocksdb::Slice ToSlice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

StatusCode CodeOf(const rocksdb::Status& status);

// The open database. Constant while anybody reads it.
struct Database {
  std::string dir;
  std::unique_ptr<rocksdb::Env> env;  // outlives db
  InlineEnv* inline_env = nullptr;    // `env`, where there are no threads
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};

  [[nodiscard]] rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return families[static_cast<size_t>(family)];
  }
  // With the directory in the text.
  [[nodiscard]] Status ToStatus(const rocksdb::Status& status) const;
};

// Reads at `snapshot`, or the newest state when that is null.
class Reader {
 public:
  Reader(const Database& database, const rocksdb::Snapshot* snapshot)
      : database_(database) {
    options_.snapshot = snapshot;
  }

  [[nodiscard]] Result<std::optional<std::string>> Get(
      Family family, std::string_view key) const;
  [[nodiscard]] std::unique_ptr<IndexCursor> NewCursor(
      Family family, std::string_view lower, std::string_view upper) const;

 private:
  const Database& database_;
  rocksdb::ReadOptions options_;
};

std::unique_ptr<IndexView> NewSnapshotView(const Database& database);

}  // namespace trefoil
