// SPDX-License-Identifier: Apache-2.0
// A volume whose objects are copied aside, in files behind a store that fails,
// hangs and counts, to be damaged and healed.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fs/object/copies.h"
#include "fs/object/object_reader.h"
#include "tests/support/fault_store.h"
#include "tests/support/test_volume.h"

namespace trefoil::testing {

// Bytes of a file that does not travel in a commit.
inline constexpr size_t kLarge = 600'000;

class HealTest : public ::testing::Test {
 protected:
  HealTest() {
    // Every block is asked for anew.
    volume_.options.block_cache_bytes = 1;
    volume_.Reopen();
  }

  [[nodiscard]] std::string Objects() const {
    return volume_.path() + "/objects";
  }
  [[nodiscard]] std::string Copy() const { return volume_.path() + "/../copy"; }
  void CopyAside() {
    std::filesystem::copy(Objects(), Copy(),
                          std::filesystem::copy_options::recursive);
  }
  ObjectCopies Copies() {
    return {{"copy",
             std::make_shared<FaultStore>(
                 std::make_unique<LocalTree>(Env::Posix(), Copy()), faults_)}};
  }
  // Of packs, and of commits that hold blocks.
  std::vector<std::string> Keys(std::string_view prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(volume_->objects()
                    .List(prefix, "",
                          [&](const ObjectInfo& info) {
                            keys.push_back(info.key);
                            return true;
                          })
                    .ok());
    return keys;
  }
  static void FlipABit(const std::string& path, uint64_t random) {
    auto bytes = Env::Posix().ReadFile(path, 1U << 30);
    ASSERT_TRUE(bytes.ok());
    const uint64_t bit = random % (bytes->size() * 8);
    (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << bit % 8));
    auto file = Env::Posix().Open(path, OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, *bytes).ok());
  }
  // In the frame of a pack's first block.
  void Damage(const std::string& key) {
    FlipABit(Objects() + "/" + key, (kHeaderBytes + 40) * 8);
  }
  void ExpectWhole(const std::string& key) {
    LocalTree tree(Env::Posix(), Objects());
    const auto info = tree.Head(key);
    ASSERT_TRUE(info.ok()) << key;
    EXPECT_TRUE(VerifyObjectHash(tree, key, info->size_bytes).ok()) << key;
  }
  Status Read(const std::string& path) {
    std::string buffer(16, '\0');
    return volume_->Read(volume_.Find(path), 0, buffer).status();
  }
  // One pack with `name` in it, copied aside.
  std::string OneFile(const std::string& name) {
    volume_.MakeFile(name, RandomBytes(kLarge, 7));
    EXPECT_TRUE(volume_->Commit().ok());
    CopyAside();
    return Keys("pack/").front();
  }

  TestVolume volume_;
  TargetFaults faults_;
};

}  // namespace trefoil::testing
