// SPDX-License-Identifier: Apache-2.0
// The index over RocksDB.
//
// The applied LSN is the value of the empty key of the local family: it is
// part of every batch, so it is in memory, in a flushed file and in the
// manifest exactly when the batch is (O2). The empty key is no key of a
// caller: it can't be put, got or walked to.
// What is flushed is what that key says when only table files are read, which
// RocksDB adds to its state after the manifest that names them was synced.
//
//   value of the empty key = lsn:u64 batch:u64
//
// where batches are counted, so that a flush is told from an older one although
// several batches may have the same LSN.
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/log.h"
#include "fs/base/mutex.h"
#include "fs/index/index.h"
#include "fs/index/rocksdb_file_system.h"
#include "fs/index/rocksdb_options.h"
#include "fs/index/rocksdb_reader.h"

namespace trefoil {
namespace {

// RocksDB always has a family called default; it serves as the live one.
constexpr std::array<const char*, kFamilies> kFamilyNames = {
    "default", "history", "local"};

// What RocksDB's background work reports. Thread-safe.
class Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(std::shared_ptr<FullDisk> full_disk)
      : full_disk_(std::move(full_disk)) {}

  // Calls `on_flush` after each flush from now on.
  void Start(std::function<void()> on_flush) {
    const MutexLock lock(mu_);
    on_flush_ = std::move(on_flush);
  }
  // What ended all changes; OK when nothing did.
  rocksdb::Status error() {
    const MutexLock lock(mu_);
    return error_;
  }
  // Waits until something was reported, or a little.
  void WaitForReport() {
    const MutexLock lock(mu_);
    reported_.WaitFor(mu_, kReportWait);
  }

  void OnTableFileCreationStarted(
      const rocksdb::TableFileCreationBriefInfo& info) override {
    if (info.reason == rocksdb::TableFileCreationReason::kFlush) {
      full_disk_->SetFlushFile(info.file_path);
    }
  }
  void OnFlushCompleted(rocksdb::DB* /*db*/,
                        const rocksdb::FlushJobInfo& /*info*/) override {
    std::function<void()> on_flush;
    {
      const MutexLock lock(mu_);
      on_flush = on_flush_;
    }
    if (on_flush != nullptr) on_flush();
    reported_.SignalAll();
  }
  void OnStallConditionsChanged(
      const rocksdb::WriteStallInfo& /*info*/) override {
    reported_.SignalAll();
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                         rocksdb::Status* error) override {
    if (error->IsShutdownInProgress()) return;
    LogWarning("index", "{}", error->ToString());
    // A compaction without room stops nothing, it is tried again later.
    if (error->IsNoSpace() &&
        reason == rocksdb::BackgroundErrorReason::kCompaction) {
      *error = rocksdb::Status::OK();
      return;
    }
    const MutexLock lock(mu_);
    if (error_.ok()) error_ = *error;
    reported_.SignalAll();
  }
  // RocksDB does not go on by itself after an error.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/,
                            rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  static constexpr std::chrono::milliseconds kReportWait{20};

  const std::shared_ptr<FullDisk> full_disk_;
  Mutex mu_;  // a leaf: nothing is called with it held
  CondVar reported_;
  std::function<void()> on_flush_ GUARDED_BY(mu_);
  rocksdb::Status error_ GUARDED_BY(mu_);
};

class RocksIndex final : public Index {
 public:
  RocksIndex(uint64_t write_buffer_bytes, SharedMemory memory,
             Database database, std::shared_ptr<FullDisk> full_disk,
             std::shared_ptr<Listener> listener)
      : write_buffer_bytes_(write_buffer_bytes),
        memory_(std::move(memory)),
        database_(std::move(database)),
        full_disk_(std::move(full_disk)),
        listener_(std::move(listener)),
        latest_(database_, nullptr) {
    write_options_.disableWAL = true;
    write_options_.no_slowdown = true;  // Apply does not wait
  }

  ~RocksIndex() override {
    rocksdb::DB* const db = database_.db.get();
    rocksdb::CancelAllBackgroundWork(db, false);
    full_disk_->Stop();
    // What still waits notices that the database closes.
    if (database_.inline_env != nullptr) database_.inline_env->RunJobs(kAll);
    rocksdb::CancelAllBackgroundWork(db, true);
    for (rocksdb::ColumnFamilyHandle* family : database_.families) {
      // An error here could only mean a handle that is not the database's.
      db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
  }
  RocksIndex(const RocksIndex&) = delete;
  RocksIndex& operator=(const RocksIndex&) = delete;

  // Loads the LSNs; the first call after construction.
  Status Start();

  Result<std::optional<std::string>> Get(Family family,
                                         std::string_view key) override {
    return latest_.Get(family, key);
  }
  std::unique_ptr<IndexCursor> NewCursor(Family family, std::string_view lower,
                                         std::string_view upper) override {
    return latest_.NewCursor(family, lower, upper);
  }
  std::unique_ptr<IndexView> Snapshot() override {
    return NewSnapshotView(database_);
  }

  Status Apply(const IndexBatch& batch, Lsn lsn) override;
  Status WaitForRoom() override;
  Status Flush() override;

  [[nodiscard]] Lsn applied() const override {
    return Lsn(applied_lsn_.load(std::memory_order_acquire));
  }
  [[nodiscard]] Lsn flushed() const override {
    return Lsn(flushed_lsn_.load(std::memory_order_acquire));
  }
  [[nodiscard]] Status failure() const override {
    return database_.ToStatus(listener_->error());
  }
  [[nodiscard]] uint64_t memory_bytes() const override {
    return memory_.block_cache->GetUsage() +
           memory_.write_buffers->memory_usage();
  }

 private:
  // The value of kAppliedKey.
  struct Mark {
    Lsn lsn;
    uint64_t batch = 0;
  };

  Status FillBatch(const IndexBatch& batch, Mark mark);
  Status WriteBatch();
  Status CheckBackground();
  // Lets background work go on for a little.
  Status WaitForWork();
  [[nodiscard]] Result<Mark> ReadMark(rocksdb::ReadTier tier) const;
  Status RefreshFlushed();

  static constexpr size_t kAll = ~size_t{0};
  // What a Flush does beyond flushing: compactions that are due.
  static constexpr size_t kJobsPerFlush = 16;

  const uint64_t write_buffer_bytes_;
  const SharedMemory memory_;
  const Database database_;
  const std::shared_ptr<FullDisk> full_disk_;
  const std::shared_ptr<Listener> listener_;
  const Reader latest_;
  rocksdb::WriteOptions write_options_;

  rocksdb::WriteBatch batch_;  // of the one applier; keeps its memory
  std::string mark_bytes_;     // of the one applier
  std::atomic<uint64_t> applied_lsn_{0};
  std::atomic<uint64_t> applied_batch_{0};
  std::atomic<uint64_t> flushed_lsn_{0};
  std::atomic<uint64_t> flushed_batch_{0};
  Mutex refresh_mu_;  // orders reading the flushed mark and keeping it; a leaf
};

Result<RocksIndex::Mark> RocksIndex::ReadMark(rocksdb::ReadTier tier) const {
  rocksdb::ReadOptions options;
  options.read_tier = tier;
  std::string value;
  const rocksdb::Status status = database_.db->Get(
      options, database_.Handle(Family::kLocal), ToSlice(kAppliedKey), &value);
  if (status.IsNotFound()) return Mark();
  if (!status.ok()) return database_.ToStatus(status);
  ByteReader reader(value);
  Mark mark;
  mark.lsn = Lsn(reader.U64());
  mark.batch = reader.U64();
  if (!reader.AtEnd()) {
    return Status(StatusCode::kCorruption,
                  "index " + database_.dir + ": the applied LSN is malformed");
  }
  return mark;
}

Status RocksIndex::RefreshFlushed() {
  const MutexLock lock(refresh_mu_);
  TREFOIL_ASSIGN(const Mark mark, ReadMark(rocksdb::kPersistedTier));
  flushed_lsn_.store(mark.lsn.value, std::memory_order_release);
  flushed_batch_.store(mark.batch, std::memory_order_release);
  return OkStatus();
}

Status RocksIndex::Start() {
  // RocksDB reads memory too for kPersistedTier until it has seen a write
  // without its log; so it sees one before there is any memory to read.
  rocksdb::WriteBatch nothing;
  TREFOIL_TRY(
      database_.ToStatus(database_.db->Write(write_options_, &nothing)));
  TREFOIL_TRY(RefreshFlushed());
  applied_lsn_.store(flushed_lsn_, std::memory_order_release);
  applied_batch_.store(flushed_batch_, std::memory_order_release);
  listener_->Start([this] {
    // A read that fails leaves the older LSN, which is safe (O5).
    const Status status = RefreshFlushed();
    if (!status.ok()) LogWarning("index", "{}", status.ToString());
  });
  // Nobody could make room while the only thread waits for it.
  if (database_.inline_env == nullptr) full_disk_->Start();
  return OkStatus();
}

Status RocksIndex::FillBatch(const IndexBatch& batch, Mark mark) {
  batch_.Clear();
  rocksdb::Status status;
  for (const IndexChange& change : batch.changes()) {
    if (change.key == kAppliedKey) {
      return {StatusCode::kInvalidArgument,
              "index " + database_.dir + ": a change has an empty key"};
    }
    rocksdb::ColumnFamilyHandle* const family = database_.Handle(change.family);
    status = change.value.has_value()
                 ? batch_.Put(family, change.key, *change.value)
                 : batch_.Delete(family, change.key);
    if (!status.ok()) return database_.ToStatus(status);
  }
  mark_bytes_.clear();
  AppendLe(&mark_bytes_, mark.lsn.value);
  AppendLe(&mark_bytes_, mark.batch);
  return database_.ToStatus(batch_.Put(database_.Handle(Family::kLocal),
                                       ToSlice(kAppliedKey), mark_bytes_));
}

Status RocksIndex::WriteBatch() {
  const rocksdb::Status status = database_.db->Write(write_options_, &batch_);
  if (status.ok()) return OkStatus();
  // What ended the changes says more than that this one is refused.
  TREFOIL_TRY(failure());
  return database_.ToStatus(status);
}

Status RocksIndex::Apply(const IndexBatch& batch, Lsn lsn) {
  const uint64_t number = applied_batch_.load(std::memory_order_relaxed) + 1;
  TREFOIL_TRY(FillBatch(batch, {lsn, number}));
  TREFOIL_TRY(WriteBatch());
  applied_lsn_.store(lsn.value, std::memory_order_release);
  applied_batch_.store(number, std::memory_order_release);
  return OkStatus();
}

// OK unless the background work has met something that it does not get over,
// or not now.
Status RocksIndex::CheckBackground() {
  TREFOIL_TRY(failure());
  return full_disk_->TryNow().WithContext("index " + database_.dir);
}

Status RocksIndex::WaitForRoom() {
  while (memory_.write_buffers->memory_usage() > write_buffer_bytes_) {
    TREFOIL_TRY(CheckBackground());
    TREFOIL_TRY(WaitForWork());
  }
  return OkStatus();
}

Status RocksIndex::WaitForWork() {
  if (database_.inline_env == nullptr) {
    listener_->WaitForReport();
    return OkStatus();
  }
  if (database_.inline_env->RunJobs(1) > 0) return OkStatus();
  return {StatusCode::kIoError,
          "index " + database_.dir + ": a flush was not begun"};
}

Status RocksIndex::Flush() {
  const uint64_t target = applied_batch_.load(std::memory_order_acquire);
  rocksdb::FlushOptions options;
  options.wait = false;
  options.allow_write_stall = true;
  bool started = false;
  for (;;) {
    TREFOIL_TRY(RefreshFlushed());
    if (flushed_batch_.load(std::memory_order_acquire) >= target) {
      if (database_.inline_env != nullptr) {
        database_.inline_env->RunJobs(kJobsPerFlush);
      }
      return OkStatus();
    }
    TREFOIL_TRY(CheckBackground());
    if (!started) {
      const rocksdb::Status status = database_.db->Flush(
          options, {database_.families.begin(), database_.families.end()});
      // TryAgain: so much is being flushed that no more can be asked for.
      if (!status.ok() && !status.IsTryAgain()) {
        return database_.ToStatus(status);
      }
      started = status.ok();
    }
    TREFOIL_TRY(WaitForWork());
  }
}

// A directory with table files or manifests and no CURRENT is what is left of
// an index: RocksDB would make an empty one in it.
Status CheckNothingWithoutCurrent(Env& env, const std::string& dir) {
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, env.List(dir));
  bool has_current = false;
  bool has_remains = false;
  for (const DirEntry& entry : entries) {
    has_current = has_current || entry.name == "CURRENT";
    has_remains = has_remains || entry.name.ends_with(".sst") ||
                  entry.name.starts_with("MANIFEST-");
  }
  if (has_remains && !has_current) {
    return {StatusCode::kCorruption, "index " + dir + ": CURRENT is missing"};
  }
  return OkStatus();
}

// What RocksDB says about a database that it can't open, where the operating
// system did not fail, is damage.
Status OpenError(const rocksdb::Status& status, const std::string& dir) {
  const StatusCode code = CodeOf(status);
  const bool failed = status.IsIOError() && code != StatusCode::kCorruption;
  const bool refused =
      code == StatusCode::kNoSpace || code == StatusCode::kBusy;
  return {failed || refused ? code : StatusCode::kCorruption,
          "index " + dir + ": " + status.ToString()};
}

Result<Database> OpenDatabase(Env& env, const std::string& dir,
                              const IndexOptions& options,
                              const SharedMemory& memory,
                              const std::shared_ptr<FullDisk>& full_disk,
                              const std::shared_ptr<Listener>& listener) {
  Database database;
  database.dir = dir;
  const auto files = NewEnvFileSystem(env, full_disk, options.before_manifest);
  if (env.single_threaded()) {
    auto without_threads = std::make_unique<InlineEnv>(files);
    database.inline_env = without_threads.get();
    database.env = std::move(without_threads);
  } else {
    database.env = rocksdb::NewCompositeEnv(files);
  }
  rocksdb::DBOptions db_options = MakeDbOptions(memory);
  db_options.env = database.env.get();
  db_options.listeners.push_back(listener);
  const rocksdb::ColumnFamilyOptions family =
      MakeFamilyOptions(options, memory);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const char* name : kFamilyNames) descriptors.emplace_back(name, family);

  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(db_options, dir, descriptors, &handles, &db);
  if (!status.ok()) return OpenError(status, dir);
  database.db.reset(db);
  std::copy(handles.begin(), handles.end(), database.families.begin());
  return database;
}

}  // namespace

Result<std::unique_ptr<Index>> Index::Open(Env& env, const std::string& dir,
                                           const IndexOptions& options) {
  TREFOIL_TRY(env.CreateDirs(dir));
  TREFOIL_TRY(CheckNothingWithoutCurrent(env, dir));
  try {
    SharedMemory memory = MakeSharedMemory(options);
    auto full_disk = std::make_shared<FullDisk>();
    auto listener = std::make_shared<Listener>(full_disk);
    TREFOIL_ASSIGN(Database database, OpenDatabase(env, dir, options, memory,
                                                   full_disk, listener));
    auto index = std::make_unique<RocksIndex>(
        options.write_buffer_bytes, std::move(memory), std::move(database),
        std::move(full_disk), std::move(listener));
    TREFOIL_TRY(index->Start());
    return std::unique_ptr<Index>(std::move(index));
  } catch (const std::exception& error) {
    return Status(StatusCode::kCorruption,
                  "index " + dir + ": " + error.what());
  }
}

}  // namespace trefoil
