// SPDX-License-Identifier: Apache-2.0
// Goal: signatures are the ones that AWS expects, to the last digit.
// Method: the requests of AWS's published Signature Version 4 test suite
// (2015-08-30, service "service") and of the Amazon S3 API Reference
// ("Authenticating Requests: Using the Authorization Header").
#include "replicator/store/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/base/hash.h"
#include "replicator/store/s3_request.h"

namespace trefoil {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// 2015-08-30T12:36:00Z and 2013-05-24T00:00:00Z.
constexpr int64_t kSuiteNanos = 1'440'938'160'000'000'000;
constexpr int64_t kS3Nanos = 1'369'353'600'000'000'000;

const Credentials& SuiteCredentials() {
  static const Credentials credentials{
      "AKIDEXAMPLE",
      SecretBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
      {}};
  return credentials;
}

std::string EmptyHash() { return Sha256::Of("").ToHex(); }

// The signature of a request of the test suite.
std::string SuiteSignature(const std::string& method, const std::string& path,
                           const NameValues& query,
                           const NameValues& more_headers = {},
                           const std::string& body = "") {
  SigV4Request request{
      method,
      path,
      query,
      {{"host", "example.amazonaws.com"}, {"x-amz-date", AmzDate(kSuiteNanos)}},
      Sha256::Of(body).ToHex()};
  request.headers.insert(request.headers.end(), more_headers.begin(),
                         more_headers.end());
  const std::string header = AuthorizationHeader(
      request, {"us-east-1", "service", AmzDate(kSuiteNanos)},
      SuiteCredentials());
  return header.substr(header.rfind('=') + 1);
}

TEST(SigV4Test, TheTestSuitesRequests) {
  EXPECT_EQ(AmzDate(kSuiteNanos), "20150830T123600Z");
  // get-vanilla
  EXPECT_EQ(SuiteSignature("GET", "/", {}),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  // get-vanilla-query-order-key-case
  EXPECT_EQ(
      SuiteSignature("GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}),
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  // get-vanilla-empty-query-key
  EXPECT_EQ(SuiteSignature("GET", "/", {{"Param1", "value1"}}),
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
  // get-vanilla-query-unreserved
  const std::string unreserved =
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  EXPECT_EQ(SuiteSignature("GET", "/", {{unreserved, unreserved}}),
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197");
  // post-vanilla
  EXPECT_EQ(SuiteSignature("POST", "/", {}),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  // post-header-key-sort (a header beside the usual ones)
  EXPECT_EQ(SuiteSignature("POST", "/", {}, {{"my-header1", "value1"}}),
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c");
  // get-header-value-trim
  EXPECT_EQ(SuiteSignature(
                "GET", "/", {},
                {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}}),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
  // post-x-www-form-urlencoded
  EXPECT_EQ(
      SuiteSignature("POST", "/", {},
                     {{"content-type", "application/x-www-form-urlencoded"}},
                     "Param1=value1"),
      "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

// The examples of the S3 reference: bucket "examplebucket" at AWS.
std::string S3Authorization(const S3Operation& operation,
                            const NameValues& extra_headers = {}) {
  S3Operation signing = operation;
  signing.headers.insert(signing.headers.end(), extra_headers.begin(),
                         extra_headers.end());
  S3Endpoint endpoint;
  endpoint.url = *ParseTargetUrl("s3+https://s3.amazonaws.com/examplebucket");
  endpoint.region = "us-east-1";
  endpoint.virtual_host = true;
  endpoint.credentials = {"AKIAIOSFODNN7EXAMPLE",
                          SecretBytes("wJalrXUtnFEMI/K7MDENG/"
                                      "bPxRfiCYEXAMPLEKEY"),
                          {}};
  const HttpRequest request = SignS3Request(endpoint, signing, kS3Nanos);
  EXPECT_EQ(request.headers.back().first, "authorization");
  return request.headers.back().second;
}

TEST(SigV4Test, TheS3ReferencesRequests) {
  S3Operation get;
  get.method = "GET";
  get.object = "test.txt";
  get.headers = {{"range", "bytes=0-9"}};
  EXPECT_EQ(S3Authorization(get),
            "AWS4-HMAC-SHA256 "
            "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
            "aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c"
            "6036bdb41");
  S3Operation list;
  list.method = "GET";
  list.query = {{"max-keys", "2"}, {"prefix", "J"}};
  EXPECT_THAT(S3Authorization(list),
              EndsWith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59d"
                       "b6670ed5711ef69dc6f7"));
  S3Operation put;
  MemorySource body("Welcome to Amazon S3.");
  put.method = "PUT";
  put.object = "test$file.text";
  put.body = &body;
  put.headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  EXPECT_THAT(S3Authorization(put),
              EndsWith("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd"
                       "77a1b5971af0ece108bd"));
}

TEST(SigV4Test, ASessionTokenIsSignedToo) {
  S3Endpoint endpoint;
  endpoint.url = *ParseTargetUrl("s3+http://127.0.0.1:8000/bucket/pre");
  endpoint.region = "r";
  endpoint.credentials = {"id", SecretBytes("secret"),
                          SecretBytes("the-token")};
  S3Operation get;
  get.method = "GET";
  get.object = "pre/pack/aa/x";
  const HttpRequest request = SignS3Request(endpoint, get, kS3Nanos);
  EXPECT_EQ(request.url, "http://127.0.0.1:8000/bucket/pre/pack/aa/x");
  EXPECT_THAT(request.headers, ::testing::Contains(::testing::Pair(
                                   "x-amz-security-token", "the-token")));
  EXPECT_THAT(request.headers, ::testing::Contains(::testing::Pair(
                                   "x-amz-content-sha256", EmptyHash())));
  EXPECT_THAT(request.headers.back().second,
              HasSubstr(";x-amz-date;x-amz-security-token,"));
}

TEST(SigV4Test, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(UriEncode("aZ9-._~/ +%\xc3", false), "aZ9-._~%2F%20%2B%25%C3");
  EXPECT_EQ(UriEncode("a/b c", true), "a/b%20c");
  EXPECT_EQ(CanonicalQuery({{"b", ""}, {"a", "2"}, {"a", "1"}, {"a-", "0"}}),
            "a=1&a=2&a-=0&b=");
}

}  // namespace
}  // namespace trefoil
