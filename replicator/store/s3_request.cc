// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/s3_request.h"

#include <fmt/format.h>

#include <utility>

namespace trefoil {

HttpRequest SignS3Request(const S3Endpoint& endpoint,
                          const S3Operation& operation, int64_t wall_nanos) {
  const TargetUrl& url = endpoint.url;
  const std::string host =
      endpoint.virtual_host ? fmt::format("{}.{}", url.bucket, url.Authority())
                            : url.Authority();
  const std::string base =
      endpoint.virtual_host ? "/" : fmt::format("/{}/", url.bucket);

  SigV4Request signing;
  signing.method = operation.method;
  signing.path = base + UriEncode(operation.object, true);
  signing.query = operation.query;
  signing.headers = operation.headers;
  signing.payload_sha256_hex = operation.body != nullptr
                                   ? operation.body->sha256().ToHex()
                                   : Sha256::Of("").ToHex();
  const SigV4Scope scope{endpoint.region, "s3", AmzDate(wall_nanos)};
  signing.headers.emplace_back("host", host);
  signing.headers.emplace_back("x-amz-content-sha256",
                               signing.payload_sha256_hex);
  signing.headers.emplace_back("x-amz-date", scope.amz_date);
  if (!endpoint.credentials.session_token.empty()) {
    signing.headers.emplace_back("x-amz-security-token",
                                 endpoint.credentials.session_token.view());
  }

  HttpRequest request;
  request.method = operation.method;
  const std::string query = CanonicalQuery(operation.query);
  request.url = fmt::format("{}://{}{}{}{}", url.tls ? "https" : "http", host,
                            signing.path, query.empty() ? "" : "?", query);
  request.body = operation.body;
  request.max_body_bytes = operation.max_body_bytes;
  std::string authorization =
      AuthorizationHeader(signing, scope, endpoint.credentials);
  request.headers = std::move(signing.headers);
  request.headers.emplace_back("authorization", std::move(authorization));
  return request;
}

}  // namespace trefoil
