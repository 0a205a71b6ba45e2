// SPDX-License-Identifier: Apache-2.0
// Goal: ways in come and go; what was taken back opens nothing; the last one
// stays; no power cut in the middle locks anybody out.
// Method: a real directory, cheap scrypt; a change is cut off at every
// operation on the disk in turn, and the volume is opened after it.
#include "fs/volume/key_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fs/object/object_reader.h"
#include "fs/volume/recovery_key.h"
#include "tests/support/fault_env.h"
#include "tests/support/sim_env.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;

constexpr ScryptCost kCheap{10, 8, 1};

NewSlot Passphrase(std::string_view text) {
  return {SlotKind::kPassphrase, "", SecretBytes(text), kCheap};
}
Secret Typed(std::string_view text) {
  return {Secret::Kind::kPassphrase, SecretBytes(text)};
}

class KeyChangeTest : public ::testing::Test {
 protected:
  World world() { return {Env::Posix(), Clock::Real(), Random::System()}; }
  [[nodiscard]] std::string volume() const { return dir_.Path("volume"); }

  void Format(FormatOptions format) {
    const Status made = Volume::Format(world(), volume(), format);
    ASSERT_TRUE(made.ok()) << made.ToString();
  }
  std::unique_ptr<KeyChange> Begin(const Secret* given = nullptr) {
    auto change = KeyChange::Begin(world(), volume(), given);
    EXPECT_TRUE(change.ok()) << change.status().ToString();
    return change.ok() ? std::move(*change) : nullptr;
  }
  Status Open(const Secret* given = nullptr) {
    VolumeOptions options;
    options.background = false;
    if (given != nullptr) options.secret = std::make_shared<Secret>(*given);
    auto opened = Volume::Open(world(), volume(), options);
    return opened.ok() ? (*opened)->Close() : opened.status();
  }
  void ExpectOpens(const Secret& secret) {
    const Status opened = Open(&secret);
    EXPECT_TRUE(opened.ok()) << opened.ToString();
  }
  void ExpectClosed(const Secret& secret) {
    EXPECT_EQ(Open(&secret).code(), StatusCode::kPermissionDenied);
  }
  size_t VolumeObjects() {
    return Env::Posix().List(volume() + "/objects/volume")->size();
  }

  const testing::TempDir dir_;
};

TEST_F(KeyChangeTest, AnAddedPassphraseOpensAndARemovedOneDoesNot) {
  Format({});
  ExpectClosed(Typed("one"));
  auto change = Begin();
  World w = world();
  const auto one = AddSlot(Passphrase("one"), w.clock, w.random,
                           &change->secrets, &change->object);
  ASSERT_TRUE(AddSlot(Passphrase("two"), w.clock, w.random, &change->secrets,
                      &change->object)
                  .ok());
  ASSERT_TRUE(change->Finish().ok());
  change.reset();
  ExpectOpens(Typed("one"));
  ExpectOpens(Typed("two"));
  EXPECT_TRUE(Open().ok());
  EXPECT_EQ(VolumeObjects(), 1U);

  change = Begin();
  ASSERT_TRUE(RemoveSlot(*one, &change->secrets, &change->object).ok());
  ASSERT_TRUE(change->Finish().ok());
  ExpectClosed(Typed("one"));
  ExpectOpens(Typed("two"));
  EXPECT_EQ(VolumeObjects(), 1U);
}

TEST_F(KeyChangeTest, AChangedPassphraseTakesTheOldOnesPlace) {
  Format({.slots = {Passphrase("old")}});
  auto change = Begin();
  ASSERT_TRUE(ChangePassphrase(1, Passphrase("new"), world().random,
                               &change->secrets, &change->object)
                  .ok());
  ASSERT_TRUE(change->Finish().ok());
  ExpectClosed(Typed("old"));
  ExpectOpens(Typed("new"));
  EXPECT_EQ(ChangePassphrase(9, Passphrase("new"), world().random,
                             &change->secrets, &change->object)
                .code(),
            StatusCode::kNotFound);
}

TEST_F(KeyChangeTest, RotationShutsOutTheOldKeyAndKeepsEverySlot) {
  const SecretBytes recovery = SecretBytes::Drawn(world().random, 20);
  Format({.slots = {Passphrase("kept"),
                    {SlotKind::kRecoveryKey, "", recovery, kCheap}}});
  const auto old_key = ReadKeyFile(Env::Posix(), KeyFilePath(volume()));
  ASSERT_TRUE(old_key.ok());
  auto change = Begin();
  RotateKeys(world().clock, world().random, &change->secrets);
  ASSERT_TRUE(change->Finish().ok());
  ExpectClosed(*old_key);
  ExpectOpens(Typed("kept"));
  ExpectOpens({Secret::Kind::kRecoveryKey, recovery});
  EXPECT_TRUE(Open().ok()) << "the key file is the new key's";
}

// Whoever keeps a new secret asks this before throwing it away.
TEST_F(KeyChangeTest, AChangeThatFailsHalfWayMayCount) {
  Format({});
  uint64_t counted = 0;
  for (uint64_t at = 1;; ++at) {
    SCOPED_TRACE(at);
    testing::FaultEnv env(Env::Posix());
    World w{env, Clock::Real(), Random::System()};
    auto change = KeyChange::Begin(w, volume(), nullptr);
    ASSERT_TRUE(change.ok()) << change.status().ToString();
    const std::string passphrase = "p" + std::to_string(at);
    ASSERT_TRUE(AddSlot(Passphrase(passphrase), w.clock, w.random,
                        &(*change)->secrets, &(*change)->object)
                    .ok());
    env.Arm({.op = testing::FaultOp::kAnyChange, .nth = at});
    const bool finished = (*change)->Finish().ok();
    const bool may_count = (*change)->may_count();
    change->reset();
    const Secret typed = Typed(passphrase);
    if (!may_count) ExpectClosed(typed);
    if (finished) ExpectOpens(typed);
    if (!finished && Open(&typed).ok()) {
      ++counted;
      EXPECT_TRUE(may_count);
    }
    if (finished) break;
  }
  EXPECT_GT(counted, 0U);
}

TEST_F(KeyChangeTest, TheLastWayInStays) {
  Format({.slots = {Passphrase("only")}});
  auto change = Begin();
  change->keep_key_file = false;
  ASSERT_TRUE(change->Finish().ok());
  EXPECT_EQ(Open().code(), StatusCode::kNoKey);
  const Secret only = Typed("only");
  change.reset();
  change = Begin(&only);
  ASSERT_TRUE(RemoveSlot(1, &change->secrets, &change->object).ok());
  const Status refused = change->Finish();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("last way in"));
  ExpectOpens(only);
}

// The list of slots is clear text, which anybody may have changed.
TEST_F(KeyChangeTest, ASlotThatTheSecretsDontKnowIsRefused) {
  Format({.slots = {Passphrase("one")}});
  {
    auto change = Begin();
    VolumeObject forged = change->object;
    ++forged.number;
    SealSecrets(change->secrets, world().random, &forged);
    forged.slots.push_back(forged.slots.front());
    forged.slots.back().id = 77;
    World w = world();
    LocalTree objects(w.env, volume() + "/objects");
    ASSERT_TRUE(WriteVolumeObject(w.env, w.random, objects, forged).ok());
  }
  ExpectOpens(Typed("one"));
  const Status refused = KeyChange::Begin(world(), volume(), nullptr).status();
  EXPECT_EQ(refused.code(), StatusCode::kCorruption);
  EXPECT_THAT(refused.message(), HasSubstr("77"));
}

TEST_F(KeyChangeTest, TwoChangesAtOnceAreRefused) {
  Format({});
  const auto first = Begin();
  EXPECT_EQ(KeyChange::Begin(world(), volume(), nullptr).status().code(),
            StatusCode::kBusy);
}

TEST_F(KeyChangeTest, AVolumeThatIsNotEncryptedHasNoKeys) {
  Format({.encrypted = false});
  EXPECT_EQ(KeyChange::Begin(world(), volume(), nullptr).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(KeyChangeTest, AKeyFileThatOthersReadIsRefused) {
  Format({});
  ASSERT_EQ(chmod(KeyFilePath(volume()).c_str(), 0640), 0);
  const Status refused = Open();
  EXPECT_EQ(refused.code(), StatusCode::kPermissionDenied);
  EXPECT_THAT(refused.message(), HasSubstr("chmod 600"));
}

TEST_F(KeyChangeTest, AMountedVolumeTakesUpNewKeysAndSealsUnderThem) {
  Format({});
  VolumeOptions options;
  options.background = false;
  auto opened = Volume::Open(world(), volume(), options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Volume& mounted = **opened;
  EXPECT_EQ(mounted.keyring().current(), 1U);
  auto change = Begin();
  RotateKeys(world().clock, world().random, &change->secrets);
  ASSERT_TRUE(change->Finish().ok());
  ASSERT_TRUE(mounted.ReloadKeys(nullptr, "").ok());
  EXPECT_EQ(mounted.keyring().current(), 2U);
  ASSERT_TRUE(mounted.MakeDirectory(kRootNode, "d", 0755, {}).ok());
  const auto commit = mounted.Commit();
  ASSERT_TRUE(commit.ok());
  const auto header = ReadObjectHeader(
      mounted.objects(),
      CommitKey(commit->generation, commit->seq, commit->name));
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->key_id, 2U);
  ASSERT_TRUE(mounted.Close().ok());
  opened->reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(KeyChangeTest, AMountedVolumeWithoutAKeyFileGetsTheNewVolumeKey) {
  FormatOptions format;
  format.keep_key_file = false;
  format.slots = {Passphrase("one")};
  Format(format);
  VolumeOptions options;
  options.background = false;
  options.secret = std::make_shared<Secret>(Typed("one"));
  auto opened = Volume::Open(world(), volume(), options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Volume& mounted = **opened;
  const Secret one = Typed("one");
  // Again and again: it goes on with the key that it got.
  for (uint32_t id = 2; id <= 3; ++id) {
    auto change = Begin(&one);
    RotateKeys(world().clock, world().random, &change->secrets);
    ASSERT_TRUE(change->Finish().ok());
    EXPECT_EQ(mounted.ReloadKeys(nullptr, "").code(), StatusCode::kNoKey);
    EXPECT_EQ(mounted.ReloadKeys(nullptr, std::string(80, 'x')).code(),
              StatusCode::kNoKey);
    EXPECT_EQ(mounted.keyring().current(), id - 1);
    EXPECT_TRUE(mounted.ReloadKeys(nullptr, change->HandOver()).ok());
    EXPECT_EQ(mounted.keyring().current(), id);
  }
  EXPECT_TRUE(mounted.Close().ok());
}

const std::string kSimVolume = "/volume";

// Whatever a power cut leaves opens by itself, and by the passphrase.
void ExpectOpensAfterCut(SimEnv& env) {
  LocalTree objects(env, JoinPath(kSimVolume, "objects"));
  const auto object = ReadVolumeObject(objects);
  ASSERT_TRUE(object.ok()) << object.status().ToString();
  const auto by_file = UnlockPrimary(env, kSimVolume, *object, nullptr);
  EXPECT_TRUE(by_file.ok()) << by_file.status().ToString();
  const Secret kept = Typed("kept");
  EXPECT_TRUE(OpenSecrets(*object, kept).ok());
  // And can be changed again.
  const World world{env, Clock::Real(), Random::System()};
  auto next = KeyChange::Begin(world, kSimVolume, nullptr);
  ASSERT_TRUE(next.ok()) << next.status().ToString();
  const Status finished = (*next)->Finish();
  EXPECT_TRUE(finished.ok()) << finished.ToString();
  EXPECT_EQ(env.List(JoinPath(kSimVolume, "objects/volume"))->size(), 1U);
}

TEST(KeyChangePowerTest, APowerCutDuringARotationLocksNobodyOut) {
  SimEnv made;
  ASSERT_TRUE(Volume::Format({made, Clock::Real(), Random::System()},
                             kSimVolume, {.slots = {Passphrase("kept")}})
                  .ok());
  constexpr uint64_t kMostOperations = 200;
  uint64_t at = 1;
  for (; at < kMostOperations; ++at) {
    SCOPED_TRACE("power off at change " + std::to_string(at));
    const auto env = made.Fork(at);
    const World world{*env, Clock::Real(), Random::System()};
    env->CrashAt(at);
    {
      auto change = KeyChange::Begin(world, kSimVolume, nullptr);
      if (change.ok()) {
        RotateKeys(world.clock, world.random, &(*change)->secrets);
        static_cast<void>((*change)->Finish());
      }
    }
    const bool crashed = env->crashed();
    env->Crash();
    ExpectOpensAfterCut(*env);
    if (!crashed) break;
  }
  EXPECT_GT(at, 10U);
  EXPECT_LT(at, kMostOperations);
}

}  // namespace
}  // namespace trefoil
