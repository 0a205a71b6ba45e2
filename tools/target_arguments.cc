// SPDX-License-Identifier: Apache-2.0
#include "tools/target_arguments.h"

#include "replicator/store/open_target.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr int kAttempts = 3;
constexpr std::chrono::seconds kRetryTime{15};
constexpr std::chrono::seconds kConnectTimeout{5};
constexpr std::chrono::seconds kStallTimeout{30};

}  // namespace

void AddTargetOptions(CLI::App* command, TargetArguments* arguments) {
  constexpr const char* kGroup = "Options of S3 targets";
  command->add_option("--region", arguments->region, "The bucket's region")
      ->group(kGroup);
  command
      ->add_option("--path-style", arguments->path_style,
                   "How the bucket is addressed: path, virtual (host), auto")
      ->check(CLI::IsMember({"auto", "path", "virtual"}))
      ->group(kGroup);
  command
      ->add_option("--profile", arguments->profile,
                   "The profile in the credentials file")
      ->group(kGroup);
  command
      ->add_option("--credentials-file", arguments->credentials_file,
                   "A file like ~/.aws/credentials")
      ->group(kGroup);
  command
      ->add_option("--ca-file", arguments->ca_file,
                   "Trust only these certificate authorities (PEM)")
      ->group(kGroup);
  command
      ->add_flag("--allow-plain-http", arguments->allow_plain_http,
                 "Allow s3+http to another machine, in clear")
      ->group(kGroup);
}

Result<TargetSettings> ToSettings(const std::string& name,
                                  const std::string& url,
                                  const TargetArguments& arguments) {
  TREFOIL_ASSIGN(const TargetUrl parsed, ParseTargetUrl(url));
  TargetSettings settings;
  settings.name = name;
  settings.url = parsed.ToString();
  if (parsed.kind == TargetKind::kDir) return settings;
  const auto set = [&](const char* key, const std::string& value) {
    if (!value.empty()) settings.options[key] = value;
  };
  // The daemon runs in another directory.
  const auto absolute = [](const std::string& path) {
    return path.empty() ? path : AbsolutePath(path);
  };
  set("region", arguments.region);
  set("path_style", arguments.path_style);
  set("profile", arguments.profile);
  set("credentials_file", absolute(arguments.credentials_file));
  set("ca_file", absolute(arguments.ca_file));
  set("allow_plain_http", arguments.allow_plain_http ? "true" : "");
  TREFOIL_ASSIGN(const TargetOptions options,
                 ParseTargetOptions(settings.options));
  TREFOIL_TRY(CheckTransport(parsed, options));
  return settings;
}

Result<std::unique_ptr<ObjectStore>> OpenForCommand(
    const TargetSettings& settings,
    const std::optional<DirTargetId>& expected_id) {
  TargetConfig config;
  config.name = settings.name;
  config.url = settings.url;
  TREFOIL_ASSIGN(config.options, ParseTargetOptions(settings.options));
  config.expected_id = expected_id;
  config.retry.attempts_max = kAttempts;
  config.retry.time_max = kRetryTime;
  config.http.connect_timeout = kConnectTimeout;
  config.http.stall_timeout = kStallTimeout;
  const World world = RealWorld();
  return OpenTarget(config, world.env, world.clock, world.random);
}

std::string TargetAdvice(const Status& error) {
  switch (error.code()) {
    case StatusCode::kNotFound:
      return "check the URL; buckets and parent directories are not created";
    case StatusCode::kUnavailable:
    case StatusCode::kTimedOut:
      return "check the URL and that it can be reached";
    default:
      return "";
  }
}

}  // namespace trefoil
