// SPDX-License-Identifier: Apache-2.0
#include "tools/recover_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "replicator/merged_copies.h"
#include "tools/report.h"

namespace trefoil {
namespace {

// A place that was given, as far as it could be looked at.
struct Given {
  TargetSettings settings;
  std::shared_ptr<ObjectStore> store;  // null: it does not answer
  CopyHead head;
};

// The name of the target in the new volume's configuration: no other's.
std::string NameFor(const std::string& url, const std::vector<Given>& before) {
  const std::string name = url.starts_with("dir:") ? "second" : "offsite";
  const auto same =
      std::count_if(before.begin(), before.end(), [&name](const Given& other) {
        return other.settings.name.starts_with(name);
      });
  return same == 0 ? name : fmt::format("{}{}", name, same + 1);
}

// Damage above the state that is wanted is not in the way.
CopyHead HeadOf(ObjectStore& store, const Secret& secret,
                const SourceBounds& bounds) {
  CopyHead head = FindHead(store, secret);
  const bool hidden = head.status.Is(StatusCode::kCorruption);
  return hidden && bounds.newest ? FindHead(store, secret, bounds.newest)
                                 : std::move(head);
}

bool IsDamaged(const CopyHead& head) {
  return head.status.Is(StatusCode::kCorruption) ||
         head.status.Is(StatusCode::kNotFound);
}

// What damaged copies have together, where there is anything to complete.
std::optional<CopyHead> MergedHead(const std::vector<Given>& given,
                                   const Secret& secret,
                                   const SourceBounds& bounds) {
  ObjectCopies copies;
  bool any_damaged = false;
  for (const Given& copy : given) {
    const bool is_damaged = IsDamaged(copy.head);
    if (copy.store == nullptr || (!copy.head.status.ok() && !is_damaged)) {
      continue;
    }
    any_damaged = any_damaged || is_damaged;
    copies.push_back({copy.settings.name, copy.store});
  }
  if (copies.size() < 2 || !any_damaged) return std::nullopt;
  MergedCopies merged(copies);
  CopyHead head = HeadOf(merged, secret, bounds);
  if (!head.status.ok()) return std::nullopt;
  return head;
}

Result<std::vector<Given>> LookAtAll(const std::vector<std::string>& urls,
                                     const TargetArguments& arguments,
                                     const SecretArguments& secrets,
                                     const SourceBounds& bounds,
                                     Secret* secret) {
  std::vector<Given> all;
  bool found = false;  // the secret: found, or asked for, once
  for (const std::string& url : urls) {
    Given given;
    TREFOIL_ASSIGN(given.settings,
                   ToSettings(NameFor(url, all), url, arguments));
    auto store = OpenForCommand(given.settings);
    if (store.ok()) {
      given.store = std::move(*store);
      if (!found) {
        TREFOIL_ASSIGN(*secret, SecretOfCopy(secrets, *given.store));
        found = true;
      }
      given.head = HeadOf(*given.store, *secret, bounds);
    } else {
      given.head.status = store.status();
    }
    given.head.place = url;
    all.push_back(std::move(given));
  }
  return all;
}

// The source whose head is `head`: the copy of that index, else all together.
RecoverSource SourceOf(const std::vector<Given>& given, const CopyHead& head,
                       const HeadChoice& choice) {
  RecoverSource source;
  source.head = head;
  const bool is_merged = choice.newest == given.size();
  for (size_t i = 0; i < given.size(); ++i) {
    const Given& copy = given[i];
    // Of a damaged one the volume may not even be known: what is there is told
    // apart as strangers' commits are.
    const bool is_ours = copy.head.volume_id == head.volume_id ||
                         (is_merged && IsDamaged(copy.head));
    if (copy.store == nullptr || !is_ours || choice.forked.contains(i)) {
      continue;
    }
    source.head.strangers.insert(copy.head.strangers.begin(),
                                 copy.head.strangers.end());
    if (is_merged ? source.store == nullptr : i == choice.newest) {
      source.settings = copy.settings;
      source.store = copy.store;
      continue;
    }
    source.others.push_back({copy.settings.name, copy.store});
    if (copy.head.volume_id == head.volume_id) {
      source.other_settings.push_back(copy.settings);
    }
  }
  return source;
}

}  // namespace

Result<RecoverSource> ChooseSource(const std::vector<std::string>& urls,
                                   const TargetArguments& arguments,
                                   const SecretArguments& secrets,
                                   const SourceBounds& bounds) {
  Secret secret;
  TREFOIL_ASSIGN(const std::vector<Given> given,
                 LookAtAll(urls, arguments, secrets, bounds, &secret));
  std::vector<CopyHead> heads;
  for (const Given& copy : given) heads.push_back(copy.head);
  if (auto merged = MergedHead(given, secret, bounds)) {
    heads.push_back(std::move(*merged));
  }
  TREFOIL_ASSIGN(const HeadChoice choice, ChooseHead(heads, bounds.at_least));
  RecoverSource source = SourceOf(given, heads[choice.newest], choice);
  source.secret = std::move(secret);
  Print(OneLine(fmt::format("{}: the newest state is {}", source.head.place,
                            DescribeHead(source.head))));
  for (const std::string& difference : choice.differences) {
    Print(OneLine(difference));
  }
  return source;
}

}  // namespace trefoil
