// SPDX-License-Identifier: Apache-2.0
// SimStore: an object store in memory that behaves as badly as told: slow,
// down, failing now and then, doing what it then denies, listing late, losing
// objects. What it did is hashed, so that two runs can be compared.
//
// The store outlives the volumes and shippers that use it; View() makes what
// they own. Its faults come from a seed, in the order of the calls.
//
// Thread rule: thread-safe; the order of concurrent calls is the scheduler's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/object/object_store.h"
#include "tests/support/sim_world.h"

namespace trefoil {

// What the weather is like between here and the store. Chances are per mille
// of the calls.
struct StoreWeather {
  bool down = false;
  int64_t delay_nanos = 0;  // each call takes up to this much
  uint64_t fail_permille = 0;
  // Done, and answered with an error all the same.
  uint64_t deny_permille = 0;
  // A key that was put so lately is left out of listings.
  int64_t list_lag_nanos = 0;
};

struct SimStoreOptions {
  std::string name = "sim";
  uint64_t seed = 1;
  // PutMode::kIfAbsent works.
  bool conditional_put = true;
};

class SimStore {
 public:
  SimStore(SimClock& clock, SimStoreOptions options);

  // The store as its users hold it; borrows this.
  [[nodiscard]] std::unique_ptr<ObjectStore> View();
  [[nodiscard]] const SimStoreOptions& options() const { return options_; }

  void SetWeather(const StoreWeather& weather);
  // Removes the object at position `nth` (modulo their number) of those whose
  // keys begin with `prefix`; its key, or nothing when there is none.
  std::string Lose(std::string_view prefix, uint64_t nth);

  // Past all weather.
  [[nodiscard]] bool Has(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> Keys() const;

  // Of all calls and their answers.
  [[nodiscard]] uint64_t trace_hash() const;
  [[nodiscard]] uint64_t calls() const;

 private:
  class Handle;
  struct Object {
    std::string bytes;
    int64_t put_nanos = 0;
  };
  // Around a call: the weather, then `body`, unless the weather forbids it.
  template <class Body>
  Status Call(std::string_view operation, std::string_view key, Body body)
      EXCLUDES(mu_);
  bool Chance(uint64_t permille) REQUIRES(mu_);
  void Note(std::string_view operation, std::string_view key,
            const Status& answer) REQUIRES(mu_);

  SimClock& clock_;
  const SimStoreOptions options_;

  mutable Mutex mu_;  // a leaf, but for the clock
  SeededRandom random_;
  StoreWeather weather_ GUARDED_BY(mu_);
  std::map<std::string, Object, std::less<>> objects_ GUARDED_BY(mu_);
  uint64_t trace_hash_ GUARDED_BY(mu_) = 0;
  uint64_t calls_ GUARDED_BY(mu_) = 0;
};

}  // namespace trefoil
