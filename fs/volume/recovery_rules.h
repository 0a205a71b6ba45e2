// SPDX-License-Identifier: Apache-2.0
// What opening a volume does with everything that it may find: one row for
// each state of the journal's tail, the index, the chain of commits and the
// counters beside them. The rules are data, so that a test can produce every
// one of them. Three things decide for themselves: where the journal ends
// (journal/tail_rules.h); what was cut off while it was written beside its
// place (objects/tmp, journal/new-*, index.new), which goes; and the cursors of
// the targets, which are hints that a shipper checks against what the target
// lists (replicator/target_state.h).
//
// What a crash can leave behind is repaired without a word that anybody has to
// act on: *go on*, *remove*, *rebuild*. What no crash leaves behind, but what
// loses nothing that was acknowledged, is repaired and told (*say*): log and
// `trefoil status`. All else is corruption (*refuse*): it is named, nothing is
// changed, and the volume does not open until somebody decides; nothing is
// guessed.
//
//   found                                              then
//   -------------------------------------------------  ----------------------
//   the volume
//     a recovery that did not finish                   refuse: run it again
//     no volume object, or a damaged one               refuse
//   the index
//     opens                                            go on
//     none, and commits                                rebuild
//     none, and no commit, or a gap between commits    refuse
//     without a commit, and there are commits          set aside and rebuild
//     damaged                                          set aside, rebuild, say
//   the journal, against the newest commit's cut and
//   the last record that the index has applied
//     begins at the cut or before, or is empty         go on: replay
//     lacks a record that was durable, or has it bad   refuse
//     ends below what the index has applied            refuse: it was deleted,
//                                                      or its disk lied
//     not there, and the index had to be rebuilt       say: what no commit has
//                                                      is lost
//   commits, against the newest in index and journal
//     it is there                                      go on
//     it is missing, or of another size                say: copies have it
//     one of the same number under another name        remove: a round that
//                                                      failed and was repeated
//     one that follows it                              remove: its round did
//                                                      not finish, nobody was
//                                                      told of it
//     others beyond                                    refuse: index and
//                                                      journal are older
//                                                      than the objects
//   the generation's file
//     there, and not below the newest commit's         go on with the next
//     missing, no number, or below                     say: go on above the
//                                                      newest commit's
//   the tree
//     has no root directory                            refuse
//
// Thread rule: pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trefoil {

enum class Found : uint8_t {
  kUnfinishedRecovery,
  kBadIdentity,
  kIndexOpens,
  kNoIndex,
  kBrokenChain,
  kEmptyIndex,
  kDamagedIndex,
  kJournalContinues,
  kBadJournal,
  kJournalBehindIndex,
  kNoJournal,
  kHeadThere,
  kHeadMissing,
  kRepeatedCommit,
  kUnregisteredCommit,
  kUnknownCommits,
  kGenerationGood,
  kGenerationBad,
  kNoRoot,
};

enum class RecoveryAction : uint8_t {
  kGoOn,
  kRemove,
  kRebuild,
  kSetAside,  // and rebuild
  kSay,       // and go on; for kDamagedIndex, set it aside and rebuild first
  kRefuse,
};

struct RecoveryRule {
  Found found;
  RecoveryAction action;
  // For people, VOLUME standing for the volume's path; nothing when there is
  // nothing to tell.
  std::string_view text;
};

inline constexpr std::array<RecoveryRule, 19> kRecoveryRules = {{
    {Found::kUnfinishedRecovery, RecoveryAction::kRefuse,
     "its recovery was interrupted; run the same 'trefoil recover' command "
     "again"},
    {Found::kBadIdentity, RecoveryAction::kRefuse,
     "the object that makes it a volume is missing or damaged; copy it from "
     "another copy of the volume, or recover from there"},
    {Found::kIndexOpens, RecoveryAction::kGoOn, ""},
    {Found::kNoIndex, RecoveryAction::kRebuild, ""},
    {Found::kBrokenChain, RecoveryAction::kRefuse,
     "the index is missing or damaged, and these commits can't give it back: "
     "'trefoil fsck --repair VOLUME' takes good ones from the volume's "
     "targets; "
     "where they have none, 'trefoil recover' makes a new volume from any copy "
     "that is whole"},
    {Found::kEmptyIndex, RecoveryAction::kSetAside, ""},
    {Found::kDamagedIndex, RecoveryAction::kSay,
     "the index was damaged; it was rebuilt from the commits, the old one is "
     "kept in index.damaged"},
    {Found::kJournalContinues, RecoveryAction::kGoOn, ""},
    {Found::kBadJournal, RecoveryAction::kRefuse,
     "the journal lacks what was durable; recover from another copy, or look "
     "at 'trefoil fsck'"},
    {Found::kJournalBehindIndex, RecoveryAction::kRefuse,
     "the journal was deleted, is not the right one, or its disk lied: bring "
     "it back. What is in no commit is lost without it; to go on from the last "
     "commit all the same, move the directory index away"},
    {Found::kNoJournal, RecoveryAction::kSay,
     "neither journal nor index were there: the volume goes on from this "
     "commit, its newest; what was written after it is lost"},
    {Found::kHeadThere, RecoveryAction::kGoOn, ""},
    {Found::kHeadMissing, RecoveryAction::kSay,
     "the newest commit is missing among the objects or has another size; the "
     "copies may have it"},
    {Found::kRepeatedCommit, RecoveryAction::kRemove, ""},
    {Found::kUnregisteredCommit, RecoveryAction::kRemove, ""},
    {Found::kUnknownCommits, RecoveryAction::kRefuse,
     "index and journal are older than the objects: bring back those that "
     "belong to them, or move the directory index away to go on from the "
     "newest commit"},
    {Found::kGenerationGood, RecoveryAction::kGoOn, ""},
    {Found::kGenerationBad, RecoveryAction::kSay,
     "the file generation was missing or damaged; it goes on above the newest "
     "commit's"},
    {Found::kNoRoot, RecoveryAction::kRefuse,
     "the volume has no root directory; recover it from another copy"},
}};

constexpr const RecoveryRule& RuleOf(Found found) {
  return kRecoveryRules[static_cast<size_t>(found)];
}

}  // namespace trefoil
