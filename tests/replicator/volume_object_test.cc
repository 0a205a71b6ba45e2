// SPDX-License-Identifier: Apache-2.0
// Goal: a change of the ways in reaches a target by itself and before anything
// that is sealed under a new key; the volume object before it goes then, and
// no sooner; a foreign one is never touched.
// Method: a shipper over a real tree; the volume object is replaced under it,
// and the target's own order of operations is looked at.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>

#include "fs/volume/identity.h"
#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> VolumeKeys(ObjectStore& store) {
  std::vector<std::string> keys;
  EXPECT_TRUE(store
                  .List("volume/", "",
                        [&](const ObjectInfo& info) {
                          keys.push_back(info.key);
                          return true;
                        })
                  .ok());
  return keys;
}

// Puts volume object number + 1 in the place of the present one.
std::string ReplaceVolumeObject(TestSource& source) {
  LocalTree& objects = source.objects();
  auto object = ReadVolumeObject(objects);
  EXPECT_TRUE(object.ok());
  const std::vector<std::string> before = VolumeKeys(objects);
  ++object->number;
  EXPECT_TRUE(
      WriteVolumeObject(Env::Posix(), Random::System(), objects, *object).ok());
  for (const std::string& key : before) {
    EXPECT_TRUE(objects.Delete(key).ok());
  }
  return VolumeKeys(objects).back();
}

// Where the operation is among those done on the target; -1: nowhere.
ptrdiff_t PlaceOf(const std::vector<std::string>& done,
                  const std::string& operation) {
  const auto at = std::find_if(done.begin(), done.end(), [&](const auto& one) {
    return one.find(operation) != std::string::npos;
  });
  return at == done.end() ? -1 : at - done.begin();
}

TEST(VolumeObjectTest, ANewOneIsShippedWithoutANewCommitAndTheOldOneGoes) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  const uint64_t held = shipping.status().objects_held;
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.shipper().Nudge();
  EXPECT_TRUE(Eventually([&] {
    return VolumeKeys(shipping.target()) == std::vector<std::string>{newest};
  }));
  EXPECT_TRUE(
      Eventually([&] { return shipping.status().objects_held == held; }));
}

TEST(VolumeObjectTest, ItComesBeforeACommitThatMayNeedIt) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  const std::string newest = ReplaceVolumeObject(shipping.source);
  const CommitRef commit = shipping.Commit(1);
  ASSERT_TRUE(shipping.WaitForWatermark(commit.seq));
  const auto done = shipping.faults.done();
  ASSERT_GE(PlaceOf(done, newest), 0);
  EXPECT_LT(PlaceOf(done, newest), PlaceOf(done, KeyOf(commit)));
}

TEST(VolumeObjectTest, TheOldOneStaysUntilTheNewOneIsThere) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  const std::vector<std::string> before = VolumeKeys(shipping.target());
  shipping.faults.before = [&](const std::string& operation,
                               std::string_view key) {
    const bool fails = operation == "PUT" && key.starts_with("volume/");
    return fails ? Status(StatusCode::kUnavailable, "away") : OkStatus();
  };
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.source.NextGeneration();
  shipping.Start();
  EXPECT_TRUE(shipping.WaitForState("unreachable"));
  EXPECT_EQ(VolumeKeys(shipping.target()), before);
  shipping.Stop();
  shipping.faults.before = nullptr;
  shipping.source.NextGeneration();
  shipping.Start();
  EXPECT_TRUE(Eventually([&] {
    return VolumeKeys(shipping.target()) == std::vector<std::string>{newest};
  }));
}

// The last of the target's volume objects, past all faults, is bad from now on.
void Spoil(Shipping& shipping) {
  const std::string path =
      shipping.target_path() + "/" + VolumeKeys(shipping.target()).back();
  auto bytes = Env::Posix().ReadFile(path, 1U << 20);
  ASSERT_TRUE(bytes.ok());
  bytes->back() ^= 1;
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(path, *bytes).ok());
}

TEST(VolumeObjectTest, TheOldOneStaysUntilTheNewOneWasReadBackWhole) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  std::atomic<int> puts{0};
  shipping.faults.after = [&](const std::string& operation,
                              std::string_view key) {
    if (operation == "PUT" && key.starts_with("volume/") && puts++ == 0) {
      Spoil(shipping);
    }
    return OkStatus();
  };
  shipping.faults.before = [&](const std::string& operation,
                               std::string_view key) {
    if (operation == "DELETE" && key.starts_with("volume/")) {
      const auto newest = ReadVolumeObject(shipping.target());
      EXPECT_TRUE(newest.ok()) << newest.status().ToString();
    }
    return OkStatus();
  };
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.source.NextGeneration();
  shipping.Start();
  EXPECT_TRUE(Eventually([&] {
    return VolumeKeys(shipping.target()) == std::vector<std::string>{newest};
  }));
  EXPECT_EQ(puts, 2);
  EXPECT_TRUE(ReadVolumeObject(shipping.target()).ok());
}

// Each change of keys in a sweep; the target goes away at operation `n`.
void ChangeWithFault(uint64_t n, bool done_first, bool dies,
                     uint64_t* operations) {
  SCOPED_TRACE("operation " + std::to_string(n) +
               (done_first ? ", answer lost" : ", not done") +
               (dies ? ", the shipper dies" : ""));
  Shipping shipping;
  shipping.options.recheck_nanos = 3'600'000'000'000;
  shipping.source.AddCommit(0);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  shipping.faults.before = [&](const std::string&, std::string_view) {
    const auto any = ReadVolumeObject(shipping.target());
    EXPECT_TRUE(any.ok()) << any.status().ToString();
    return OkStatus();
  };
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.source.NextGeneration();
  shipping.faults.GoDownAt(n, done_first);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState(n == 0 ? "up to date" : "unreachable"));
  *operations = shipping.faults.operations();
  EXPECT_TRUE(ReadVolumeObject(shipping.target()).ok());
  if (dies) {
    shipping.Kill();
    shipping.source.NextGeneration();
  }
  shipping.faults.SetDown(false);
  if (dies) shipping.Start();
  EXPECT_TRUE(Eventually([&] {
    return VolumeKeys(shipping.target()) == std::vector<std::string>{newest};
  }));
  shipping.Stop();
}

TEST(VolumeObjectTest, AWholeOneIsThereAtEveryPointOfFailure) {
  uint64_t operations = 0;
  ChangeWithFault(0, false, false, &operations);
  ASSERT_GT(operations, 8U);
  for (uint64_t n = 1, unused = 0; n <= operations; ++n) {
    for (const bool done_first : {false, true}) {
      for (const bool dies : {false, true}) {
        ChangeWithFault(n, done_first, dies, &unused);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(VolumeObjectTest, ATargetIsOursByItsHeaderWhenNoKeyIsShared) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  // Twice, while nothing is shipped.
  ReplaceVolumeObject(shipping.source);
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.source.NextGeneration();
  shipping.Start();
  EXPECT_TRUE(shipping.WaitForState("up to date"))
      << shipping.status().last_error;
  EXPECT_THAT(VolumeKeys(shipping.target()), ElementsAre(newest));
}

TEST(VolumeObjectTest, AForeignVolumeObjectIsNotTouched) {
  Shipping shipping;
  shipping.source.AddCommit(1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  shipping.Stop();
  const TempDir dir;
  TestSource other(dir.Path("objects"));
  const std::string foreign = VolumeKeys(other.objects()).back();
  const auto parsed = ParseObjectKey(foreign);
  auto bytes = other.objects().OpenSource(foreign, parsed->name);
  ASSERT_TRUE(bytes.ok());
  ASSERT_TRUE(
      shipping.target().Put(foreign, **bytes, PutMode::kImmutable).ok());
  const std::string newest = ReplaceVolumeObject(shipping.source);
  shipping.source.NextGeneration();
  shipping.Start();
  EXPECT_TRUE(shipping.WaitForState("up to date"));
  EXPECT_THAT(VolumeKeys(shipping.target()), ElementsAre(foreign, newest));
}

}  // namespace
}  // namespace trefoil::testing
