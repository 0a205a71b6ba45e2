// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/workload.h"

#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace trefoil::sim {

namespace {

constexpr size_t kBlobs = 6;
constexpr size_t kBlobBytes = 96 << 10;
constexpr size_t kMaxDepth = 3;
constexpr std::array<const char*, 10> kNames = {
    "a",          "b",
    "c",          "A",
    "report.odt", "~$report.odt",
    "x1",         "x2",
    "Ünïcode",    "a name with blanks"};

}  // namespace

Workload::Workload(uint64_t seed, Machine& machine, History& history)
    : random_(seed), machine_(machine), history_(history) {
  for (size_t i = 0; i < kBlobs; ++i) {
    // Half of them can be compressed.
    std::string blob = random_.Bytes(kBlobBytes);
    for (size_t at = 0; i % 2 == 0 && at < blob.size(); ++at) {
      blob[at] = static_cast<char>(blob[at] & 3);
    }
    blobs_.push_back(std::move(blob));
  }
}

int64_t Workload::now() { return machine_.clock().WallNanos(); }

std::string Workload::AnyPath() {
  const auto paths = history_.now().tree.Paths();
  if (paths.empty() || Chance(5)) return NewPath();
  return paths[Below(paths.size())];
}

std::string Workload::FilePath() {
  std::vector<std::string> files;
  for (const std::string& path : history_.now().tree.Paths()) {
    if (S_ISREG(history_.now().tree.ModeOf(path))) files.push_back(path);
  }
  if (files.empty() || Chance(2)) return AnyPath();
  return files[Below(files.size())];
}

std::string Workload::NewPath() {
  std::vector<std::string> directories = {""};
  for (const std::string& path : history_.now().tree.Paths()) {
    const auto depth = std::count(path.begin(), path.end(), '/');
    if (S_ISDIR(history_.now().tree.ModeOf(path)) &&
        static_cast<size_t>(depth) + 2 < kMaxDepth + 1) {
      directories.push_back(path);
    }
  }
  const std::string directory = directories[Below(directories.size())];
  const std::string name = kNames[Below(kNames.size())];
  return directory.empty() ? name : directory + "/" + name;
}

std::string Workload::Data() {
  const std::string& blob = blobs_[Below(blobs_.size())];
  const uint64_t kind = Below(100);
  size_t size = 1 + Below(6000);
  if (kind >= 70) size = 4096 * (1 + Below(16));
  if (kind >= 95) size = 1 + Below(blob.size());
  if (kind >= 99) {  // many blocks
    std::string large;
    while (large.size() < (600 << 10)) large += blobs_[Below(blobs_.size())];
    return large;
  }
  const size_t from = Below(blob.size() - std::min(size, blob.size()) + 1);
  std::string data = blob.substr(from, size);
  if (Chance(30)) data[Below(data.size())] ^= 1;  // not known yet
  return data;
}

Result<NodeId> Workload::Find(const std::string& path) {
  NodeId node = kRootNode;
  for (size_t from = 0; from < path.size();) {
    const size_t to = std::min(path.find('/', from), path.size());
    TREFOIL_ASSIGN(const Entry entry, machine_.volume().Lookup(
                                          node, path.substr(from, to - from)));
    node = entry.attr.node;
    machine_.volume().Forget(node, 1);
    from = to + 1;
  }
  return node;
}

Result<Workload::Place> Workload::FindPlace(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return Place{kRootNode, path};
  TREFOIL_ASSIGN(const NodeId directory, Find(path.substr(0, slash)));
  return Place{directory, path.substr(slash + 1)};
}

Status Workload::Step() {
  ++operations_;
  machine_.Forgive();
  const uint64_t dice = Below(100);
  if (dice < 12) return Make();
  if (dice < 15) return MakeLink();
  if (dice < 22) return Remove();
  if (dice < 31) return Rename();
  if (dice < 60) return Write();
  if (dice < 66) return Truncate();
  if (dice < 71) return ChangeAttributes();
  if (dice < 77) return ChangeXattr();
  if (dice < 81) return Allocate();
  if (dice < 85) return Copy();
  if (dice < 95) return Read();
  return dice < 98 ? ReadSnapshot() : ReadUnlinked();
}

Status Workload::Judge(const std::string& what, int expected, const Status& got,
                       ModelState next, bool frees_space) {
  const int answer = got.posix_errno();
  if (got.ok() && expected == 0) {
    history_.Acknowledge(std::move(next));
    return OkStatus();
  }
  if (!got.ok() && answer == expected) return OkStatus();
  const Status wrong(
      StatusCode::kCorruption,
      fmt::format("{} answered {}, not {}", what,
                  got.ok() ? "OK" : got.ToString(),
                  expected == 0 ? "OK" : Status::Posix(expected).ToString()));
  if (got.ok()) return wrong;
  if (machine_.broken()) {
    if (expected == 0) history_.Doubt(std::move(next));
    return OkStatus();
  }
  if (answer == ENOSPC && machine_.crowded() && !frees_space) return OkStatus();
  if (!machine_.faulty()) return wrong;
  return expected == 0 ? Look(what, got, std::move(next)) : OkStatus();
}

// The answer was an error, and the volume goes on: it shows what became of it.
Status Workload::Look(const std::string& what, const Status& got,
                      ModelState next) {
  machine_.env().ClearFaults();
  auto shown = Show(machine_.volume(), false);
  if (!shown.ok()) return shown.status().WithContext("after " + what);
  const std::string from_now = DifferenceOf(history_.now(), *shown);
  if (from_now.empty()) return OkStatus();
  if (DifferenceOf(next, *shown).empty()) {
    history_.Acknowledge(std::move(next));
    return OkStatus();
  }
  return {StatusCode::kCorruption,
          fmt::format("{} answered {} and left neither what was nor what "
                      "should be: {}",
                      what, got.ToString(), from_now)};
}

Status Workload::Check(bool rot) {
  auto shown = Show(machine_.volume(), rot);
  if (!shown.ok()) return shown.status().WithContext("looking at everything");
  const std::string difference = DifferenceOf(history_.now(), *shown);
  return difference.empty() ? OkStatus()
                            : Status(StatusCode::kCorruption, difference);
}

Status Workload::Sync() {
  machine_.Forgive();
  const Status synced = machine_.volume().Sync();
  if (synced.ok()) {
    history_.Durable();
    return OkStatus();
  }
  return machine_.broken() ? OkStatus()
                           : synced.WithContext("fsync, without a reason");
}

Status Workload::CreateSnapshot() {
  machine_.Forgive();
  ModelState next = history_.now();
  int64_t seconds = now() / 1'000'000'000;
  const auto name_of = [](int64_t time) {
    std::string name = FormatUtc(time * 1'000'000'000);  // 2026-01-01T00:00:00Z
    std::replace(name.begin(), name.end(), 'T', '-');
    std::replace(name.begin() + 4, name.begin() + 8, '-', '.');
    std::replace(name.begin(), name.end(), ':', '.');
    name.pop_back();
    return "@GMT-" + name;
  };
  while (next.snapshots.contains(name_of(seconds)) ||
         deleted_snapshots_.contains(name_of(seconds))) {
    ++seconds;
  }
  const std::string name = name_of(seconds);
  next.snapshots[name] = std::make_shared<ModelTree>(next.tree);
  const auto made = machine_.volume().CreateSnapshot("sim");
  if (made.ok() && made->name != name) {
    return {StatusCode::kCorruption, "snapshot " + name + ": " + made->name};
  }
  TREFOIL_TRY(Judge("snapshot " + name, 0, made.status(), std::move(next)));
  if (made.ok()) history_.Durable();
  return OkStatus();
}

Status Workload::DeleteSnapshot() {
  machine_.Forgive();
  ModelState next = history_.now();
  if (next.snapshots.empty()) return OkStatus();
  const auto victim =
      std::next(next.snapshots.begin(),
                static_cast<ptrdiff_t>(Below(next.snapshots.size())));
  const std::string name = victim->first;
  next.snapshots.erase(victim);
  const Status deleted = machine_.volume().DeleteSnapshot(name);
  TREFOIL_TRY(Judge("deleting " + name, 0, deleted, std::move(next), true));
  if (deleted.ok()) {
    history_.Durable();
    deleted_snapshots_.insert(name);
  }
  return OkStatus();
}

}  // namespace trefoil::sim
