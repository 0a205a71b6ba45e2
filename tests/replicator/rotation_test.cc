// SPDX-License-Identifier: Apache-2.0
// Goal: after `rotate --reseal` nothing on a target is sealed under an older
// data key either: not the checkpoint before the newest one, and no claim once
// the volume was opened anew.
// Method: a real volume with its threads and a clock that is put forward; the
// headers on a real target are read.
#include <set>

#include "fs/base/bytes.h"
#include "fs/object/object_reader.h"
#include "fs/volume/key_change.h"
#include "replicator/replicator.h"
#include "replicator/store/dir_store.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"

namespace trefoil::testing {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class RotationTest : public ::testing::Test {
 protected:
  RotationTest() {
    const VolumeId id = volume_->volume_id();
    EXPECT_TRUE(InitDirTarget(Env::Posix(), dir_.Path("target"),
                              ToHex({id.data(), id.size()}), Random::System())
                    .ok());
    volume_.options.background = true;
    volume_.Reopen();
  }
  void Start() {
    VolumeConfig config;
    config.targets.push_back(
        {"second", "dir:" + dir_.Path("target"), {{"grace_minutes", "0"}}});
    auto made = Replicator::Create(RealWorld(), *volume_, config, {});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  void OpenAnew() {
    replicator_.reset();
    volume_.CrashAndReopen();
    Start();
  }
  void Write(const std::string& name, size_t bytes) {
    volume_.MakeFile(name, RandomBytes(bytes, bytes));
    const auto commit = volume_->Commit();
    ASSERT_TRUE(commit.ok()) << commit.status().ToString();
    const Status shipped =
        replicator_->WaitFor("all", commit->seq, 60 * kSecond);
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
  }
  void Rotate() {
    auto change = KeyChange::Begin(volume_.world(), volume_.path(), nullptr);
    ASSERT_TRUE(change.ok()) << change.status().ToString();
    RotateKeys(volume_.world().clock, volume_.world().random,
               &(*change)->secrets);
    (*change)->reseal = true;
    ASSERT_TRUE((*change)->Finish().ok());
    ASSERT_TRUE(volume_->ReloadKeys(nullptr, "").ok());
  }
  // Ids of the data keys that objects below `prefix` on the target are under.
  std::set<uint32_t> KeysInUse(const std::string& prefix) {
    std::set<uint32_t> ids;
    std::vector<std::string> keys;
    EXPECT_TRUE(target_
                    .List(prefix, "",
                          [&](const ObjectInfo& info) {
                            keys.push_back(info.key);
                            return true;
                          })
                    .ok());
    for (const std::string& key : keys) {
      const auto bytes = target_.Get(key, {0, kHeaderBytes}, kHeaderBytes);
      if (!bytes.ok()) continue;  // it went just now
      const auto header = DecodeObjectHeader(*bytes);
      EXPECT_TRUE(header.ok()) << key;
      if (header.ok()) ids.insert(header->key_id);
    }
    return ids;
  }
  // While time passes for the volume, whose passes are seconds apart.
  bool SoonOnlyTheNewKey(const std::vector<std::string>& prefixes) {
    return Eventually([&] {
      volume_.Pass(1);
      for (const std::string& prefix : prefixes) {
        if (KeysInUse(prefix) != std::set<uint32_t>{2}) return false;
      }
      return true;
    });
  }

  TempDir dir_;
  TestVolume volume_;
  LocalTree target_{Env::Posix(), dir_.Path("target")};
  std::unique_ptr<Replicator> replicator_;
};

TEST_F(RotationTest, NothingOnATargetStaysUnderTheOldKey) {
  Start();
  Write("large", 3U << 20);
  Write("small", 3000);
  ASSERT_TRUE(volume_->Checkpoint().ok());
  Write("later", 100'000);
  ASSERT_TRUE(volume_->Checkpoint().ok());
  Write("last", 2000);
  const std::string tree = volume_.Describe();
  Rotate();
  EXPECT_TRUE(SoonOnlyTheNewKey({"pack/", "commit/", "checkpoint/"}));
  EXPECT_TRUE(Eventually([&] {
    volume_.Pass(1);
    return !Env::Posix().Exists(volume_.path() + "/reseal");
  }));
  OpenAnew();
  Write("more", 1000);
  EXPECT_TRUE(SoonOnlyTheNewKey({"pack/", "commit/", "checkpoint/", "owner/"}));
  replicator_.reset();
  ExpectClean(volume_);
}

}  // namespace
}  // namespace trefoil::testing
