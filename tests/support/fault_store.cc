// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_store.h"

#include <utility>

namespace trefoil::testing {

namespace {

Status Down() { return {StatusCode::kUnavailable, "the target is down"}; }

}  // namespace

TargetFaults::Hook& TargetFaults::Hook::operator=(Function function) {
  auto shared = function ? std::make_shared<const Function>(std::move(function))
                         : nullptr;
  const MutexLock lock(mu_);
  function_.swap(shared);
  return *this;
}

Status TargetFaults::Hook::operator()(const std::string& operation,
                                      std::string_view key) const {
  std::shared_ptr<const Function> function;
  {
    const MutexLock lock(mu_);
    function = function_;
  }
  return function ? (*function)(operation, key) : OkStatus();
}

void TargetFaults::SetDown(bool down) {
  const MutexLock lock(mu_);
  down_ = down;
  down_at_ = 0;
}

void TargetFaults::GoDownAt(uint64_t nth, bool done_first) {
  const MutexLock lock(mu_);
  down_ = false;
  count_ = 0;
  down_at_ = nth;
  done_first_ = done_first;
}

uint64_t TargetFaults::operations() const {
  const MutexLock lock(mu_);
  return count_;
}

std::vector<std::string> TargetFaults::done() const {
  const MutexLock lock(mu_);
  return done_;
}

Status TargetFaults::Before(const std::string& operation,
                            std::string_view key) {
  {
    const MutexLock lock(mu_);
    ++count_;
    if (down_) return Down();
    if (down_at_ != 0 && count_ >= down_at_) {
      down_ = true;
      if (!done_first_) return Down();
    }
  }
  return before(operation, key);
}

Status TargetFaults::After(const std::string& operation, std::string_view key,
                           const Status& answer) {
  if (answer.ok()) {
    const MutexLock lock(mu_);
    done_.push_back(operation + " " + std::string(key));
  }
  TREFOIL_TRY(after(operation, key));
  const MutexLock lock(mu_);
  return down_ ? Down() : answer;
}

Status FaultStore::Around(const std::string& operation, std::string_view key,
                          const std::function<Status()>& act) {
  TREFOIL_TRY(faults_.Before(operation, key));
  return faults_.After(operation, key, act());
}

Status FaultStore::Put(std::string_view key, ObjectSource& source,
                       PutMode mode) {
  return Around("PUT", key, [&] { return base_->Put(key, source, mode); });
}

Result<std::string> FaultStore::Get(std::string_view key, ByteRange range,
                                    uint64_t max_bytes) {
  std::string bytes;
  TREFOIL_TRY(Around("GET", key, [&]() -> Status {
    TREFOIL_ASSIGN(bytes, base_->Get(key, range, max_bytes));
    return OkStatus();
  }));
  return bytes;
}

Result<ObjectInfo> FaultStore::Head(std::string_view key) {
  ObjectInfo info;
  TREFOIL_TRY(Around("HEAD", key, [&]() -> Status {
    TREFOIL_ASSIGN(info, base_->Head(key));
    return OkStatus();
  }));
  return info;
}

Status FaultStore::List(std::string_view prefix, std::string_view start_after,
                        const std::function<bool(const ObjectInfo&)>& visit) {
  return Around("LIST", prefix,
                [&] { return base_->List(prefix, start_after, visit); });
}

Status FaultStore::Delete(std::string_view key) {
  return Around("DELETE", key, [&] { return base_->Delete(key); });
}

void FaultStore::DropCache(std::string_view key) { base_->DropCache(key); }

}  // namespace trefoil::testing
