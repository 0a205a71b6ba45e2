// SPDX-License-Identifier: Apache-2.0
// The one conformance suite that every ObjectStore passes, decorators
// included. A kind of store joins by an instantiation of ConformanceTest with
// a StoreCase; the tests are in conformance.cc.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "fs/object/object_store.h"

namespace trefoil::testing {

// A store that nobody has used yet, and what it stands on.
class TestStore {
 public:
  virtual ~TestStore() = default;
  virtual ObjectStore& store() = 0;
};

struct StoreCase {
  std::string name;
  std::function<std::unique_ptr<TestStore>()> make;
  // Whether kIfAbsent works; where not it must say kNotSupported.
  bool conditional_put = true;
};

inline void PrintTo(const StoreCase& store_case, std::ostream* out) {
  *out << store_case.name;
}

class ConformanceTest : public ::testing::TestWithParam<StoreCase> {
 protected:
  ConformanceTest() : holder_(GetParam().make()) {}
  ObjectStore& store() { return holder_->store(); }

  Status Put(const std::string& key, const std::string& bytes,
             PutMode mode = PutMode::kImmutable);
  // The whole object, or the words of the error.
  std::string Read(const std::string& key);
  // The keys that List gives, joined by blanks.
  std::string Keys(const std::string& prefix,
                   const std::string& start_after = "");

 private:
  std::unique_ptr<TestStore> holder_;
};

}  // namespace trefoil::testing
