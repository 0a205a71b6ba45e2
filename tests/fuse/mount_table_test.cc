// SPDX-License-Identifier: Apache-2.0
// Goal: /proc/self/mountinfo is understood as proc(5) describes it, and lines
// that make no sense do no harm.
// Method: texts as the kernel writes them.
#include "fs/fuse/mount_table.h"

#include <gtest/gtest.h>

namespace trefoil {
namespace {

TEST(MountTableTest, LinesAreParsedWithAndWithoutOptionalFields) {
  const auto table = ParseMountTable(
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "36 35 98:7 /sub /mnt rw shared:1 master:2 - ext4 /dev/sda "
      "rw,errors=x\n");
  ASSERT_EQ(table.size(), 2U);
  EXPECT_EQ(table[0].mountpoint, "/proc");
  EXPECT_EQ(table[0].type, "proc");
  EXPECT_EQ(table[1].device_major, 98U);
  EXPECT_EQ(table[1].device_minor, 7U);
  EXPECT_EQ(table[1].mountpoint, "/mnt");
  EXPECT_EQ(table[1].type, "ext4");
  EXPECT_EQ(table[1].source, "/dev/sda");
}

TEST(MountTableTest, EscapesAreUndone) {
  const auto table = ParseMountTable(
      "1 2 0:5 / /a\\040b\\134c rw - fuse.trefoil /v\\011x rw\n");
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(table[0].mountpoint, "/a b\\c");
  EXPECT_EQ(table[0].source, "/v\tx");
}

TEST(MountTableTest, UppermostMountIsFound) {
  const auto table = ParseMountTable(
      "1 2 0:5 / /m rw - ext4 below rw\n1 2 0:6 / /m rw - tmpfs above rw\n");
  ASSERT_TRUE(FindMount(table, "/m").has_value());
  EXPECT_EQ(FindMount(table, "/m")->source, "above");
  EXPECT_FALSE(FindMount(table, "/").has_value());
}

TEST(MountTableTest, NonsenseIsPassedOver) {
  EXPECT_TRUE(ParseMountTable("").empty());
  EXPECT_TRUE(ParseMountTable("\n\n - \n1 2 3 4 5 6 7\n").empty());
  EXPECT_TRUE(ParseMountTable("1 2 nodevice / /m rw - ext4 x rw\n").empty());
  EXPECT_TRUE(ParseMountTable("1 2 0:5 / /m rw - ext4").empty());
}

}  // namespace
}  // namespace trefoil
