// SPDX-License-Identifier: Apache-2.0
// Turns an S3 operation into a signed HTTP request.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "replicator/store/credentials.h"
#include "replicator/store/http_client.h"
#include "replicator/store/target_url.h"

namespace trefoil {

// A bucket and who speaks to it.
struct S3Endpoint {
  TargetUrl url;
  std::string region;
  bool virtual_host = false;
  Credentials credentials;
};

struct S3Operation {
  std::string method;
  std::string object;  // the whole key in the bucket; empty: the bucket
  NameValues query = {};
  NameValues headers = {};       // lower-case names; all are signed
  ObjectSource* body = nullptr;  // borrowed by the request made of this
  uint64_t max_body_bytes = 64U << 10;
};

// Signed with the payload's real SHA-256 and the time `wall_nanos`.
HttpRequest SignS3Request(const S3Endpoint& endpoint,
                          const S3Operation& operation, int64_t wall_nanos);

}  // namespace trefoil
