// SPDX-License-Identifier: Apache-2.0
#include "tests/reader/vectors.h"

#include <sys/stat.h>

#include <map>
#include <utility>

#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/object/commit.h"
#include "fs/object/local_tree.h"
#include "fs/volume/identity.h"
#include "fs/volume/names.h"
#include "replicator/owner.h"
#include "tests/support/sim_world.h"

namespace trefoil {
namespace {

constexpr uint8_t kLive = 0;
constexpr uint8_t kHistory = 1;
constexpr Generation kOwner{1};

// Builds the copy object by object, as a volume would: a tree with a snapshot,
// blocks in a pack and in a commit, history, and a checkpoint in the middle.
class Maker {
 public:
  explicit Maker(const std::string& path) : objects_(env_, path) {}

  Status Run() {
    TREFOIL_TRY(MakeVolume());
    TREFOIL_TRY(MakePack());
    TREFOIL_TRY(MakeFirstCommit());
    TREFOIL_TRY(MakeSecondCommit());
    TREFOIL_TRY(MakeCheckpoint());
    TREFOIL_TRY(MakeThirdCommit());
    return MakeClaim();
  }

 private:
  using Entries =
      std::map<std::pair<uint8_t, std::string>, std::optional<std::string>>;

  Status MakeVolume();
  Status MakePack();
  Status MakeFirstCommit();
  Status MakeSecondCommit();
  Status MakeCheckpoint();
  Status MakeThirdCommit();
  Status MakeClaim();

  ObjectHeader Header(ObjectKind kind) const {
    ObjectHeader header;
    header.kind = kind;
    header.volume_id = secrets_.identity.volume_id;
    header.generation = kOwner;
    return header;
  }
  InodeRecord Inode(uint64_t birth, uint32_t mode, uint64_t size) const {
    InodeRecord inode;
    inode.birth = Epoch(birth);
    inode.mode = mode;
    inode.nlink = S_ISDIR(mode) ? 2 : 1;
    inode.uid = 1000;
    inode.gid = 100;
    inode.size_bytes = size;
    inode.mtime_nanos = SimClock::kStartNanos + 123'456'789;
    inode.atime_nanos = inode.ctime_nanos = inode.mtime_nanos;
    inode.btime_nanos = SimClock::kStartNanos;
    return inode;
  }
  void Put(const std::string& key, const std::string& value,
           uint8_t family = kLive) {
    delta_[{family, key}] = value;
  }
  void PutEntry(uint64_t birth, uint64_t parent, const std::string& name,
                uint64_t inode, uint8_t type) {
    Put(DirentKey(InodeId(parent), Position(name)),
        DirentRecord{Epoch(birth), InodeId(inode), type, name}.Encode());
  }
  void PutBlock(uint64_t number, uint64_t pack, const FrameLocation& at,
                const std::string& plain) {
    const Hash256 id = HmacSha256(secrets_.identity.block_key.view(), plain);
    Put(BlockKey(BlockNo(number)), BlockRecord{PackNo(pack), at, id}.Encode());
    Put(CountKey(BlockNo(number)), EncodeNumber(1));
    Put(CounterKey(kBlockCounter), EncodeNumber(number + 1));
  }
  [[nodiscard]] DirPosition Position(const std::string& name) const {
    return FirstPosition(secrets_.identity.name_key, name);
  }
  void MoveToHistory(const std::string& key, uint64_t last) {
    Put(HistoryKey(key, Epoch(last)), *state_[{kLive, key}], kHistory);
  }
  CommitInfo Info(uint64_t seq) const;
  Result<std::unique_ptr<CommitWriter>> Begin(ObjectKind kind,
                                              const CommitInfo& info);
  // Writes `delta_` and takes it into the state.
  Status End(const CommitInfo& info, CommitWriter& writer);

  Env& env_ = Env::Posix();
  SimClock clock_;
  SeededRandom random_{20'260'101};
  LocalTree objects_;
  VolumeSecrets secrets_;
  std::shared_ptr<Keyring> keyring_;
  Entries state_;
  Entries delta_;
  PackRef pack_;
  FrameLocation in_pack_[2];
  Hash256 last_;  // name of the last commit
};

const std::string kOld = "hello, old world\n";
const std::string kNew = "hello, new world\n";

Status Maker::MakeVolume() {
  secrets_ = NewSecrets(clock_, random_, true);
  keyring_ = secrets_.MakeKeyring();
  VolumeObject object = NewVolumeObject(secrets_);
  TREFOIL_TRY(AddSlot({SlotKind::kPassphrase,
                       "office",
                       SecretBytes(std::string_view(kVectorPassphrase)),
                       {10, 8, 1}},
                      clock_, random_, &secrets_, &object)
                  .status());
  TREFOIL_TRY(AddSlot({SlotKind::kRecoveryKey,
                       "kit",
                       SecretBytes(std::string_view(kVectorRecoveryKey)),
                       {}},
                      clock_, random_, &secrets_, &object)
                  .status());
  SealSecrets(secrets_, random_, &object);
  return WriteVolumeObject(env_, random_, objects_, object);
}

Status Maker::MakePack() {
  TREFOIL_ASSIGN(const std::string path, objects_.NewTemporaryPath());
  TREFOIL_ASSIGN(auto writer,
                 ObjectWriter::Create(env_, random_, *keyring_, path,
                                      Header(ObjectKind::kPack)));
  TREFOIL_ASSIGN(in_pack_[0], writer->Append(FrameType::kBlock, kOld));
  TREFOIL_ASSIGN(in_pack_[1],
                 writer->Append(FrameType::kBlock, std::string(4096, 'z')));
  TREFOIL_ASSIGN(const FinishedObject finished, writer->Finish());
  pack_ = {PackNo(1), finished.name, finished.size_bytes};
  return objects_.Adopt(finished, PackKey(finished.name));
}

CommitInfo Maker::Info(uint64_t seq) const {
  CommitInfo info;
  info.seq = CommitSeq(seq);
  info.generation = kOwner;
  info.epoch = Epoch(seq);
  info.cut = Lsn(10 * seq);
  info.time_nanos = SimClock::kStartNanos + static_cast<int64_t>(seq);
  info.pack_no = PackNo(seq + 1);
  return info;
}

Result<std::unique_ptr<CommitWriter>> Maker::Begin(ObjectKind kind,
                                                   const CommitInfo& info) {
  ObjectHeader header = Header(kind);
  header.number = info.seq.value;
  header.previous = last_;
  TREFOIL_ASSIGN(const std::string path, objects_.NewTemporaryPath());
  return CommitWriter::Create(env_, random_, *keyring_, path, header, info);
}

Status Maker::End(const CommitInfo& info, CommitWriter& writer) {
  for (const auto& [key, value] : delta_) {
    TREFOIL_TRY(writer.AddDelta(key.first, key.second, value));
    if (value) {
      state_[key] = value;
    } else {
      state_.erase(key);
    }
  }
  delta_.clear();
  TREFOIL_ASSIGN(const FinishedObject finished, writer.Finish());
  last_ = finished.name;
  const PackRecord own{ObjectKind::kCommit, finished.name, finished.size_bytes,
                       kOwner, info.seq.value};
  state_[{kLive, PackNoKey(info.pack_no)}] = own.Encode();
  state_[{kLive, CounterKey(kPackCounter)}] =
      EncodeNumber(info.pack_no.value + 1);
  return objects_.Adopt(finished, CommitKey(kOwner, info.seq, finished.name));
}

// /hello.txt, and /sub/sparse with 1000 bytes at 100000 and a hole on each
// side.
Status Maker::MakeFirstCommit() {
  CommitInfo info = Info(1);
  info.packs_added.push_back(pack_);
  TREFOIL_ASSIGN(auto writer, Begin(ObjectKind::kCommit, info));
  InodeRecord root = Inode(1, S_IFDIR | 0755, 0);
  root.nlink = 3;
  root.parent = InodeId(1);
  InodeRecord sub = Inode(1, S_IFDIR | 02750, 0);
  sub.parent = InodeId(1);
  InodeRecord sparse = Inode(1, S_IFREG | 0600, 200'000);
  sparse.flags = kInodeSparse;
  Put(InodeKey(InodeId(1)), root.Encode());
  Put(InodeKey(InodeId(2)), Inode(1, S_IFREG | 0644, kOld.size()).Encode());
  Put(InodeKey(InodeId(3)), sub.Encode());
  Put(InodeKey(InodeId(4)), sparse.Encode());
  PutEntry(1, 1, "hello.txt", 2, 8);
  PutEntry(1, 1, "sub", 3, 4);
  PutEntry(1, 3, "sparse", 4, 8);
  PutBlock(1, 1, in_pack_[0], kOld);
  PutBlock(2, 1, in_pack_[1], std::string(4096, 'z'));
  Put(ExtentKey(InodeId(2), 0),
      ExtentRecord{Epoch(1), kOld.size(), BlockNo(1), 0}.Encode());
  Put(ExtentKey(InodeId(4), 100'000),
      ExtentRecord{Epoch(1), 1000, BlockNo(2), 96}.Encode());
  Put(PackNoKey(PackNo(1)),
      PackRecord{ObjectKind::kPack, pack_.name, pack_.size_bytes, {}, 0}
          .Encode());
  Put(CounterKey(kInodeCounter), EncodeNumber(5));
  Put(CounterKey(kSnapshotCounter), EncodeNumber(2));
  Put(SnapshotKey(SnapshotId(1)),
      SnapshotRecord{Epoch(1), SimClock::kStartNanos,
                     "@GMT-2026.01.01-00.00.00", "first"}
          .Encode());
  return End(info, *writer);
}

// New words in /hello.txt, in a block of the commit itself, an attribute, and
// /link.
Status Maker::MakeSecondCommit() {
  const CommitInfo info = Info(2);
  TREFOIL_ASSIGN(auto writer, Begin(ObjectKind::kCommit, info));
  TREFOIL_ASSIGN(const FrameLocation at, writer->AppendBlock(kNew));
  MoveToHistory(InodeKey(InodeId(2)), 1);
  MoveToHistory(ExtentKey(InodeId(2), 0), 1);
  InodeRecord link = Inode(2, S_IFLNK | 0777, 9);
  link.symlink_target = "hello.txt";
  Put(InodeKey(InodeId(2)), Inode(2, S_IFREG | 0644, kNew.size()).Encode());
  Put(InodeKey(InodeId(5)), link.Encode());
  Put(XattrKey(InodeId(2), "user.color"),
      XattrRecord{Epoch(2), "blue"}.Encode());
  PutEntry(2, 1, "link", 5, 10);
  PutBlock(3, info.pack_no.value, at, kNew);
  Put(ExtentKey(InodeId(2), 0),
      ExtentRecord{Epoch(2), kNew.size(), BlockNo(3), 0}.Encode());
  Put(CounterKey(kInodeCounter), EncodeNumber(6));
  return End(info, *writer);
}

Status Maker::MakeCheckpoint() {
  const CommitInfo info = Info(2);
  TREFOIL_ASSIGN(auto writer, Begin(ObjectKind::kCheckpoint, info));
  for (const auto& [key, value] : state_) {
    TREFOIL_TRY(writer->AddDelta(key.first, key.second, value));
  }
  TREFOIL_ASSIGN(const FinishedObject finished, writer->Finish());
  return objects_.Adopt(finished,
                        CheckpointKey(kOwner, info.seq, finished.name));
}

// /sub/sparse is /moved now.
Status Maker::MakeThirdCommit() {
  const CommitInfo info = Info(3);
  TREFOIL_ASSIGN(auto writer, Begin(ObjectKind::kCommit, info));
  const std::string old = DirentKey(InodeId(3), Position("sparse"));
  MoveToHistory(old, 2);
  delta_[{kLive, old}] = std::nullopt;
  PutEntry(3, 1, "moved", 4, 8);
  return End(info, *writer);
}

Status Maker::MakeClaim() {
  OwnerClaim claim;
  claim.volume_id = secrets_.identity.volume_id;
  claim.name = {Generation(2), NewInstance(random_)};
  claim.base_seq = CommitSeq(3);
  claim.base_generation = kOwner;
  claim.base_name = last_;
  claim.time_nanos = SimClock::kStartNanos;
  TREFOIL_ASSIGN(const std::string bytes,
                 EncodeClaim(claim, *keyring_, random_));
  const std::string path = JoinPath(objects_.Describe(), ClaimKey(claim.name));
  TREFOIL_TRY(env_.CreateDirs(DirName(path)));
  return env_.WriteFileAtomically(path, bytes);
}

}  // namespace

Status WriteVectors(const std::string& path) {
  Maker maker(path);
  TREFOIL_TRY(maker.Run());
  return Env::Posix().RemoveTree(JoinPath(path, "tmp"));
}

}  // namespace trefoil
