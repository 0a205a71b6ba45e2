// SPDX-License-Identifier: Apache-2.0
// Goal: the fields of raw FUSE messages that libfuse hides are found where the
// kernel puts them, and a message that is too short does no harm.
// Method: messages built from the kernel's own structures, cut at every length.
#include "fs/fuse/wire.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>
#include <string>

namespace trefoil {
namespace {

template <class Argument>
std::string Message(uint32_t opcode, const Argument& argument) {
  fuse_in_header header{};
  header.opcode = opcode;
  std::string text(reinterpret_cast<const char*>(&header), sizeof(header));
  text.append(reinterpret_cast<const char*>(&argument), sizeof(argument));
  return text;
}

TEST(WireTest, KillFlagOfWriteIsSeen) {
  fuse_write_in write{};
  EXPECT_FALSE(PeekRequest(Message(FUSE_WRITE, write)).kill_suid_sgid);
  write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  EXPECT_TRUE(PeekRequest(Message(FUSE_WRITE, write)).kill_suid_sgid);
  EXPECT_FALSE(PeekRequest(Message(FUSE_READ, write)).kill_suid_sgid);
}

TEST(WireTest, KillFlagOfSetattrIsSeen) {
  fuse_setattr_in change{};
  change.valid = FATTR_SIZE;
  EXPECT_FALSE(PeekRequest(Message(FUSE_SETATTR, change)).kill_suid_sgid);
  change.valid |= FATTR_KILL_SUIDGID;
  EXPECT_TRUE(PeekRequest(Message(FUSE_SETATTR, change)).kill_suid_sgid);
}

TEST(WireTest, InitTellsWhatTheKernelOffers) {
  fuse_init_in init{};
  EXPECT_EQ(PeekRequest(Message(FUSE_INIT, init)).kind, RequestKind::kInit);
  EXPECT_FALSE(PeekRequest(Message(FUSE_INIT, init)).offers_killpriv);
  init.flags = FUSE_HANDLE_KILLPRIV_V2;
  EXPECT_TRUE(PeekRequest(Message(FUSE_INIT, init)).offers_killpriv);
}

TEST(WireTest, ReplyToInitIsAmendedInOneFlag) {
  fuse_init_out reply{};
  reply.major = 7;
  reply.flags = FUSE_ASYNC_READ;
  const fuse_init_out before = reply;
  AcceptKillpriv({reinterpret_cast<char*>(&reply), sizeof(reply)});
  EXPECT_EQ(reply.flags, FUSE_ASYNC_READ | FUSE_HANDLE_KILLPRIV_V2);
  reply.flags = before.flags;
  EXPECT_EQ(std::memcmp(&reply, &before, sizeof(reply)), 0);
}

TEST(WireTest, ShortMessagesAreHarmless) {
  fuse_write_in write{};
  write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  const std::string whole = Message(FUSE_WRITE, write);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(PeekRequest({whole.data(), size}).kill_suid_sgid) << size;
  }
  std::string reply(8, '\0');
  AcceptKillpriv(reply);
  EXPECT_EQ(reply, std::string(8, '\0'));
}

}  // namespace
}  // namespace trefoil
