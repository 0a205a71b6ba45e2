// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/retry_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace trefoil {
namespace {

// Claims are small; whatever is larger than this is no claim of ours.
constexpr uint64_t kMaxReadBackBytes = 64U << 20;

}  // namespace

RetryStore::RetryStore(std::unique_ptr<ObjectStore> base, RetryOptions options,
                       Clock& clock, Random& random,
                       std::shared_ptr<CancelToken> cancel)
    : base_(std::move(base)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      cancel_(std::move(cancel)) {}

// Sleeps a random part of the bound that this attempt has; false: cancelled.
bool RetryStore::Backoff(int attempt) {
  const int doublings = std::min(attempt - 1, 30);
  const int64_t bound = std::min(options_.backoff_max.count(),
                                 options_.backoff_min.count() << doublings);
  const auto limit = static_cast<uint64_t>(std::max<int64_t>(bound, 1));
  const std::chrono::nanoseconds pause(
      static_cast<int64_t>(random_.Next64() % limit));
  return options_.sleep ? options_.sleep(pause) : cancel_->SleepFor(pause);
}

Status RetryStore::Retry(const std::function<Status()>& attempt) {
  const int64_t end = clock_.MonotonicNanos() + options_.time_max.count();
  for (int count = 1;; ++count) {
    Status status = attempt();
    if (!status.Is(StatusCode::kUnavailable)) return status;
    const bool last = count >= options_.attempts_max ||
                      clock_.MonotonicNanos() >= end || cancel_->cancelled();
    if (last || !Backoff(count)) {
      if (count == 1) return status;
      return {status.code(),
              fmt::format("{} (tried {} times)", status.message(), count)};
    }
  }
}

Status RetryStore::Put(std::string_view key, ObjectSource& source,
                       PutMode mode) {
  bool lost_answer = false;
  return Retry([&] {
    Status status = base_->Put(key, source, mode);
    if (mode == PutMode::kIfAbsent && lost_answer &&
        status.Is(StatusCode::kAlreadyExists)) {
      return IsOurs(key, source);
    }
    lost_answer = lost_answer || status.Is(StatusCode::kUnavailable);
    return status;
  });
}

// OK when the object has the very bytes of `source`; else kAlreadyExists.
Status RetryStore::IsOurs(std::string_view key, ObjectSource& source) {
  const Status theirs(StatusCode::kAlreadyExists,
                      fmt::format("{}: PUT {}: somebody else's object is there",
                                  Describe(), key));
  if (source.size_bytes() > kMaxReadBackBytes) return theirs;
  const auto size = static_cast<size_t>(source.size_bytes());
  Result<std::string> there = base_->Get(key, {}, source.size_bytes());
  if (there.status().Is(StatusCode::kCorruption)) return theirs;
  if (there.status().Is(StatusCode::kNotFound)) {
    return {StatusCode::kUnavailable,
            fmt::format("{}: PUT {}: there and gone again", Describe(), key)};
  }
  if (!there.ok()) return there.status();
  std::string ours(size, '\0');
  if (size > 0) TREFOIL_TRY(source.ReadAt(0, ours));
  return *there == ours ? OkStatus() : theirs;
}

Result<std::string> RetryStore::Get(std::string_view key, ByteRange range,
                                    uint64_t max_bytes) {
  std::string bytes;
  TREFOIL_TRY(Retry([&]() -> Status {
    TREFOIL_ASSIGN(bytes, base_->Get(key, range, max_bytes));
    return OkStatus();
  }));
  return bytes;
}

Result<ObjectInfo> RetryStore::Head(std::string_view key) {
  ObjectInfo info;
  TREFOIL_TRY(Retry([&]() -> Status {
    TREFOIL_ASSIGN(info, base_->Head(key));
    return OkStatus();
  }));
  return info;
}

// A list that broke off goes on behind the last key that `visit` saw, with
// all its attempts again: a long list is not cut short by rare faults.
Status RetryStore::List(std::string_view prefix, std::string_view start_after,
                        const std::function<bool(const ObjectInfo&)>& visit) {
  std::string last(start_after);
  for (;;) {
    bool progress = false;
    Status status = Retry([&] {
      return base_->List(prefix, last, [&](const ObjectInfo& info) {
        last = info.key;
        progress = true;
        return visit(info);
      });
    });
    if (!status.Is(StatusCode::kUnavailable) || !progress ||
        cancel_->cancelled()) {
      return status;
    }
  }
}

Status RetryStore::Delete(std::string_view key) {
  return Retry([&] { return base_->Delete(key); });
}

void RetryStore::DropCache(std::string_view key) { base_->DropCache(key); }

std::string RetryStore::Describe() const { return base_->Describe(); }

}  // namespace trefoil
