// SPDX-License-Identifier: Apache-2.0
// Goal: the same over a real object store: everything arrives, a store that
// dies and comes back is caught up with, lost answers and refusals change
// nothing, and the store alone gives the volume back.
// Method: a real Ceph gateway, killed and restarted, and a proxy that fails
// requests in front of it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "replicator/recover.h"
#include "replicator/target_opener.h"
#include "tests/replicator/shipping.h"
#include "tests/support/expect_clean.h"
#include "tests/support/rgw.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

class GatewayReplicationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto gateway = CephGateway::Start();
    ASSERT_TRUE(gateway.ok()) << gateway.status().ToString();
    gateway_ = std::move(*gateway);
    const Credentials keys = gateway_->credentials();
    setenv("AWS_ACCESS_KEY_ID", keys.access_key_id.c_str(), 1);
    setenv("AWS_SECRET_ACCESS_KEY",
           std::string(keys.secret_access_key.view()).c_str(), 1);
    const Status made = CreateBucket(gateway_->Endpoint("office"));
    ASSERT_TRUE(made.ok()) << made.ToString();
    settings_ = {"offsite",
                 gateway_->Url("office", "copy"),
                 {{"conditional_put", "true"}}};
  }
  void Start() {
    VolumeConfig config;
    config.targets = {settings_};
    auto made = Replicator::Create(RealWorld(), *volume_, config, {});
    ASSERT_TRUE(made.ok()) << made.status().ToString();
    replicator_ = std::move(*made);
    replicator_->Start();
  }
  CommitSeq WriteAndCommit(size_t bytes) {
    const std::string name = "file" + std::to_string(++seed_);
    volume_.MakeFile(name, RandomBytes(bytes, seed_));
    const auto commit = volume_->Commit();
    EXPECT_TRUE(commit.ok());
    return commit->seq;
  }
  void ExpectShipped(CommitSeq seq) {
    const Status shipped = replicator_->WaitFor("all", seq, 60 * kSecond);
    EXPECT_TRUE(shipped.ok()) << shipped.ToString();
  }
  void ExpectRecoverable() {
    TestVolume other;
    other.Close();
    ASSERT_TRUE(Env::Posix().RemoveTree(other.path()).ok());
    auto store = OpenVolumeTarget(settings_, "", volume_->volume_id(),
                                  RealWorld(), nullptr);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    RecoverOptions options;
    options.full = true;
    options.secret = volume_.secret();
    const Status recovered =
        RecoverVolume(RealWorld(), **store, settings_, other.path(), options)
            .status();
    ASSERT_TRUE(recovered.ok()) << recovered.ToString();
    other.Open();
    EXPECT_EQ(other.Describe(), volume_.Describe());
  }

  std::unique_ptr<CephGateway> gateway_;
  TargetSettings settings_;
  TestVolume volume_;
  uint64_t seed_ = 0;
  std::unique_ptr<Replicator> replicator_;
};

TEST_F(GatewayReplicationTest, AGatewayThatDiesIsCaughtUpWith) {
  Start();
  ExpectShipped(WriteAndCommit(5'000'000));
  ASSERT_TRUE(gateway_->Kill().ok());
  CommitSeq seq;
  for (int i = 0; i < 5; ++i) seq = WriteAndCommit(1'000'000);
  EXPECT_TRUE(
      Eventually([&] { return replicator_->status()[0].objects_waiting > 0; }));
  ASSERT_TRUE(gateway_->Restart().ok());
  ExpectShipped(seq);
  ExpectRecoverable();
}

TEST_F(GatewayReplicationTest, AGatewayThatWasAwayForLongIsRebasedAndCleaned) {
  settings_.options["grace_minutes"] = "0";
  Start();
  WriteAndCommit(3'000'000);
  ExpectShipped(WriteAndCommit(3'000'000));
  const uint64_t before = replicator_->status()[0].bytes_held;
  ASSERT_TRUE(gateway_->Kill().ok());
  replicator_.reset();
  volume_.Reopen();  // an opening claims a target once
  ASSERT_TRUE(volume_->Unlink(kRootNode, "file1").ok());
  WriteAndCommit(1'000'000);
  ASSERT_TRUE(volume_->Checkpoint().ok());
  volume_->ReleaseCommits(CommitSeq(1'000'000));
  CommitSeq seq;
  for (int i = 0; i < 6; ++i) {
    volume_.Pass(60);
    seq = WriteAndCommit(100);
  }
  ASSERT_TRUE(
      volume_->NextCommit(CommitSeq()).status().Is(StatusCode::kTrimmed));
  ASSERT_TRUE(gateway_->Restart().ok());
  Start();
  ExpectShipped(seq);
  EXPECT_TRUE(Eventually([&] {
    const TargetStatus status = replicator_->status()[0];
    return status.bytes_held < before - 1'500'000;
  }));
  replicator_.reset();
  ExpectRecoverable();
  auto store = OpenVolumeTarget(settings_, "", volume_->volume_id(),
                                RealWorld(), nullptr);
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = ::testing::TempDir();
  options.secret = std::make_shared<const Secret>(volume_.secret());
  const auto report = VerifyStore(RealWorld(), **store, options);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
}

TEST_F(GatewayReplicationTest, RefusalsAndLostAnswersChangeNothing) {
  auto proxy = FaultProxy::Start(
      *gateway_, {.percent_503 = 15, .percent_dropped = 5, .percent_lost = 10});
  ASSERT_TRUE(proxy.ok()) << proxy.status().ToString();
  const TargetSettings direct = settings_;
  settings_.url = (*proxy)->Url("office", "copy");
  Start();
  CommitSeq seq;
  for (int i = 0; i < 10; ++i) seq = WriteAndCommit(300'000);
  ExpectShipped(seq);
  settings_ = direct;
  ExpectRecoverable();
}

TEST_F(GatewayReplicationTest, WrongKeysAreRefusedAndSaidSo) {
  setenv("AWS_SECRET_ACCESS_KEY", "wrong", 1);
  Start();
  WriteAndCommit(1000);
  EXPECT_TRUE(
      Eventually([&] { return replicator_->status()[0].state == "refused"; }));
}

}  // namespace
}  // namespace trefoil::testing
