// SPDX-License-Identifier: Apache-2.0
// Goal: a store that is open uses rotated credentials without being opened
// anew, soon after they change and at once when the old ones are refused.
// Method: a credentials file that changes, a clock that the test moves, and a
// server that takes one key only.
#include "replicator/store/credentials_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "replicator/store/open_target.h"
#include "tests/store/raw_server.h"
#include "tests/store/temp_dir.h"

namespace trefoil::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MovedClock : public Clock {
 public:
  int64_t WallNanos() override { return Real().WallNanos(); }
  int64_t MonotonicNanos() override { return now_; }
  void Pass(int64_t nanos) { now_ += nanos; }

 private:
  std::atomic<int64_t> now_{1};
};

class CredentialsSourceTest : public ::testing::Test {
 protected:
  CredentialsSourceTest() { Write("AKFIRST", "hush1", "token1"); }

  void Write(const std::string& id, const std::string& secret,
             const std::string& token) {
    std::string text = "[default]\naws_access_key_id = " + id +
                       "\naws_secret_access_key = " + secret + "\n";
    if (!token.empty()) text += "aws_session_token = " + token + "\n";
    ASSERT_TRUE(Env::Posix().WriteFileAtomically(path(), text).ok());
  }
  [[nodiscard]] std::string path() const { return dir_.path() + "/keys"; }
  [[nodiscard]] TargetOptions options() const {
    TargetOptions options;
    options.credentials_file = path();
    return options;
  }
  std::unique_ptr<CredentialsSource> Open() {
    auto source = CredentialsSource::Open(Env::Posix(), clock_, options(),
                                          ProcessEnvironment());
    EXPECT_TRUE(source.ok()) << source.status().ToString();
    return std::move(*source);
  }

  TempDir dir_;
  MovedClock clock_;
};

TEST_F(CredentialsSourceTest, ChangesAreSeenAfterAWhile) {
  const auto source = Open();
  Write("AKSECOND", "hush2", "");
  EXPECT_EQ(source->Current().access_key_id, "AKFIRST");
  clock_.Pass(CredentialsSource::kFreshNanos);
  EXPECT_EQ(source->Current().access_key_id, "AKSECOND");
  EXPECT_EQ(source->Current().session_token.view(), "");
}

TEST_F(CredentialsSourceTest, ARefusalIsAReasonToLookAtOnce) {
  const auto source = Open();
  const Credentials first = source->Current();
  EXPECT_FALSE(source->LookAgain(first));
  Write("AKFIRST", "hush1", "token2");
  EXPECT_TRUE(source->LookAgain(first));
  EXPECT_EQ(source->Current().session_token.view(), "token2");
  // Another thread was refused with the old ones too.
  EXPECT_TRUE(source->LookAgain(first));
}

TEST_F(CredentialsSourceTest, AFileThatIsAwayOrHalfChangesNothing) {
  const auto source = Open();
  ASSERT_TRUE(Env::Posix().Remove(path()).ok());
  clock_.Pass(CredentialsSource::kFreshNanos);
  EXPECT_EQ(source->Current().access_key_id, "AKFIRST");
  ASSERT_TRUE(
      Env::Posix()
          .WriteFileAtomically(path(), "[default]\naws_access_key_id = A")
          .ok());
  clock_.Pass(CredentialsSource::kFreshNanos);
  EXPECT_EQ(source->Current().access_key_id, "AKFIRST");
  Write("AKSECOND", "hush2", "");
  clock_.Pass(CredentialsSource::kFreshNanos);
  EXPECT_EQ(source->Current().access_key_id, "AKSECOND");
}

TEST_F(CredentialsSourceTest, ThereMustBeSomeInTheBeginning) {
  ASSERT_TRUE(Env::Posix().Remove(path()).ok());
  EXPECT_FALSE(CredentialsSource::Open(Env::Posix(), clock_, options(),
                                       ProcessEnvironment())
                   .ok());
}

// A server that takes the key `accepted` alone, and refuses with `status`.
class PickyServer {
 public:
  PickyServer(std::string accepted, std::string status)
      : accepted_(std::move(accepted)),
        status_(std::move(status)),
        server_([this](const std::string& head) {
          const bool taken =
              head.find("Credential=" + accepted_ + "/") != std::string::npos;
          return HttpAnswer(taken ? "200 OK" : status_, taken ? "hello" : "");
        }) {}

  std::unique_ptr<ObjectStore> Store(const TargetOptions& options,
                                     Clock& clock) {
    TargetConfig config;
    config.url = server_.Endpoint().url.ToString();
    config.options = options;
    auto store = OpenTarget(config, Env::Posix(), clock, Random::System());
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(*store);
  }
  RawServer& server() { return server_; }

 private:
  const std::string accepted_;
  const std::string status_;
  RawServer server_;
};

TEST_F(CredentialsSourceTest, AnOpenStoreGoesOnWithRotatedCredentials) {
  // Amazon says 400 of an expired token.
  for (const char* status :
       {"403 Forbidden", "401 Unauthorized", "400 Bad Request"}) {
    Write("AKFIRST", "hush1", "token1");
    PickyServer picky("AKSECOND", status);
    const auto store = picky.Store(options(), clock_);
    EXPECT_FALSE(store->Get("pack/aa/x", {}, 100).ok());
    EXPECT_EQ(picky.server().Requests().size(), 1U);
    Write("AKSECOND", "hush2", "token2");
    const auto got = store->Get("pack/aa/x", {}, 100);
    ASSERT_TRUE(got.ok()) << status << ": " << got.status().ToString();
    EXPECT_EQ(*got, "hello");
    const std::string last = picky.server().Requests().back();
    EXPECT_THAT(last, HasSubstr("x-amz-security-token: token2"));
    EXPECT_THAT(last, Not(HasSubstr("hush")));
  }
}

// A body is sent once more from its beginning.
TEST_F(CredentialsSourceTest, AnObjectIsPutWithRotatedCredentials) {
  PickyServer picky("AKSECOND", "403 Forbidden");
  const auto store = picky.Store(options(), clock_);
  Write("AKSECOND", "hush2", "");
  MemorySource source("some bytes");
  EXPECT_EQ(store->Put("pack/aa/x", source, PutMode::kImmutable).ToString(),
            "ok");
  EXPECT_EQ(picky.server().Requests().size(), 2U);
}

}  // namespace
}  // namespace trefoil::testing
