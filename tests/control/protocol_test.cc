// SPDX-License-Identifier: Apache-2.0
// Goal: a line of JSON becomes a request or an answer or a clean error.
// Method: round trips, a table of bad lines, and random damage to good ones.
#include "fs/control/protocol.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace trefoil {
namespace {

TEST(ProtocolTest, RequestsComeBackAsTheyWere) {
  ControlRequest request;
  request.method = "sync";
  request.params["target"] = "offsite";
  request.params["timeout_seconds"] = 30;
  const auto decoded = DecodeRequest(EncodeRequest(request));
  ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
  EXPECT_EQ(decoded->method, "sync");
  EXPECT_EQ(decoded->params, request.params);
}

TEST(ProtocolTest, LinesHoldNoNewline) {
  ControlRequest request;
  request.method = "snapshot-create";
  request.params["label"] = "two\nlines";
  EXPECT_EQ(EncodeRequest(request).find('\n'), std::string::npos);
}

TEST(ProtocolTest, AnswersComeBackAsTheyWere) {
  Json value = Json::object();
  value["seq"] = 7;
  auto answer = DecodeAnswer(EncodeProgress(value));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->kind, ControlAnswer::Kind::kProgress);
  EXPECT_EQ(answer->value, value);
  answer = DecodeAnswer(EncodeResult(value));
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->kind, ControlAnswer::Kind::kResult);
  EXPECT_EQ(answer->value, value);
}

TEST(ProtocolTest, ErrorsKeepCodeAndMessage) {
  for (int code = 1; code <= static_cast<int>(StatusCode::kFenced); ++code) {
    const Status error(static_cast<StatusCode>(code), "what \"happened\"");
    const auto answer = DecodeAnswer(EncodeError(error));
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->kind, ControlAnswer::Kind::kError);
    EXPECT_EQ(answer->error.code(), error.code());
    EXPECT_EQ(answer->error.message(), error.message());
  }
}

TEST(ProtocolTest, AnErrorCodeOfANewerServerIsStillAnError) {
  const auto answer =
      DecodeAnswer(R"({"error":{"code":"on fire","message":"m"}})");
  ASSERT_TRUE(answer.ok());
  EXPECT_FALSE(answer->error.ok());
}

TEST(ProtocolTest, TextThatIsNotUtf8IsReplaced) {
  Json value = Json::object();
  value["label"] = "\xff\xfe";
  EXPECT_TRUE(DecodeAnswer(EncodeResult(value)).ok());
}

TEST(ProtocolTest, BadRequestsAreErrors) {
  const std::vector<std::string> lines = {
      "",
      "{",
      "null",
      "[]",
      "\"status\"",
      "{}",
      R"({"method":1})",
      R"({"method":"status","params":[]})",
      R"({"method":"status","params":"x"})",
      "{\"method\":\"\xff\"}",
      std::string("{\"method\":\"a\"}\0", 15),
      std::string(100'000, '['),
      std::string(100'000, '{'),
      R"({"method":"status")" + std::string(1000, ' '),
  };
  for (const std::string& line : lines) {
    const auto request = DecodeRequest(line);
    ASSERT_FALSE(request.ok()) << line.substr(0, 80);
    EXPECT_EQ(request.status().code(), StatusCode::kInvalidArgument);
  }
}

TEST(ProtocolTest, BadAnswersAreErrors) {
  const std::vector<std::string> lines = {
      "",
      "{}",
      R"({"result":1,"error":2})",
      R"({"error":"text"})",
      R"({"error":{"code":1,"message":"m"}})",
      R"({"error":{}})",
      R"({"other":1})",
      "[{\"result\":1}]",
  };
  for (const std::string& line : lines) {
    EXPECT_TRUE(DecodeAnswer(line).status().Is(StatusCode::kCorruption))
        << line;
  }
}

TEST(ProtocolTest, RandomDamageNeverCrashes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good =
      R"({"method":"sync","params":{"target":"all","timeout_seconds":5}})";
  for (int round = 0; round < 20'000; ++round) {
    std::string line = good;
    for (size_t edits = random() % 4 + 1; edits > 0; --edits) {
      line[random() % line.size()] = static_cast<char>(random() % 256);
    }
    const auto request = DecodeRequest(line);
    if (!request.ok()) continue;
    static_cast<void>(StringParam(request->params, "target", "", 10));
    static_cast<void>(
        IntegerParam(request->params, "timeout_seconds", 0, 0, 10));
  }
}

TEST(ProtocolTest, ParametersAreChecked) {
  const Json params = Json::parse(
      R"({"s":"text","n":5,"f":1.5,"neg":-1,"big":18446744073709551615})");
  EXPECT_EQ(*StringParam(params, "s", "", 4), "text");
  EXPECT_EQ(*StringParam(params, "absent", "default", 10), "default");
  EXPECT_FALSE(StringParam(params, "s", "", 3).ok());
  EXPECT_FALSE(StringParam(params, "n", "", 10).ok());
  EXPECT_EQ(*IntegerParam(params, "n", 0, 0, 5), 5);
  EXPECT_EQ(*IntegerParam(params, "absent", 9, 0, 5), 9);
  for (const char* name : {"s", "f", "neg", "big"}) {
    EXPECT_FALSE(IntegerParam(params, name, 0, 0, 100).ok()) << name;
  }
}

// What is nested is copied and freed by recursion: the stack would end.
TEST(ProtocolTest, ALineThatNestsWithoutEndIsRefused) {
  const std::string deep(30'000, '[');
  const std::string closed = deep + std::string(30'000, ']');
  EXPECT_FALSE(
      DecodeRequest("{\"method\":\"m\",\"params\":{\"a\":" + closed + "}}")
          .ok());
  EXPECT_FALSE(DecodeAnswer("{\"result\":" + closed + "}").ok());
  // Brackets in a text are none.
  EXPECT_TRUE(DecodeAnswer("{\"result\":\"\\\"" + deep + "\"}").ok());
}

}  // namespace
}  // namespace trefoil
