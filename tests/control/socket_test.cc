// SPDX-License-Identifier: Apache-2.0
// Goal: sockets at any path, lines in pieces, and no wait without an end.
// Method: real unix sockets in a temporary directory.
#include "fs/control/socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Only a test that fails waits so long.
constexpr int64_t kPatience = 60 * kSecond;
constexpr size_t kLineBytes = 100;

struct Pair {
  LineSocket ours;
  UniqueFd theirs;
};

Pair MakePair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
  return {LineSocket(UniqueFd(fds[0]), kLineBytes), UniqueFd(fds[1])};
}

void Send(int fd, const std::string& text) {
  ASSERT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
}

TEST(SocketTest, PathsMayBeLongerThanASocketAddress) {
  const testing::TempDir dir;
  std::string deep = dir.path();
  for (int i = 0; i < 8; ++i) {
    deep += "/" + std::string(200, static_cast<char>('a' + i));
  }
  ASSERT_TRUE(Env::Posix().CreateDirs(deep).ok());
  const auto listener = ListenUnix(deep, "control.sock", 1);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  const auto client = ConnectUnix(deep, "control.sock");
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  const auto user = PeerUser(client->get());
  ASSERT_TRUE(user.ok());
  EXPECT_EQ(*user, geteuid());
}

TEST(SocketTest, SocketsAreForTheirOwner) {
  const testing::TempDir dir;
  const auto listener = ListenUnix(dir.path(), "control.sock", 1);
  ASSERT_TRUE(listener.ok());
  struct stat st {};
  ASSERT_EQ(stat(dir.Path("control.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600U);
}

TEST(SocketTest, WhatADeadProcessLeftIsReplaced) {
  const testing::TempDir dir;
  { ASSERT_TRUE(ListenUnix(dir.path(), "control.sock", 1).ok()); }
  EXPECT_TRUE(ConnectUnix(dir.path(), "control.sock")
                  .status()
                  .Is(StatusCode::kUnavailable));
  const auto again = ListenUnix(dir.path(), "control.sock", 1);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(ConnectUnix(dir.path(), "control.sock").ok());
}

TEST(SocketTest, AnAbsentSocketIsNotFound) {
  const testing::TempDir dir;
  EXPECT_TRUE(ConnectUnix(dir.path(), "control.sock")
                  .status()
                  .Is(StatusCode::kNotFound));
  EXPECT_TRUE(ConnectUnix(dir.Path("absent"), "control.sock")
                  .status()
                  .Is(StatusCode::kNotFound));
}

TEST(SocketTest, LinesArriveInPiecesAndInBunches) {
  Pair pair = MakePair();
  std::thread writer([&] {
    for (const char c : std::string("one\ntwo\nthree\nfo")) {
      Send(pair.theirs.get(), std::string(1, c));
    }
    Send(pair.theirs.get(), "ur\n\n");
  });
  for (const char* line : {"one", "two", "three", "four", ""}) {
    const auto read = pair.ours.ReadLine(kPatience);
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ(*read, line);
  }
  writer.join();
}

TEST(SocketTest, LongLinesAreRefused) {
  Pair pair = MakePair();
  Send(pair.theirs.get(), std::string(kLineBytes - 1, 'x') + "\n");
  EXPECT_TRUE(pair.ours.ReadLine(kPatience).ok());
  Send(pair.theirs.get(), std::string(kLineBytes, 'x') + "\n");
  EXPECT_TRUE(
      pair.ours.ReadLine(kPatience).status().Is(StatusCode::kInvalidArgument));
}

TEST(SocketTest, WaitsEnd) {
  Pair pair = MakePair();
  EXPECT_TRUE(
      pair.ours.ReadLine(kSecond / 100).status().Is(StatusCode::kTimedOut));
  // Nobody reads: the buffers fill up.
  const std::string big(8U << 20, 'x');
  EXPECT_TRUE(
      pair.ours.WriteLine(big, kSecond / 100).Is(StatusCode::kTimedOut));
}

TEST(SocketTest, AClosedPeerIsNoticed) {
  Pair pair = MakePair();
  EXPECT_FALSE(pair.ours.PeerClosed());
  Send(pair.theirs.get(), "last\n");
  pair.theirs = UniqueFd();
  const auto line = pair.ours.ReadLine(kPatience);
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(*line, "last");
  EXPECT_TRUE(pair.ours.PeerClosed());
  EXPECT_TRUE(pair.ours.ReadLine(kPatience).status().Is(StatusCode::kNotFound));
  EXPECT_FALSE(pair.ours.WriteLine("x", kPatience).ok());
}

TEST(SocketTest, ShutdownEndsAWait) {
  Pair pair = MakePair();
  std::thread reader(
      [&] { EXPECT_FALSE(pair.ours.ReadLine(60 * kSecond).ok()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  pair.ours.Shutdown();
  reader.join();
}

}  // namespace
}  // namespace trefoil
