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

std::string CredentialsPath(const TargetOptions& options,
                            const EnvironmentLookup& environment) {
  if (!options.credentials_file.empty()) return options.credentials_file;
  if (auto path = environment("AWS_SHARED_CREDENTIALS_FILE")) return *path;
  std::optional<std::string> home = environment("HOME");
  if (!home) home = PasswdHome();
  return home ? JoinPath(*home, ".aws/credentials") : std::string();
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
      Credentials{*id, *secret, environment("AWS_SESSION_TOKEN").value_or("")});
}

// One `key = value` of the wanted profile.
void TakeSetting(std::string_view line, Credentials* found) {
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return;
  const std::string_view key = Trim(line.substr(0, equals));
  const std::string value(Trim(line.substr(equals + 1)));
  if (key == "aws_access_key_id") found->access_key_id = value;
  if (key == "aws_secret_access_key") found->secret_access_key = value;
  if (key == "aws_session_token") found->session_token = value;
}

}  // namespace

EnvironmentLookup ProcessEnvironment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr || *value == 0) return std::nullopt;
    return std::string(value);
  };
}

Result<Credentials> ParseCredentialsFile(std::string_view text,
                                         const std::string& path,
                                         const std::string& profile) {
  Credentials found;
  bool in_profile = false;
  bool profile_seen = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = Trim(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      in_profile = Trim(line.substr(1, line.size() - 2)) == profile;
      profile_seen = profile_seen || in_profile;
    } else if (in_profile) {
      TakeSetting(line, &found);
    }
  }
  const auto bad = [&](std::string_view what) {
    return Status(StatusCode::kPermissionDenied,
                  fmt::format("credentials file {}: {}", path, what));
  };
  if (!profile_seen) {
    return bad(fmt::format("no profile [{}]; add it or choose another profile",
                           profile));
  }
  if (found.access_key_id.empty()) {
    return bad(fmt::format("profile [{}] has no aws_access_key_id", profile));
  }
  if (found.secret_access_key.empty()) {
    return bad(
        fmt::format("profile [{}] has no aws_secret_access_key", profile));
  }
  return found;
}

Result<Credentials> FindCredentials(Env& env, const TargetOptions& options,
                                    const EnvironmentLookup& environment) {
  // What the user said on the command line goes before the environment.
  if (options.credentials_file.empty() && options.profile.empty()) {
    TREFOIL_ASSIGN(auto found, FromEnvironment(environment));
    if (found) return *found;
  }
  const std::string path = CredentialsPath(options, environment);
  if (path.empty() || (options.credentials_file.empty() && !env.Exists(path))) {
    return Status(StatusCode::kPermissionDenied,
                  fmt::format("no S3 credentials: set AWS_ACCESS_KEY_ID and "
                              "AWS_SECRET_ACCESS_KEY, write {}, or use "
                              "--credentials-file",
                              path.empty() ? "~/.aws/credentials" : path));
  }
  Result<std::string> text = env.ReadFile(path, kMaxCredentialsFileBytes);
  if (!text.ok()) return text.status().WithContext("credentials file");
  const std::string profile =
      !options.profile.empty() ? options.profile
                               : environment("AWS_PROFILE").value_or("default");
  return ParseCredentialsFile(*text, path, profile);
}

std::string FindRegion(const TargetOptions& options,
                       const EnvironmentLookup& environment) {
  if (!options.region.empty()) return options.region;
  if (auto region = environment("AWS_REGION")) return *region;
  return environment("AWS_DEFAULT_REGION").value_or("us-east-1");
}

}  // namespace trefoil
