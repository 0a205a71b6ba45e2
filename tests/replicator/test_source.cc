// SPDX-License-Identifier: Apache-2.0
#include "tests/replicator/test_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "fs/index/keys.h"
#include "fs/volume/identity.h"
#include "fs/volume/pack_object.h"
#include "replicator/chain.h"

namespace trefoil::testing {

namespace {

constexpr int64_t kFirstTimeNanos = 1'700'000'000'000'000'000;

std::string Made(const std::string& path) {
  EXPECT_TRUE(Env::Posix().CreateDirs(path).ok());
  return path;
}

}  // namespace

World RealWorld() { return {Env::Posix(), Clock::Real(), Random::System()}; }

std::string KeyOf(const CommitRef& commit) {
  return CommitKey(commit.generation, commit.seq, commit.name);
}

TestSource::TestSource(const std::string& path, Env& env)
    : env_(env), objects_(env, Made(path)) {
  const VolumeSecrets secrets =
      NewSecrets(Clock::Real(), Random::System(), true);
  volume_id_ = secrets.identity.volume_id;
  keyring_ = secrets.MakeKeyring();
  VolumeObject object = NewVolumeObject(secrets);
  SealSecrets(secrets, Random::System(), &object);
  EXPECT_TRUE(WriteVolumeObject(env_, Random::System(), objects_, object).ok());
}

std::string TestSource::TemporaryPath() {
  auto path = objects_.NewTemporaryPath();
  EXPECT_TRUE(path.ok());
  return *path;
}

PackRef TestSource::AddPack(size_t bytes) {
  ObjectHeader header;
  header.kind = ObjectKind::kPack;
  header.volume_id = volume_id_;
  auto writer = ObjectWriter::Create(env_, Random::System(), *keyring_,
                                     TemporaryPath(), header);
  EXPECT_TRUE(writer.ok());
  const std::string block = Random::System().Bytes(bytes);
  EXPECT_TRUE((*writer)->Append(FrameType::kBlock, block).ok());
  auto finished = (*writer)->Finish();
  EXPECT_TRUE(finished.ok());
  EXPECT_TRUE(objects_.Adopt(*finished, PackKey(finished->name)).ok());
  return {PackNo(next_pack_no_++), finished->name, finished->size_bytes};
}

CommitRef TestSource::AddCommit(int packs, size_t pack_bytes) {
  return MakeCommit(packs, pack_bytes, false);
}

CommitRef TestSource::AddHolder() { return MakeCommit(0, 0, true); }

CommitRef TestSource::MakeCommit(int packs, size_t pack_bytes,
                                 bool holds_blocks) {
  const CommitRef before = head();
  CommitRef ref;
  ref.seq = before.seq.Next();
  ref.generation = generation();
  ref.cut = Lsn(ref.seq.value * 10);
  ref.time_nanos =
      kFirstTimeNanos +
      (static_cast<int64_t>(ref.seq.value) + clock_seconds_) * 1'000'000'000;

  CommitInfo info;
  info.seq = ref.seq;
  info.generation = ref.generation;
  info.epoch = Epoch(ref.seq.value);
  info.cut = ref.cut;
  info.time_nanos = ref.time_nanos;
  for (int i = 0; i < packs; ++i) {
    info.packs_added.push_back(AddPack(pack_bytes));
  }
  info.pack_no = PackNo(next_pack_no_++);
  {
    const MutexLock lock(mu_);
    info.packs_retired = retired_;
  }

  ObjectHeader header;
  header.kind = ObjectKind::kCommit;
  header.volume_id = volume_id_;
  header.generation = ref.generation;
  header.number = ref.seq.value;
  header.previous = before.name;
  auto writer = CommitWriter::Create(env_, Random::System(), *keyring_,
                                     TemporaryPath(), header, info);
  EXPECT_TRUE(writer.ok());
  auto finished = (*writer)->Finish();
  EXPECT_TRUE(finished.ok());
  ref.name = finished->name;
  ref.size_bytes = finished->size_bytes;
  EXPECT_TRUE(objects_.Adopt(*finished, KeyOf(ref)).ok());
  {
    const MutexLock lock(mu_);
    chain_.push_back(ref);
    for (const PackRef& pack : info.packs_added) {
      PackRecord& record = live_[pack.pack_no];
      record.name = pack.name;
      record.size_bytes = pack.size_bytes;
    }
    if (holds_blocks) {
      live_[info.pack_no] = {ObjectKind::kCommit, ref.name,      ref.size_bytes,
                             ref.generation,      ref.seq.value, false};
    }
    std::set<std::string> holders;
    for (const auto& [number, record] : live_) {
      holders.insert(ObjectKeyOf(record));
    }
    holders_.push_back(std::move(holders));
    retired_.clear();
  }
  changed_.SignalAll();
  return ref;
}

void TestSource::Retire(const std::vector<PackRef>& packs) {
  const MutexLock lock(mu_);
  for (const PackRef& pack : packs) {
    live_.erase(pack.pack_no);
    retired_.push_back(pack);
    let_go_.push_back(PackKey(pack.name));
  }
}

void TestSource::RetireHolder(const CommitRef& commit) {
  const MutexLock lock(mu_);
  for (auto at = live_.begin(); at != live_.end(); ++at) {
    if (at->second.name != commit.name) continue;
    retired_.push_back({at->first, commit.name, commit.size_bytes});
    let_go_.push_back(KeyOf(commit));
    live_.erase(at);
    return;
  }
}

void TestSource::LetGoOfRetired() {
  const MutexLock lock(mu_);
  EXPECT_TRUE(retired_.empty());
  for (const std::string& key : let_go_) {
    EXPECT_TRUE(objects_.Delete(key).ok());
  }
  let_go_.clear();
}

void TestSource::TrimCommits(CommitSeq through) {
  const MutexLock lock(mu_);
  trimmed_ = through;
  for (size_t i = 0; i < through.value; ++i) {
    const bool holds = std::any_of(
        live_.begin(), live_.end(),
        [&](const auto& held) { return held.second.name == chain_[i].name; });
    if (holds) continue;
    EXPECT_TRUE(objects_.Delete(KeyOf(chain_[i])).ok());
  }
}

CommitSeq TestSource::released() const {
  const MutexLock lock(mu_);
  return released_;
}

int TestSource::checkpoints_made() const {
  const MutexLock lock(mu_);
  return checkpoints_made_;
}

Status TestSource::WriteState(CommitWriter& writer) {
  const MutexLock lock(mu_);
  for (const auto& [number, pack] : live_) {  // a block in each
    BlockRecord block;
    block.pack = number;
    TREFOIL_TRY(
        writer.AddDelta(0, BlockKey(BlockNo(number.value)), block.Encode()));
  }
  for (const auto& [number, pack] : live_) {
    TREFOIL_TRY(writer.AddDelta(0, PackNoKey(number), pack.Encode()));
  }
  return OkStatus();
}

Result<CommitRef> TestSource::Checkpoint() {
  const CommitRef commit = head();
  TREFOIL_ASSIGN(const auto newest, NewestCheckpoint());
  if (newest && ParseObjectKey(newest->key)->number == commit.seq.value) {
    return commit;
  }
  ObjectHeader header;
  header.kind = ObjectKind::kCheckpoint;
  header.volume_id = volume_id_;
  header.generation = commit.generation;
  header.number = commit.seq.value;
  header.previous = commit.name;
  CommitInfo info;
  info.seq = commit.seq;
  info.generation = commit.generation;
  info.epoch = Epoch(commit.seq.value);
  info.cut = commit.cut;
  info.time_nanos = commit.time_nanos;
  TREFOIL_ASSIGN(auto writer,
                 CommitWriter::Create(env_, Random::System(), *keyring_,
                                      TemporaryPath(), header, info));
  TREFOIL_TRY(WriteState(*writer));
  TREFOIL_ASSIGN(const FinishedObject object, writer->Finish());
  TREFOIL_TRY(objects_.Adopt(
      object, CheckpointKey(commit.generation, commit.seq, object.name)));
  if (newest) TREFOIL_TRY(objects_.Delete(newest->key));
  const MutexLock lock(mu_);
  ++checkpoints_made_;
  return commit;
}

Result<std::optional<ObjectInfo>> TestSource::NewestCheckpoint() {
  std::optional<ObjectInfo> newest;
  TREFOIL_TRY(objects_.List("checkpoint/", "", [&](const ObjectInfo& info) {
    newest = info;
    return true;
  }));
  return newest;
}

void TestSource::ReleaseCommits(CommitSeq through) {
  const MutexLock lock(mu_);
  released_ = through;
}

Result<CommitRef> TestSource::VisitHeadObjects(
    const std::function<Status(const ObjectInfo&)>& visit) {
  const MutexLock lock(mu_);
  for (const auto& [number, pack] : live_) {
    TREFOIL_TRY(visit({ObjectKeyOf(pack), pack.size_bytes}));
  }
  for (const PackRef& pack : retired_) {
    TREFOIL_TRY(visit({PackKey(pack.name), pack.size_bytes}));
  }
  return chain_.empty() ? CommitRef() : chain_.back();
}

void TestSource::NextGeneration() {
  const MutexLock lock(mu_);
  generation_ = generation_.Next();
}

void TestSource::SetGeneration(uint64_t generation) {
  const MutexLock lock(mu_);
  generation_ = Generation(generation);
}

void TestSource::RewindTo(CommitSeq seq) {
  const MutexLock lock(mu_);
  chain_.resize(seq.value);
  holders_.resize(seq.value);
}

std::vector<CommitRef> TestSource::commits() const {
  const MutexLock lock(mu_);
  return chain_;
}

std::set<std::string> TestSource::Holders(CommitSeq seq) const {
  const MutexLock lock(mu_);
  return holders_.at(seq.value - 1);
}

std::vector<PackRef> TestSource::Packs(const CommitRef& commit) {
  auto info = ReadCommitInfo(objects_, *keyring_, KeyOf(commit));
  EXPECT_TRUE(info.ok()) << info.status().ToString();
  return info.ok() ? info->packs_added : std::vector<PackRef>();
}

CommitRef TestSource::head() const {
  const MutexLock lock(mu_);
  return chain_.empty() ? CommitRef() : chain_.back();
}

Result<CommitRef> TestSource::NextCommit(CommitSeq after) {
  const MutexLock lock(mu_);
  if (after < trimmed_) {
    return Status(StatusCode::kTrimmed, "a checkpoint stands for the commit");
  }
  if (after.value < chain_.size()) return chain_[after.value];
  return Status(StatusCode::kNotFound, "no commit follows");
}

bool TestSource::WaitForCommit(CommitSeq after, int64_t timeout_nanos) {
  const MutexLock lock(mu_);
  if (chain_.size() > after.value) return true;
  changed_.WaitFor(mu_, std::chrono::nanoseconds(timeout_nanos));
  return chain_.size() > after.value;
}

Generation TestSource::generation() const {
  const MutexLock lock(mu_);
  return generation_;
}

std::string WhatIsIncomplete(ObjectStore& target, TestSource& source,
                             CommitSeq watermark) {
  std::set<std::string> there;
  const Status listed = target.List("", "", [&](const ObjectInfo& info) {
    there.insert(info.key);
    return true;
  });
  if (!listed.ok()) return listed.ToString();
  bool earlier_is_missing = false;
  for (const CommitRef& commit : source.commits()) {
    const std::string name = "commit " + std::to_string(commit.seq.value);
    if (!there.contains(KeyOf(commit))) {
      if (commit.seq <= watermark) return name + " is below the watermark";
      earlier_is_missing = true;
      continue;
    }
    if (earlier_is_missing) return name + " came before an earlier one";
    for (const PackRef& pack : source.Packs(commit)) {
      if (!there.contains(PackKey(pack.name))) return name + " lacks a pack";
    }
  }
  return "";
}

std::string WhyNotRecoverable(ObjectStore& target, TestSource& source,
                              CommitSeq watermark) {
  auto chain = FindOwnedChain(target, source.keyring());
  if (chain.status().Is(StatusCode::kNotFound) && watermark.value == 0) {
    return "";
  }
  if (!chain.ok()) return chain.status().ToString();
  const Status links = CheckLinks(target, chain->links);
  if (!links.ok()) return links.ToString();
  const CommitSeq last(chain->links.back().parsed.number);
  if (last < watermark) return "the watermark is ahead of the chain";
  for (const std::string& key : source.Holders(last)) {
    if (target.Head(key).ok()) continue;
    return "commit " + std::to_string(last.value) + " lacks " + key;
  }
  return "";
}

}  // namespace trefoil::testing
