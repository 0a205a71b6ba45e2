// SPDX-License-Identifier: Apache-2.0
// Goal: the hashes are the standard ones.
// Method: published vectors (FIPS 180-4, RFC 4231, xxHash's own).
#include "fs/base/hash.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

TEST(Hash, Sha256Vectors) {
  EXPECT_EQ(Sha256::Of("").ToHex(),
            "e3b0c44298fc1c149afbf4c8996fb924"
            "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256::Of("abc").ToHex(),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, Sha256StreamsAndStartsAnew) {
  Sha256 stream;
  stream.Update("a");
  stream.Update("bc");
  EXPECT_EQ(stream.Finish(), Sha256::Of("abc"));
  EXPECT_EQ(stream.Finish(), Sha256::Of(""));
}

TEST(Hash, HmacVectors) {
  // RFC 4231, test cases 1 and 2.
  EXPECT_EQ(HmacSha256(std::string(20, '\x0b'), "Hi There").ToHex(),
            "b0344c61d8db38535ca8afceaf0bf12b"
            "881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HmacSha256("Jefe", "what do ya want for nothing?").ToHex(),
            "5bdcc146bf60754e6a042426089575c7"
            "5a003f089d2739839dec58b964ec3843");
}

TEST(Hash, HmacIsThreadSafe) {
  const std::string data(10'000, 'x');
  const Hash256 expected = HmacSha256("key", data);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(HmacSha256("key", data), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Hash, Xxh3Vectors) {
  EXPECT_EQ(Xxh3(""), 0x2d06800538d394c2);
  EXPECT_NE(Xxh3("abc", 1), Xxh3("abc", 2));
  const std::array<char, 16> empty = Xxh3_128("");
  // Published as 99aa06d3014798d86001c324468d497f, most significant first.
  EXPECT_EQ(ToHex({empty.data(), empty.size()}),
            "7f498d4624c30160d8984701d306aa99");
}

TEST(Hash, HexRoundTrips) {
  const Hash256 hash = Sha256::Of("x");
  Hash256 back;
  ASSERT_TRUE(Hash256::FromHex(hash.ToHex(), &back));
  EXPECT_EQ(back, hash);
  EXPECT_EQ(Hash256::FromBytes(hash.view()), hash);
  EXPECT_FALSE(Hash256::FromHex("00", &back));
}

}  // namespace
}  // namespace trefoil
