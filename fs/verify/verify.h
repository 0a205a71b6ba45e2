// SPDX-License-Identifier: Apache-2.0
// The verifier: looks at a volume that nobody has open, or at one target's
// tree, and says what is wrong with it. It changes nothing.
//
// Thread rule: free functions; `progress` is called by the calling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fs/object/copies.h"
#include "fs/object/object_store.h"
#include "fs/volume/identity.h"
#include "fs/volume/volume.h"

namespace trefoil {

enum class Severity {
  kInfo,     // worth knowing, nothing is wrong
  kWarning,  // nothing is lost, but somebody should look
  kError,    // something is missing, damaged or contradictory
};

struct Finding {
  Severity severity = Severity::kError;
  std::string code;   // "missing-pack", "bad-hash" ...: for scripts
  std::string where;  // the object's key, the file, the record
  std::string text;   // for people
  // Further paths that it touches, of the same file in snapshots; bounded.
  std::vector<std::string> also = {};
};

// What a check is doing.
enum class CheckPhase {
  kCommits,  // reads the chain of commits
  kData,     // reads what else is to be read
  kTree,     // compares what it has read, and reads no more
};

struct CheckProgress {
  CheckPhase phase = CheckPhase::kCommits;
  uint64_t done_bytes = 0;   // that were read, in all phases
  uint64_t total_bytes = 0;  // to be read in all of them; may shrink
};

struct VerifyOptions {
  bool read_data = false;  // hash every byte of every object
  // Opens an encrypted copy; null: a volume's key file does, a target is
  // checked as far as that goes without a key.
  std::shared_ptr<const Secret> secret;
  // With read_data, of so many packs in a hundred, drawn at random.
  unsigned sample_percent = 100;
  // Threads that read and hash objects at a time.
  unsigned readers = 4;
  // With read_data of everything: what was verified is remembered in this file,
  // and a check of the same volume in the same place within a week takes it as
  // verified; whoever is done with it removes it. Empty: nothing is remembered.
  std::string state_file;
  // What tells the place from others, where its description does not.
  std::string place_id;
  // Asked between objects; true ends the check with kUnavailable. Null: never.
  std::function<bool()> stop;
  // Keys of objects that are known to be damaged.
  std::set<std::string> known_bad;
  // Told after each object that was read, and when a phase begins.
  std::function<void(const CheckProgress&)> progress;
  // Where temporary files go (about as much as the volume's index has); empty:
  // TMPDIR, else /var/tmp.
  std::string scratch_directory;
  // Of a volume: where objects are that a recovered one does not have yet.
  ObjectCopies copies;
};

struct VerifyReport {
  std::vector<Finding> findings;
  // Keys of the objects that are missing or damaged: all, where findings are
  // bounded.
  std::set<std::string> bad_objects;
  // Those of them that nothing needs, as far as could be told.
  std::set<std::string> unneeded_bad;
  // What is among Trefoil's objects and none; at most kMaxStrangers.
  std::set<std::string> strangers;
  static constexpr size_t kMaxStrangers = 10'000;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  uint64_t commits = 0;
  uint64_t files = 0;
  // Nothing above Severity::kInfo was found.
  [[nodiscard]] bool clean() const {
    for (const Finding& finding : findings) {
      if (finding.severity != Severity::kInfo) return false;
    }
    return true;
  }
};

// An error means that it could not be checked (kBusy: it is open elsewhere);
// what is wrong with the volume is in the report.
Result<VerifyReport> VerifyVolume(World world, const std::string& path,
                                  const VerifyOptions& options);
Result<VerifyReport> VerifyStore(World world, ObjectStore& store,
                                 const VerifyOptions& options);

}  // namespace trefoil
