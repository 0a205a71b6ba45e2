// SPDX-License-Identifier: Apache-2.0
// Goal: ciphers and key derivation are the standard ones, and boxes open with
// their secret in their context only.
// Method: published vectors (RFC 5869, RFC 7914, FIPS 197, the GCM paper's test
// case 16); boxes with each of their bits flipped.
#include "fs/base/cipher.h"

#include <gtest/gtest.h>

#include <set>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

std::string Hex(std::string_view hex) {
  std::string bytes;
  EXPECT_TRUE(FromHex(hex, &bytes)) << hex;
  return bytes;
}

TEST(Cipher, HkdfVectors) {
  // RFC 5869, A.1 to A.3.
  EXPECT_EQ(ToHex(HkdfSha256(std::string(22, '\x0b'),
                             Hex("000102030405060708090a0b0c"),
                             Hex("f0f1f2f3f4f5f6f7f8f9"), 42)
                      .view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
            "34007208d5b887185865");
  const auto counting = [](unsigned first, unsigned end) {
    std::string bytes;
    for (unsigned b = first; b < end; ++b) {
      bytes.push_back(static_cast<char>(b));
    }
    return bytes;
  };
  EXPECT_EQ(ToHex(HkdfSha256(counting(0x00, 0x50), counting(0x60, 0xb0),
                             counting(0xb0, 0x100), 82)
                      .view()),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87");
  EXPECT_EQ(ToHex(HkdfSha256(std::string(22, '\x0b'), "", "", 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
            "9d201395faa4b61a96c8");
}

TEST(Cipher, ScryptVectors) {
  // RFC 7914, section 12.
  EXPECT_EQ(ToHex(Scrypt("password", "NaCl", {10, 8, 16}, 64)->view()),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
  EXPECT_EQ(
      ToHex(Scrypt("pleaseletmein", "SodiumChloride", {14, 8, 1}, 64)->view()),
      "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
      "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST(Cipher, StoredCostsThatNobodyUsesAreRefusedAtOnce) {
  for (const ScryptCost cost :
       {ScryptCost{9, 8, 1}, ScryptCost{25, 1, 1}, ScryptCost{63, 8, 1},
        ScryptCost{64, 8, 1}, ScryptCost{~0U, 8, 1}, ScryptCost{14, 0, 1},
        ScryptCost{14, 65, 1}, ScryptCost{14, ~0U, 1}, ScryptCost{14, 8, 0},
        ScryptCost{14, 8, 17}, ScryptCost{14, 8, ~0U}, ScryptCost{21, 8, 1},
        ScryptCost{18, 64, 1}, ScryptCost{20, 8, 3}}) {
    const auto refused = Scrypt("passphrase", "salt", cost, kKeyBytes);
    EXPECT_TRUE(refused.status().Is(StatusCode::kInvalidArgument))
        << cost.log2_n << " " << cost.r << " " << cost.p;
  }
}

TEST(Cipher, AesGcmVector) {
  // McGrew and Viega, test case 16.
  const std::string key =
      Hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string iv = Hex("cafebabefacedbaddecaf888");
  const std::string associated =
      Hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string plain =
      Hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  Nonce nonce;
  std::copy(iv.begin(), iv.end(), nonce.begin());
  std::string data = plain;
  const Tag tag = AesGcmSeal(key, nonce, associated, data);
  EXPECT_EQ(ToHex(data),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
  const std::string_view tag_view(tag.data(), tag.size());
  EXPECT_EQ(ToHex(tag_view), "76fc6ece0f4e1768cddf8853bb2d551b");

  std::string out(plain.size(), '\0');
  EXPECT_TRUE(AesGcmOpen(key, nonce, associated, data, tag_view, out));
  EXPECT_EQ(out, plain);
  EXPECT_FALSE(AesGcmOpen(key, nonce, "other", data, tag_view, out));
  EXPECT_FALSE(AesGcmOpen(key, Nonce{}, associated, data, tag_view, out));
  EXPECT_FALSE(AesGcmOpen(key, nonce, associated, plain, tag_view, out));
}

TEST(Cipher, AesBlockVector) {
  // FIPS 197, C.3.
  const auto block = AesBlock(
      Hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
      Hex("00112233445566778899aabbccddeeff"));
  EXPECT_EQ(ToHex({block.data(), block.size()}),
            "8ea2b7ca516745bfeafc49904b496089");
}

class Box : public testing::Test {
 protected:
  const std::string plain_ = "thirty-two bytes that open it all";
  const std::string box_ =
      SealBox("a secret", "its context", plain_, Random::System());
};

TEST_F(Box, OpensWithItsSecretInItsContext) {
  EXPECT_EQ(OpenBox("a secret", "its context", box_)->view(), plain_);
  const std::string empty = SealBox("s", "c", "", Random::System());
  EXPECT_EQ(OpenBox("s", "c", empty)->view(), "");
}

TEST_F(Box, OpensWithNothingElse) {
  const auto refused = [&](std::string_view secret, std::string_view context,
                           std::string_view box) {
    return OpenBox(secret, context, box)
        .status()
        .Is(StatusCode::kPermissionDenied);
  };
  EXPECT_TRUE(refused("another secret", "its context", box_));
  EXPECT_TRUE(refused("", "its context", box_));
  EXPECT_TRUE(refused(std::string_view(), "its context", box_));
  EXPECT_TRUE(refused("a secret", "another context", box_));
  for (size_t size = 0; size < box_.size(); ++size) {
    EXPECT_TRUE(refused("a secret", "its context", box_.substr(0, size)));
  }
  EXPECT_TRUE(refused("a secret", "its context", box_ + "x"));
  for (size_t bit = 0; bit < 8 * box_.size(); ++bit) {
    std::string damaged = box_;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(refused("a secret", "its context", damaged)) << bit;
  }
}

TEST_F(Box, IsAnotherOneEachTime) {
  std::set<std::string> boxes;
  for (int i = 0; i < 100; ++i) {
    boxes.insert(SealBox("a secret", "its context", plain_, Random::System()));
  }
  EXPECT_EQ(boxes.size(), 100);
}

}  // namespace
}  // namespace trefoil
