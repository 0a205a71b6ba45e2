// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/target_url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "fs/object/object_store.h"

namespace trefoil {
namespace {

constexpr std::string_view kDirScheme = "dir:";
constexpr std::string_view kHttpScheme = "s3+http://";
constexpr std::string_view kHttpsScheme = "s3+https://";
constexpr size_t kMaxUrlBytes = 4096;

Status Bad(std::string_view url, std::string_view what) {
  return {StatusCode::kInvalidArgument,
          fmt::format("target URL '{}': {}", url, what)};
}

bool IsLowerOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  if (host.front() == '.' || host.front() == '-') return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
  });
}

bool IsIpv6Literal(std::string_view text) {
  if (text.size() < 4 || text.front() != '[' || text.back() != ']')
    return false;
  return text.find_first_not_of("0123456789abcdefABCDEF:.", 1) ==
         text.size() - 1;
}

// Amazon's rule for names of general-purpose buckets.
bool IsBucketName(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  if (!IsLowerOrDigit(name.front()) || !IsLowerOrDigit(name.back()))
    return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return IsLowerOrDigit(c) || c == '-' || c == '.';
  });
}

Result<TargetUrl> ParseDir(std::string_view text) {
  std::string_view rest = text.substr(kDirScheme.size());
  if (rest.empty() || rest.front() != '/') {
    return Bad(text, "the path must be absolute; write dir:/path");
  }
  TargetUrl url;
  url.kind = TargetKind::kDir;
  while (!rest.empty()) {
    const size_t begin = std::min(rest.find_first_not_of('/'), rest.size());
    rest.remove_prefix(begin);
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(part.size());
    if (part.empty()) continue;
    if (part == "." || part == "..") {
      return Bad(text, "the path must not contain '.' or '..'; write it out");
    }
    url.path.append("/").append(part);
  }
  if (url.path.empty()) {
    return Bad(text, "the root directory can't be a target; name a directory");
  }
  return url;
}

// Takes "host[:port]" apart.
Status ParseAuthority(std::string_view text, std::string_view authority,
                      TargetUrl* url) {
  size_t host_size = authority.find(':');
  if (!authority.empty() && authority.front() == '[') {
    const size_t close = authority.find(']');
    host_size = close == std::string_view::npos ? close : close + 1;
  }
  const std::string_view host = authority.substr(0, host_size);
  if (!IsHostName(host) && !IsIpv6Literal(host)) {
    return Bad(text, fmt::format("'{}' is not a host name or address", host));
  }
  url->host = std::string(host);
  std::string_view rest = authority.substr(host.size());
  if (rest.empty()) return OkStatus();
  rest.remove_prefix(1);
  uint32_t port = 0;
  const auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), port);
  if (authority[host.size()] != ':' || error != std::errc() ||
      end != rest.data() + rest.size() || port == 0 || port > 65535) {
    return Bad(text, "the port must be a number from 1 to 65535");
  }
  const uint32_t usual = url->tls ? 443 : 80;
  url->port = port == usual ? uint16_t{0} : static_cast<uint16_t>(port);
  return OkStatus();
}

Result<TargetUrl> ParseS3(std::string_view text, std::string_view scheme) {
  TargetUrl url;
  url.kind = TargetKind::kS3;
  url.tls = scheme == kHttpsScheme;
  std::string_view rest = text.substr(scheme.size());
  if (rest.find('@') != std::string_view::npos) {
    return Bad(fmt::format("{}...", scheme),
               "a URL carries no user or password; put credentials into "
               "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a "
               "credentials file");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return Bad(fmt::format("{}...", scheme),
               "'?' and '#' have no meaning here; remove them");
  }
  const std::string_view authority = rest.substr(0, rest.find('/'));
  TREFOIL_TRY(ParseAuthority(text, authority, &url));
  rest.remove_prefix(std::min(authority.size() + 1, rest.size()));
  const std::string_view bucket = rest.substr(0, rest.find('/'));
  if (bucket.empty()) {
    return Bad(text,
               fmt::format("no bucket; write {}{}/BUCKET", scheme, authority));
  }
  if (!IsBucketName(bucket)) {
    return Bad(text,
               fmt::format("'{}' is not a bucket name (3 to 63 lower-case "
                           "letters, digits, '-' and '.')",
                           bucket));
  }
  url.bucket = std::string(bucket);
  rest.remove_prefix(std::min(bucket.size() + 1, rest.size()));
  if (rest.size() > 1 && rest.back() == '/') rest.remove_suffix(1);
  if (!rest.empty() && !IsValidObjectKey(rest)) {
    return Bad(text, fmt::format("the prefix '{}' may have lower-case letters, "
                                 "digits, '-' and single '/' only",
                                 rest));
  }
  url.prefix = std::string(rest);
  return url;
}

}  // namespace

std::string TargetUrl::Authority() const {
  return port == 0 ? host : fmt::format("{}:{}", host, port);
}

std::string TargetUrl::ToString() const {
  if (kind == TargetKind::kDir) return fmt::format("{}{}", kDirScheme, path);
  return fmt::format("{}{}/{}{}{}", tls ? kHttpsScheme : kHttpScheme,
                     Authority(), bucket, prefix.empty() ? "" : "/", prefix);
}

Result<TargetUrl> ParseTargetUrl(std::string_view text) {
  if (text.size() > kMaxUrlBytes) {
    return Bad("...", "longer than 4096 bytes");
  }
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (!printable) return Bad("...", "contains control characters");
  if (text.starts_with(kDirScheme)) return ParseDir(text);
  for (std::string_view scheme : {kHttpScheme, kHttpsScheme}) {
    if (text.starts_with(scheme)) return ParseS3(text, scheme);
  }
  // What stands before an '@' may be a secret.
  const bool secret = text.find('@') != std::string_view::npos;
  return Bad(secret ? "..." : text,
             "write dir:/path, s3+http://host:port/bucket[/prefix] or "
             "s3+https://host/bucket[/prefix]");
}

Result<TargetOptions> ParseTargetOptions(
    const std::map<std::string, std::string>& table) {
  const auto get = [&](const char* key) {
    const auto found = table.find(key);
    return found == table.end() ? std::string() : found->second;
  };
  TargetOptions options;
  options.region = get("region");
  options.credentials_file = get("credentials_file");
  options.profile = get("profile");
  options.ca_file = get("ca_file");
  const std::string style = get("path_style");
  if (style == "virtual") {
    options.address_style = AddressStyle::kVirtualHost;
  } else if (style == "path") {
    options.address_style = AddressStyle::kPath;
  } else if (!style.empty() && style != "auto") {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("path_style '{}': write auto, path or virtual", style));
  }
  const std::string plain = get("allow_plain_http");
  options.allow_plain_http = plain == "true";
  if (!plain.empty() && plain != "true" && plain != "false") {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("allow_plain_http '{}': write true or false", plain));
  }
  return options;
}

std::string RequestHost(const TargetUrl& url, AddressStyle style) {
  return style == AddressStyle::kVirtualHost
             ? fmt::format("{}.{}", url.bucket, url.host)
             : url.host;
}

bool IsLoopbackHost(std::string_view host) {
  constexpr std::string_view kName = "localhost";
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  // libcurl never asks a name server for these (RFC 6761, 6.3).
  if (name == kName || name.ends_with(fmt::format(".{}", kName))) return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  }
  if (!IsIpv6Literal(name)) return false;
  in6_addr v6{};
  name = name.substr(1, name.size() - 2);
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

Status CheckTransport(const TargetUrl& url, const TargetOptions& options) {
  if (url.kind != TargetKind::kS3 || url.tls || options.allow_plain_http ||
      IsLoopbackHost(RequestHost(url, options.address_style))) {
    return OkStatus();
  }
  return Bad(url.ToString(),
             "plain HTTP: anybody on the way could read, and answer in the "
             "store's name; write s3+https, or insist with --allow-plain-http "
             "(allow_plain_http = true in config.toml)");
}

}  // namespace trefoil
