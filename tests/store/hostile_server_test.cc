// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a server answers, a call ends soon, in bounded memory, with
// an error that fits, and never asks another host.
// Method: a raw socket server that answers chosen bytes to the real client.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "tests/store/raw_server.h"
#include "tests/store/servers.h"

namespace trefoil::testing {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

HttpClientOptions Impatient() {
  HttpClientOptions options;
  options.connect_timeout = std::chrono::milliseconds(1000);
  options.stall_timeout = std::chrono::seconds(1);
  return options;
}

// What each operation says when every request is answered with `answer`.
class Hostile {
 public:
  explicit Hostile(RawAnswer answer)
      : Hostile([answer = std::move(answer)](const std::string&) {
          return answer;
        }) {}
  explicit Hostile(std::function<RawAnswer(const std::string&)> answer)
      : server_(std::move(answer)),
        store_(NewS3Store(server_.Endpoint(), Impatient())) {}

  Status Get(ByteRange range = {}) {
    return store_->Get("pack/aa/x", range, 1000).status();
  }
  Status Put() {
    MemorySource source("bytes");
    return store_->Put("pack/aa/x", source, PutMode::kImmutable);
  }
  Status List() {
    return store_->List("pack/", "", [&](const ObjectInfo& info) {
      listed_ += info.key + " ";
      return true;
    });
  }
  Status Head() { return store_->Head("pack/aa/x").status(); }
  Status Delete() { return store_->Delete("pack/aa/x"); }

  RawServer& server() { return server_; }
  S3Store& store() { return *store_; }
  [[nodiscard]] const std::string& listed() const { return listed_; }

 private:
  RawServer server_;
  std::unique_ptr<S3Store> store_;
  std::string listed_;
};

std::string ListBody(const std::string& inside) {
  return "<ListBucketResult>" + inside + "</ListBucketResult>";
}

std::string Entry(const std::string& key) {
  return fmt::format("<Contents><Key>{}</Key><Size>1</Size></Contents>", key);
}

TEST(HostileServerTest, WhatIsNotHttpIsCorruption) {
  for (const char* bytes : {"hello\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
                            "HTTP/9.9 200 OK\r\n\r\n"}) {
    Hostile hostile(RawAnswer{bytes, false, ""});
    EXPECT_EQ(hostile.Get().code(), StatusCode::kCorruption) << bytes;
    EXPECT_FALSE(hostile.Put().ok()) << bytes;
    EXPECT_FALSE(hostile.Head().ok()) << bytes;
    EXPECT_FALSE(hostile.Delete().ok()) << bytes;
  }
}

TEST(HostileServerTest, AClosedConnectionIsUnavailable) {
  Hostile hostile(RawAnswer{});
  EXPECT_EQ(hostile.Get().code(), StatusCode::kUnavailable);
  EXPECT_EQ(hostile.Put().code(), StatusCode::kUnavailable);
  EXPECT_EQ(hostile.List().code(), StatusCode::kUnavailable);
}

TEST(HostileServerTest, ABodyThatEndsEarlyIsUnavailable) {
  Hostile hostile(RawAnswer{
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", false, ""});
  EXPECT_EQ(hostile.Get().code(), StatusCode::kUnavailable);
  EXPECT_EQ(hostile.List().code(), StatusCode::kUnavailable);
}

TEST(HostileServerTest, ALargerBodyIsCorruption) {
  Hostile sized(HttpAnswer("200 OK", std::string(1001, 'x')));
  EXPECT_EQ(sized.Get().code(), StatusCode::kCorruption);
  Hostile endless(
      RawAnswer{"HTTP/1.1 200 OK\r\n\r\n", false, std::string(65536, 'x')});
  EXPECT_EQ(endless.Get().code(), StatusCode::kCorruption);
  EXPECT_EQ(endless.List().code(), StatusCode::kCorruption);
  EXPECT_EQ(endless.Put().code(), StatusCode::kCorruption);
}

TEST(HostileServerTest, EndlessHeadersAreCorruption) {
  Hostile hostile(RawAnswer{"HTTP/1.1 200 OK\r\n", false,
                            "x-more: " + std::string(1000, 'x') + "\r\n"});
  EXPECT_EQ(hostile.Get().code(), StatusCode::kCorruption);
  EXPECT_EQ(hostile.Head().code(), StatusCode::kCorruption);
}

TEST(HostileServerTest, AnEndlessErrorIsStillThatError) {
  Hostile hostile(RawAnswer{"HTTP/1.1 403 Forbidden\r\n\r\n", false,
                            std::string(65536, 'x')});
  EXPECT_EQ(hostile.Get().code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(hostile.Put().code(), StatusCode::kPermissionDenied);
}

TEST(HostileServerTest, AStalledAnswerEnds) {
  for (const char* bytes :
       {"", "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"}) {
    Hostile hostile(RawAnswer{bytes, true, ""});
    const auto begin = steady_clock::now();
    EXPECT_EQ(hostile.Get().code(), StatusCode::kUnavailable) << bytes;
    EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(45)) << bytes;
  }
}

TEST(HostileServerTest, ACancelledCallEndsAtOnce) {
  RawServer server([](const std::string&) { return RawAnswer{"", true, ""}; });
  const auto cancel = std::make_shared<CancelToken>();
  S3Store store(server.Endpoint(),
                std::make_unique<HttpClient>(HttpClientOptions{}, cancel),
                Clock::Real());
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    cancel->Cancel();
  });
  const auto begin = steady_clock::now();
  const Status status = store.Head("pack/aa/x").status();
  canceller.join();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("cancelled"));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(45));
  EXPECT_EQ(store.Delete("pack/aa/x").code(), StatusCode::kUnavailable);
}

TEST(HostileServerTest, RedirectsAreNeverFollowed) {
  RawServer other([](const std::string&) { return HttpAnswer("200 OK", "x"); });
  for (const char* status : {"301 Moved", "302 Found", "307 Temporary",
                             "308 Permanent", "304 Not Modified"}) {
    Hostile hostile(HttpAnswer(
        status, "",
        fmt::format("Location: http://127.0.0.1:{}/bucket/pack/aa/x\r\n",
                    other.port())));
    EXPECT_EQ(hostile.Get().code(), StatusCode::kIoError) << status;
    EXPECT_EQ(hostile.Put().code(), StatusCode::kIoError) << status;
    EXPECT_EQ(hostile.List().code(), StatusCode::kIoError) << status;
    EXPECT_EQ(hostile.Delete().code(), StatusCode::kIoError) << status;
  }
  EXPECT_TRUE(other.Requests().empty());
}

TEST(HostileServerTest, AnotherRangeThanAskedForIsCorruption) {
  const auto answer = [](const char* range, const char* body) {
    return HttpAnswer("206 Partial Content", body,
                      fmt::format("Content-Range: {}\r\n", range));
  };
  for (const auto& [range, body] :
       std::initializer_list<std::pair<const char*, const char*>>{
           {"bytes 0-9/100", "0123456789"},
           {"bytes 10-18/100", "012345678"},
           {"bytes 10-19/100", "012345678"},
           {"bytes 10-19/15", "0123456789"},
           {"bytes 10-19/*", "0123456789"},
           {"bytes 19-10/100", "0123456789"},
           {"nonsense", "0123456789"},
           {"", "0123456789"}}) {
    Hostile hostile(answer(range, body));
    EXPECT_EQ(hostile.Get({10, 10}).code(), StatusCode::kCorruption) << range;
  }
  Hostile honest(answer("bytes 10-19/100", "0123456789"));
  EXPECT_EQ(honest.Get({10, 10}).ToString(), "ok");
  Hostile unasked(answer("bytes 0-9/100", "0123456789"));
  EXPECT_EQ(unasked.Get().code(), StatusCode::kCorruption);
}

TEST(HostileServerTest, AServerWithoutRangesIsUnderstood) {
  Hostile hostile(HttpAnswer("200 OK", "0123456789abcdef"));
  const auto part = hostile.store().Get("pack/aa/x", {4, 3}, 100);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(*part, "456");
}

TEST(HostileServerTest, ASuccessThatIsNoneIsRefused) {
  Hostile hostile(RawAnswer{"HTTP/1.1 204 No Content\r\n\r\n", false, ""});
  EXPECT_EQ(hostile.Put().code(), StatusCode::kCorruption);
  EXPECT_EQ(hostile.Get().code(), StatusCode::kCorruption);
  Hostile sizeless(RawAnswer{"HTTP/1.1 200 OK\r\n\r\n", false, ""});
  EXPECT_EQ(sizeless.Head().code(), StatusCode::kCorruption);
  Hostile negative(
      RawAnswer{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false, ""});
  EXPECT_FALSE(negative.Head().ok());
}

TEST(HostileServerTest, AListThatIsNoneIsCorruption) {
  for (const std::string& body :
       {std::string("nonsense"), std::string("<html/>"),
        ListBody("<Contents/>"), ListBody(Entry("secret/a")),
        ListBody(Entry("pack/b") + Entry("pack/a")),
        ListBody(Entry("pack/a") + Entry("pack/a"))}) {
    Hostile hostile(HttpAnswer("200 OK", body));
    EXPECT_EQ(hostile.List().code(), StatusCode::kCorruption) << body;
  }
}

TEST(HostileServerTest, AListThatNeverEndsIsCorruption) {
  const std::string more =
      "<IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>t</NextContinuationToken>";
  Hostile repeating(HttpAnswer("200 OK", ListBody(more + Entry("pack/a"))));
  EXPECT_EQ(repeating.List().code(), StatusCode::kCorruption);
  EXPECT_EQ(repeating.listed(), "pack/a ");
  Hostile empty(HttpAnswer("200 OK", ListBody(more)));
  EXPECT_EQ(empty.List().code(), StatusCode::kCorruption);
  Hostile mute(
      HttpAnswer("200 OK", ListBody("<IsTruncated>true</IsTruncated>")));
  EXPECT_EQ(mute.List().code(), StatusCode::kCorruption);
}

TEST(HostileServerTest, KeysThatAreNoneAreLeftOut) {
  Hostile hostile(HttpAnswer(
      "200 OK", ListBody("<EncodingType>url</EncodingType>" + Entry("pack/") +
                         Entry("pack/../../etc/passwd") + Entry("pack/A") +
                         Entry("pack/a%00b") + Entry("pack/good"))));
  EXPECT_EQ(hostile.List().ToString(), "ok");
  EXPECT_EQ(hostile.listed(), "pack/good ");
}

TEST(HostileServerTest, NobodyThereIsUnavailable) {
  uint16_t port = 0;
  {
    RawServer gone([](const std::string&) { return RawAnswer{}; });
    port = gone.port();
  }
  S3Endpoint endpoint;
  endpoint.url =
      *ParseTargetUrl(fmt::format("s3+http://127.0.0.1:{}/bucket", port));
  const auto store = NewS3Store(endpoint, Impatient());
  const Status status = store->Head("pack/aa/x").status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(fmt::format(":{}", port)));
}

// As on a laptop, or in an office whose line is down.
TEST(HostileServerTest, ANameThatNobodyKnowsIsUnavailableAgainAndAgain) {
  S3Endpoint endpoint;
  endpoint.url = *ParseTargetUrl("s3+https://store.invalid/bucket");
  const auto store = NewS3Store(endpoint, Impatient());
  for (int i = 0; i < 3; ++i) {
    const Status status = store->Head("pack/aa/x").status();
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), HasSubstr("store.invalid"));
  }
}

TEST(HostileServerTest, RequestsAreSignedAndCarryNoSecret) {
  Hostile hostile(HttpAnswer("200 OK", ""));
  EXPECT_EQ(hostile.Put().ToString(), "ok");
  const std::string head = hostile.server().Requests().at(0);
  EXPECT_THAT(head, HasSubstr("PUT /bucket/pack/aa/x HTTP/1.1"));
  EXPECT_THAT(head, HasSubstr("authorization: AWS4-HMAC-SHA256 Credential="));
  EXPECT_THAT(
      head, HasSubstr("x-amz-content-sha256: " + Sha256::Of("bytes").ToHex()));
  EXPECT_THAT(head, HasSubstr("Content-Length: 5"));
  EXPECT_THAT(head, Not(HasSubstr("hush")));
  EXPECT_THAT(head, Not(HasSubstr("Expect")));
}

}  // namespace
}  // namespace trefoil::testing
