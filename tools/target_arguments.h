// SPDX-License-Identifier: Apache-2.0
// Options of commands that reach a target by its URL, and the way from a
// target's settings to its store.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fs/object/object_store.h"
#include "fs/volume/config.h"
#include "fs/volume/types.h"
#include "replicator/store/dir_store.h"

namespace trefoil {

struct TargetArguments {
  std::string region;
  std::string path_style;
  std::string profile;
  std::string credentials_file;
  std::string ca_file;
  bool allow_plain_http = false;
};

void AddTargetOptions(CLI::App* command, TargetArguments* arguments);

// `url` as a target `name` with the options that were given; only those of S3
// targets have any. kInvalidArgument when the URL is none, or one in clear that
// the options don't allow.
Result<TargetSettings> ToSettings(const std::string& name,
                                  const std::string& url,
                                  const TargetArguments& arguments);

// The store, patient for seconds only: somebody waits for the command.
Result<std::unique_ptr<ObjectStore>> OpenForCommand(
    const TargetSettings& settings,
    const std::optional<DirTargetId>& expected_id = std::nullopt);

// What to do about an error of a target that was named on the command line.
std::string TargetAdvice(const Status& error);

}  // namespace trefoil
