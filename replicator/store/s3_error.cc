// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/s3_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "replicator/store/s3_xml.h"

namespace trefoil {
namespace {

struct KnownError {
  std::string_view code;
  StatusCode status;
  std::string_view hint;  // empty: the server's message says enough
};

constexpr std::string_view kCheckCredentials =
    "check the credentials: the access key and the secret key";
constexpr std::string_view kCheckRights =
    "allow this key to list, read, write and delete in the bucket";
constexpr std::string_view kCheckToken =
    "the session token is not valid any more; get new credentials";
constexpr std::string_view kTrySlower = "the store asks to slow down";
constexpr std::string_view kBytesChanged =
    "the store received other bytes than were sent";

// Codes of the Amazon S3 API Reference ("Error responses"), and what Ceph and
// Swift add. What is not here is judged by its HTTP status.
constexpr auto kKnownErrors = std::to_array<KnownError>({
    {"AccessDenied", StatusCode::kPermissionDenied, kCheckRights},
    {"AccountProblem", StatusCode::kPermissionDenied, ""},
    {"AllAccessDisabled", StatusCode::kPermissionDenied, ""},
    {"AuthorizationHeaderMalformed", StatusCode::kPermissionDenied,
     "set the target's region to the bucket's"},
    {"BadDigest", StatusCode::kCorruption, kBytesChanged},
    {"BandwidthLimitExceeded", StatusCode::kUnavailable, kTrySlower},
    {"ConditionalRequestConflict", StatusCode::kUnavailable, ""},
    {"EntityTooLarge", StatusCode::kNotSupported,
     "the store does not take objects of this size"},
    {"ExpiredToken", StatusCode::kPermissionDenied, kCheckToken},
    {"IncompleteBody", StatusCode::kUnavailable, ""},
    {"InsufficientStorage", StatusCode::kNoSpace,
     "the store is full; make room there"},
    {"InternalError", StatusCode::kUnavailable, ""},
    {"InvalidAccessKeyId", StatusCode::kPermissionDenied, kCheckCredentials},
    {"InvalidToken", StatusCode::kPermissionDenied, kCheckToken},
    {"NoSuchKey", StatusCode::kNotFound, ""},
    {"NotImplemented", StatusCode::kNotSupported, ""},
    {"OperationAborted", StatusCode::kUnavailable, ""},
    {"PreconditionFailed", StatusCode::kAlreadyExists, ""},
    {"QuotaExceeded", StatusCode::kNoSpace,
     "the quota there is used up; raise it or make room"},
    {"RequestTimeTooSkewed", StatusCode::kPermissionDenied,
     "this machine's clock and the store's differ by more than 15 minutes; "
     "set the clock (is NTP running?)"},
    {"RequestTimeout", StatusCode::kUnavailable, ""},
    {"ServiceUnavailable", StatusCode::kUnavailable, ""},
    {"SignatureDoesNotMatch", StatusCode::kPermissionDenied, kCheckCredentials},
    {"SlowDown", StatusCode::kUnavailable, kTrySlower},
    {"TokenRefreshRequired", StatusCode::kPermissionDenied, kCheckToken},
    {"TooManyRequests", StatusCode::kUnavailable, kTrySlower},
    {"UserSuspended", StatusCode::kPermissionDenied, ""},
    {"XAmzContentSHA256Mismatch", StatusCode::kCorruption, kBytesChanged},
});

StatusCode ByHttpStatus(int status) {
  switch (status) {
    case 401:
    case 403:
    case 407:
      return StatusCode::kPermissionDenied;
    case 404:
      return StatusCode::kNotFound;
    case 408:
    case 429:
      return StatusCode::kUnavailable;
    case 409:  // another request for the same key is under way
      return StatusCode::kUnavailable;
    case 412:
      return StatusCode::kAlreadyExists;
    case 501:
    case 505:
      return StatusCode::kNotSupported;
    case 507:
      return StatusCode::kNoSpace;
    default:
      return status >= 500 ? StatusCode::kUnavailable : StatusCode::kIoError;
  }
}

std::string_view HintByHttpStatus(int status) {
  if (status == 401 || status == 403) return kCheckCredentials;
  if (status == 507) return "the store is full; make room there";
  return "";
}

// A redirect is never followed: a signed request is for one host only.
Status RedirectStatus(const std::string& where, const HttpResponse& response,
                      const S3Error& error) {
  std::string region = CleanText(response.Header("x-amz-bucket-region"), 64);
  if (region.empty()) region = error.region;
  return {StatusCode::kIoError,
          fmt::format("{}: the server redirects elsewhere (status {}{}{}); "
                      "use the bucket's own URL and region",
                      where, response.status, region.empty() ? "" : ", region ",
                      region)};
}

}  // namespace

Status S3ErrorStatus(const TargetUrl& url, const std::string& what,
                     const HttpResponse& response) {
  const S3Error error = ParseS3Error(response.body);
  const std::string where = fmt::format("{}: {}", url.ToString(), what);
  if (error.code == "NoSuchBucket") {
    return {StatusCode::kNotFound,
            fmt::format("bucket {} does not exist at {}; create it or check "
                        "the URL",
                        url.bucket, url.Authority())};
  }
  if (response.status >= 300 && response.status < 400)
    return RedirectStatus(where, response, error);

  const auto* known =
      std::find_if(kKnownErrors.begin(), kKnownErrors.end(),
                   [&](const KnownError& e) { return e.code == error.code; });
  const bool is_known = known != kKnownErrors.end();
  const StatusCode code =
      is_known ? known->status : ByHttpStatus(response.status);
  const std::string_view hint =
      is_known ? known->hint : HintByHttpStatus(response.status);
  std::string message = fmt::format("{}: status {}", where, response.status);
  if (!error.code.empty()) message += " " + error.code;
  if (!error.message.empty()) message += " (" + error.message + ")";
  if (!hint.empty()) message.append("; ").append(hint);
  return {code, message};
}

}  // namespace trefoil
