// SPDX-License-Identifier: Apache-2.0
// Goal: a sealed object opens with its key, in its own place, unchanged, or not
// at all, and it tells neither its content nor its frames.
// Method: objects from ObjectWriter with a fixed data key; whatever a store
// could do to them (bits, frames, headers, whole objects), each time under the
// right name for the changed bytes.
#include "fs/object/seal.h"

#include <algorithm>
#include <bit>
#include <set>

#include "fs/object/object_reader.h"
#include "fs/object/object_writer.h"
#include "tests/object/object_testing.h"

namespace trefoil {
namespace {

constexpr uint64_t kTrailerFrameBytes = kFrameHeaderBytes + 12;

void AddKey(Keyring& keyring, uint32_t id) {
  SeededRandom random(id);
  keyring.Add(id, SecretBytes::Drawn(random, kKeyBytes));
}

class SealTest : public testing::Test {
 protected:
  SealTest() { AddKey(keyring_, 1); }

  // What ObjectWriter makes of these frames, sealed under the newest key.
  std::string Sealed(const ObjectHeader& header,
                     const std::vector<FrameSpec>& frames) {
    const std::string path = dir_.Path("object");
    auto writer =
        ObjectWriter::Create(Env::Posix(), random_, keyring_, path, header)
            .value();
    for (const FrameSpec& frame : frames) {
      EXPECT_OK(writer->Append(frame.type, frame.raw).status());
    }
    EXPECT_OK(writer->Finish().status());
    return Env::Posix().ReadFile(path, 1U << 30).value();
  }
  // Reads `bytes` as an object of `header`, under the name that they have.
  Status Read(const ObjectHeader& header, const std::string& bytes,
              const Keyring& keyring) {
    MapStore store;
    const std::string key = KeyOf(header, bytes);
    store.objects[key] = bytes;
    read_.clear();
    return ReadObject(store, keyring, key, 1U << 30,
                      [this](const ObjectHeader&, const OpenedFrame& frame) {
                        read_.push_back(frame.raw);
                        return OkStatus();
                      });
  }
  Status Read(const ObjectHeader& header, const std::string& bytes) {
    return Read(header, bytes, keyring_);
  }

  const ScratchDir dir_;
  SeededRandom random_{1};
  Keyring keyring_{Keyring::Mode::kSealed};
  std::vector<std::string> read_;
};

bool IsClean(const Status& status) {
  return status.Is(StatusCode::kCorruption) || status.Is(StatusCode::kNoKey) ||
         status.Is(StatusCode::kNewerFormat);
}

// With the right check, as anybody can make it.
std::string WithHeader(const std::string& bytes, const ObjectHeader& header) {
  return EncodeObjectHeader(header) + bytes.substr(kHeaderBytes);
}

ObjectHeader HeaderOf(const std::string& bytes) {
  return DecodeObjectHeader(bytes.substr(0, kHeaderBytes)).value();
}

ObjectHeader Sample(ObjectKind kind) {
  ObjectHeader header = SampleHeader(kind);
  header.key_id = 0;
  return header;
}

TEST_F(SealTest, WhatWasSealedIsOpened) {
  for (const ObjectKind kind :
       {ObjectKind::kPack, ObjectKind::kCommit, ObjectKind::kCheckpoint}) {
    const ObjectHeader header = Sample(kind);
    const std::string bytes =
        Sealed(header, {{FrameType::kBlock, Noise(1, 1000)},
                        {FrameType::kBlock, ""},
                        {FrameType::kBlock, Text(100'000)}});
    EXPECT_EQ(HeaderOf(bytes).cipher, Cipher::kAes256Gcm);
    EXPECT_EQ(HeaderOf(bytes).key_id, 1);
    ASSERT_OK(Read(header, bytes));
    EXPECT_EQ(read_,
              (std::vector<std::string>{Noise(1, 1000), "", Text(100'000)}));
  }
}

TEST_F(SealTest, AFlippedBitInAnyByteEndsInACleanError) {
  const ObjectHeader header = Sample(ObjectKind::kCommit);
  const std::string bytes = Sealed(header, {{FrameType::kMeta, Noise(1, 150)},
                                            {FrameType::kMeta, Text(300)}});
  MapStore store;
  const std::string key = KeyOf(header, bytes);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(IsClean(Read(header, damaged))) << "bit " << bit;
    // Under the old name, as a disk does it.
    store.objects[key] = damaged;
    EXPECT_TRUE(IsClean(ReadObject(
        store, keyring_, key, 1U << 30,
        [](const ObjectHeader&, const OpenedFrame&) { return OkStatus(); })))
        << "bit " << bit;
  }
}

TEST_F(SealTest, AnyChangeOfTheHeaderIsRefused) {
  const ObjectHeader header = Sample(ObjectKind::kCommit);
  const std::string bytes = Sealed(header, {{FrameType::kMeta, "meta"}});
  const ObjectHeader good = HeaderOf(bytes);
  ASSERT_OK(Read(good, WithHeader(bytes, good)));
  const std::vector<std::function<void(ObjectHeader&)>> changes = {
      [](ObjectHeader& h) { h.kind = ObjectKind::kCheckpoint; },
      [](ObjectHeader& h) {
        h.kind = ObjectKind::kPack;
        h.number = 0;
      },
      [](ObjectHeader& h) { h.salt[31] ^= 1; },
      [](ObjectHeader& h) { h.volume_id[0] ^= 1; },
      [](ObjectHeader& h) { h.generation = Generation(1); },
      [](ObjectHeader& h) { ++h.number; },
      [](ObjectHeader& h) { h.previous = Sha256::Of("another"); },
      [](ObjectHeader& h) { h.key_id = 2; },
      [](ObjectHeader& h) { h.key_id = 0; },
      [](ObjectHeader& h) { h.cipher = Cipher::kNone; },
  };
  AddKey(keyring_, 2);
  for (size_t i = 0; i < changes.size(); ++i) {
    ObjectHeader changed = good;
    changes[i](changed);
    EXPECT_TRUE(IsClean(Read(changed, WithHeader(bytes, changed)))) << i;
  }
}

TEST_F(SealTest, AFrameOpensInItsOwnPlaceOnly) {
  const ObjectHeader header = Sample(ObjectKind::kPack);
  const std::vector<FrameSpec> frames = {{FrameType::kBlock, Noise(1, 200)},
                                         {FrameType::kBlock, Noise(2, 200)}};
  const std::string bytes = Sealed(header, frames);
  const std::string other = Sealed(header, frames);
  constexpr size_t kFrame = kFrameHeaderBytes + 200;
  const auto frame = [](const std::string& object, size_t index) {
    return object.substr(kHeaderBytes + index * kFrame, kFrame);
  };
  const auto with = [&](size_t index, const std::string& replacement) {
    std::string changed = bytes;
    return changed.replace(kHeaderBytes + index * kFrame, kFrame, replacement);
  };
  ASSERT_OK(Read(header, with(1, frame(bytes, 1))));
  EXPECT_CODE(Read(header, with(1, frame(bytes, 0))), kCorruption);
  EXPECT_CODE(Read(header, with(0, frame(bytes, 1))), kCorruption);
  EXPECT_CODE(Read(header, with(0, frame(other, 0))), kCorruption);
  EXPECT_CODE(
      Read(header, bytes.substr(0, kHeaderBytes) + other.substr(kHeaderBytes)),
      kCorruption);
  EXPECT_CODE(Read(header, bytes.substr(0, bytes.size() - kTrailerFrameBytes)),
              kCorruption);
  EXPECT_CODE(Read(header, bytes + frame(bytes, 0)), kCorruption);
  std::string shorter = bytes;
  EXPECT_CODE(Read(header, shorter.erase(kHeaderBytes + kFrame, kFrame)),
              kCorruption);
}

TEST_F(SealTest, AnEncryptedVolumeTakesNothingThatIsNotSealed) {
  const ObjectHeader header = Sample(ObjectKind::kCommit);
  const std::string plain = BuildObject(header, {{FrameType::kMeta, "forged"}});
  ASSERT_OK(Read(header, plain, Keyring::Plain()));
  EXPECT_CODE(Read(header, plain), kCorruption);
  const std::string sealed = Sealed(header, {{FrameType::kMeta, "meta"}});
  EXPECT_CODE(Read(header, sealed, Keyring::Plain()), kCorruption);
}

TEST_F(SealTest, WithoutItsKeyAnObjectIsRefusedByName) {
  const ObjectHeader header = Sample(ObjectKind::kPack);
  AddKey(keyring_, 7);
  const std::string bytes = Sealed(header, {{FrameType::kBlock, "block"}});
  EXPECT_EQ(HeaderOf(bytes).key_id, 7);
  ASSERT_OK(Read(header, bytes));
  EXPECT_CODE(Read(header, bytes, Keyring::None()), kNoKey);
  Keyring older(Keyring::Mode::kSealed);
  AddKey(older, 1);
  const Status refused = Read(header, bytes, older);
  EXPECT_CODE(refused, kNoKey);
  EXPECT_NE(refused.message().find("key 7"), std::string::npos);
  // Another key under the same id, as another volume has it.
  Keyring other(Keyring::Mode::kSealed);
  other.Add(7, SecretBytes(std::string(kKeyBytes, 'k')));
  EXPECT_CODE(Read(header, bytes, other), kCorruption);
  EXPECT_TRUE(read_.empty());
}

TEST_F(SealTest, SizesAreMultiplesOfTheirGranule) {
  const ObjectHeader header = Sample(ObjectKind::kPack);
  for (const size_t raw : std::initializer_list<size_t>{
           0, 1, 255, 256, 257, 276, 277, 308, 309, 1000, 8191, 8192, 100'000,
           262'144, 1'000'000, 1'048'576, 3'333'333}) {
    const uint64_t bare =
        kHeaderBytes + kFrameHeaderBytes + raw + kTrailerFrameBytes;
    const uint64_t granule =
        std::clamp<uint64_t>(std::bit_floor(bare / 16), 512, 65536);
    const uint64_t size =
        Sealed(header, {{FrameType::kBlock, Noise(raw, raw)}}).size();
    EXPECT_EQ(size % granule, 0) << raw;
    EXPECT_GE(size, bare + kFrameHeaderBytes) << raw;
    EXPECT_LT(size, bare + kFrameHeaderBytes + granule) << raw;
  }
}

// Keys come from the salt, nonces from the offset: neither may ever be met a
// second time, or equal bytes would look alike.
TEST_F(SealTest, EqualContentNeverLooksAlike) {
  const ObjectHeader header = Sample(ObjectKind::kPack);
  std::set<std::string> salts;
  std::set<std::string> fields;
  std::set<std::string> payloads;
  for (int i = 0; i < 100; ++i) {
    const std::string bytes =
        Sealed(header, {{FrameType::kBlock, Noise(11, 64)},
                        {FrameType::kBlock, Noise(11, 64)}});
    const auto salt = HeaderOf(bytes).salt;
    salts.emplace(salt.data(), salt.size());
    for (size_t index = 0; index < 2; ++index) {
      const size_t at = kHeaderBytes + index * (kFrameHeaderBytes + 64);
      fields.insert(bytes.substr(at, kFrameFieldBytes));
      payloads.insert(bytes.substr(at + kFrameHeaderBytes, 64));
    }
    EXPECT_EQ(bytes.find(Noise(11, 64)), std::string::npos);
    EXPECT_EQ(bytes.find(Noise(11, 64).substr(0, 8)), std::string::npos);
  }
  EXPECT_EQ(salts.size(), 100);
  EXPECT_EQ(fields.size(), 200);
  EXPECT_EQ(payloads.size(), 200);
}

}  // namespace
}  // namespace trefoil
