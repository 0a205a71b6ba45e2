// SPDX-License-Identifier: Apache-2.0
#include "tests/verify/damaged_volume.h"

#include <filesystem>
#include <fstream>

#include "fs/index/keys.h"
#include "fs/volume/identity.h"
#include "fs/volume/rebuild.h"

namespace trefoil {

World TestWorld() { return {Env::Posix(), Clock::Real(), Random::System()}; }

std::unique_ptr<LocalTree> Objects(const std::string& volume) {
  return std::make_unique<LocalTree>(Env::Posix(), volume + "/objects");
}

std::vector<std::string> ObjectKeys(const std::string& volume,
                                    const std::string& prefix) {
  std::vector<std::string> keys;
  const Status listed =
      Objects(volume)->List(prefix, "", [&keys](const ObjectInfo& info) {
        keys.push_back(info.key);
        return true;
      });
  EXPECT_TRUE(listed.ok()) << listed.ToString();
  return keys;
}

std::string ObjectPath(const std::string& volume, const std::string& key) {
  return volume + "/objects/" + key;
}

void FlipBit(const std::string& path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  ASSERT_TRUE(file.is_open()) << path;
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  ASSERT_GE(byte, 0) << path;
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 4));
}

void Truncate(const std::string& path, uint64_t size) {
  std::filesystem::resize_file(path, size);
}

void ChangeIndex(const std::string& volume,
                 const std::function<void(Index&, IndexBatch*)>& change) {
  const auto index = Index::Open(Env::Posix(), volume + "/index", {});
  ASSERT_TRUE(index.ok()) << index.status().ToString();
  IndexBatch batch;
  change(**index, &batch);
  const Status applied = (*index)->Apply(batch, (*index)->applied());
  ASSERT_TRUE(applied.ok()) << applied.ToString();
  const Status flushed = (*index)->Flush();
  ASSERT_TRUE(flushed.ok()) << flushed.ToString();
}

std::string ValueOf(Index& index, Family family, std::string_view key) {
  const auto value = index.Get(family, key);
  EXPECT_TRUE(value.ok() && value->has_value());
  return value.ok() ? value->value_or("") : "";
}

std::shared_ptr<const Keyring> KeyringOf(const std::string& volume) {
  const auto objects = Objects(volume);
  const auto object = ReadVolumeObject(*objects);
  EXPECT_TRUE(object.ok()) << object.status().ToString();
  const auto secrets =
      UnlockPrimary(Env::Posix(), volume, object.value(), nullptr);
  EXPECT_TRUE(secrets.ok()) << secrets.status().ToString();
  return secrets.value().MakeKeyring();
}

void AddCommit(const std::string& volume,
               const std::vector<DeltaEntry>& entries,
               const std::function<void(ObjectHeader*, CommitInfo*)>& edit) {
  const auto objects = Objects(volume);
  const auto keyring = KeyringOf(volume);
  const auto chain = FindChain(*objects, *keyring);
  ASSERT_TRUE(chain.ok() && !chain->empty());
  const ParsedKey& last = chain->back().parsed;
  const auto last_info = ReadCommitInfo(*objects, *keyring, chain->back().key);
  ASSERT_TRUE(last_info.ok()) << last_info.status().ToString();
  const auto identity = ReadVolumeObject(*objects);
  ASSERT_TRUE(identity.ok());

  ObjectHeader header;
  header.kind = ObjectKind::kCommit;
  header.volume_id = identity->volume_id;
  header.generation = last.generation;
  header.number = last.number + 1;
  header.previous = last.name;
  CommitInfo info = *last_info;
  info.seq = CommitSeq(header.number);
  info.epoch = info.epoch.Next();
  info.cut = Lsn(info.cut.value + 1000);
  info.pack_no = PackNo(info.pack_no.value + 1000);
  info.packs_added.clear();
  if (edit) edit(&header, &info);
  const auto path = objects->NewTemporaryPath();
  ASSERT_TRUE(path.ok());
  auto writer = CommitWriter::Create(Env::Posix(), Random::System(), *keyring,
                                     *path, header, info);
  ASSERT_TRUE(writer.ok());
  for (const DeltaEntry& entry : entries) {
    const Status added =
        (*writer)->AddDelta(entry.family, entry.key, entry.value);
    ASSERT_TRUE(added.ok()) << added.ToString();
  }
  const auto object = (*writer)->Finish();
  ASSERT_TRUE(object.ok());
  const Status adopted = objects->Adopt(
      *object, CommitKey(header.generation, info.seq, object->name));
  ASSERT_TRUE(adopted.ok()) << adopted.ToString();
}

namespace {

VerifyOptions Options(bool read_data) {
  VerifyOptions options;
  options.read_data = read_data;
  options.scratch_directory = ::testing::TempDir();
  return options;
}

}  // namespace

VerifyReport Verify(const std::string& volume, bool read_data) {
  auto report = VerifyVolume(TestWorld(), volume, Options(read_data));
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  return report.ok() ? *report : VerifyReport();
}

VerifyReport VerifyObjects(const std::string& volume, bool read_data) {
  VerifyOptions options = Options(read_data);
  const auto key = ReadKeyFile(Env::Posix(), KeyFilePath(volume));
  if (key.ok()) options.secret = std::make_shared<const Secret>(*key);
  auto report = VerifyStore(TestWorld(), *Objects(volume), options);
  EXPECT_TRUE(report.ok()) << report.status().ToString();
  return report.ok() ? *report : VerifyReport();
}

std::optional<Finding> Find(const VerifyReport& report,
                            const std::string& code) {
  for (const Finding& finding : report.findings) {
    if (finding.code == code) return finding;
  }
  return std::nullopt;
}

void ExpectFinding(const VerifyReport& report, const std::string& code,
                   const std::string& text) {
  for (const Finding& finding : report.findings) {
    if (finding.code != code) continue;
    if (finding.where.find(text) != std::string::npos) return;
    if (finding.text.find(text) != std::string::npos) return;
  }
  ADD_FAILURE() << "no " << code << " of " << text << " among:\n"
                << DescribeFindings(report);
}

}  // namespace trefoil
