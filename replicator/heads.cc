// SPDX-License-Identifier: Apache-2.0
#include "replicator/heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "fs/object/commit.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

// Each costs a few requests; a store full of forgeries is not worth more.
constexpr size_t kMaxStrangers = 1000;

auto Age(const CopyHead& head) { return std::pair(head.generation, head.seq); }

// Whether the object's bytes are what its name says and yet were not made with
// the volume's keys: damage is told apart, since it hides a state that was.
Result<bool> IsStranger(ObjectStore& store, const Keyring& keyring,
                        const VolumeId& volume_id, const ChainLink& link) {
  const auto header = ReadObjectHeader(store, link.key);
  if (header.ok() && header->volume_id == volume_id) {
    const auto info = ReadCommitInfo(store, keyring, link.key);
    if (info.ok()) return false;
    if (!info.status().Is(StatusCode::kCorruption) &&
        !info.status().Is(StatusCode::kNoKey)) {
      return info.status();
    }
  } else if (!header.ok() && !header.status().Is(StatusCode::kCorruption)) {
    return header.status();
  }
  const Status hashed = VerifyObjectHash(store, link.key, link.size_bytes);
  if (hashed.ok()) return true;
  return hashed;
}

// A copy's objects, as if there were nothing above the commit `newest`.
struct Place {
  ObjectStore& store;
  const Keyring& keyring;
  const std::optional<CommitSeq> newest;
};

// The newest commit and checkpoint by their keys, whoever stands for them; the
// commit first.
Result<std::vector<ChainLink>> NewestLinks(
    const Place& place, const std::set<std::string>& without) {
  std::vector<ChainLink> newest;
  for (const char* kind : {"commit/", "checkpoint/"}) {
    std::optional<ChainLink> last;
    TREFOIL_TRY(place.store.List(kind, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      const bool counts =
          parsed.ok() && !without.contains(info.key) &&
          (!place.newest || parsed->number <= place.newest->value);
      if (counts) last = ChainLink{info.key, *parsed, info.size_bytes};
      return true;
    }));
    if (last) newest.push_back(std::move(*last));
  }
  return newest;
}

// A damaged checkpoint hides nothing where its commit, or a later one, is.
bool IsDispensable(const ChainLink& link, const ChainLink& newest) {
  return link.parsed.kind == ObjectKind::kCheckpoint &&
         newest.parsed.kind == ObjectKind::kCommit &&
         newest.parsed.generation >= link.parsed.generation &&
         newest.parsed.number >= link.parsed.number;
}

Status DamagedNewest(const Status& why, const ChainLink& link) {
  if (link.parsed.number <= 1) return why;
  return {why.code(),
          fmt::format("{}; if no other copy has it whole, --at {} takes what "
                      "came before it",
                      why.message(), link.parsed.number - 1)};
}

// A chain that ends with a stranger's commit has no beginning here. Whether one
// more object is to be passed over: a stranger's, or a damaged checkpoint.
Result<bool> PassOverOne(const Place& place, CopyHead* head,
                         std::set<std::string>* passed) {
  TREFOIL_ASSIGN(const auto links, NewestLinks(place, *passed));
  for (const ChainLink& link : links) {
    const auto stranger =
        IsStranger(place.store, place.keyring, head->volume_id, link);
    const bool is_damaged = stranger.status().Is(StatusCode::kCorruption);
    if (is_damaged && !IsDispensable(link, links.front())) {
      return DamagedNewest(stranger.status(), link);
    }
    if (!is_damaged) TREFOIL_TRY(stranger.status());
    if (!is_damaged && !*stranger) continue;
    if (!is_damaged) head->strangers.insert(link.key);
    passed->insert(link.key);
    return true;
  }
  return false;
}

// The chain of what is this volume's.
Status FindChainOfOurs(const Place& place, CopyHead* head) {
  std::set<std::string> passed;
  while (passed.size() < kMaxStrangers) {
    TREFOIL_ASSIGN(const bool one, PassOverOne(place, head, &passed));
    if (one) continue;
    TREFOIL_ASSIGN(head->chain, FindOwnedChain(place.store, place.keyring,
                                               passed, place.newest));
    return OkStatus();
  }
  return {StatusCode::kCorruption,
          "there is no end of commits that are not this volume's"};
}

// The head of the volume that `head` names.
Status FindHeadAt(const Place& place, CopyHead* head) {
  TREFOIL_TRY(FindChainOfOurs(place, head));
  const ChainLink& last = head->chain.links.back();
  TREFOIL_ASSIGN(const CommitInfo info,
                 ReadCommitInfo(place.store, place.keyring, last.key));
  head->generation = head->chain.owner;
  head->seq = info.seq;
  head->time_nanos = info.time_nanos;
  head->name = last.parsed.name;
  if (last.parsed.kind == ObjectKind::kCheckpoint) {
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(place.store, last.key));
    head->name = header.previous;
  }
  return OkStatus();
}

Status OpenAndFindHead(ObjectStore& store, const Secret& secret,
                       std::optional<CommitSeq> newest, CopyHead* head) {
  TREFOIL_ASSIGN(const CopySecrets copy, OpenSecretsOf(store, secret));
  const auto keyring = copy.secrets.MakeKeyring();
  head->volume_id = copy.secrets.identity.volume_id;
  return FindHeadAt({store, *keyring, newest}, head);
}

// What the chain of `newest` has where `other` ends; nothing where a checkpoint
// stands for it.
const ChainLink* LinkAt(const CopyHead& newest, CommitSeq seq) {
  for (const ChainLink& link : newest.chain.links) {
    if (link.parsed.kind == ObjectKind::kCommit &&
        link.parsed.number == seq.value) {
      return &link;
    }
  }
  return nullptr;
}

// Whether `other`, of the same volume, ends with a commit that is not part of
// what `newest` stands for.
bool IsFork(const CopyHead& newest, const CopyHead& other) {
  if (other.seq == newest.seq && other.name == newest.name) return false;
  const ChainLink* const link = LinkAt(newest, other.seq);
  return other.seq >= newest.seq ||
         (link != nullptr && link->parsed.name != other.name);
}

std::string DifferenceOf(const CopyHead& newest, const CopyHead& other) {
  if (!other.status.ok()) {
    return fmt::format("{}: {}: {}", other.place,
                       other.status.Is(StatusCode::kCorruption)
                           ? "is damaged"
                           : "can't be used",
                       other.status.message());
  }
  if (other.seq == newest.seq && other.name == newest.name) {
    return fmt::format("{}: has the same {}", other.place, DescribeHead(other));
  }
  if (IsFork(newest, other)) {
    return fmt::format(
        "{}: its history is another one: it ends with {} of generation {}, "
        "which is not part of what generation {} wrote. Two machines have "
        "shipped; what only this copy has is not in the recovered volume",
        other.place, DescribeHead(other), other.generation.value,
        newest.generation.value);
  }
  return fmt::format("{}: is older: it ends with {}, {} commits before",
                     other.place, DescribeHead(other),
                     newest.seq.value - other.seq.value);
}

}  // namespace

CopyHead FindHead(ObjectStore& store, const Secret& secret,
                  std::optional<CommitSeq> newest) {
  CopyHead head;
  head.place = store.Describe();
  head.status = OpenAndFindHead(store, secret, newest, &head);
  return head;
}

CopyHead FindHead(ObjectStore& store, const VolumeId& volume_id,
                  const Keyring& keyring) {
  CopyHead head;
  head.place = store.Describe();
  head.volume_id = volume_id;
  head.status = FindHeadAt({store, keyring, std::nullopt}, &head);
  return head;
}

std::string DescribeHead(const CopyHead& head) {
  return fmt::format("commit {} of {}", head.seq.value,
                     FormatUtc(head.time_nanos));
}

Result<HeadChoice> ChooseHead(const std::vector<CopyHead>& heads,
                              std::optional<CommitSeq> at_least) {
  const CopyHead* newest = nullptr;
  for (const CopyHead& head : heads) {
    if (!head.status.ok()) continue;
    if (newest != nullptr && head.volume_id != newest->volume_id) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("{} and {} are copies of two volumes",
                                newest->place, head.place));
    }
    if (newest == nullptr || Age(head) > Age(*newest)) newest = &head;
  }
  if (newest == nullptr) return heads.front().status;
  if (at_least && newest->seq < *at_least) {
    return Status(
        StatusCode::kTrimmed,
        fmt::format("{}: the newest that is there is {}, and commit {} or a "
                    "newer one was asked for: this copy is old, or hides what "
                    "came after",
                    newest->place, DescribeHead(*newest), at_least->value));
  }
  HeadChoice choice;
  choice.newest = static_cast<size_t>(newest - heads.data());
  for (const CopyHead& head : heads) {
    if (!head.strangers.empty()) {
      choice.differences.push_back(fmt::format(
          "{}: {} commits there are not this volume's and were passed over, "
          "{} among them",
          head.place, head.strangers.size(), *head.strangers.begin()));
    }
    if (&head == newest) continue;
    choice.differences.push_back(DifferenceOf(*newest, head));
    if (head.status.ok() && IsFork(*newest, head)) {
      choice.forked.insert(static_cast<size_t>(&head - heads.data()));
    }
  }
  return choice;
}

}  // namespace trefoil
