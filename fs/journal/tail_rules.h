// SPDX-License-Identifier: Apache-2.0
// What the scan of a journal does at each place where the record with the
// expected LSN should be (O2). The rules are data, so that a test can go over
// every one of them.
//
// Three things decide:
//   found    what lies at the place;
//   next     where the next segment of the chain says that its records begin;
//   claimed  whether anything valid at a later place claims that the expected
//            LSN was durable.
//
//   next          found          claimed  then
//   ------------  -------------  -------  ------------
//   here          anything       either   next segment
//   later, none   record         either   adopt
//   later, none   record whose   yes      adopt
//                 data are bad
//   later, none   record whose   no       torn tail
//                 data are bad
//   later, none   nothing or a   yes      corruption
//                 bad record
//   later, none   nothing or a   no       torn tail
//                 bad record
//
// *Next segment*: the writer rolled here, or an earlier opening cut a torn
// tail here and its successor began; what else this segment holds is a
// remnant. *Adopt*: the record counts. The data of a claimed record are not
// read during replay: who reads them later finds and reports the damage
// (O10). *Torn tail*: the record was never acknowledged as durable, the
// journal ends before it, and nothing that follows is ever adopted.
// *Corruption*: something that was durable is gone; nothing is guessed.
//
// Thread rule: pure.
#pragma once

#include <array>
#include <cstdint>

namespace trefoil::journal {

enum class Found : uint8_t {
  kNothing,    // zeros, a remnant, a seal, or the segment's end
  kBadRecord,  // the expected record, with meta that fails its check
  kRecord,     // the expected record
  kBadData,    // the expected record, with data that fail their checks
};

enum class NextSegment : uint8_t {
  kNone,   // there is none
  kHere,   // it begins with the expected LSN
  kLater,  // it begins above the expected LSN
};

enum class TailAction : uint8_t {
  kAdopt,
  kNextSegment,
  kTornTail,
  kCorruption,
};

struct TailRule {
  NextSegment next;
  Found found;
  bool claimed;
  TailAction action;
};

inline constexpr std::array<TailRule, 24> kTailRules = {{
    {NextSegment::kNone, Found::kNothing, false, TailAction::kTornTail},
    {NextSegment::kNone, Found::kNothing, true, TailAction::kCorruption},
    {NextSegment::kNone, Found::kBadRecord, false, TailAction::kTornTail},
    {NextSegment::kNone, Found::kBadRecord, true, TailAction::kCorruption},
    {NextSegment::kNone, Found::kRecord, false, TailAction::kAdopt},
    {NextSegment::kNone, Found::kRecord, true, TailAction::kAdopt},
    {NextSegment::kNone, Found::kBadData, false, TailAction::kTornTail},
    {NextSegment::kNone, Found::kBadData, true, TailAction::kAdopt},
    {NextSegment::kHere, Found::kNothing, false, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kNothing, true, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kBadRecord, false, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kBadRecord, true, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kRecord, false, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kRecord, true, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kBadData, false, TailAction::kNextSegment},
    {NextSegment::kHere, Found::kBadData, true, TailAction::kNextSegment},
    {NextSegment::kLater, Found::kNothing, false, TailAction::kTornTail},
    {NextSegment::kLater, Found::kNothing, true, TailAction::kCorruption},
    {NextSegment::kLater, Found::kBadRecord, false, TailAction::kTornTail},
    {NextSegment::kLater, Found::kBadRecord, true, TailAction::kCorruption},
    {NextSegment::kLater, Found::kRecord, false, TailAction::kAdopt},
    {NextSegment::kLater, Found::kRecord, true, TailAction::kAdopt},
    {NextSegment::kLater, Found::kBadData, false, TailAction::kTornTail},
    {NextSegment::kLater, Found::kBadData, true, TailAction::kAdopt},
}};

// The action of the rule that matches.
constexpr TailAction DecideTail(NextSegment next, Found found, bool claimed) {
  for (const TailRule& rule : kTailRules) {
    if (rule.next == next && rule.found == found && rule.claimed == claimed) {
      return rule.action;
    }
  }
  return TailAction::kCorruption;  // kTailRules has every combination
}

}  // namespace trefoil::journal
