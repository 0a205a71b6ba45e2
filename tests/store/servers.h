// SPDX-License-Identifier: Apache-2.0
// The servers that the tests of this binary share, started when first asked
// for and stopped when the binary ends, and stores on them.
#pragma once

#include <memory>
#include <string>

#include "replicator/store/s3_store.h"
#include "tests/support/rgw.h"
#include "tests/support/s3_server.h"

namespace trefoil::testing {

inline constexpr const char* kBucket = "trefoil-test";

// Each has the bucket kBucket. A server that does not start ends the binary:
// tests without their servers must fail, not be skipped.
CephGateway& SharedGateway();  // listens with TLS too
SwiftServer& SharedSwift();
FaultProxy& SharedProxy();  // in front of the gateway

// A prefix that nobody has used yet.
std::string NewPrefix();

// A store without retries; lists in small pages.
std::unique_ptr<S3Store> NewS3Store(S3Endpoint endpoint,
                                    HttpClientOptions options = {},
                                    Clock& clock = Clock::Real());

}  // namespace trefoil::testing
