// SPDX-License-Identifier: Apache-2.0
// Goal: the probe finds out what a target can do, names what it can't, and
// leaves nothing behind.
// Method: real targets of each kind, and a directory with single faults.
#include "replicator/store/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fs/object/local_tree.h"
#include "tests/store/faulty_store.h"
#include "tests/store/servers.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

int Objects(ObjectStore& store) {
  int count = 0;
  EXPECT_TRUE(
      store.List("", "", [&](const ObjectInfo&) { return ++count; }).ok());
  return count;
}

TEST(ProbeTest, RealTargetsAreWhatTheyAre) {
  TempDir dir;
  LocalTree tree(Env::Posix(), dir.path());
  const auto gateway =
      NewS3Store(SharedGateway().Endpoint(kBucket, NewPrefix()));
  const auto swift = NewS3Store(SharedSwift().Endpoint(kBucket, NewPrefix()));
  for (ObjectStore* store :
       std::initializer_list<ObjectStore*>{&tree, gateway.get(), swift.get()}) {
    const auto can = ProbeTarget(*store, Random::System());
    ASSERT_TRUE(can.ok()) << can.status().ToString();
    EXPECT_TRUE(can->read_after_write);
    EXPECT_TRUE(can->range_read);
    EXPECT_TRUE(can->list_after_write);
    EXPECT_TRUE(can->remove);
    EXPECT_EQ(can->conditional_put, store != swift.get());
    EXPECT_EQ(Objects(*store), 0);
  }
}

TEST(ProbeTest, SaysItForPeople) {
  TargetCapabilities can;
  can.read_after_write = true;
  EXPECT_THAT(can.ToString(), AllOf(HasSubstr("write and read back: yes"),
                                    HasSubstr("conditional PUT: no (owners")));
}

TEST(ProbeTest, AFailingStepIsNamedAndCleanedUpAfter) {
  for (const auto& [operation, step] :
       std::initializer_list<std::pair<const char*, const char*>>{
           {"PUT", "write"}, {"GET", "read back"}, {"LIST", "list"}}) {
    TempDir dir;
    FaultyStore store(std::make_unique<LocalTree>(Env::Posix(), dir.path()));
    store.before = [operation =
                        std::string(operation)](const std::string& what) {
      if (!what.starts_with(operation)) return OkStatus();
      return Status(StatusCode::kPermissionDenied, "not allowed");
    };
    const Status status = ProbeTarget(store, Random::System()).status();
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(status.message(), HasSubstr(std::string("probe: ") + step));
    store.before = [](const std::string&) { return OkStatus(); };
    EXPECT_EQ(Objects(store), 0) << operation;
  }
}

// A versioned bucket takes every conditional PUT.
class ForgetfulStore : public FaultyStore {
 public:
  using FaultyStore::FaultyStore;
  Status Put(std::string_view key, ObjectSource& source,
             PutMode mode) override {
    return FaultyStore::Put(
        key, source, mode == PutMode::kIfAbsent ? PutMode::kReplace : mode);
  }
};

TEST(ProbeTest, AConditionThatIsIgnoredIsNone) {
  TempDir dir;
  ForgetfulStore store(std::make_unique<LocalTree>(Env::Posix(), dir.path()));
  const auto can = ProbeTarget(store, Random::System());
  ASSERT_TRUE(can.ok()) << can.status().ToString();
  EXPECT_FALSE(can->conditional_put);
  EXPECT_EQ(Objects(store), 0);
}

TEST(ProbeTest, OnePlaceUnderTwoNamesIsOne) {
  TempDir dir;
  TempDir elsewhere;
  LocalTree store(Env::Posix(), dir.path());
  LocalTree same(Env::Posix(), dir.path() + "/.");
  FaultyStore other(
      std::make_unique<LocalTree>(Env::Posix(), elsewhere.path()));
  Random& random = Random::System();
  EXPECT_TRUE(IsSamePlace(store, same, random).value());
  EXPECT_FALSE(IsSamePlace(store, other, random).value());
  other.before = [](const std::string&) {
    return Status(StatusCode::kUnavailable, "away");
  };
  EXPECT_FALSE(IsSamePlace(store, other, random).value());
  EXPECT_TRUE(
      IsSamePlace(other, store, random).status().Is(StatusCode::kUnavailable));
  EXPECT_EQ(Objects(store), 0);
}

}  // namespace
}  // namespace trefoil::testing
