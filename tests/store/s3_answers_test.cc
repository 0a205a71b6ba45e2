// SPDX-License-Identifier: Apache-2.0
// Goal: what an S3 server says is understood, and what a hostile one says does
// no harm.
// Method: bodies and headers given to the parsers and to the error mapping.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "replicator/store/s3_error.h"
#include "replicator/store/s3_xml.h"

namespace trefoil {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string List(const std::string& inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
         inside + "</ListBucketResult>";
}

TEST(S3ListTest, APageIsRead) {
  const auto page = ParseS3ListPage(
      List("<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
           "<NextContinuationToken>a&amp;b=</NextContinuationToken>"
           "<Contents><Key>pack%2Faa%2F1</Key><Size>12</Size></Contents>"
           "<Contents><Key>odd%20one+x</Key><Size>0</Size></Contents>"));
  ASSERT_TRUE(page.ok()) << page.status().ToString();
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "pack/aa/1");
  EXPECT_EQ(page->objects[0].size_bytes, 12U);
  EXPECT_EQ(page->objects[1].key, "odd one x");
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_token, "a&b=");
}

TEST(S3ListTest, WithoutEncodingKeysAreTakenAsTheyAre) {
  const auto page = ParseS3ListPage(
      List("<Contents><Key>a%2Fb+c</Key><Size>1</Size></Contents>"));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->objects[0].key, "a%2Fb+c");
  EXPECT_FALSE(page->truncated);
}

TEST(S3ListTest, NonsenseIsCorruption) {
  for (const std::string& body :
       {std::string(), std::string("\0\0", 2), std::string("hello"),
        std::string("<ListBucketResult>"), std::string("<html></html>"),
        std::string("<Error><Code>x</Code></Error>"), List("<Contents/>"),
        List("<Contents><Key>k</Key></Contents>"),
        List("<Contents><Key>k</Key><Size>-1</Size></Contents>"),
        List("<Contents><Key>k</Key><Size>1 </Size></Contents>"),
        List("<Contents><Key>k</Key><Size>99999999999999999999</Size>"
             "</Contents>"),
        List("<EncodingType>url</EncodingType>"
             "<Contents><Key>%zz</Key><Size>1</Size></Contents>"),
        List("<EncodingType>url</EncodingType>"
             "<Contents><Key>abc%2</Key><Size>1</Size></Contents>")}) {
    const auto page = ParseS3ListPage(body);
    ASSERT_FALSE(page.ok()) << body;
    EXPECT_EQ(page.status().code(), StatusCode::kCorruption) << body;
  }
}

TEST(S3ListTest, DeepNestingAndEntitiesDoNoHarm) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  EXPECT_FALSE(ParseS3ListPage(deep).ok());
  EXPECT_EQ(ParseS3Error(deep).code, "");
  const std::string bomb =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>"
      "<Error><Code>&b;</Code></Error>";
  EXPECT_EQ(ParseS3Error(bomb).code, "");
}

Status Judge(int status, const std::string& code,
             const std::string& message = "said the server") {
  HttpResponse response;
  response.status = status;
  if (!code.empty()) {
    response.body = fmt::format(
        "<Error><Code>{}</Code><Message>{}</Message></Error>", code, message);
  }
  return S3ErrorStatus(*ParseTargetUrl("s3+http://host:8000/bucket"), "PUT k",
                       response);
}

TEST(S3ErrorTest, EachErrorSaysWhatCanBeDone) {
  struct Case {
    int status;
    std::string code;
    StatusCode expected;
    std::string hint;
  };
  for (const Case& c : std::initializer_list<Case>{
           {404, "NoSuchBucket", StatusCode::kNotFound,
            "bucket bucket does not exist at host:8000; create it or check"},
           {404, "NoSuchKey", StatusCode::kNotFound, "NoSuchKey"},
           {404, "", StatusCode::kNotFound, "status 404"},
           {403, "SignatureDoesNotMatch", StatusCode::kPermissionDenied,
            "check the credentials: the access key and the secret key"},
           {403, "InvalidAccessKeyId", StatusCode::kPermissionDenied,
            "check the credentials: the access key"},
           {403, "AccessDenied", StatusCode::kPermissionDenied, "allow"},
           {403, "", StatusCode::kPermissionDenied,
            "check the credentials: the access key"},
           {403, "RequestTimeTooSkewed", StatusCode::kPermissionDenied,
            "clock"},
           {403, "QuotaExceeded", StatusCode::kNoSpace, "quota"},
           {507, "", StatusCode::kNoSpace, "full"},
           {400, "RequestTimeout", StatusCode::kUnavailable, ""},
           {400, "BadDigest", StatusCode::kCorruption, "other bytes"},
           {400, "XAmzContentSHA256Mismatch", StatusCode::kCorruption,
            "other bytes"},
           {400, "InvalidArgument", StatusCode::kIoError, "InvalidArgument"},
           {400, "EntityTooLarge", StatusCode::kNotSupported, "size"},
           {400, "AuthorizationHeaderMalformed", StatusCode::kPermissionDenied,
            "region"},
           {409, "OperationAborted", StatusCode::kUnavailable, ""},
           {409, "", StatusCode::kUnavailable, ""},
           {412, "PreconditionFailed", StatusCode::kAlreadyExists, ""},
           {412, "", StatusCode::kAlreadyExists, ""},
           {429, "", StatusCode::kUnavailable, ""},
           {500, "InternalError", StatusCode::kUnavailable, ""},
           {501, "NotImplemented", StatusCode::kNotSupported, ""},
           {501, "", StatusCode::kNotSupported, ""},
           {502, "", StatusCode::kUnavailable, ""},
           {503, "SlowDown", StatusCode::kUnavailable, "slow down"},
           {418, "", StatusCode::kIoError, "status 418"}}) {
    const Status status = Judge(c.status, c.code);
    EXPECT_EQ(status.code(), c.expected) << c.status << c.code;
    EXPECT_THAT(status.message(), HasSubstr(c.hint)) << c.status << c.code;
    EXPECT_THAT(status.message(), HasSubstr("host:8000"));
  }
}

TEST(S3ErrorTest, ARedirectNamesTheRegion) {
  HttpResponse response;
  response.status = 301;
  response.headers["x-amz-bucket-region"] = "eu-central-1";
  const Status status = S3ErrorStatus(*ParseTargetUrl("s3+http://host/bucket"),
                                      "GET k", response);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("region eu-central-1"));
}

TEST(S3ErrorTest, AHostileMessageIsCutAndCleaned) {
  const Status status =
      Judge(400, "Evil", "\x1b[2Jgotcha\n" + std::string(10'000, 'x'));
  EXPECT_LT(status.message().size(), 400U);
  EXPECT_THAT(status.message(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(status.message(), Not(HasSubstr("\n")));
  EXPECT_THAT(Judge(400, "Evil\x1b[2J").message(), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace trefoil
