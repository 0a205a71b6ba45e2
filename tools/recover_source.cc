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

}  // namespace

Result<RecoverSource> ChooseSource(const std::vector<std::string>& urls,
                                   const TargetArguments& arguments,
                                   const Secret& secret,
                                   std::optional<CommitSeq> at_least) {
  std::vector<RecoverSource> sources;
  std::vector<CopyHead> heads;
  for (const std::string& url : urls) {
    RecoverSource source;
    TREFOIL_ASSIGN(source.settings, ToSettings(NameFor(url), url, arguments));
    auto store = OpenForCommand(source.settings);
    if (store.ok()) {
      source.store = std::move(*store);
      heads.push_back(FindHead(*source.store, secret));
    } else {
      heads.emplace_back().status = store.status();
    }
    heads.back().place = url;
    sources.push_back(std::move(source));
  }
  TREFOIL_ASSIGN(const HeadChoice choice, ChooseHead(heads, at_least));
  RecoverSource source = std::move(sources[choice.newest]);
  source.head = std::move(heads[choice.newest]);
  Print(OneLine(fmt::format("{}: the newest state is {}", source.head.place,
                            DescribeHead(source.head))));
  for (const std::string& difference : choice.differences) {
    Print(OneLine(difference));
  }
  return source;
}

}  // namespace trefoil
