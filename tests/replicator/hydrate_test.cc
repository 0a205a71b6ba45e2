// SPDX-License-Identifier: Apache-2.0
// Goal: a volume that was recovered without its packs shows the whole tree at
// once, read by read; in the background it becomes whole, also after an
// interruption and past bad objects of one copy; fsck has nothing against it
// before, unless an object is on no copy at all; and a state of the past comes
// back where the target still holds it.
// Method: real volumes shipped to real directories, recovered, damaged, and
// read through the volume.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fs/base/bytes.h"
#include "fs/verify/verify.h"
#include "fs/volume/hydration.h"
#include "replicator/hydrator.h"
#include "replicator/recover.h"
#include "replicator/store/dir_store.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

namespace stdfs = std::filesystem;
using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kLarge = 700'000;
constexpr int kFiles = 12;

class HydrateTest : public ::testing::Test {
 protected:
  HydrateTest() {
    const VolumeId id = volume_->volume_id();
    EXPECT_TRUE(InitDirTarget(Env::Posix(), dir_.Path("second"),
                              ToHex({id.data(), id.size()}), Random::System())
                    .ok());
    settings_ = {"second", "dir:" + dir_.Path("second"), {}};
    target_ = std::make_unique<LocalTree>(Env::Posix(), dir_.Path("second"));
    options_.fetch.attempts = 1;
    options_.secret = volume_.secret();
    for (int i = 0; i < kFiles; ++i) {
      volume_.MakeFile(Name(i), RandomBytes(kLarge, 50U + i));
      EXPECT_TRUE(volume_->Commit().ok());
    }
    volume_.MakeFile("small", "a few words");
    Ship();
    expected_ = volume_.Describe();
  }

  static std::string Name(int i) { return "file" + std::to_string(i); }
  void Ship() {
    const auto commit = volume_->Commit();
    ASSERT_TRUE(commit.ok());
    volume_.Reopen();  // an opening claims a target once
    VolumeConfig config;
    config.targets.push_back(settings_);
    auto made = Replicator::Create(RealWorld(), *volume_, config, {});
    ASSERT_TRUE(made.ok());
    (*made)->Start();
    const Status shipped = (*made)->WaitFor("all", commit->seq, 60 * kSecond);
    ASSERT_TRUE(shipped.ok()) << shipped.ToString();
    (*made)->Stop();
  }
  [[nodiscard]] std::string Recovered() const { return other_.path(); }
  Status Recover() {
    other_.Close();
    EXPECT_TRUE(Env::Posix().RemoveTree(Recovered()).ok());
    return RecoverVolume(RealWorld(), *target_, settings_, Recovered(),
                         options_)
        .status();
  }
  void MustRecover() {
    const Status recovered = Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.ToString();
    other_.Open();
    ASSERT_NO_FATAL_FAILURE();
    other_->SetCopies(copies_);
  }
  [[nodiscard]] uint64_t PacksHere() const {
    uint64_t count = 0;
    const std::string packs = Recovered() + "/objects/pack";
    if (!stdfs::exists(packs)) return 0;
    for (const auto& entry : stdfs::recursive_directory_iterator(packs)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  std::vector<std::string> Packs() {
    std::vector<std::string> keys;
    EXPECT_TRUE(target_
                    ->List("pack/", "",
                           [&](const ObjectInfo& info) {
                             keys.push_back(info.key);
                             return true;
                           })
                    .ok());
    return keys;
  }
  Result<VerifyReport> Check() {
    VerifyOptions options;
    options.copies = copies_;
    options.scratch_directory = ::testing::TempDir();
    return VerifyVolume(RealWorld(), Recovered(), options);
  }

  TempDir dir_;
  TestVolume volume_;
  TestVolume other_;
  TargetSettings settings_;
  RecoverOptions options_;
  std::unique_ptr<LocalTree> target_;
  TargetFaults faults_;
  ObjectCopies copies_ = {{"second", std::make_shared<FaultStore>(
                                         std::make_unique<LocalTree>(
                                             Env::Posix(), dir_.Path("second")),
                                         faults_)}};
  HydratorOptions hydrating_{{.parallel = 4, .attempts = 1}, 10'000'000};
  std::string expected_;
};

TEST_F(HydrateTest, TheWholeTreeIsThereBeforeItsDataAre) {
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  EXPECT_EQ(PacksHere(), 0U);
  EXPECT_TRUE(FindHydration(Env::Posix(), Recovered()).has_value());
  EXPECT_EQ(other_.Content("small"), "a few words");  // travelled in a commit
  EXPECT_EQ(other_.Content(Name(3)), RandomBytes(kLarge, 53));
  EXPECT_EQ(PacksHere(), 1U);
  EXPECT_EQ(other_.Describe(), expected_);
  EXPECT_EQ(PacksHere(), Packs().size());
  EXPECT_EQ(other_->heals().fetched, Packs().size());
}

TEST_F(HydrateTest, WritingAndCommittingNeedNothingThatIsMissing) {
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  other_->SetCopies({});
  other_.WriteAt(other_.Find(Name(1)), 1000, "changed");
  ASSERT_TRUE(other_->Unlink(kRootNode, Name(2)).ok());
  other_.MakeFile("new", RandomBytes(kLarge, 99));
  EXPECT_TRUE(other_->Commit().ok());
  EXPECT_TRUE(other_->Checkpoint().ok());
  other_.Pass(60);
  EXPECT_TRUE(other_->Commit().ok());
  EXPECT_EQ(other_->status().last_error, "");
  other_.Reopen();
  other_->SetCopies(copies_);
  std::string content = RandomBytes(kLarge, 51);
  content.replace(1000, 7, "changed");
  EXPECT_EQ(other_.Content(Name(1)), content);
  EXPECT_EQ(other_.Content("new"), RandomBytes(kLarge, 99));
}

TEST_F(HydrateTest, TheBackgroundMakesItWholeAndContinues) {
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  std::atomic<int> gets{0};
  faults_.before = [&](const std::string& operation, std::string_view) {
    const bool fails = operation == "GET" && ++gets > 5;
    return fails ? Status(StatusCode::kUnavailable, "cut") : OkStatus();
  };
  {
    Hydrator hydrator(RealWorld(), *other_, copies_, hydrating_);
    hydrator.Start();
    ASSERT_TRUE(
        Eventually([&] { return !hydrator.status().last_error.empty(); }));
    const HydrationStatus status = hydrator.status();
    EXPECT_TRUE(status.active);
    EXPECT_EQ(status.objects_total, Packs().size());
    EXPECT_GT(status.objects_missing, 0U);
    EXPECT_LT(status.objects_missing, status.objects_total);
  }
  const uint64_t here = PacksHere();
  EXPECT_GT(here, 0U);
  gets = -1000;
  other_.Reopen();
  const size_t before = faults_.done().size();
  Hydrator hydrator(RealWorld(), *other_, copies_, hydrating_);
  hydrator.Start();
  ASSERT_TRUE(Eventually([&] { return !hydrator.status().active; }));
  EXPECT_EQ(hydrator.status().objects_missing, 0U);
  EXPECT_EQ(faults_.done().size() - before, Packs().size() - here);
  EXPECT_FALSE(FindHydration(Env::Posix(), Recovered()).has_value());
  EXPECT_EQ(other_.Describe(), expected_);
  other_.Close();
  ExpectCleanAt(Recovered());
}

TEST_F(HydrateTest, WhatOneCopyHasDamagedComesFromTheNext) {
  stdfs::copy(dir_.Path("second"), dir_.Path("third"),
              stdfs::copy_options::recursive);
  for (const std::string& key : Packs()) {
    stdfs::resize_file(dir_.Path("second/") + key, 100);
    break;
  }
  ASSERT_TRUE(stdfs::remove(dir_.Path("second/") + Packs().back()));
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  copies_.push_back(
      {"third", std::make_shared<LocalTree>(Env::Posix(), dir_.Path("third"))});
  Hydrator hydrator(RealWorld(), *other_, copies_, hydrating_);
  hydrator.Start();
  ASSERT_TRUE(Eventually([&] { return !hydrator.status().active; }));
  EXPECT_EQ(other_.Describe(), expected_);
}

TEST_F(HydrateTest, OfAPackThatNoCopyHasWholeTheGoodBlocksAreSaved) {
  const std::string pack = Packs().front();
  const std::string path = dir_.Path("second/") + pack;
  auto bytes = Env::Posix().ReadFile(path, 1U << 30);
  ASSERT_TRUE(bytes.ok());
  (*bytes)[kHeaderBytes + 40] ^= 1;  // in its first block
  ASSERT_TRUE(Env::Posix().WriteFileAtomically(path, *bytes).ok());
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  {
    Hydrator hydrator(RealWorld(), *other_, copies_, hydrating_);
    hydrator.Start();
    ASSERT_TRUE(
        Eventually([&] { return !other_->status().lost_files.empty(); }));
    ASSERT_TRUE(
        Eventually([&] { return hydrator.status().objects_missing == 1; }));
  }
  const auto lost = other_->status().lost_files;
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_THAT(lost[0].reason, HasSubstr(pack));
  // Without the copy: all but that block.
  faults_.SetDown(true);
  std::string read(1000, '\0');
  for (int i = 0; i < kFiles; ++i) {
    const NodeId file = other_.Find(Name(i));
    const std::string whole = RandomBytes(kLarge, 50U + i);
    ASSERT_TRUE(other_->Read(file, kLarge - read.size(), read).ok());
    EXPECT_EQ(read, whole.substr(kLarge - read.size()));
    EXPECT_EQ(other_->Read(file, 0, read).ok(), Name(i) != lost[0].path);
  }
  EXPECT_FALSE(stdfs::exists(Recovered() + "/objects/" + pack));
}

TEST_F(HydrateTest, FsckMindsOnlyWhatIsOnNoCopy) {
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  other_.Close();
  auto report = Check();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  EXPECT_THAT(DescribeFindings(*report),
              HasSubstr(std::to_string(Packs().size()) + " objects"));
  const std::string lost = Packs().front();
  ASSERT_TRUE(target_->Delete(lost).ok());
  report = Check();
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->clean());
  EXPECT_THAT(DescribeFindings(*report), HasSubstr(lost));
  EXPECT_THAT(DescribeFindings(*report), HasSubstr("lost-data"));
  // What can't be asked may have everything.
  faults_.SetDown(true);
  report = Check();
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
}

TEST_F(HydrateTest, AfterATakeoverANewTargetGetsWhatIsNotHereYet) {
  const std::string third = dir_.Path("third");
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  other_.Close();
  ASSERT_TRUE(TakeOver(RealWorld(), Recovered()).ok());
  other_.Open();
  const VolumeId id = other_->volume_id();
  ASSERT_TRUE(InitDirTarget(Env::Posix(), third, ToHex({id.data(), id.size()}),
                            Random::System())
                  .ok());
  VolumeConfig config;
  config.targets = {{"third", "dir:" + third, {}}};
  other_->SetCopies(copies_);
  const auto head = other_->Commit();
  ASSERT_TRUE(head.ok());
  auto replicator = Replicator::Create(RealWorld(), *other_, config, {});
  ASSERT_TRUE(replicator.ok());
  (*replicator)->Start();
  const Status shipped = (*replicator)->WaitFor("all", head->seq, 60 * kSecond);
  EXPECT_TRUE(shipped.ok()) << shipped.ToString();
  (*replicator)->Stop();
  LocalTree tree(Env::Posix(), third);
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = ::testing::TempDir();
  options.secret = std::make_shared<const Secret>(options_.secret);
  const auto report = VerifyStore(RealWorld(), tree, options);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
}

TEST_F(HydrateTest, AStateOfThePastComesBackWhileItIsHeld) {
  const CommitRef then = volume_->head();
  volume_.MakeFile("later", "x");
  Ship();
  options_.at_seq = then.seq;
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  EXPECT_EQ(other_.Describe(), expected_);
  options_.at_seq.reset();
  options_.at_nanos = then.time_nanos;
  ASSERT_NO_FATAL_FAILURE(MustRecover());
  EXPECT_EQ(other_.Describe(), expected_);
  options_.at_nanos = 1;
  Status recovered = Recover();
  EXPECT_EQ(recovered.code(), StatusCode::kTrimmed) << recovered.ToString();
  options_.at_nanos.reset();
  options_.at_seq = CommitSeq(then.seq.value + 1000);
  recovered =
      RecoverVolume(RealWorld(), *target_, settings_, Recovered(), options_)
          .status();
  EXPECT_EQ(recovered.code(), StatusCode::kNotFound) << recovered.ToString();
  // Of the past, an object is gone.
  options_.at_seq = then.seq;
  ASSERT_TRUE(target_->Delete(Packs().front()).ok());
  recovered =
      RecoverVolume(RealWorld(), *target_, settings_, Recovered(), options_)
          .status();
  EXPECT_EQ(recovered.code(), StatusCode::kNotFound);
  EXPECT_THAT(recovered.message(), HasSubstr("no longer whole"));
}

}  // namespace
}  // namespace trefoil::testing
