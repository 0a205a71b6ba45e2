// SPDX-License-Identifier: Apache-2.0
#include "tools/recover_source.h"

#include <fmt/format.h>

#include <utility>

#include "tools/report.h"

namespace trefoil {
namespace {

// The name of the target in the new volume's configuration.
const char* NameFor(const std::string& url) {
  return url.starts_with("dir:") ? "second" : "offsite";
}

// Damage above the state that is wanted is not in the way.
CopyHead HeadOf(ObjectStore& store, const Secret& secret,
                const SourceBounds& bounds) {
  CopyHead head = FindHead(store, secret);
  const bool hidden = head.status.Is(StatusCode::kCorruption);
  return hidden && bounds.newest ? FindHead(store, secret, bounds.newest)
                                 : std::move(head);
}

}  // namespace

Result<RecoverSource> ChooseSource(const std::vector<std::string>& urls,
                                   const TargetArguments& arguments,
                                   const SecretArguments& given,
                                   const SourceBounds& bounds) {
  std::vector<RecoverSource> sources;
  std::vector<CopyHead> heads;
  Secret secret;  // found, or asked for, once
  bool found = false;
  for (const std::string& url : urls) {
    RecoverSource source;
    TREFOIL_ASSIGN(source.settings, ToSettings(NameFor(url), url, arguments));
    auto store = OpenForCommand(source.settings);
    if (store.ok()) {
      source.store = std::move(*store);
      if (!found) {
        TREFOIL_ASSIGN(secret, SecretOfCopy(given, *source.store));
        found = true;
      }
      heads.push_back(HeadOf(*source.store, secret, bounds));
    } else {
      heads.emplace_back().status = store.status();
    }
    heads.back().place = url;
    sources.push_back(std::move(source));
  }
  TREFOIL_ASSIGN(const HeadChoice choice, ChooseHead(heads, bounds.at_least));
  RecoverSource source = std::move(sources[choice.newest]);
  source.head = std::move(heads[choice.newest]);
  source.secret = std::move(secret);
  Print(OneLine(fmt::format("{}: the newest state is {}", source.head.place,
                            DescribeHead(source.head))));
  for (const std::string& difference : choice.differences) {
    Print(OneLine(difference));
  }
  return source;
}

}  // namespace trefoil
