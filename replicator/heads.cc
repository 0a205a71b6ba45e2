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

// The newest commit and checkpoint by their keys, whoever stands for them.
Result<std::vector<ChainLink>> NewestLinks(
    ObjectStore& store, const std::set<std::string>& without) {
  std::vector<ChainLink> newest;
  for (const char* kind : {"commit/", "checkpoint/"}) {
    std::optional<ChainLink> last;
    TREFOIL_TRY(store.List(kind, "", [&](const ObjectInfo& info) {
      const auto parsed = ParseObjectKey(info.key);
      if (parsed.ok() && !without.contains(info.key)) {
        last = ChainLink{info.key, *parsed, info.size_bytes};
      }
      return true;
    }));
    if (last) newest.push_back(std::move(*last));
  }
  return newest;
}

// A chain that ends with a stranger's commit has no beginning here. Whether one
// more stranger was found.
Result<bool> PassOverStranger(ObjectStore& store, const Keyring& keyring,
                              CopyHead* head) {
  TREFOIL_ASSIGN(const auto links, NewestLinks(store, head->strangers));
  for (const ChainLink& link : links) {
    TREFOIL_ASSIGN(const bool stranger,
                   IsStranger(store, keyring, head->volume_id, link));
    if (!stranger) continue;
    head->strangers.insert(link.key);
    return true;
  }
  return false;
}

// The chain of what is this volume's.
Status FindChainOfOurs(ObjectStore& store, const Keyring& keyring,
                       CopyHead* head) {
  while (head->strangers.size() < kMaxStrangers) {
    TREFOIL_ASSIGN(const bool passed, PassOverStranger(store, keyring, head));
    if (passed) continue;
    TREFOIL_ASSIGN(head->chain,
                   FindOwnedChain(store, keyring, head->strangers));
    return OkStatus();
  }
  return {StatusCode::kCorruption,
          "there is no end of commits that are not this volume's"};
}

Status Find(ObjectStore& store, const Secret& secret, CopyHead* head) {
  TREFOIL_ASSIGN(const VolumeSecrets secrets, OpenSecretsOf(store, secret));
  const auto keyring = secrets.MakeKeyring();
  head->volume_id = secrets.identity.volume_id;
  TREFOIL_TRY(FindChainOfOurs(store, *keyring, head));
  const ChainLink& last = head->chain.links.back();
  TREFOIL_ASSIGN(const CommitInfo info,
                 ReadCommitInfo(store, *keyring, last.key));
  head->generation = head->chain.owner;
  head->seq = info.seq;
  head->time_nanos = info.time_nanos;
  head->name = last.parsed.name;
  if (last.parsed.kind == ObjectKind::kCheckpoint) {
    TREFOIL_ASSIGN(const ObjectHeader header,
                   ReadObjectHeader(store, last.key));
    head->name = header.previous;
  }
  return OkStatus();
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

std::string DifferenceOf(const CopyHead& newest, const CopyHead& other) {
  if (!other.status.ok()) {
    return fmt::format("{}: can't be used: {}", other.place,
                       other.status.message());
  }
  if (other.seq == newest.seq && other.name == newest.name) {
    return fmt::format("{}: has the same {}", other.place, DescribeHead(other));
  }
  const ChainLink* const link = LinkAt(newest, other.seq);
  const bool forked = other.seq >= newest.seq ||
                      (link != nullptr && link->parsed.name != other.name);
  if (forked) {
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

CopyHead FindHead(ObjectStore& store, const Secret& secret) {
  CopyHead head;
  head.place = store.Describe();
  head.status = Find(store, secret, &head);
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
    if (&head != newest)
      choice.differences.push_back(DifferenceOf(*newest, head));
  }
  return choice;
}

}  // namespace trefoil
