// SPDX-License-Identifier: Apache-2.0
// Goal: the bytes of every sealed kind are what they were when data was sealed
// with them, and two readers that know nothing of each other open them.
// Method: known-answer vectors in tests/object/vectors, made anew and compared
// byte for byte; fsck, recovery and trefoil-reader on the checked-in ones. A
// change of the format that is meant: TREFOIL_NEW_VECTORS=DIR writes new ones.
#include "tests/reader/vectors.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "fs/object/object_format.h"
#include "fs/verify/verify.h"
#include "fs/volume/volume_object.h"
#include "replicator/recover.h"
#include "tests/reader/extracted.h"
#include "tests/support/expect_clean.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

std::map<std::string, std::string> FilesBelow(const std::string& root) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path();
    files[path.substr(root.size() + 1)] =
        Env::Posix().ReadFile(path, 1U << 20).value();
  }
  return files;
}

class VectorsTest : public ::testing::Test {
 protected:
  // A file with a secret, for trefoil-reader.
  std::string FileWith(const std::string& text) {
    const std::string path = dir_.Path("secret");
    EXPECT_TRUE(Env::Posix().WriteFileAtomically(path, text).ok());
    return path;
  }
  static Secret Passphrase() {
    return {Secret::Kind::kPassphrase,
            SecretBytes(std::string_view(kVectorPassphrase))};
  }
  std::string Content(const std::string& path) {
    const auto read = Env::Posix().ReadFile(dir_.Path(path), 1U << 20);
    EXPECT_TRUE(read.ok()) << read.status().ToString();
    return read.ok() ? *read : "";
  }
  ReaderRun Extract(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"extract", "dir:" + vectors_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back(dir_.Path("out"));
    return RunReader(arguments);
  }

  const testing::TempDir dir_;
  const std::string vectors_ = TREFOIL_VECTORS;
};

TEST_F(VectorsTest, WritersMakeTheseBytes) {
  const char* const place = std::getenv("TREFOIL_NEW_VECTORS");
  const std::string made = place != nullptr ? place : dir_.Path("made");
  std::filesystem::create_directories(made);
  const Status written = WriteVectors(made);
  ASSERT_TRUE(written.ok()) << written.ToString();
  const auto expected = FilesBelow(vectors_);
  for (const auto& [key, bytes] : FilesBelow(made)) {
    const auto known = expected.find(key);
    ASSERT_NE(known, expected.end()) << key << " is new";
    EXPECT_TRUE(known->second == bytes) << key << " has other bytes";
  }
  EXPECT_EQ(FilesBelow(made).size(), expected.size());
}

TEST_F(VectorsTest, FsckFindsThemCleanWithAndWithoutAKey) {
  LocalTree store(Env::Posix(), vectors_);
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = dir_.path();
  for (const auto& secret : {std::shared_ptr<const Secret>(),
                             std::make_shared<const Secret>(Passphrase())}) {
    options.secret = secret;
    const auto report = VerifyStore(
        {Env::Posix(), Clock::Real(), Random::System()}, store, options);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_TRUE(report->clean()) << DescribeFindings(*report);
  }
}

TEST_F(VectorsTest, OurRecoveryAndTheReaderGiveTheSameTree) {
  const World world{Env::Posix(), Clock::Real(), Random::System()};
  LocalTree store(Env::Posix(), vectors_);
  RecoverOptions options;
  options.full = true;
  options.secret = Passphrase();
  const auto recovered = RecoverVolume(
      world, store, {"second", "dir:" + vectors_, {}}, dir_.Path("v"), options);
  ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
  VolumeOptions volume_options;
  volume_options.background = false;
  auto volume = Volume::Open(world, dir_.Path("v"), volume_options);
  ASSERT_TRUE(volume.ok()) << volume.status().ToString();
  const auto expected = ShowVolume(**volume, kRootNode, false);
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();

  const ReaderRun run = Extract(
      {"--passphrase-file", FileWith(kVectorPassphrase + std::string("\n"))});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(
      FirstDifference(WithoutPlace(*expected), ShowDirectory(dir_.Path("out"))),
      "");
  ASSERT_TRUE((*volume)->Close().ok());
  EXPECT_EQ(Content("out/hello.txt"), "hello, new world\n");
  EXPECT_EQ(Content("out/moved"), std::string(100'000, '\0') +
                                      std::string(1000, 'z') +
                                      std::string(99'000, '\0'));
}

// "twenty bytes of key!" as people write it.
TEST_F(VectorsTest, TheReaderOpensASnapshotWithTheRecoveryKey) {
  const ReaderRun run = Extract(
      {"--snapshot", "@GMT-2026.01.01-00.00.00", "--recovery-key-file",
       FileWith("Recovery key: EHVPQ-AVKMY-F4G6P-4YBME-CNSJX-0VV6C-41NPG-"
                "AY91S\n")});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(Content("out/hello.txt"), "hello, old world\n");
  EXPECT_EQ(Content("out/sub/sparse").size(), 200'000);
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("out/link")));
}

TEST_F(VectorsTest, TheReaderRefusesWrongSecrets) {
  for (const std::vector<std::string>& secret :
       std::vector<std::vector<std::string>>{
           {},
           {"--passphrase-file", FileWith("correct horsf")},
           {"--recovery-key-file", FileWith("ABCDE-FGHJK")}}) {
    const ReaderRun run = Extract(secret);
    EXPECT_EQ(run.exit_code, 1) << run.output;
    EXPECT_EQ(run.output.find("Traceback"), std::string::npos) << run.output;
    EXPECT_FALSE(std::filesystem::exists(dir_.Path("out")));
  }
}

// Anybody who may write to a copy can name commits as they should be named, and
// nobody without a key can seal them.
TEST_F(VectorsTest, TheReaderPassesOverForgedCommits) {
  for (const Cipher cipher : {Cipher::kAes256Gcm, Cipher::kNone}) {
    const std::string copy = dir_.Path("copy");
    std::filesystem::remove_all(copy);
    std::filesystem::remove_all(dir_.Path("out"));
    std::filesystem::copy(vectors_, copy,
                          std::filesystem::copy_options::recursive);
    const auto files = FilesBelow(copy + "/commit");
    const auto& [newest, bytes] = *files.rbegin();
    const auto parsed = ParseObjectKey("commit/" + newest);
    auto header = DecodeObjectHeader(bytes);
    ASSERT_TRUE(parsed.ok() && header.ok());
    header->generation = Generation(9);  // above all claims
    header->number = parsed->number + 1;
    header->previous = parsed->name;
    header->cipher = cipher;
    const std::string forged =
        EncodeObjectHeader(*header) + bytes.substr(kHeaderBytes);
    const std::string key = CommitKey(
        header->generation, CommitSeq(header->number), Sha256::Of(forged));
    ASSERT_TRUE(
        Env::Posix().WriteFileAtomically(copy + "/" + key, forged).ok());
    const ReaderRun run =
        RunReader({"extract", "dir:" + copy, "--passphrase-file",
                   FileWith(kVectorPassphrase), dir_.Path("out")});
    EXPECT_EQ(run.exit_code, 1) << run.output;
    EXPECT_NE(run.output.find("passing over " + key), std::string::npos)
        << run.output;
    EXPECT_NE(run.output.find("commit 3 of"), std::string::npos) << run.output;
    EXPECT_EQ(Content("out/hello.txt"), "hello, new world\n");
  }
}

// A volume object of somebody else's, which is not encrypted or does not open,
// does not hide the one before.
TEST_F(VectorsTest, TheReaderPassesOverAForeignVolumeObject) {
  const std::string copy = dir_.Path("copy");
  std::filesystem::copy(vectors_, copy,
                        std::filesystem::copy_options::recursive);
  LocalTree store(Env::Posix(), copy);
  auto object = ReadVolumeObject(store);
  ASSERT_TRUE(object.ok());
  object->number = 2;
  object->encrypted = false;
  object->slots.clear();
  ASSERT_TRUE(
      WriteVolumeObject(Env::Posix(), Random::System(), store, *object).ok());
  const ReaderRun run =
      RunReader({"extract", "dir:" + copy, "--passphrase-file",
                 FileWith(kVectorPassphrase), dir_.Path("out")});
  EXPECT_EQ(run.exit_code, 1) << run.output;
  EXPECT_NE(run.output.find("not encrypted"), std::string::npos) << run.output;
  EXPECT_EQ(Content("out/hello.txt"), "hello, new world\n");
}

// A bit flipped anywhere in any object: the right tree, perhaps with less of
// it and an error, and never other bytes.
TEST_F(VectorsTest, TheReaderNeverTakesADamagedObjectForGood) {
  const std::string copy = dir_.Path("copy");
  for (const auto& [key, bytes] : FilesBelow(vectors_)) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(vectors_, copy,
                          std::filesystem::copy_options::recursive);
    std::string damaged = bytes;
    damaged[damaged.size() * 2 / 3] ^= 1;
    ASSERT_TRUE(
        Env::Posix().WriteFileAtomically(copy + "/" + key, damaged).ok());
    std::filesystem::remove_all(dir_.Path("out"));
    const ReaderRun run =
        RunReader({"extract", "dir:" + copy, "--passphrase-file",
                   FileWith(kVectorPassphrase), dir_.Path("out")});
    EXPECT_EQ(run.output.find("Traceback"), std::string::npos) << run.output;
    const bool is_needed = key.find(
                               "commit/0000000000000001-000000000000000"
                               "1") == std::string::npos;
    EXPECT_EQ(run.exit_code, is_needed ? 1 : 0) << key << "\n" << run.output;
    const std::string hello = dir_.Path("out/hello.txt");
    if (std::filesystem::exists(hello)) {
      EXPECT_EQ(Content("out/hello.txt"), "hello, new world\n") << key;
    }
  }
}

}  // namespace
}  // namespace trefoil
