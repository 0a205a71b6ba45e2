// SPDX-License-Identifier: Apache-2.0
// Where a target is, and the options that say how to reach it.
//
//   dir:/path
//   s3+http://host[:port]/bucket[/prefix]
//   s3+https://host[:port]/bucket[/prefix]
//
// Thread rule: values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "fs/base/status.h"

namespace trefoil {

enum class TargetKind { kDir, kS3 };

struct TargetUrl {
  TargetKind kind = TargetKind::kDir;
  // dir: absolute, without a trailing slash, `.` or `..`.
  std::string path;
  // s3.
  bool tls = false;
  std::string host;   // a name, an IPv4 address, or an IPv6 one in brackets
  uint16_t port = 0;  // 0: the scheme's own
  std::string bucket;
  std::string prefix;  // a valid object key, or empty

  // The URL in its one canonical spelling.
  [[nodiscard]] std::string ToString() const;
  // "host" or "host:port", as a Host header says it.
  [[nodiscard]] std::string Authority() const;
};

// kInvalidArgument with one line: what is wrong, where, what to write. A
// password in a URL is refused and never repeated.
Result<TargetUrl> ParseTargetUrl(std::string_view text);

// How buckets are addressed: http://host/bucket/key or
// http://bucket.host/key. kAuto is kPath, which every server understands.
enum class AddressStyle { kAuto, kPath, kVirtualHost };

struct TargetOptions {
  std::string region;  // empty: AWS_REGION, AWS_DEFAULT_REGION, us-east-1
  AddressStyle address_style = AddressStyle::kAuto;
  std::string credentials_file;  // empty: the usual places
  std::string profile;           // empty: AWS_PROFILE, default
  std::string ca_file;           // empty: the system's authorities
  bool allow_plain_http = false;
};

// From the keys of a target's table in the configuration: region, path_style
// (auto, path, virtual), credentials_file, profile, ca_file, allow_plain_http.
// Other keys are other readers' business.
Result<TargetOptions> ParseTargetOptions(
    const std::map<std::string, std::string>& table);

// The host that requests for the target go to, without a port.
std::string RequestHost(const TargetUrl& url, AddressStyle style);

// Whether `host` is this machine by its very spelling, whatever a name server
// says: localhost and names in it, 127.0.0.0/8, [::1].
bool IsLoopbackHost(std::string_view host);

// kInvalidArgument for plain HTTP to another machine, unless the options
// insist: anybody on the way could read, and answer in the store's name.
Status CheckTransport(const TargetUrl& url, const TargetOptions& options);

}  // namespace trefoil
