// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/machine.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "tests/support/test_volume.h"

namespace trefoil {
namespace {

constexpr char kPath[] = "/disk/volume";
constexpr Caller kCaller{1000, 1000, 022};

VolumeOptions OptionsOf() {
  VolumeOptions options;
  options.background = false;
  options.journal_segment_bytes = 4ULL << 20;
  options.journal_capacity_bytes = 64ULL << 20;
  options.index_cache_bytes = 8ULL << 20;
  options.index_buffer_bytes = 8ULL << 20;
  options.block_cache_bytes = 4ULL << 20;
  return options;
}

}  // namespace

std::string DifferenceOf(const Shown& expected, const Shown& found) {
  for (const auto& [label, tree] : expected) {
    const auto other = found.find(label);
    if (other == found.end()) return "snapshot " + label + " is missing";
    std::string difference = FirstDifference(tree, other->second);
    if (!difference.empty()) {
      return label.empty() ? difference : label + ": " + difference;
    }
  }
  for (const auto& [label, tree] : found) {
    if (!expected.contains(label)) return "snapshot " + label + " is too many";
  }
  return "";
}

Result<std::unique_ptr<Machine>> Machine::Format(
    const MachineOptions& options) {
  SimEnvOptions disk;
  disk.seed = options.seed;
  disk.single_threaded = !options.threads;
  disk.unordered = options.unordered;
  std::unique_ptr<Machine> machine(
      new Machine(std::make_unique<SimEnv>(disk), options.seed));
  TREFOIL_TRY(machine->env().CreateDirs(DirName(kPath)));
  TREFOIL_TRY(machine->env().SyncDir("/"));
  TREFOIL_TRY(Volume::Format(machine->world(), kPath));
  // Somebody ran `sync` before relying on it.
  TREFOIL_TRY(machine->env().SyncDir(DirName(kPath)));
  return machine;
}

std::unique_ptr<Machine> Machine::Fork(uint64_t seed) {
  std::unique_ptr<Machine> fork(new Machine(env_->Fork(seed), seed));
  fork->clock_.Advance(clock_.MonotonicNanos() - fork->clock_.MonotonicNanos());
  return fork;
}

World Machine::world() { return {*env_, clock_, random_}; }

Status Machine::Open() {
  TREFOIL_ASSIGN(volume_, Volume::Open(world(), kPath, OptionsOf()));
  return OkStatus();
}

Status Machine::Close() {
  const Status closed = volume_->Close();
  volume_.reset();
  return closed;
}

Status Machine::Reopen() {
  TREFOIL_TRY(Close());
  return Open();
}

Status Machine::KillAndOpen() {
  Drop();
  if (env_->crashed()) return Status::Posix(EIO);
  env_->Kill();
  return Open();
}

Status Machine::LoseIndex() {
  TREFOIL_TRY(Close());
  TREFOIL_TRY(env_->RemoveTree(JoinPath(kPath, "index")));
  return env_->SyncDir(kPath);
}

Result<NodeId> Machine::Find(const std::string& path) {
  NodeId node = kRootNode;
  for (size_t from = 0; from < path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    TREFOIL_ASSIGN(const Entry entry,
                   volume_->Lookup(node, path.substr(from, to - from)));
    node = entry.attr.node;
    volume_->Forget(node, 1);
    from = to + 1;
  }
  return node;
}

Result<Machine::Place> Machine::FindParent(const std::string& path) {
  const size_t slash = path.rfind('/');
  Place place;
  place.name = slash == std::string::npos ? path : path.substr(slash + 1);
  TREFOIL_ASSIGN(
      place.directory,
      Find(slash == std::string::npos ? std::string() : path.substr(0, slash)));
  return place;
}

Status Machine::MakeFile(const std::string& path) {
  TREFOIL_ASSIGN(const Place at, FindParent(path));
  TREFOIL_ASSIGN(
      const Entry entry,
      volume_->MakeNode(at.directory, at.name, S_IFREG | 0644, 0, kCaller));
  volume_->Forget(entry.attr.node, 1);
  return OkStatus();
}

Status Machine::MakeDir(const std::string& path) {
  TREFOIL_ASSIGN(const Place at, FindParent(path));
  TREFOIL_ASSIGN(const Entry entry,
                 volume_->MakeDirectory(at.directory, at.name, 0755, kCaller));
  volume_->Forget(entry.attr.node, 1);
  return OkStatus();
}

Status Machine::MakeSymlink(const std::string& path,
                            const std::string& target) {
  TREFOIL_ASSIGN(const Place at, FindParent(path));
  TREFOIL_ASSIGN(const Entry entry,
                 volume_->MakeSymlink(at.directory, at.name, target, kCaller));
  volume_->Forget(entry.attr.node, 1);
  return OkStatus();
}

Status Machine::Write(const std::string& path, uint64_t offset, uint64_t size,
                      uint64_t seed) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  return volume_->Write(node, offset, RandomBytes(size, seed), {});
}

Result<std::string> Machine::Read(const std::string& path) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  TREFOIL_ASSIGN(const Attr attr, volume_->GetAttr(node));
  std::string content(attr.size_bytes, '\0');
  TREFOIL_ASSIGN(const size_t got, volume_->Read(node, 0, content));
  content.resize(got);
  return content;
}

Status Machine::Append(const std::string& path, uint64_t size, uint64_t seed) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  TREFOIL_ASSIGN(const Attr attr, volume_->GetAttr(node));
  return volume_->Write(node, attr.size_bytes, RandomBytes(size, seed), {});
}

Status Machine::Truncate(const std::string& path, uint64_t size) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  AttrChange change;
  change.size_bytes = size;
  return volume_->SetAttr(node, change).status();
}

Status Machine::Allocate(const std::string& path, int mode, uint64_t offset,
                         uint64_t length) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  return volume_->Allocate(node, mode, offset, length, {});
}

Status Machine::Link(const std::string& from, const std::string& to) {
  TREFOIL_ASSIGN(const NodeId node, Find(from));
  TREFOIL_ASSIGN(const Place at, FindParent(to));
  TREFOIL_ASSIGN(const Entry entry, volume_->Link(node, at.directory, at.name));
  volume_->Forget(entry.attr.node, 1);
  return OkStatus();
}

Status Machine::Rename(const std::string& from, const std::string& to,
                       uint32_t flags) {
  TREFOIL_ASSIGN(const Place source, FindParent(from));
  TREFOIL_ASSIGN(const Place target, FindParent(to));
  return volume_->Rename(source.directory, source.name, target.directory,
                         target.name, flags);
}

Status Machine::Remove(const std::string& path) {
  TREFOIL_ASSIGN(const Place at, FindParent(path));
  return volume_->Unlink(at.directory, at.name);
}

Status Machine::RemoveDir(const std::string& path) {
  TREFOIL_ASSIGN(const Place at, FindParent(path));
  return volume_->RemoveDirectory(at.directory, at.name);
}

Status Machine::SetXattr(const std::string& path, const std::string& name,
                         const std::string& value) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  return volume_->SetXattr(node, name, value, {});
}

Status Machine::RemoveXattr(const std::string& path, const std::string& name) {
  TREFOIL_ASSIGN(const NodeId node, Find(path));
  return volume_->RemoveXattr(node, name);
}

Status Machine::Snapshot(const std::string& label) {
  return volume_->CreateSnapshot(label).status();
}

Status Machine::DeleteSnapshot(const std::string& label) {
  TREFOIL_ASSIGN(const auto snapshots, volume_->ListSnapshots());
  for (const SnapshotInfo& snapshot : snapshots) {
    if (snapshot.label == label) return volume_->DeleteSnapshot(snapshot.name);
  }
  return Status::Posix(ENOENT);
}

Status Machine::Release() {
  volume_->ReleaseCommits(volume_->head().seq);
  return OkStatus();
}

Result<Shown> Machine::Look() {
  Shown shown;
  TREFOIL_ASSIGN(shown[""], ShowVolume(*volume_, kRootNode, false));
  TREFOIL_ASSIGN(const auto snapshots, volume_->ListSnapshots());
  for (const SnapshotInfo& snapshot : snapshots) {
    const NodeId root = NodeId::Make(snapshot.id, kRootInode);
    TREFOIL_ASSIGN(shown[snapshot.label], ShowVolume(*volume_, root, false));
  }
  return shown;
}

Result<VerifyReport> Machine::Verify() {
  VerifyOptions options;
  options.read_data = true;
  options.scratch_directory = "/disk";
  return VerifyVolume(world(), kPath, options);
}

}  // namespace trefoil
