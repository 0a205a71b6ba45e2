// SPDX-License-Identifier: Apache-2.0
// Goal: the server answers whom it should, survives whatever it is sent, and
// ends when it is told to.
// Method: real sockets and threads; a child process with another user's id;
// clients that misbehave.
#include "fs/control/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fs/control/client.h"
#include "fs/volume/volume_lock.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Only a test that fails waits so long.
constexpr int64_t kPatience = 60 * kSecond;
constexpr uid_t kStranger = 54321;
constexpr uid_t kOwner = 54322;

ControlHandlers TestHandlers() {
  ControlHandlers handlers;
  handlers["echo"] = [](ControlCall& call) -> Result<Json> {
    return call.params();
  };
  handlers["fail"] = [](ControlCall&) -> Result<Json> {
    return Status(StatusCode::kNoSpace, "no room");
  };
  handlers["count"] = [](ControlCall& call) -> Result<Json> {
    for (int i = 1; i <= 3; ++i) {
      Json progress = Json::object();
      progress["at"] = i;
      if (!call.Progress(progress)) break;
    }
    return Json::object();
  };
  handlers["wait"] = [](ControlCall& call) -> Result<Json> {
    while (call.Progress(Json::object())) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return Status(StatusCode::kUnavailable, "not wanted any more");
  };
  return handlers;
}

class ServerTest : public ::testing::Test {
 protected:
  void Start(const ControlServerOptions& options = {}) {
    auto server = ControlServer::Start(dir_.path(), TestHandlers(), options);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  std::unique_ptr<ControlClient> Connect() {
    auto client = ControlClient::Connect(dir_.path());
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return client.ok() ? std::move(*client) : nullptr;
  }
  LineSocket ConnectRaw() {
    auto fd = ConnectUnix(dir_.path(), kControlSocketName);
    EXPECT_TRUE(fd.ok());
    return {std::move(*fd), kMaxControlAnswerBytes};
  }
  // Connects as `user` in a child process; whether the echo came back.
  bool EchoAs(uid_t user) {
    const pid_t child = fork();
    if (child == 0) _exit(EchoInChild(user) ? 0 : 1);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  const testing::TempDir dir_;
  std::unique_ptr<ControlServer> server_;

 private:
  bool EchoInChild(uid_t user) {
    // The socket is reachable, so that the peer check alone decides.
    if (setgid(user) != 0 || setuid(user) != 0) return false;
    auto client = ControlClient::Connect(dir_.path());
    if (!client.ok()) return false;
    const auto echo = (*client)->Call("echo", Json::object(), kPatience);
    return echo.ok();
  }
};

TEST_F(ServerTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  const auto client = Connect();
  Json params = Json::object();
  params["word"] = "hello";
  for (int i = 0; i < 3; ++i) {
    const auto answer = client->Call("echo", params, kPatience);
    ASSERT_TRUE(answer.ok()) << answer.status().ToString();
    EXPECT_EQ(*answer, params);
  }
}

TEST_F(ServerTest, ErrorsReachTheClient) {
  Start();
  const auto client = Connect();
  const auto failed = client->Call("fail", Json::object(), kPatience);
  EXPECT_TRUE(failed.status().Is(StatusCode::kNoSpace));
  EXPECT_EQ(failed.status().message(), "no room");
  EXPECT_TRUE(client->Call("unknown", Json::object(), kPatience)
                  .status()
                  .Is(StatusCode::kNotSupported));
}

TEST_F(ServerTest, ProgressReachesTheClientInOrder) {
  Start();
  std::vector<int> seen;
  const auto done = Connect()->Call(
      "count", Json::object(), kPatience,
      [&](const Json& progress) { seen.push_back(progress["at"]); });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
}

TEST_F(ServerTest, NobodyListensMeansNotMounted) {
  EXPECT_TRUE(ControlClient::Connect(dir_.path())
                  .status()
                  .Is(StatusCode::kUnavailable));
  Start();
  server_->Stop();
  EXPECT_FALSE(Env::Posix().Exists(dir_.Path("control.sock")));
  EXPECT_TRUE(ControlClient::Connect(dir_.path())
                  .status()
                  .Is(StatusCode::kUnavailable));
}

TEST_F(ServerTest, StrangersAreRefused) {
  ASSERT_EQ(geteuid(), 0U) << "this test changes users and needs root";
  ASSERT_EQ(chown(dir_.path().c_str(), kOwner, kOwner), 0);
  Start();
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(dir_.Path("control.sock").c_str(), 0666), 0);
  EXPECT_FALSE(EchoAs(kStranger));
  EXPECT_TRUE(EchoAs(kOwner));
  EXPECT_TRUE(EchoAs(0));
}

TEST_F(ServerTest, BadLinesAreAnsweredAndSurvived) {
  Start();
  LineSocket raw = ConnectRaw();
  for (const char* line :
       {"", "}", "null", "{\"method\":7}", "GET / HTTP/1.1"}) {
    ASSERT_TRUE(raw.WriteLine(line, kPatience).ok());
    const auto answer = raw.ReadLine(kPatience);
    ASSERT_TRUE(answer.ok());
    const auto decoded = DecodeAnswer(*answer);
    ASSERT_TRUE(decoded.ok()) << *answer;
    EXPECT_TRUE(decoded->error.Is(StatusCode::kInvalidArgument)) << *answer;
  }
  EXPECT_TRUE(Connect()->Call("echo", Json::object(), kPatience).ok());
}

TEST_F(ServerTest, RequestsWithoutAnEndAreCutOff) {
  Start();
  LineSocket raw = ConnectRaw();
  // The server hangs up before it has taken all of this.
  static_cast<void>(
      raw.WriteLine(std::string(4 * kMaxControlRequestBytes, 'x'), kPatience));
  const auto answer = raw.ReadLine(kPatience);
  ASSERT_TRUE(answer.ok()) << answer.status().ToString();
  EXPECT_TRUE(DecodeAnswer(*answer)->error.Is(StatusCode::kInvalidArgument));
  EXPECT_FALSE(raw.ReadLine(kPatience).ok());
  EXPECT_TRUE(Connect()->Call("echo", Json::object(), kPatience).ok());
}

TEST_F(ServerTest, RandomBytesAreSurvived) {
  Start();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    LineSocket raw = ConnectRaw();
    std::string bytes(random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 256);
    static_cast<void>(raw.WriteLine(bytes, kPatience));
    // Wait for an answer, so that not all connections are open at once.
    static_cast<void>(raw.ReadLine(kPatience));
  }
  EXPECT_TRUE(Connect()->Call("echo", Json::object(), kPatience).ok());
}

TEST_F(ServerTest, SilentClientsAreHungUpOn) {
  ControlServerOptions options;
  options.client_timeout_nanos = kSecond / 20;
  Start(options);
  LineSocket raw = ConnectRaw();
  const auto answer = raw.ReadLine(kPatience);
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(DecodeAnswer(*answer)->error.Is(StatusCode::kTimedOut));
  EXPECT_TRUE(raw.ReadLine(kPatience).status().Is(StatusCode::kNotFound));
}

TEST_F(ServerTest, ConnectionsAreBoundedAndComeBack) {
  ControlServerOptions options;
  options.connections_max = 2;
  Start(options);
  {
    const auto first = Connect();
    const auto second = Connect();
    ASSERT_TRUE(first->Call("echo", Json::object(), kPatience).ok());
    ASSERT_TRUE(second->Call("echo", Json::object(), kPatience).ok());
    EXPECT_TRUE(Connect()
                    ->Call("echo", Json::object(), kPatience)
                    .status()
                    .Is(StatusCode::kBusy));
  }
  bool answered = false;
  for (int tries = 0; tries < 10'000 && !answered; ++tries) {
    answered = Connect()->Call("echo", Json::object(), kPatience).ok();
  }
  EXPECT_TRUE(answered);
}

TEST_F(ServerTest, ManyClientsAreServedAtOnce) {
  ControlServerOptions options;
  options.connections_max = 32;
  Start(options);
  std::vector<std::thread> clients;
  for (int number = 0; number < 16; ++number) {
    clients.emplace_back([this, number] {
      const auto client = Connect();
      ASSERT_NE(client, nullptr);
      for (int i = 0; i < 100; ++i) {
        Json params = Json::object();
        params["n"] = number * 1000 + i;
        const auto answer = client->Call("echo", params, kPatience);
        ASSERT_TRUE(answer.ok()) << answer.status().ToString();
        EXPECT_EQ(*answer, params);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(ServerTest, StopEndsWorkThatIsUnderWay) {
  Start();
  std::promise<void> under_way;
  std::thread client([this, &under_way] {
    const auto connection = Connect();
    bool told = false;
    const auto tell = [&under_way, &told](const Json&) {
      if (!std::exchange(told, true)) under_way.set_value();
    };
    EXPECT_FALSE(
        connection->Call("wait", Json::object(), kPatience, tell).ok());
  });
  under_way.get_future().wait();
  server_->Stop();
  client.join();
}

TEST_F(ServerTest, WorkForAClientThatLeftEnds) {
  ControlServerOptions options;
  options.connections_max = 1;
  Start(options);
  {
    LineSocket raw = ConnectRaw();
    ASSERT_TRUE(
        raw.WriteLine(EncodeRequest({"wait", Json::object()}), kPatience).ok());
    ASSERT_TRUE(raw.ReadLine(kPatience).ok());
  }
  // Its place is free again once the handler has noticed.
  bool answered = false;
  for (int tries = 0; tries < 10'000 && !answered; ++tries) {
    answered = Connect()->Call("echo", Json::object(), kPatience).ok();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_TRUE(answered);
}

TEST_F(ServerTest, ADirectoryThatIsNotThereIsAnError) {
  EXPECT_FALSE(ControlServer::Start(dir_.Path("absent"), {}).ok());
}

}  // namespace
}  // namespace trefoil
