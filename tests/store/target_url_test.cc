// SPDX-License-Identifier: Apache-2.0
// Goal: a target URL means one thing or is refused with one clear line.
// Method: tables of URLs, good and bad.
#include "replicator/store/target_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace trefoil {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TargetUrl Parse(const std::string& text) {
  Result<TargetUrl> url = ParseTargetUrl(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.status().ToString();
  return url.ok() ? *url : TargetUrl{};
}

TEST(TargetUrlTest, DirectoriesAreAbsoluteAndCanonical) {
  EXPECT_EQ(Parse("dir:/mnt/usb").path, "/mnt/usb");
  EXPECT_EQ(Parse("dir:/mnt/usb").kind, TargetKind::kDir);
  EXPECT_EQ(Parse("dir:///mnt//usb disk/").path, "/mnt/usb disk");
  EXPECT_EQ(Parse("dir:/mnt/B\xc3\xbcro").ToString(), "dir:/mnt/B\xc3\xbcro");
}

TEST(TargetUrlTest, S3UrlsAreTakenApart) {
  const TargetUrl url = Parse("s3+http://10.0.0.7:8000/office/trefoil/a-1/");
  EXPECT_EQ(url.kind, TargetKind::kS3);
  EXPECT_FALSE(url.tls);
  EXPECT_EQ(url.host, "10.0.0.7");
  EXPECT_EQ(url.port, 8000);
  EXPECT_EQ(url.bucket, "office");
  EXPECT_EQ(url.prefix, "trefoil/a-1");
  EXPECT_EQ(url.ToString(), "s3+http://10.0.0.7:8000/office/trefoil/a-1");
  const TargetUrl plain = Parse("s3+https://s3.eu-1.example.com/my.bucket");
  EXPECT_TRUE(plain.tls);
  EXPECT_EQ(plain.port, 0);
  EXPECT_EQ(plain.prefix, "");
  EXPECT_EQ(plain.Authority(), "s3.eu-1.example.com");
}

TEST(TargetUrlTest, TheUsualPortIsLeftOut) {
  EXPECT_EQ(Parse("s3+http://host:80/bucket").Authority(), "host");
  EXPECT_EQ(Parse("s3+https://host:443/bucket").Authority(), "host");
  EXPECT_EQ(Parse("s3+https://host:80/bucket").Authority(), "host:80");
}

TEST(TargetUrlTest, Ipv6StandsInBrackets) {
  const TargetUrl url = Parse("s3+http://[::1]:8000/bucket");
  EXPECT_EQ(url.host, "[::1]");
  EXPECT_EQ(url.port, 8000);
  EXPECT_EQ(Parse("s3+http://[fe80::1]/bucket").Authority(), "[fe80::1]");
}

TEST(TargetUrlTest, BadUrlsSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "write dir:/path"},
      {"/mnt/usb", "write dir:/path"},
      {"s3://bucket", "write dir:/path"},
      {"S3+http://host/bucket", "write dir:/path"},
      {"dir:", "must be absolute"},
      {"dir:mnt", "must be absolute"},
      {"dir:/", "root directory"},
      {"dir:///", "root directory"},
      {"dir:/mnt/../etc", "'..'"},
      {"dir:/mnt/./x", "'.'"},
      {"dir:/mnt/\n", "control characters"},
      {"s3+http://", "not a host name"},
      {"s3+http:///bucket", "not a host name"},
      {"s3+http://ho st/bucket", "not a host name"},
      {"s3+http://-host/bucket", "not a host name"},
      {"s3+http://[::1/bucket", "not a host name"},
      {"s3+http://[nonsense]/bucket", "not a host name"},
      {"s3+http://host", "no bucket; write s3+http://host/BUCKET"},
      {"s3+http://host/", "no bucket"},
      {"s3+http://host//prefix", "no bucket"},
      {"s3+http://host:/bucket", "port"},
      {"s3+http://host:0/bucket", "port"},
      {"s3+http://host:65536/bucket", "port"},
      {"s3+http://host:80x/bucket", "port"},
      {"s3+http://[::1]80/bucket", "port"},
      {"s3+http://host/Bucket", "not a bucket name"},
      {"s3+http://host/ab", "not a bucket name"},
      {"s3+http://host/-abc", "not a bucket name"},
      {"s3+http://host/a..b", "not a bucket name"},
      {"s3+http://host/bucket/Prefix", "prefix"},
      {"s3+http://host/bucket/a//b", "prefix"},
      {"s3+http://host/bucket/..", "prefix"},
      {"s3+http://host/bucket//", "prefix"},
      {"s3+http://host/bucket?x=1", "'?'"},
      {"dir:/" + std::string(5000, 'x'), "4096"},
  };
  for (const auto& [text, expected] : cases) {
    const Result<TargetUrl> url = ParseTargetUrl(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(url.status().message(), HasSubstr(expected)) << text;
    EXPECT_THAT(url.status().message(), Not(HasSubstr("\n"))) << text;
  }
}

TEST(TargetUrlTest, APasswordInAUrlIsNeverRepeated) {
  for (const char* text :
       {"s3+https://key:hush@host/bucket", "s3://key:hush@host/bucket",
        "s3+https://host/bucket?X-Amz-Signature=hush"}) {
    const Result<TargetUrl> url = ParseTargetUrl(text);
    ASSERT_FALSE(url.ok());
    EXPECT_THAT(url.status().message(), Not(HasSubstr("hush")));
  }
}

TEST(TargetOptionsTest, AreTakenFromTheTable) {
  const Result<TargetOptions> options =
      ParseTargetOptions({{"region", "eu-central-1"},
                          {"path_style", "virtual"},
                          {"profile", "office"},
                          {"ca_file", "/etc/ca.pem"},
                          {"conditional_put", "true"}});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->region, "eu-central-1");
  EXPECT_EQ(options->address_style, AddressStyle::kVirtualHost);
  EXPECT_EQ(options->profile, "office");
  EXPECT_EQ(options->ca_file, "/etc/ca.pem");
  EXPECT_EQ(ParseTargetOptions({})->address_style, AddressStyle::kAuto);
  EXPECT_FALSE(options->allow_plain_http);
  EXPECT_TRUE(
      ParseTargetOptions({{"allow_plain_http", "true"}})->allow_plain_http);
  EXPECT_THAT(
      ParseTargetOptions({{"allow_plain_http", "1"}}).status().message(),
      HasSubstr("true or false"));
  EXPECT_THAT(ParseTargetOptions({{"path_style", "maybe"}}).status().message(),
              HasSubstr("auto, path or virtual"));
}

TEST(PlainHttpTest, IsForThisMachineOnly) {
  const auto check = [](const std::string& url, TargetOptions options = {}) {
    return CheckTransport(Parse(url), options);
  };
  for (const char* host : {"127.0.0.1:8000", "127.255.1.2", "localhost:8000",
                           "LocalHost", "s3.localhost", "[::1]:8000"}) {
    EXPECT_TRUE(check(std::string("s3+http://") + host + "/bucket").ok())
        << host;
  }
  for (const char* host :
       {"10.0.0.7:8000", "128.0.0.1", "127.0.0.1.example.com", "localhost.com",
        "notlocalhost", "127.1", "0x7f.0.0.1", "0.0.0.0", "[::2]",
        "[::ffff:127.0.0.1]", "store.example.com"}) {
    const std::string url = std::string("s3+http://") + host + "/bucket";
    const Status refused = check(url);
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << host;
    EXPECT_THAT(refused.message(), HasSubstr("s3+https"));
    EXPECT_THAT(refused.message(), HasSubstr("--allow-plain-http"));
    TargetOptions insisting;
    insisting.allow_plain_http = true;
    EXPECT_TRUE(check(url, insisting).ok()) << host;
  }
  EXPECT_TRUE(check("s3+https://store.example.com/bucket").ok());
  EXPECT_TRUE(check("dir:/mnt/usb").ok());
}

// The name that is asked for then is another one: bucket.127.0.0.1.
TEST(PlainHttpTest, OfAVirtualHostIsJudgedByItsWholeName) {
  TargetOptions options;
  options.address_style = AddressStyle::kVirtualHost;
  EXPECT_FALSE(
      CheckTransport(Parse("s3+http://127.0.0.1/bucket"), options).ok());
  EXPECT_TRUE(
      CheckTransport(Parse("s3+http://localhost/bucket"), options).ok());
}

}  // namespace
}  // namespace trefoil
