// SPDX-License-Identifier: Apache-2.0
// Credentials for an S3 store, found where AWS's own tools look: what the
// user named on the command line, then the environment, then the shared
// credentials file, then the config file. No message here ever contains a
// secret, and secrets are in locked memory that is cleared.
// Thread rule: reads the process's environment; otherwise values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "fs/base/env.h"
#include "fs/base/secret.h"
#include "fs/base/status.h"
#include "replicator/store/target_url.h"

namespace trefoil {

struct Credentials {
  std::string access_key_id;
  SecretBytes secret_access_key;
  SecretBytes session_token;  // empty: none
  bool operator==(const Credentials& other) const;
};

// What a variable is set to; nothing when unset or empty. Tests bring their
// own.
using EnvironmentLookup =
    std::function<std::optional<std::string>(const char* name)>;
EnvironmentLookup ProcessEnvironment();

// In this order:
//  1. options.credentials_file or options.profile, when either is given;
//  2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
//  3. AWS_SHARED_CREDENTIALS_FILE, or ~/.aws/credentials (of HOME or, without
//     HOME, of the passwd entry), with the profile AWS_PROFILE or `default`;
//  4. AWS_CONFIG_FILE, or ~/.aws/config, with that profile.
// kPermissionDenied says where was looked and what to set.
Result<Credentials> FindCredentials(Env& env, const TargetOptions& options,
                                    const EnvironmentLookup& environment);

// options.region, AWS_REGION, AWS_DEFAULT_REGION, the config file's, us-east-1.
std::string FindRegion(Env& env, const TargetOptions& options,
                       const EnvironmentLookup& environment);

// The credentials of `profile` in the text of a credentials file. `path` is
// for messages.
Result<Credentials> ParseCredentialsFile(std::string_view text,
                                         const std::string& path,
                                         const std::string& profile);

}  // namespace trefoil
