// SPDX-License-Identifier: Apache-2.0
// Goal: O9: of all who claim a target one ships; who was taken over stops and
// says so; who owned it before owns it again after a restart.
// Method: claims on a real directory, with a store that can decide who was
// first and one that can't; shippers of two copies of one volume.
#include "replicator/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/replicator/shipping.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;

OwnerClaim NewClaim(uint64_t generation) {
  OwnerClaim claim;
  claim.volume_id = {'v', 'o', 'l'};
  claim.name = {Generation(generation), NewInstance(Random::System())};
  claim.base_seq = CommitSeq(17);
  claim.base_generation = Generation(generation - 1);
  claim.base_name = Sha256::Of("base");
  claim.time_nanos = 1234567890;
  return claim;
}

ClaimOptions Options(bool store_decides) {
  ClaimOptions options;
  options.store_decides = store_decides;
  options.settle_nanos = 100'000'000;
  options.sleep = [](int64_t nanos) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(nanos));
    return true;
  };
  return options;
}

class OwnerTest : public ::testing::TestWithParam<bool> {
 protected:
  Result<ClaimName> Take(const OwnerClaim& claim) {
    return TakeOwnership(store_, Keyring::Plain(), claim, Options(GetParam()),
                         Random::System());
  }

  TempDir dir_;
  LocalTree store_{Env::Posix(), dir_.path()};
};

TEST_P(OwnerTest, AClaimReadsBackAsItWasMade) {
  const OwnerClaim claim = NewClaim(7);
  const auto held = Take(claim);
  ASSERT_TRUE(held.ok()) << held.status().ToString();
  EXPECT_TRUE(IsValidObjectKey(ClaimKey(*held)));
  EXPECT_EQ(ParseClaimKey(ClaimKey(*held)), *held);
  const auto read = ReadClaim(store_, Keyring::Plain(), *held);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->name, claim.name);
  EXPECT_EQ(read->volume_id, claim.volume_id);
  EXPECT_EQ(read->base_seq, claim.base_seq);
  EXPECT_EQ(read->base_generation, claim.base_generation);
  EXPECT_EQ(read->base_name, claim.base_name);
  EXPECT_EQ(read->time_nanos, claim.time_nanos);
}

TEST_P(OwnerTest, AClaimMayBeRepeated) {
  const OwnerClaim claim = NewClaim(7);
  ASSERT_TRUE(Take(claim).ok());
  EXPECT_TRUE(CheckClaimable(store_, Keyring::Plain(), claim.name, {}).ok());
  EXPECT_TRUE(Take(claim).ok());
}

TEST_P(OwnerTest, AHigherGenerationFences) {
  const OwnerClaim first = NewClaim(7);
  const auto held = Take(first);
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(CheckStillOwner(store_, *held).ok());
  ASSERT_TRUE(Take(NewClaim(8)).ok());
  EXPECT_EQ(CheckStillOwner(store_, *held).code(), StatusCode::kFenced);
  EXPECT_EQ(Take(first).status().code(), StatusCode::kFenced);
  EXPECT_EQ(
      CheckClaimable(store_, Keyring::Plain(), NewClaim(7).name, {}).code(),
      StatusCode::kFenced);
}

TEST_P(OwnerTest, AStrangersClaimIsNotPassedByCountingHigher) {
  const OwnerClaim stranger = NewClaim(7);
  ASSERT_TRUE(Take(stranger).ok());
  const ClaimName next{Generation(9), NewInstance(Random::System())};
  EXPECT_EQ(CheckClaimable(store_, Keyring::Plain(), next, {}).code(),
            StatusCode::kFenced);
  ClaimHistory history;
  history.ours = {stranger.name};
  EXPECT_TRUE(CheckClaimable(store_, Keyring::Plain(), next, history).ok());
  history = {};
  history.superseded = Generation(7);
  EXPECT_TRUE(CheckClaimable(store_, Keyring::Plain(), next, history).ok());
}

TEST_P(OwnerTest, OfManyRacersOneWins) {
  constexpr int kRacers = 8;
  std::atomic<int> winners{0};
  std::vector<std::thread> racers;
  for (int i = 0; i < kRacers; ++i) {
    racers.emplace_back([&] {
      const auto held = Take(NewClaim(3));
      if (held.ok()) ++winners;
      if (!held.ok()) {
        EXPECT_EQ(held.status().code(), StatusCode::kFenced)
            << held.status().ToString();
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(winners, 1);
}

TEST_P(OwnerTest, AVanishedClaimIsNoOwnership) {
  const auto held = Take(NewClaim(7));
  ASSERT_TRUE(held.ok());
  ASSERT_TRUE(store_.Delete(ClaimKey(*held)).ok());
  EXPECT_EQ(CheckStillOwner(store_, *held).code(), StatusCode::kNotFound);
}

// Else who looks whether it still owns a target passes over a rival.
TEST(OwnerClaimTest, ClaimsAreOrderedAsTheirKeysAre) {
  for (int i = 0; i < 50; ++i) {
    const ClaimName a = NewClaim(7).name;
    const ClaimName b = NewClaim(7).name;
    EXPECT_EQ(a < b, ClaimKey(a) < ClaimKey(b));
  }
}

// Somebody else claims, and settles, between a claim's first look and its
// arrival.
class OvertakenStore final : public ObjectStore {
 public:
  OvertakenStore(ObjectStore& store, std::function<void()> overtake)
      : store_(store), overtake_(std::move(overtake)) {}
  Status Put(std::string_view key, ObjectSource& source,
             PutMode mode) override {
    overtake_();
    return store_.Put(key, source, mode);
  }
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override {
    return store_.Get(key, range, max_bytes);
  }
  Result<ObjectInfo> Head(std::string_view key) override {
    return store_.Head(key);
  }
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override {
    return store_.List(prefix, start_after, visit);
  }
  Status Delete(std::string_view key) override { return store_.Delete(key); }
  [[nodiscard]] std::string Describe() const override {
    return store_.Describe();
  }

 private:
  ObjectStore& store_;
  const std::function<void()> overtake_;
};

// Where the store can't decide, the lowest instance would win, and two would
// believe that they own it, each with commits of the same generation.
TEST(SettlingTest, AClaimThatArrivesLateGivesWay) {
  TempDir dir;
  LocalTree store(Env::Posix(), dir.path());
  OwnerClaim first = NewClaim(7);
  OwnerClaim late = NewClaim(7);
  if (first.name < late.name) std::swap(first.name, late.name);
  int64_t time = 0;
  ClaimOptions options = Options(false);
  options.sleep = [](int64_t) { return true; };
  options.now = [&] { return time; };
  OvertakenStore overtaken(store, [&] {
    EXPECT_TRUE(
        TakeOwnership(store, Keyring::Plain(), first, options, Random::System())
            .ok());
    time += options.settle_nanos;
  });
  for (ObjectStore* each : {static_cast<ObjectStore*>(&overtaken),
                            static_cast<ObjectStore*>(&store)}) {
    EXPECT_EQ(
        TakeOwnership(*each, Keyring::Plain(), late, options, Random::System())
            .status()
            .code(),
        StatusCode::kFenced);
  }
  // In doubt nobody ships; the next takeover is above both.
  EXPECT_EQ(CheckStillOwner(store, first.name).code(), StatusCode::kFenced);
  EXPECT_TRUE(TakeOwnership(store, Keyring::Plain(), NewClaim(8), options,
                            Random::System())
                  .ok());
}

INSTANTIATE_TEST_SUITE_P(Stores, OwnerTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& store) {
                           return store.param ? "Deciding" : "Settling";
                         });

TEST(OwnerClaimTest, EveryFlippedBitIsNoticed) {
  const auto bytes =
      EncodeClaim(NewClaim(5), Keyring::Plain(), Random::System());
  ASSERT_TRUE(bytes.ok());
  for (size_t bit = 0; bit < bytes->size() * 8; ++bit) {
    std::string damaged = *bytes;
    damaged[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(DecodeClaim(damaged, Keyring::Plain()).ok()) << "bit " << bit;
  }
  for (size_t size = 0; size < bytes->size(); ++size) {
    EXPECT_FALSE(DecodeClaim(bytes->substr(0, size), Keyring::Plain()).ok())
        << "size " << size;
  }
  EXPECT_FALSE(DecodeClaim(*bytes + '\0', Keyring::Plain()).ok());
}

// A second shipper of the same target, with its own state: another machine.
class OtherMachine {
 public:
  OtherMachine(Shipping& shipping, bool store_decides)
      : options_(shipping.options), source_(shipping.source) {
    options_.state_path = dir_.Path("state.json");
    options_.store_decides = store_decides;
  }
  void Start() {
    shipper_ = std::make_unique<Shipper>(
        RealWorld(), source_, NewInstance(Random::System()), options_, [] {});
    shipper_->Start();
  }
  [[nodiscard]] TargetStatus status() const { return shipper_->status(); }
  [[nodiscard]] std::string state_path() const { return options_.state_path; }

 private:
  TempDir dir_;
  ShipperOptions options_;
  TestSource& source_;
  std::unique_ptr<Shipper> shipper_;
};

TEST(ShipperOwnerTest, OneOfTwoClaimantsOfAGenerationWins) {
  for (const bool store_decides : {true, false}) {
    Shipping shipping;
    shipping.options.store_decides = store_decides;
    shipping.source.AddCommits(3, 1);
    OtherMachine other(shipping, store_decides);
    shipping.Start();
    other.Start();
    const auto settled = [&] {
      const std::string a = shipping.status().state;
      const std::string b = other.status().state;
      return (a == "fenced" && b == "up to date") ||
             (b == "fenced" && a == "up to date");
    };
    EXPECT_TRUE(Eventually(settled))
        << shipping.status().state << ", " << other.status().state;
  }
}

TEST(ShipperOwnerTest, WhoIsTakenOverStopsAndSaysSo) {
  Shipping shipping;
  shipping.source.AddCommits(3, 1);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  OwnerClaim claim = NewClaim(9);
  ASSERT_TRUE(TakeOwnership(shipping.target(), shipping.source.keyring(), claim,
                            Options(true), Random::System())
                  .ok());
  ASSERT_TRUE(shipping.WaitForState("fenced"));
  const auto done = shipping.faults.done().size();
  shipping.Commit(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(shipping.faults.done().size(), done);
  EXPECT_THAT(shipping.status().last_error, HasSubstr("trefoil takeover"));
  EXPECT_EQ(shipping.status().watermark, CommitSeq(3));
  shipping.Stop();

  // However often it is started again.
  for (int i = 0; i < 12; ++i) {
    shipping.source.NextGeneration();
    shipping.Start();
    ASSERT_TRUE(shipping.WaitForState("fenced"));
    shipping.Stop();
  }
}

TEST(ShipperOwnerTest, TheOwnerOwnsAgainAfterEveryRestart) {
  Shipping shipping;
  for (int i = 0; i < 5; ++i) {
    shipping.Start();
    shipping.Commit(1);
    ASSERT_TRUE(shipping.WaitForState("up to date"));
    if (i % 2 == 0) {
      shipping.Kill();
    } else {
      shipping.Stop();
    }
    shipping.source.NextGeneration();
  }
  const auto claims = ListClaims(shipping.target());
  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(claims->size(), 5U);
}

TEST(ShipperOwnerTest, AClaimNamesTheCommitThatItContinues) {
  Shipping shipping;
  shipping.source.AddCommits(3, 0);
  const CommitRef base = shipping.source.head();
  shipping.source.NextGeneration();
  shipping.source.AddCommits(4, 0);
  shipping.Start();
  ASSERT_TRUE(shipping.WaitForState("up to date"));
  const auto claims = ListClaims(shipping.target());
  ASSERT_TRUE(claims.ok());
  const auto claim =
      ReadClaim(shipping.target(), shipping.source.keyring(), claims->back());
  ASSERT_TRUE(claim.ok());
  EXPECT_EQ(claim->base_seq, base.seq);
  EXPECT_EQ(claim->base_name, base.name);
}

}  // namespace
}  // namespace trefoil::testing
