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
  EXPECT_FALSE(PeekRequest(Message(FUSE_WRITE, write)).kills_set_id);
  write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  EXPECT_TRUE(PeekRequest(Message(FUSE_WRITE, write)).kills_set_id);
  EXPECT_FALSE(PeekRequest(Message(FUSE_READ, write)).kills_set_id);
}

TEST(WireTest, KillFlagOfSetattrIsSeen) {
  fuse_setattr_in change{};
  change.valid = FATTR_SIZE;
  EXPECT_FALSE(PeekRequest(Message(FUSE_SETATTR, change)).kills_set_id);
  change.valid |= FATTR_KILL_SUIDGID;
  EXPECT_TRUE(PeekRequest(Message(FUSE_SETATTR, change)).kills_set_id);
}

TEST(WireTest, KillFlagOfSetxattrIsSeenAndItsExtensionTakenOut) {
  struct {
    fuse_setxattr_in argument;
    char rest[8];
  } request{};
  request.argument.size = 3;
  request.argument.flags = 2;
  request.argument.setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID;
  std::memcpy(request.rest, "acl\0xyz", 8);
  std::string message = Message(FUSE_SETXATTR, request);
  EXPECT_TRUE(PeekRequest(message).kills_set_id);
  const std::span<char> plain = WithoutSetxattrExtension(message);
  ASSERT_EQ(plain.size(), message.size() - 8);
  EXPECT_EQ(HeaderOf(plain).opcode, uint32_t{FUSE_SETXATTR});
  uint32_t fields[2];
  std::memcpy(fields, plain.data() + sizeof(fuse_in_header), sizeof(fields));
  EXPECT_EQ(fields[0], 3U);
  EXPECT_EQ(fields[1], 2U);
  EXPECT_EQ(
      std::memcmp(plain.data() + sizeof(fuse_in_header) + 8, request.rest, 8),
      0);
  std::string other = Message(FUSE_WRITE, request);
  EXPECT_EQ(WithoutSetxattrExtension(other).data(), other.data());
}

TEST(WireTest, InitTellsWhatTheKernelOffers) {
  fuse_init_in init{};
  EXPECT_EQ(PeekRequest(Message(FUSE_INIT, init)).kind, RequestKind::kInit);
  EXPECT_EQ(PeekRequest(Message(FUSE_INIT, init)).init_flags, 0U);
  init.flags = FUSE_HANDLE_KILLPRIV_V2 | FUSE_POSIX_ACL;
  EXPECT_EQ(PeekRequest(Message(FUSE_INIT, init)).init_flags,
            uint32_t{FUSE_HANDLE_KILLPRIV_V2});
}

TEST(WireTest, ReplyToInitIsAmendedInOneFlag) {
  fuse_init_out reply{};
  reply.major = 7;
  reply.flags = FUSE_ASYNC_READ;
  const fuse_init_out before = reply;
  AcceptInitFlags({reinterpret_cast<char*>(&reply), sizeof(reply)},
                  FUSE_HANDLE_KILLPRIV_V2);
  EXPECT_EQ(reply.flags, FUSE_ASYNC_READ | FUSE_HANDLE_KILLPRIV_V2);
  reply.flags = before.flags;
  EXPECT_EQ(std::memcmp(&reply, &before, sizeof(reply)), 0);
}

TEST(WireTest, ShortMessagesAreHarmless) {
  fuse_write_in write{};
  write.write_flags = FUSE_WRITE_KILL_SUIDGID;
  const std::string whole = Message(FUSE_WRITE, write);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(PeekRequest({whole.data(), size}).kills_set_id) << size;
  }
  std::string cut = Message(FUSE_SETXATTR, fuse_setxattr_in{}).substr(0, 50);
  EXPECT_EQ(WithoutSetxattrExtension(cut).size(), cut.size());
  std::string reply(8, '\0');
  AcceptInitFlags(reply, FUSE_HANDLE_KILLPRIV_V2);
  EXPECT_EQ(reply, std::string(8, '\0'));
}

}  // namespace
}  // namespace trefoil
