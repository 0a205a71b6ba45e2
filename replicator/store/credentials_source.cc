// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/credentials_source.h"

#include <utility>

#include "fs/base/log.h"

namespace trefoil {

CredentialsSource::CredentialsSource(Env& env, Clock& clock,
                                     TargetOptions options,
                                     EnvironmentLookup environment)
    : env_(env),
      clock_(clock),
      options_(std::move(options)),
      environment_(std::move(environment)) {}

Result<std::unique_ptr<CredentialsSource>> CredentialsSource::Open(
    Env& env, Clock& clock, TargetOptions options,
    EnvironmentLookup environment) {
  std::unique_ptr<CredentialsSource> source(new CredentialsSource(
      env, clock, std::move(options), std::move(environment)));
  const MutexLock lock(source->mu_);
  TREFOIL_TRY(source->Look());
  return source;
}

Status CredentialsSource::Look() {
  looked_nanos_ = clock_.MonotonicNanos();
  TREFOIL_ASSIGN(current_, FindCredentials(env_, options_, environment_));
  return OkStatus();
}

void CredentialsSource::LookOrKeep() {
  const Status looked = Look();
  // Said once, not every ten seconds of a night.
  if (!looked.ok() && !keeping_) {
    LogWarning("store", "{}; going on with those read before",
               looked.message());
  }
  keeping_ = !looked.ok();
}

Credentials CredentialsSource::Current() {
  const MutexLock lock(mu_);
  if (clock_.MonotonicNanos() - looked_nanos_ >= kFreshNanos) LookOrKeep();
  return current_;
}

bool CredentialsSource::LookAgain(const Credentials& refused) {
  const MutexLock lock(mu_);
  // Another thread may have looked meanwhile.
  if (current_ == refused) LookOrKeep();
  return current_ != refused;
}

}  // namespace trefoil
