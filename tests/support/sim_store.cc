// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_store.h"

#include <utility>

namespace trefoil {

class SimStore::Handle final : public ObjectStore {
 public:
  explicit Handle(SimStore& store) : store_(store) {}

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override {
    return "sim:" + store_.options_.name;
  }

 private:
  SimStore& store_;
};

SimStore::SimStore(SimClock& clock, SimStoreOptions options)
    : clock_(clock), options_(std::move(options)), random_(options_.seed) {}

std::unique_ptr<ObjectStore> SimStore::View() {
  return std::make_unique<Handle>(*this);
}

void SimStore::SetWeather(const StoreWeather& weather) {
  const MutexLock lock(mu_);
  weather_ = weather;
}

std::string SimStore::Lose(std::string_view prefix, uint64_t nth) {
  const MutexLock lock(mu_);
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) {
    if (key.starts_with(prefix)) keys.push_back(key);
  }
  if (keys.empty()) return {};
  const std::string& lost = keys[nth % keys.size()];
  objects_.erase(lost);
  return lost;
}

bool SimStore::Has(std::string_view key) const {
  const MutexLock lock(mu_);
  return objects_.contains(key);
}

std::vector<std::string> SimStore::Keys() const {
  const MutexLock lock(mu_);
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

uint64_t SimStore::trace_hash() const {
  const MutexLock lock(mu_);
  return trace_hash_;
}

uint64_t SimStore::calls() const {
  const MutexLock lock(mu_);
  return calls_;
}

bool SimStore::Chance(uint64_t permille) {
  return permille != 0 && random_.Below(1000) < permille;
}

void SimStore::Note(std::string_view operation, std::string_view key,
                    const Status& answer) {
  std::string line(operation);
  line.append(" ").append(key).append(" ");
  line.append(StatusCodeName(answer.code()));
  trace_hash_ = Xxh3(line, trace_hash_);
}

template <class Body>
Status SimStore::Call(std::string_view operation, std::string_view key,
                      Body body) {
  const MutexLock lock(mu_);
  ++calls_;
  const std::string what = options_.name + ": ";
  if (weather_.delay_nanos > 0) {
    clock_.Advance(static_cast<int64_t>(
        random_.Below(static_cast<uint64_t>(weather_.delay_nanos))));
  }
  Status answer;
  if (weather_.down || Chance(weather_.fail_permille)) {
    answer = {StatusCode::kUnavailable, what + "no answer"};
  } else {
    answer = body();
    if (Chance(weather_.deny_permille)) {
      answer = {StatusCode::kUnavailable, what + "502 Bad Gateway"};
    }
  }
  Note(operation, key, answer);
  return answer;
}

Status SimStore::Handle::Put(std::string_view key, ObjectSource& source,
                             PutMode mode) {
  if (!IsValidObjectKey(key)) {
    return {StatusCode::kInvalidArgument, "not an object key"};
  }
  if (mode == PutMode::kIfAbsent && !store_.options_.conditional_put) {
    return {StatusCode::kNotSupported, "no conditional put"};
  }
  std::string bytes(source.size_bytes(), '\0');
  TREFOIL_TRY(source.ReadAt(0, bytes));
  return store_.Call("PUT", key, [&]() -> Status {
    store_.mu_.AssertHeld();
    if (Sha256::Of(bytes) != source.sha256()) {
      return {StatusCode::kCorruption, "not the bytes that the hash says"};
    }
    const auto there = store_.objects_.find(key);
    if (there != store_.objects_.end() && mode != PutMode::kReplace) {
      return mode == PutMode::kImmutable
                 ? OkStatus()
                 : Status(StatusCode::kAlreadyExists, std::string(key));
    }
    store_.objects_[std::string(key)] = {std::move(bytes),
                                         store_.clock_.MonotonicNanos()};
    return OkStatus();
  });
}

Result<std::string> SimStore::Handle::Get(std::string_view key, ByteRange range,
                                          uint64_t max_bytes) {
  std::string bytes;
  TREFOIL_TRY(store_.Call("GET", key, [&]() -> Status {
    store_.mu_.AssertHeld();
    const auto there = store_.objects_.find(key);
    if (there == store_.objects_.end()) {
      return {StatusCode::kNotFound, std::string(key)};
    }
    const std::string_view all = there->second.bytes;
    const uint64_t from = std::min<uint64_t>(range.offset, all.size());
    const uint64_t length = range.length == 0 ? all.size() : range.length;
    const std::string_view part = all.substr(from, length);
    if (part.size() > max_bytes) {
      return {StatusCode::kCorruption, "a larger answer than expected"};
    }
    bytes = part;
    return OkStatus();
  }));
  return bytes;
}

Result<ObjectInfo> SimStore::Handle::Head(std::string_view key) {
  ObjectInfo info;
  TREFOIL_TRY(store_.Call("HEAD", key, [&]() -> Status {
    store_.mu_.AssertHeld();
    const auto there = store_.objects_.find(key);
    if (there == store_.objects_.end()) {
      return {StatusCode::kNotFound, std::string(key)};
    }
    info = {std::string(key), there->second.bytes.size()};
    return OkStatus();
  }));
  return info;
}

Status SimStore::Handle::List(
    std::string_view prefix, std::string_view start_after,
    const std::function<bool(const ObjectInfo&)>& visit) {
  std::vector<ObjectInfo> found;
  TREFOIL_TRY(store_.Call("LIST", prefix, [&]() -> Status {
    store_.mu_.AssertHeld();
    const int64_t newest =
        store_.clock_.MonotonicNanos() - store_.weather_.list_lag_nanos;
    for (auto at = store_.objects_.lower_bound(prefix);
         at != store_.objects_.end() && at->first.starts_with(prefix); ++at) {
      if (at->first <= start_after && !start_after.empty()) continue;
      if (at->second.put_nanos > newest) continue;
      found.push_back({at->first, at->second.bytes.size()});
    }
    return OkStatus();
  }));
  for (const ObjectInfo& info : found) {
    if (!visit(info)) break;
  }
  return OkStatus();
}

Status SimStore::Handle::Delete(std::string_view key) {
  return store_.Call("DELETE", key, [&]() -> Status {
    store_.mu_.AssertHeld();
    const auto there = store_.objects_.find(key);
    if (there != store_.objects_.end()) store_.objects_.erase(there);
    return OkStatus();
  });
}

}  // namespace trefoil
