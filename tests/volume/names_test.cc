// SPDX-License-Identifier: Apache-2.0
// Goal: a client that ignores case finds what it means and nothing else, with
// one look-up.
// Method: pairs of names, and every letter that has two cases.
#include "fs/volume/names.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace trefoil {
namespace {

// Of a letter below U+10000 and not below U+0080.
std::string Utf8(unsigned letter) {
  std::string bytes;
  if (letter >= 0x800) {
    bytes += static_cast<char>(0xe0 | letter >> 12);
    bytes += static_cast<char>(0x80 | (letter >> 6 & 0x3f));
  } else {
    bytes += static_cast<char>(0xc0 | letter >> 6);
  }
  bytes += static_cast<char>(0x80 | (letter & 0x3f));
  return bytes;
}

TEST(NamesTest, CaseAloneMakesNoDifference) {
  for (const auto& [a, b] : {std::pair{"readme.TXT", "README.txt"},
                             {"Müller", "MÜLLER"},
                             {"Σίσυφος", "ΣΊΣΥΦΟΣ"},
                             {"Știri", "știri"},
                             {"Жук", "ЖУК"}}) {
    EXPECT_TRUE(EqualIgnoringCase(a, b)) << a;
    EXPECT_EQ(FoldName(a), FoldName(b)) << a;
  }
}

TEST(NamesTest, NamesThatAClientTellsApartStayApart) {
  for (const auto& [a, b] : {std::pair{"straße", "strasse"},
                             {"caf\u00e9", "cafe\u0301"},
                             {"\u212a", "k"},     // the Kelvin sign
                             {"\ufb01n", "fin"},  // a ligature
                             {"\u0131", "I"},     // a dotless i
                             {"a", "ab"},
                             {"ab", "a"},
                             {"", "a"},
                             {"a\xff", "A\xff"},
                             {"a\xff", "a\xfe"}}) {
    EXPECT_FALSE(EqualIgnoringCase(a, b)) << a << " " << b;
  }
  EXPECT_TRUE(EqualIgnoringCase("a\xff", "a\xff"));
}

struct Alphabet {
  unsigned first_capital;
  unsigned last_capital;
  unsigned step;      // between capitals
  unsigned to_small;  // from a capital to its small letter
};

// One look-up finds them: equal names have one position.
TEST(NamesTest, EqualNamesFoldEqually) {
  for (const Alphabet& alphabet : {Alphabet{0xc0, 0xd6, 1, 32},  // Latin-1
                                   {0x100, 0x12e, 2, 1},         // Latin
                                   {0x391, 0x3a1, 1, 32},        // Greek
                                   {0x400, 0x40f, 1, 80},        // Cyrillic
                                   {0x410, 0x42f, 1, 32},
                                   {0x531, 0x556, 1, 48},  // Armenian
                                   {0x1e00, 0x1e94, 2, 1},
                                   {0x24b6, 0x24cf, 1, 26},     // in circles
                                   {0xff21, 0xff3a, 1, 32}}) {  // wide
    for (unsigned capital = alphabet.first_capital;
         capital <= alphabet.last_capital; capital += alphabet.step) {
      const std::string large = Utf8(capital);
      const std::string small = Utf8(capital + alphabet.to_small);
      EXPECT_TRUE(EqualIgnoringCase(large, small)) << large;
      EXPECT_EQ(FoldName(large), FoldName(small)) << large;
    }
  }
}

}  // namespace
}  // namespace trefoil
