// SPDX-License-Identifier: Apache-2.0
// Goal: each method of the socket does to the volume what its name says, and
// status tells what is.
// Method: a real volume behind a real server; targets whose watermark the
// test sets.
#include "fs/control/handlers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "fs/base/mutex.h"
#include "fs/control/client.h"
#include "tests/support/test_volume.h"

namespace trefoil {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// One target, which is as far as the test says.
class OneTarget final : public ControlTargets {
 public:
  [[nodiscard]] std::vector<CopyStatus> Copies() const override {
    const MutexLock lock(mu_);
    CopyStatus copy;
    copy.name = "second";
    copy.url = "dir:/mnt/second";
    copy.state = "catching up";
    copy.watermark = watermark_;
    copy.bytes_waiting = 42;
    return {copy};
  }
  Status WaitFor(const std::string& target, CommitSeq seq,
                 int64_t timeout_nanos) override {
    if (target != "second" && target != "all") {
      return {StatusCode::kNotFound, target + ": no such target"};
    }
    const MutexLock lock(mu_);
    if (watermark_ < seq) {
      changed_.WaitFor(mu_, std::chrono::nanoseconds(timeout_nanos));
    }
    if (watermark_ >= seq) return OkStatus();
    return {StatusCode::kTimedOut, "second is behind"};
  }
  void Nudge() override { nudged_ = true; }

  void Reach(CommitSeq seq) {
    const MutexLock lock(mu_);
    watermark_ = seq;
    changed_.SignalAll();
  }
  Result<Json> AddTarget(const TargetSettings& target, bool later) override {
    const MutexLock lock(mu_);
    added_ = target;
    return Json{{"can", later ? "later" : "everything"}};
  }
  [[nodiscard]] bool nudged() const { return nudged_; }
  [[nodiscard]] TargetSettings added() const {
    const MutexLock lock(mu_);
    return added_;
  }

 private:
  mutable Mutex mu_;
  CondVar changed_;
  CommitSeq watermark_ GUARDED_BY(mu_);
  TargetSettings added_ GUARDED_BY(mu_);
  std::atomic<bool> nudged_{false};
};

class HandlersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ControlIdentity identity;
    identity.version = "1.2.3";
    identity.mountpoint = "/mnt/share";
    auto server = ControlServer::Start(
        volume_.path(),
        VolumeHandlers(*volume_, targets_, Clock::Real(), identity));
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  void TearDown() override { server_.reset(); }

  Result<Json> Call(const std::string& method, const Json& params,
                    const std::function<void(const Json&)>& progress = {}) {
    auto client = ControlClient::Connect(volume_.path());
    if (!client.ok()) return client.status();
    return (*client)->Call(method, params, 30 * kSecond, progress);
  }
  Json MustCall(const std::string& method,
                const Json& params = Json::object()) {
    Result<Json> result = Call(method, params);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : Json();
  }

  TestVolume volume_;
  OneTarget targets_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(HandlersTest, PingTellsWhoAnswers) {
  const Json ping = MustCall("ping");
  EXPECT_EQ(ping["pid"], getpid());
  EXPECT_EQ(ping["version"], "1.2.3");
  EXPECT_EQ(ping["mountpoint"], "/mnt/share");
}

TEST_F(HandlersTest, CommitBringsChangesIntoACommit) {
  volume_.MakeFile("a", "content");
  const Json commit = MustCall("commit");
  EXPECT_EQ(commit["seq"], volume_->head().seq.value);
  EXPECT_GT(volume_->head().seq.value, 0U);
}

TEST_F(HandlersTest, StatusTellsWhatIs) {
  volume_.MakeFile("a", "content");
  MustCall("commit");
  const Json status = MustCall("status");
  EXPECT_EQ(status["volume"], volume_.path());
  EXPECT_EQ(status["mounted"], true);
  EXPECT_EQ(status["state"], "ok");
  EXPECT_EQ(status["primary"]["head"], volume_->head().seq.value);
  ASSERT_EQ(status["copies"].size(), 1U);
  EXPECT_EQ(status["copies"][0]["name"], "second");
  EXPECT_EQ(status["copies"][0]["watermark"], 0);
  EXPECT_EQ(status["snapshots"]["count"], 0);
}

TEST_F(HandlersTest, SnapshotsAreMadeListedAndDeleted) {
  volume_.MakeFile("a", "content");
  Json params = Json::object();
  params["label"] = "before the move";
  const Json made = MustCall("snapshot-create", params);
  EXPECT_EQ(made["label"], "before the move");
  const Json list = MustCall("snapshot-list");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["name"], made["name"]);
  EXPECT_EQ(MustCall("status")["snapshots"]["newest"]["name"], made["name"]);
  params = Json::object();
  params["name"] = made["name"];
  MustCall("snapshot-delete", params);
  EXPECT_TRUE(MustCall("snapshot-list").empty());
  EXPECT_TRUE(
      Call("snapshot-delete", params).status().Is(StatusCode::kNotFound));
}

TEST_F(HandlersTest, ParametersOfAWrongTypeAreRefused) {
  Json params = Json::object();
  params["label"] = 7;
  EXPECT_TRUE(Call("snapshot-create", params)
                  .status()
                  .Is(StatusCode::kInvalidArgument));
  params = Json::object();
  params["timeout_seconds"] = -1;
  EXPECT_TRUE(Call("sync", params).status().Is(StatusCode::kInvalidArgument));
}

TEST_F(HandlersTest, SyncEndsWhenTheTargetHasEverything) {
  volume_.MakeFile("a", "content");
  std::vector<Json> seen;
  const auto synced = Call("sync", Json::object(), [&](const Json& json) {
    seen.push_back(json);
    targets_.Reach(volume_->head().seq);
  });
  ASSERT_TRUE(synced.ok()) << synced.status().ToString();
  EXPECT_EQ((*synced)["seq"], volume_->head().seq.value);
  EXPECT_TRUE(targets_.nudged());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0]["targets"][0]["bytes_waiting"], 42);
}

TEST_F(HandlersTest, SyncGivesUpAfterItsTime) {
  volume_.MakeFile("a", "content");
  Json params = Json::object();
  params["timeout_seconds"] = 1;
  const auto synced = Call("sync", params);
  EXPECT_TRUE(synced.status().Is(StatusCode::kTimedOut));
  EXPECT_EQ(synced.status().message(), "second is behind");
}

TEST_F(HandlersTest, SyncOfAnUnknownTargetIsAnError) {
  volume_.MakeFile("a", "content");
  Json params = Json::object();
  params["target"] = "third";
  EXPECT_TRUE(Call("sync", params).status().Is(StatusCode::kNotFound));
}

TEST_F(HandlersTest, ATargetIsAddedWithItsSettings) {
  Json params = {{"name", "third"},
                 {"url", "s3+https://store/bucket"},
                 {"options", {{"region", "here"}}}};
  EXPECT_EQ(MustCall("target-add", params)["can"], "everything");
  EXPECT_EQ(targets_.added().name, "third");
  EXPECT_EQ(targets_.added().url, "s3+https://store/bucket");
  EXPECT_EQ(targets_.added().options.at("region"), "here");
  params["later"] = true;
  EXPECT_EQ(MustCall("target-add", params)["can"], "later");
  for (const Json& bad : {Json("text"), Json{{"region", 7}}}) {
    params["options"] = bad;
    EXPECT_TRUE(
        Call("target-add", params).status().Is(StatusCode::kInvalidArgument));
  }
  params = {{"name", "third"}};
  EXPECT_TRUE(
      Call("target-remove", params).status().Is(StatusCode::kNotSupported));
  EXPECT_FALSE(targets_.nudged());
  MustCall("target-nudge");
  EXPECT_TRUE(targets_.nudged());
}

TEST_F(HandlersTest, AnIdleWeekAgesNoCopy) {
  volume_.MakeFile("a", "content");
  ASSERT_TRUE(volume_->Commit().ok());
  CopyStatus copy;
  copy.watermark = volume_->head().seq;
  copy.watermark_time_nanos = 1;
  const int64_t now = volume_->head().time_nanos + 1000 * kSecond;
  EXPECT_EQ(CopyAgeSeconds(*volume_, copy, now), 0);
  volume_.MakeFile("b", "content");
  ASSERT_TRUE(volume_->Commit().ok());
  const int64_t later = volume_->head().time_nanos + 7 * kSecond;
  EXPECT_EQ(CopyAgeSeconds(*volume_, copy, later), 7);
}

}  // namespace
}  // namespace trefoil
