// SPDX-License-Identifier: Apache-2.0
// CredentialsSource: the credentials of a store that is open for a long time.
// Credentials are rotated under a running mount: the file is read again from
// time to time, and at once when the store refuses what there was.
// Thread rule: thread-safe.
#pragma once

#include <memory>

#include "fs/base/clock.h"
#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "replicator/store/credentials.h"

namespace trefoil {

class CredentialsSource {
 public:
  // So long credentials are used before they are looked up again.
  static constexpr int64_t kFreshNanos = 10'000'000'000;

  // Looks where FindCredentials looks, and fails as it does. `env` and `clock`
  // outlive the source.
  static Result<std::unique_ptr<CredentialsSource>> Open(
      Env& env, Clock& clock, TargetOptions options,
      EnvironmentLookup environment);

  // The newest that could be read: a file that is away for a moment, or half
  // written, changes nothing.
  Credentials Current();
  // The store refused `refused`. True when there are others now.
  bool LookAgain(const Credentials& refused);

 private:
  CredentialsSource(Env& env, Clock& clock, TargetOptions options,
                    EnvironmentLookup environment);
  Status Look() REQUIRES(mu_);
  void LookOrKeep() REQUIRES(mu_);

  Env& env_;
  Clock& clock_;
  const TargetOptions options_;
  const EnvironmentLookup environment_;

  Mutex mu_;
  Credentials current_ GUARDED_BY(mu_);
  int64_t looked_nanos_ GUARDED_BY(mu_) = 0;
  bool keeping_ GUARDED_BY(mu_) = false;  // the last look failed
};

}  // namespace trefoil
