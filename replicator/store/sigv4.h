// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 in the Authorization header, as in "Signature
// Version 4 signing process" of the AWS General Reference and "Authenticating
// Requests (AWS Signature Version 4)" of the Amazon S3 API Reference. Paths
// are taken as they are: S3 neither normalizes nor encodes them twice.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replicator/store/credentials.h"

namespace trefoil {

// Name and value; for headers the name is in lower case.
using NameValues = std::vector<std::pair<std::string, std::string>>;

struct SigV4Request {
  std::string method;
  std::string path;  // as on the request line, already encoded
  NameValues query;  // raw; encoded by CanonicalQuery
  // All of these are signed. Has `host` and `x-amz-date`.
  NameValues headers;
  std::string payload_sha256_hex;
};

struct SigV4Scope {
  std::string region;
  std::string service;
  std::string amz_date;  // AmzDate() of the request's x-amz-date
};

// 20130524T000000Z
std::string AmzDate(int64_t wall_nanos);

// Percent-encodes all but letters, digits and -._~ (and '/', if kept).
std::string UriEncode(std::string_view text, bool keep_slash);

// "a=1&b=2", encoded and sorted: what is signed and what goes on the wire.
std::string CanonicalQuery(const NameValues& query);

std::string CanonicalRequest(const SigV4Request& request);

// The value of the Authorization header.
std::string AuthorizationHeader(const SigV4Request& request,
                                const SigV4Scope& scope,
                                const Credentials& credentials);

}  // namespace trefoil
