// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/credentials.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace trefoil {
namespace {

constexpr uint64_t kMaxCredentialsFileBytes = 1U << 20;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// The home directory by the user database, for daemons without HOME.
std::optional<std::string> PasswdHome() {
  std::vector<char> buffer(1U << 14);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) !=
          0 ||
      found == nullptr || found->pw_dir == nullptr || *found->pw_dir == 0) {
    return std::nullopt;
  }
  return std::string(found->pw_dir);
}

// Where AWS's own tools look for a file: what `variable` names, or in HOME.
// Empty: there is no home.
std::string UsualPath(const EnvironmentLookup& environment,
                      const char* variable, std::string_view below_home) {
  if (auto path = environment(variable)) return *path;
  std::optional<std::string> home = environment("HOME");
  if (!home) home = PasswdHome();
  return home ? JoinPath(*home, below_home) : std::string();
}

std::string CredentialsPath(const TargetOptions& options,
                            const EnvironmentLookup& environment) {
  if (!options.credentials_file.empty()) return options.credentials_file;
  return UsualPath(environment, "AWS_SHARED_CREDENTIALS_FILE",
                   ".aws/credentials");
}

std::string ProfileName(const TargetOptions& options,
                        const EnvironmentLookup& environment) {
  if (!options.profile.empty()) return options.profile;
  return environment("AWS_PROFILE").value_or("default");
}

// What the environment holds: nothing, all, or an error for a half.
Result<std::optional<Credentials>> FromEnvironment(
    const EnvironmentLookup& environment) {
  const auto id = environment("AWS_ACCESS_KEY_ID");
  const auto secret = environment("AWS_SECRET_ACCESS_KEY");
  if (!id && !secret) return std::optional<Credentials>();
  if (!id || !secret) {
    return Status(
        StatusCode::kPermissionDenied,
        fmt::format("environment: {} is set but {} is not; set both",
                    id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                    id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID"));
  }
  return std::optional<Credentials>(
      Credentials{*id, SecretBytes(*secret),
                  SecretBytes(environment("AWS_SESSION_TOKEN").value_or(""))});
}

// One section of a credentials or config file.
struct Profile {
  bool seen = false;
  Credentials credentials;
  std::string region;
};

// One `key = value` of the wanted profile.
void TakeSetting(std::string_view line, Profile* found) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return;
  const std::string_view key = Trim(line.substr(0, equals));
  const std::string_view value = Trim(line.substr(equals + 1));
  Credentials& credentials = found->credentials;
  if (key == "aws_access_key_id") credentials.access_key_id = value;
  if (key == "aws_secret_access_key") {
    credentials.secret_access_key = SecretBytes(value);
  }
  if (key == "aws_session_token") {
    credentials.session_token = SecretBytes(value);
  }
  if (key == "region") found->region = value;
}

Profile ReadProfile(std::string_view text, std::string_view section) {
  Profile found;
  bool in_profile = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = Trim(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      in_profile = Trim(line.substr(1, line.size() - 2)) == section;
      found.seen = found.seen || in_profile;
    } else if (in_profile) {
      TakeSetting(line, &found);
    }
  }
  return found;
}

Result<Credentials> ReadCredentialsFile(Env& env, const std::string& path,
                                        const std::string& profile) {
  Result<std::string> text = env.ReadFile(path, kMaxCredentialsFileBytes);
  if (!text.ok()) return text.status().WithContext("credentials file");
  auto found = ParseCredentialsFile(*text, path, profile);
  ClearSecret(*text);
  return found;
}

// The profile in ~/.aws/config; nothing when there is no such file or profile.
Profile ReadConfigFile(Env& env, const TargetOptions& options,
                       const EnvironmentLookup& environment) {
  const std::string path =
      UsualPath(environment, "AWS_CONFIG_FILE", ".aws/config");
  if (path.empty()) return {};
  Result<std::string> text = env.ReadFile(path, kMaxCredentialsFileBytes);
  if (!text.ok()) return {};
  const std::string name = ProfileName(options, environment);
  Profile found =
      ReadProfile(*text, name == "default" ? name : "profile " + name);
  ClearSecret(*text);
  return found;
}

}  // namespace

EnvironmentLookup ProcessEnvironment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr || *value == 0) return std::nullopt;
    return std::string(value);
  };
}

bool Credentials::operator==(const Credentials& other) const {
  return access_key_id == other.access_key_id &&
         secret_access_key.Equals(other.secret_access_key.view()) &&
         session_token.Equals(other.session_token.view());
}

Result<Credentials> ParseCredentialsFile(std::string_view text,
                                         const std::string& path,
                                         const std::string& profile) {
  Profile found = ReadProfile(text, profile);
  const auto bad = [&](std::string_view what) {
    return Status(StatusCode::kPermissionDenied,
                  fmt::format("credentials file {}: {}", path, what));
  };
  if (!found.seen) {
    return bad(fmt::format("no profile [{}]; add it or choose another profile",
                           profile));
  }
  if (found.credentials.access_key_id.empty()) {
    return bad(fmt::format("profile [{}] has no aws_access_key_id", profile));
  }
  if (found.credentials.secret_access_key.empty()) {
    return bad(
        fmt::format("profile [{}] has no aws_secret_access_key", profile));
  }
  return std::move(found.credentials);
}

Result<Credentials> FindCredentials(Env& env, const TargetOptions& options,
                                    const EnvironmentLookup& environment) {
  const std::string profile = ProfileName(options, environment);
  const std::string path = CredentialsPath(options, environment);
  if (!options.credentials_file.empty()) {
    return ReadCredentialsFile(env, path, profile);
  }
  // What the user said on the command line goes before the environment.
  if (options.profile.empty()) {
    TREFOIL_ASSIGN(auto found, FromEnvironment(environment));
    if (found) return std::move(*found);
  }
  Result<Credentials> found =
      Status(StatusCode::kPermissionDenied,
             fmt::format("no S3 credentials: set AWS_ACCESS_KEY_ID and "
                         "AWS_SECRET_ACCESS_KEY, write {}, or use "
                         "--credentials-file",
                         path.empty() ? "~/.aws/credentials" : path));
  if (!path.empty() && env.Exists(path)) {
    found = ReadCredentialsFile(env, path, profile);
  }
  if (found.ok()) return found;
  Profile config = ReadConfigFile(env, options, environment);
  const bool whole = !config.credentials.access_key_id.empty() &&
                     !config.credentials.secret_access_key.empty();
  return whole ? std::move(config.credentials) : std::move(found);
}

std::string FindRegion(Env& env, const TargetOptions& options,
                       const EnvironmentLookup& environment) {
  if (!options.region.empty()) return options.region;
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto region = environment(variable)) return *region;
  }
  const Profile config = ReadConfigFile(env, options, environment);
  return config.region.empty() ? "us-east-1" : config.region;
}

}  // namespace trefoil
