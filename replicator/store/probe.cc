// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/probe.h"

#include <fmt/format.h>

#include <utility>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr size_t kProbeBytes = 4096;
constexpr uint64_t kPartOffset = 1000;
constexpr uint64_t kPartLength = 100;

// Deletes a probe's key whatever else happened.
class ProbeKey {
 public:
  ProbeKey(ObjectStore& store, Random& random)
      : store_(store), key_("probe/" + ToHex(random.Bytes(16))) {}
  ~ProbeKey() {
    // The probe's own answer says more than a failure to clean up after it.
    if (!deleted_) static_cast<void>(store_.Delete(key_));
  }
  ProbeKey(const ProbeKey&) = delete;
  ProbeKey& operator=(const ProbeKey&) = delete;

  Status Delete() {
    deleted_ = true;
    return store_.Delete(key_);
  }
  [[nodiscard]] const std::string& key() const { return key_; }

 private:
  ObjectStore& store_;
  const std::string key_;
  bool deleted_ = false;
};

Status Unfit(const ObjectStore& store, std::string_view what) {
  return {StatusCode::kNotSupported,
          fmt::format("{}: {}; this store can't hold a copy", store.Describe(),
                      what)};
}

Status ProbeRead(ObjectStore& store, const std::string& key,
                 const std::string& bytes, TargetCapabilities* can) {
  Result<std::string> all = store.Get(key, {}, kProbeBytes);
  if (!all.ok()) return all.status().WithContext("probe: read back");
  if (*all != bytes) return Unfit(store, "what was written reads differently");
  can->read_after_write = true;
  Result<std::string> part =
      store.Get(key, {kPartOffset, kPartLength}, kPartLength);
  if (!part.ok()) return part.status().WithContext("probe: read a part");
  if (*part != bytes.substr(kPartOffset, kPartLength))
    return Unfit(store, "a part of an object reads differently");
  can->range_read = true;
  return OkStatus();
}

Status ProbeList(ObjectStore& store, const std::string& key, bool expected) {
  bool found = false;
  const Status listed = store.List(key, "", [&](const ObjectInfo& info) {
    found = found || info.key == key;
    return !found;
  });
  if (!listed.ok()) return listed.WithContext("probe: list");
  if (found == expected) return OkStatus();
  return Unfit(store, expected ? "a new object is not listed"
                               : "a deleted object is still listed");
}

// True when the second of two conditional PUTs is refused and the first stays.
Result<bool> ProbeConditionalPut(ObjectStore& store, Random& random) {
  ProbeKey probe(store, random);
  const std::string first = random.Bytes(64);
  const std::string second = random.Bytes(64);
  MemorySource first_source(first);
  MemorySource second_source(second);
  const Status won = store.Put(probe.key(), first_source, PutMode::kIfAbsent);
  if (won.Is(StatusCode::kNotSupported)) return false;
  if (!won.ok()) return won.WithContext("probe: conditional PUT");
  const Status lost = store.Put(probe.key(), second_source, PutMode::kIfAbsent);
  if (!lost.ok() && !lost.Is(StatusCode::kAlreadyExists))
    return lost.WithContext("probe: second conditional PUT");
  Result<std::string> there = store.Get(probe.key(), {}, kProbeBytes);
  if (!there.ok()) return there.status().WithContext("probe: read back");
  TREFOIL_TRY(probe.Delete().WithContext("probe: delete"));
  return lost.Is(StatusCode::kAlreadyExists) && *there == first;
}

}  // namespace

std::string TargetCapabilities::ToString() const {
  const auto yes = [](bool can) { return can ? "yes" : "no"; };
  return fmt::format(
      "write and read back: {}, read a part: {}, list: {}, delete: {}, "
      "conditional PUT: {}",
      yes(read_after_write), yes(range_read), yes(list_after_write),
      yes(remove),
      conditional_put ? "yes" : "no (owners are settled by waiting)");
}

Result<TargetCapabilities> ProbeTarget(ObjectStore& store, Random& random) {
  TargetCapabilities can;
  ProbeKey probe(store, random);
  const std::string bytes = random.Bytes(kProbeBytes);
  MemorySource source(bytes);
  const Status written = store.Put(probe.key(), source, PutMode::kImmutable);
  if (!written.ok()) return written.WithContext("probe: write");
  TREFOIL_TRY(ProbeRead(store, probe.key(), bytes, &can));
  TREFOIL_TRY(ProbeList(store, probe.key(), true));
  can.list_after_write = true;
  TREFOIL_ASSIGN(can.conditional_put, ProbeConditionalPut(store, random));
  const Status deleted = probe.Delete();
  if (!deleted.ok()) return deleted.WithContext("probe: delete");
  TREFOIL_TRY(ProbeList(store, probe.key(), false));
  can.remove = true;
  return can;
}

Result<bool> IsSamePlace(ObjectStore& store, ObjectStore& other,
                         Random& random) {
  ProbeKey probe(store, random);
  const std::string bytes = random.Bytes(64);
  MemorySource source(bytes);
  const Status written = store.Put(probe.key(), source, PutMode::kImmutable);
  if (!written.ok()) return written.WithContext("probe: write");
  return other.Head(probe.key()).ok();
}

}  // namespace trefoil
