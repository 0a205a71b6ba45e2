// SPDX-License-Identifier: Apache-2.0
// A volume with files and a snapshot, shipped to a directory, to be recovered
// from there.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fs/base/bytes.h"
#include "replicator/recover.h"
#include "replicator/store/dir_store.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {

class RecoverTest : public ::testing::Test {
 protected:
  RecoverTest() {
    const VolumeId id = volume_->volume_id();
    EXPECT_TRUE(InitDirTarget(Env::Posix(), dir_.Path("second"),
                              ToHex({id.data(), id.size()}), Random::System())
                    .ok());
    settings_ = {"second", "dir:" + dir_.Path("second"), {}};
    config_.targets.push_back(settings_);
    target_ = std::make_unique<LocalTree>(Env::Posix(), dir_.Path("second"));
    options_.fetch.attempts = 1;
    options_.full = true;
    volume_.MakeDir("docs");
    volume_.MakeFile("docs/small", "a few words");
    volume_.MakeFile("docs/large", RandomBytes(3'000'000, 1));
    EXPECT_TRUE(volume_->Commit().ok());
    EXPECT_TRUE(volume_->CreateSnapshot("before").ok());
    volume_.MakeFile("docs/larger", RandomBytes(9'000'000, 2));
    EXPECT_TRUE(volume_->Unlink(volume_.Find("docs"), "small").ok());
    Ship();
  }

  void StartReplicator() {
    auto made = Replicator::Create(RealWorld(), *volume_, config_, {});
    ASSERT_TRUE(made.ok());
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  void Ship() {
    const auto commit = volume_->Commit();
    ASSERT_TRUE(commit.ok());
    if (!replicator_) StartReplicator();
    const Status shipped =
        replicator_->WaitFor("second", commit->seq, 20'000'000'000);
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
  }
  Status Recover() {
    options_.secret = volume_.secret();
    auto recovered =
        RecoverVolume(RealWorld(), *target_, settings_, Recovered(), options_);
    TREFOIL_TRY(recovered.status());
    lost_files_ = std::move(recovered->lost_files);
    return OkStatus();
  }
  // Until the first commits and what was deleted are gone from the primary.
  void LetGoOfThePast() {
    replicator_.reset();
    volume_.Reopen();  // an opening claims a target once
    volume_.MakeFile("while-away", "words");
    ASSERT_TRUE(volume_->Checkpoint().ok());
    volume_->ReleaseCommits(CommitSeq(1'000'000));
    for (int i = 0; i < 6; ++i) {
      volume_.Pass(60);
      volume_.MakeFile("later" + std::to_string(i), "x");
      ASSERT_TRUE(volume_->Commit().ok());
    }
    ASSERT_TRUE(
        volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed));
  }
  void ExpectCleanTarget() {
    VerifyOptions options;
    options.read_data = true;
    options.scratch_directory = ::testing::TempDir();
    options.secret = std::make_shared<const Secret>(volume_.secret());
    const auto report = VerifyStore(RealWorld(), *target_, options);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  }
  // Opens what was recovered, in place of what `other` is.
  void Adopt(TestVolume* other);
  void ExpectRecovered(const std::string& expected);
  [[nodiscard]] std::string Recovered() const { return dir_.Path("recovered"); }
  Result<std::unique_ptr<Volume>> OpenRecovered() {
    VolumeOptions options;
    options.background = false;
    return Volume::Open(RealWorld(), Recovered(), options);
  }
  // The keys of the target below `prefix`.
  std::vector<std::string> Keys(std::string_view prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(target_
                    ->List(prefix, "",
                           [&](const ObjectInfo& info) {
                             keys.push_back(info.key);
                             return true;
                           })
                    .ok());
    return keys;
  }
  std::set<std::string> KeySet(std::string_view prefix) {
    const auto keys = Keys(prefix);
    return {keys.begin(), keys.end()};
  }
  void Flip(const std::string& key) {
    FlipAt(key, target_->Head(key)->size_bytes / 2);
  }
  void FlipAt(const std::string& key, uint64_t offset) {
    auto bytes = target_->Get(key, {}, 1U << 30);
    ASSERT_TRUE(bytes.ok());
    (*bytes)[offset] ^= 1;
    auto file = Env::Posix().Open(JoinPath(dir_.Path("second"), key),
                                  OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, *bytes).ok());
  }

  TempDir dir_;
  TestVolume volume_;
  TargetSettings settings_;
  VolumeConfig config_;
  RecoverOptions options_;
  std::vector<LostFile> lost_files_;  // of the last recovery
  std::unique_ptr<LocalTree> target_;
  std::unique_ptr<Replicator> replicator_;
};

// The tree of `volume`, the snapshots' trees too.
inline std::string DescribeAll(TestVolume& volume) {
  std::string all = volume.Describe();
  const auto snapshots = volume->ListSnapshots();
  EXPECT_TRUE(snapshots.ok());
  for (const SnapshotInfo& snapshot : *snapshots) {
    all += snapshot.name + " " + snapshot.label + "\n" +
           volume.Describe(NodeId::Make(snapshot.id, kRootInode));
  }
  return all;
}

inline void RecoverTest::Adopt(TestVolume* other) {
  other->Close();
  ASSERT_TRUE(Env::Posix().RemoveTree(other->path()).ok());
  std::filesystem::copy(Recovered(), other->path(),
                        std::filesystem::copy_options::recursive);
  other->Open();
}

inline void RecoverTest::ExpectRecovered(const std::string& expected) {
  TestVolume other;
  Adopt(&other);
  EXPECT_EQ(DescribeAll(other), expected);
}

}  // namespace trefoil::testing
