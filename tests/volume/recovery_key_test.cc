// SPDX-License-Identifier: Apache-2.0
// Goal: what a person may mistype in a recovery key is forgiven or named, and
// never read as another key.
// Method: a known answer; random keys with every single change, every two
// characters and every two groups swapped.
#include "fs/volume/recovery_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <random>
#include <string>
#include <utility>

namespace trefoil {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kGroupStride = 6;  // with its dash

SecretBytes RandomKey(std::mt19937_64& random) {
  SecretBytes key(kRecoveryKeyBytes);
  for (char& c : key.span()) c = static_cast<char>(random());
  return key;
}

std::string Text(const SecretBytes& key) {
  return std::string(WriteRecoveryKey(key).view());
}

std::string ErrorOf(const std::string& text) {
  const auto key = ReadRecoveryKey(text);
  EXPECT_FALSE(key.ok()) << text;
  return key.ok() ? "" : key.status().message();
}

std::string GroupName(size_t position) {
  return "group " + std::to_string(position / kGroupStride + 1) + " ";
}

TEST(RecoveryKeyTest, KnownAnswers) {
  EXPECT_EQ(Text(SecretBytes(kRecoveryKeyBytes)),
            "00001-00002-00003-00004-00005-00006-00007-00008");
  SecretBytes key(kRecoveryKeyBytes);
  for (size_t i = 0; i < key.size(); ++i) key.span()[i] = static_cast<char>(i);
  EXPECT_EQ(Text(key), "000GC-40R4Y-0M301-E209M-185G2-R38EE-1W810-24GKG");
  for (size_t i = 0; i < key.size(); ++i) {
    key.span()[i] = static_cast<char>(236 + i);
  }
  EXPECT_EQ(Text(key), "XKPYF-XVZGG-Y7SFV-7X7NV-YVVZZ-HYFTX-ZFYF5-VZQZ7");
  const auto read = ReadRecoveryKey(Text(key));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->view(), key.view());
}

TEST(RecoveryKeyTest, HandwritingIsForgiven) {
  std::mt19937_64 random(7);
  SecretBytes key(kRecoveryKeyBytes);  // with zeros and ones
  key.span()[0] = 0x08;
  const std::string text = Text(key);
  std::string sloppy = " ";
  for (const char c : text) {
    if (c == '0') {
      sloppy += 'o';
    } else if (c == '1') {
      sloppy += random() % 2 == 0 ? 'l' : 'I';
    } else if (c == '-') {
      sloppy += " \n";
    } else {
      sloppy += static_cast<char>(std::tolower(c));
    }
  }
  const auto read = ReadRecoveryKey(sloppy + "\r\n");
  ASSERT_TRUE(read.ok()) << sloppy << read.status().ToString();
  EXPECT_EQ(read->view(), key.view());
}

TEST(RecoveryKeyTest, EverySingleMistakeIsFoundInItsGroup) {
  std::mt19937_64 random(20261123);
  const std::string text = Text(RandomKey(random));
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    for (const char c : kAlphabet) {
      if (c == text[at]) continue;
      std::string other = text;
      other[at] = c;
      EXPECT_THAT(ErrorOf(other), HasSubstr(GroupName(at) + "is mistyped"));
    }
    std::string other = text;
    other[at] = 'U';
    EXPECT_THAT(ErrorOf(other), HasSubstr(GroupName(at) + "has a character"));
  }
}

TEST(RecoveryKeyTest, SwappedCharactersAreFound) {
  std::mt19937_64 random(20261124);
  for (int round = 0; round < 50; ++round) {
    const std::string text = Text(RandomKey(random));
    for (size_t at = 0; at + 1 < text.size(); ++at) {
      if (text[at] == text[at + 1] || text[at] == '-' || text[at + 1] == '-') {
        continue;
      }
      std::string other = text;
      std::swap(other[at], other[at + 1]);
      EXPECT_THAT(ErrorOf(other), HasSubstr(GroupName(at) + "is mistyped"));
    }
  }
}

TEST(RecoveryKeyTest, SwappedGroupsAreFound) {
  std::mt19937_64 random(20261125);
  const std::string text = Text(RandomKey(random));
  for (size_t a = 0; a < 8; ++a) {
    for (size_t b = a + 1; b < 8; ++b) {
      std::string other = text;
      for (size_t i = 0; i < 5; ++i) {
        std::swap(other[a * kGroupStride + i], other[b * kGroupStride + i]);
      }
      EXPECT_THAT(ErrorOf(other),
                  HasSubstr(GroupName(a * kGroupStride) + "is mistyped"));
    }
  }
}

TEST(RecoveryKeyTest, MissingAndSurplusCharactersAreCounted) {
  std::mt19937_64 random(20261126);
  const std::string text = Text(RandomKey(random));
  EXPECT_THAT(ErrorOf(text.substr(1)), HasSubstr("39 were given"));
  EXPECT_THAT(ErrorOf(text + "0"), HasSubstr("41 were given"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("0 were given"));
}

TEST(RecoveryKeyTest, NoErrorRepeatsTheKey) {
  std::mt19937_64 random(20261127);
  std::string text = Text(RandomKey(random));
  text[0] = text[0] == 'A' ? 'B' : 'A';
  const std::string error = ErrorOf(text);
  for (size_t group = 0; group < 8; ++group) {
    EXPECT_EQ(error.find(text.substr(group * kGroupStride, 5)),
              std::string::npos);
  }
}

TEST(RecoveryKeyTest, AKitIsReadAsAWhole) {
  std::mt19937_64 random(20261128);
  const SecretBytes key = RandomKey(random);
  for (const std::string& kit :
       {"KIT\n\nVolume: 00\n  recovery KEY:   " + Text(key) + "\n\n█▀▄\n more",
        "Recovery key: " + Text(key), Text(key) + "\n"}) {
    const auto read = FindRecoveryKey(kit);
    ASSERT_TRUE(read.ok()) << kit << read.status().ToString();
    EXPECT_EQ(read->view(), key.view());
  }
}

}  // namespace
}  // namespace trefoil
