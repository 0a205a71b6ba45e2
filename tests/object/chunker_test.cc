// SPDX-License-Identifier: Apache-2.0
// Goal: chunks keep their bounds, depend on content and key alone, come back
// after an insertion, and have about the size that was asked for.
// Method: seeded noise and text; a known answer, since a cut that moves would
// break deduplication against every older volume.
#include "fs/object/chunker.h"

#include <numeric>
#include <set>

#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr ChunkerOptions kSmall{256, 1024, 4096};

std::vector<size_t> Chunks(const Chunker& chunker, std::string_view data) {
  std::vector<size_t> sizes;
  while (!data.empty()) {
    sizes.push_back(chunker.FirstChunk(data));
    TREFOIL_CHECK(sizes.back() >= 1 && sizes.back() <= data.size());
    data.remove_prefix(sizes.back());
  }
  return sizes;
}

// As the header describes it, a byte at a time.
size_t SlowFirstChunk(std::string_view key, const ChunkerOptions& options,
                      int bits, std::string_view data) {
  const size_t end = std::min<size_t>(data.size(), options.max_bytes);
  for (size_t at = options.min_bytes; at < end; ++at) {
    uint64_t fingerprint = 0;
    for (size_t i = at - 63; i <= at; ++i) {
      uint64_t gear = 0;
      const Hash256 hash = HmacSha256(key, data.substr(i, 1));
      std::memcpy(&gear, hash.bytes.data(), sizeof(gear));
      fingerprint = (fingerprint << 1) + gear;
    }
    const int zeros = at < options.average_bytes ? bits + 2 : bits - 2;
    if (fingerprint >> (64 - zeros) == 0) return at + 1;
  }
  return end;
}

TEST(ChunkerTest, CutsWhereTheDocumentedFingerprintSays) {
  const ChunkerOptions odd{65, 128, 501};
  const Chunker chunker(kKey, odd);
  const std::string data = Noise(1, 3000);
  for (size_t start = 0; start < data.size(); start += 7) {
    const std::string_view rest = std::string_view(data).substr(start);
    EXPECT_EQ(chunker.FirstChunk(rest), SlowFirstChunk(kKey, odd, 7, rest))
        << start;
  }
}

TEST(ChunkerTest, KnownDataHasItsKnownCuts) {
  const Chunker chunker(kKey, {});
  EXPECT_EQ(Chunks(chunker, Noise(1, 1U << 20)),
            (std::vector<size_t>{181074, 159623, 103324, 169230, 138479, 175732,
                                 121114}));
}

TEST(ChunkerTest, BoundsHoldForEverythingButTheEnd) {
  const Chunker chunker(kKey, kSmall);
  for (const std::string& data :
       {Noise(1, 300'000), Text(300'000), std::string(300'000, '\0'),
        std::string(300'000, 'x')}) {
    const std::vector<size_t> sizes = Chunks(chunker, data);
    EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), size_t{0}),
              data.size());
    for (size_t i = 0; i + 1 < sizes.size(); ++i) {
      EXPECT_GT(sizes[i], kSmall.min_bytes);
      EXPECT_LE(sizes[i], kSmall.max_bytes);
    }
  }
}

TEST(ChunkerTest, ShortDataIsOneChunk) {
  const Chunker chunker(kKey, kSmall);
  const std::string data = Noise(1, kSmall.min_bytes);
  for (size_t size = 1; size <= data.size(); ++size) {
    EXPECT_EQ(chunker.FirstChunk(std::string_view(data).substr(0, size)), size);
  }
}

TEST(ChunkerTest, WhatFollowsAFullWindowDoesNotMatter) {
  const Chunker chunker(kKey, kSmall);
  const std::string data = Noise(1, 50'000);
  for (size_t start = 0; start < 40'000; start += 501) {
    const std::string_view rest = std::string_view(data).substr(start);
    EXPECT_EQ(chunker.FirstChunk(rest),
              chunker.FirstChunk(rest.substr(0, kSmall.max_bytes)));
  }
}

TEST(ChunkerTest, TheKeyAndNothingElseDecides) {
  const std::string data = Noise(1, 200'000);
  EXPECT_EQ(Chunks(Chunker(kKey, kSmall), data),
            Chunks(Chunker(kKey, kSmall), data));
  const std::string other(kKey.rbegin(), kKey.rend());
  EXPECT_NE(Chunks(Chunker(kKey, kSmall), data),
            Chunks(Chunker(other, kSmall), data));
}

TEST(ChunkerTest, MostChunksComeBackAfterAnInsertionAtTheFront) {
  const Chunker chunker(kKey, {});
  const std::string before = Noise(1, 32U << 20);
  const std::string after = "x" + before;
  std::set<std::string_view> known;
  std::string_view rest = before;
  for (const size_t size : Chunks(chunker, before)) {
    known.insert(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  size_t again_bytes = 0;
  rest = after;
  for (const size_t size : Chunks(chunker, after)) {
    if (known.contains(rest.substr(0, size))) again_bytes += size;
    rest.remove_prefix(size);
  }
  EXPECT_GT(again_bytes, before.size() * 95 / 100);
}

TEST(ChunkerTest, SizesLieAroundTheAverage) {
  const ChunkerOptions options;
  const std::string data = Noise(1, 64U << 20);
  const std::vector<size_t> sizes = Chunks(Chunker(kKey, options), data);
  const size_t mean = data.size() / sizes.size();
  EXPECT_GT(mean, options.average_bytes * 3 / 4);
  EXPECT_LT(mean, options.average_bytes * 3 / 2);
  size_t near = 0;
  size_t at_max = 0;
  for (const size_t size : sizes) {
    near += size > mean / 2 && size < mean * 2 ? 1 : 0;
    at_max += size == options.max_bytes ? 1 : 0;
  }
  EXPECT_GT(near, sizes.size() * 3 / 4);
  EXPECT_LT(at_max, sizes.size() / 50);
}

}  // namespace
}  // namespace trefoil
