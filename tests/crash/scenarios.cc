// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/scenarios.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <utility>

#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr uint64_t kKiB = 1024;

// --- The words of the table --------------------------------------------------

Step Make(const std::string& path) {
  return {"make " + path, [=](Machine& m) { return m.MakeFile(path); }};
}
Step MakeDir(const std::string& path) {
  return {"mkdir " + path, [=](Machine& m) { return m.MakeDir(path); }};
}
Step Symlink(const std::string& path) {
  return {"symlink " + path,
          [=](Machine& m) { return m.MakeSymlink(path, "to " + path); }};
}
Step Write(const std::string& path, uint64_t offset, uint64_t size,
           uint64_t seed) {
  return {"write " + path,
          [=](Machine& m) { return m.Write(path, offset, size, seed); }};
}
Step Append(const std::string& path, uint64_t size, uint64_t seed) {
  return {"append " + path,
          [=](Machine& m) { return m.Append(path, size, seed); }};
}
Step Truncate(const std::string& path, uint64_t size) {
  return {"truncate " + path,
          [=](Machine& m) { return m.Truncate(path, size); }};
}
Step Punch(const std::string& path, uint64_t offset, uint64_t length) {
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return {"punch " + path,
          [=](Machine& m) { return m.Allocate(path, kMode, offset, length); }};
}
Step Link(const std::string& from, const std::string& to) {
  return {"link " + to, [=](Machine& m) { return m.Link(from, to); }};
}
Step Rename(const std::string& from, const std::string& to,
            uint32_t flags = 0) {
  return {"rename " + from,
          [=](Machine& m) { return m.Rename(from, to, flags); }};
}
Step Remove(const std::string& path) {
  return {"unlink " + path, [=](Machine& m) { return m.Remove(path); }};
}
Step RemoveDir(const std::string& path) {
  return {"rmdir " + path, [=](Machine& m) { return m.RemoveDir(path); }};
}
Step SetXattr(const std::string& path, const std::string& name, char value,
              size_t size) {
  return {"setxattr " + path, [=](Machine& m) {
            return m.SetXattr(path, name, std::string(size, value));
          }};
}
Step RemoveXattr(const std::string& path, const std::string& name) {
  return {"removexattr " + path,
          [=](Machine& m) { return m.RemoveXattr(path, name); }};
}
Step Snapshot(const std::string& label) {
  return {"snapshot " + label, [=](Machine& m) { return m.Snapshot(label); },
          true};
}
Step DeleteSnapshot(const std::string& label) {
  return {"delete snapshot " + label,
          [=](Machine& m) { return m.DeleteSnapshot(label); }, true};
}
Step Sync() {
  return {"sync", [](Machine& m) { return m.Sync(); }, true};
}
Step Commit() {
  return {"commit", [](Machine& m) { return m.Commit(); }, true};
}
Step Checkpoint() {
  return {"checkpoint", [](Machine& m) { return m.Checkpoint(); }, true};
}
// No target needs the commits that there are: they may go.
Step Release() {
  return {"release", [](Machine& m) { return m.Release(); }};
}
// Long enough for every grace.
Step Wait() {
  return {"wait", [](Machine& m) {
            m.clock().Advance(120'000'000'000);
            return OkStatus();
          }};
}
Step Open() {
  return {"open", [](Machine& m) { return m.Open(); }};
}
Step Reopen() {
  return {"close and open", [](Machine& m) { return m.Reopen(); }, true};
}
Step Kill() {
  return {"kill", [](Machine& m) { return m.KillAndOpen(); }};
}
Step LoseIndex() {
  return {"lose the index", [](Machine& m) { return m.LoseIndex(); }, true};
}

using Steps = std::vector<Step>;

Steps operator+(Steps a, const Steps& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Steps Times(uint64_t count, const std::function<Steps(uint64_t)>& body) {
  Steps all;
  for (uint64_t i = 0; i < count; ++i) all = std::move(all) + body(i);
  return all;
}

// --- The table ---------------------------------------------------------------

// Each opening starts a segment: the journal soon looks full enough for the
// index to be flushed and the journal to be trimmed.
Steps FillJournal() {
  return Times(6, [](uint64_t i) -> Steps {
    const std::string path = "old" + std::to_string(i);
    return {Make(path), Write(path, 0, 9 * kKiB, 100 + i), Reopen()};
  });
}

std::vector<Scenario> DataScenarios() {
  return {
      {"write",
       {},
       {Make("f"), Write("f", 0, 10'000, 1), Sync(),
        Write("f", 10'000, 5000, 2), Write("f", 70'000, 1, 3), Sync(),
        Write("f", 20'000, 300 * kKiB, 4), Sync()}},
      {"overwrite",
       {Make("f"), Write("f", 0, 100'000, 1), Commit()},
       {Write("f", 3000, 5000, 2), Sync(), Write("f", 4096, 4096, 3),
        Write("f", 3000, 100, 4), Sync(), Write("f", 99'999, 2, 5)}},
      {"append",
       {Make("f"), Sync()},
       Times(5,
             [](uint64_t i) -> Steps {
               return {Append("f", 700, 10 + i), Append("f", 4000, 20 + i),
                       Sync()};
             })},
      {"truncate",
       {Make("f"), Write("f", 0, 200'000, 1), Commit()},
       {Truncate("f", 70'001), Sync(), Truncate("f", 300'000), Truncate("f", 0),
        Sync(), Write("f", 1000, 5000, 2), Commit(), Truncate("f", 2000),
        Commit()}},
      {"holes",
       {Make("f"), Write("f", 0, 200'000, 1), Commit()},
       {Write("f", 1000, 9000, 2), Punch("f", 500, 100'000), Sync(),
        Write("f", 50'000, 100, 3), Commit(), Punch("f", 0, 60'000), Commit()}},
  };
}

std::vector<Scenario> NameScenarios() {
  return {
      {"rename over",
       {Make("f"), Write("f", 0, 20'000, 1), Commit()},
       {Make("f.new"), Write("f.new", 0, 30'000, 2), Sync(),
        Rename("f.new", "f"), Sync(), Make("f.new"), Write("f.new", 0, 10, 3),
        Rename("f.new", "f"), Commit()}},
      {"rename",
       {MakeDir("a"), MakeDir("b"), Make("a/f"), Write("a/f", 0, 99, 1),
        Make("g"), Sync()},
       {Rename("a/f", "b/f"), Rename("b", "a/b"), Sync(),
        Rename("a/b/f", "g", RENAME_EXCHANGE), Rename("a", "c"), Commit()}},
      {"link and unlink",
       {Make("f"), Write("f", 0, 50'000, 1), Commit()},
       {Link("f", "g"), Remove("f"), Sync(), Symlink("s"), MakeDir("d"),
        Link("g", "d/h"), Remove("g"), Sync(), Remove("d/h"), RemoveDir("d"),
        Remove("s"), Commit(), Make("f"), Commit()}},
      {"xattr",
       {Make("f"), SetXattr("f", "user.old", 'o', 10), Commit()},
       {SetXattr("f", "user.a", 'a', 100), SetXattr("f", "user.b", 'b', 60'000),
        Sync(), SetXattr("f", "user.b", 'c', 50'000),
        RemoveXattr("f", "user.a"), RemoveXattr("f", "user.old"), Commit()}},
  };
}

std::vector<Scenario> SnapshotScenarios() {
  return {
      {"snapshots",
       {MakeDir("d"), Make("d/f"), Write("d/f", 0, 100'000, 1), Commit()},
       {Snapshot("one"), Write("d/f", 500, 1000, 2), Make("d/g"),
        Snapshot("two"), Remove("d/f"), Commit(), Snapshot("three"),
        DeleteSnapshot("one"), Write("d/g", 0, 5000, 3), DeleteSnapshot("two"),
        Commit(), DeleteSnapshot("three"), Commit()}},
  };
}

std::vector<Scenario> ObjectScenarios() {
  return {
      // Enough data for packs of their own.
      {"destage",
       {Make("f"), Write("f", 0, 900 * kKiB, 1),
        Write("f", 900 * kKiB, 900 * kKiB, 2), Make("g"), Sync()},
       {Commit(), Write("f", 100'000, 700 * kKiB, 3), Write("g", 0, 100, 4),
        Commit(), Commit()}},
      {"commit",
       {},
       Times(4,
             [](uint64_t i) -> Steps {
               const std::string path = "f" + std::to_string(i);
               return {Make(path), Write(path, 0, 3000, 10 + i), Commit()};
             })},
      {"checkpoint",
       {Make("f"), Write("f", 0, 20'000, 1), Commit(), Snapshot("one")},
       {Write("f", 100, 9000, 2), Checkpoint(), Make("g"), Commit(),
        Remove("f"), Release(), Checkpoint(), Wait(), Write("g", 0, 30'000, 3),
        Commit(), Wait(), DeleteSnapshot("one"), Checkpoint(), Release(),
        Wait(), Commit(), Reopen(), Make("h"), Commit()}},
      // Packs that are dead, and one that is mostly dead and is emptied.
      {"collect",
       {Make("f"), Write("f", 0, 900 * kKiB, 1), Make("g"),
        Write("g", 0, 700 * kKiB, 2), Commit()},
       {Write("f", 0, 800 * kKiB, 3), Remove("g"), Commit(), Wait(), Commit(),
        Make("h"), Wait(), Commit(), Wait(), Remove("f"), Commit(), Wait(),
        Write("h", 0, 700 * kKiB, 2), Commit(), Wait(), Commit()}},
      {"reap",
       {Make("f"), Write("f", 0, 900 * kKiB, 1), Commit()},
       {Remove("f"), Commit(), Make("g"), Write("g", 0, 900 * kKiB, 1),
        Commit(), Remove("g"), Commit()}},
      {"trim",
       FillJournal(),
       {Make("f"), Commit(), Write("f", 0, 9000, 1), Commit(), Make("g"),
        Sync(), Reopen(), Write("g", 0, 10, 1), Commit()}},
      {"index flush",
       {},
       {Make("f"), Write("f", 0, 5000, 1), Reopen(), Write("f", 0, 5000, 2),
        Commit(), Make("g"), Reopen(), Remove("g"), Reopen()}},
  };
}

std::vector<Scenario> RecoveryScenarios() {
  return {
      {"recovery",
       {Make("f"), Write("f", 0, 20'000, 1), Commit(),
        Write("f", 9000, 20'000, 2), Sync()},
       {Make("g"), Kill(), Write("g", 0, 10'000, 1), Sync(),
        Write("g", 5000, 10, 2), Kill(), Commit(), Make("h"), Kill(),
        Commit()}},
      {"rebuild",
       {Make("f"), Write("f", 0, 900 * kKiB, 1), Commit(), Snapshot("one"),
        Remove("f"), Commit(), Make("g"), Write("g", 0, 20'000, 2),
        LoseIndex()},
       {Open(), Write("g", 0, 5, 3), Sync(), Commit()},
       true},
  };
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const auto* const all = [] {
    auto* const table = new std::vector<Scenario>;
    for (const auto& part :
         {DataScenarios(), NameScenarios(), SnapshotScenarios(),
          ObjectScenarios(), RecoveryScenarios()}) {
      table->insert(table->end(), part.begin(), part.end());
    }
    return table;
  }();
  return *all;
}

const Scenario& FindScenario(const std::string& name) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name == name) return scenario;
  }
  TREFOIL_CHECK(false);
}

}  // namespace trefoil
