// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/sigv4.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "fs/base/hash.h"

namespace trefoil {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Trimmed, and inner runs of blanks made one.
std::string FoldBlanks(std::string_view value) {
  std::string out;
  for (char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out.push_back(blank ? ' ' : c);
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Sorted by name; values of one name joined in the order given.
std::map<std::string, std::string> CanonicalHeaders(const NameValues& headers) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : headers) {
    auto [at, fresh] = sorted.try_emplace(name, FoldBlanks(value));
    if (!fresh) at->second.append(",").append(FoldBlanks(value));
  }
  return sorted;
}

std::string SignedHeaderNames(const NameValues& headers) {
  std::string names;
  for (const auto& [name, value] : CanonicalHeaders(headers)) {
    names.append(names.empty() ? "" : ";").append(name);
  }
  return names;
}

std::string CredentialScope(const SigV4Scope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", scope.amz_date.substr(0, 8),
                     scope.region, scope.service);
}

Hash256 SigningKey(const SigV4Scope& scope, const SecretBytes& secret) {
  constexpr std::string_view kPrefix = "AWS4";
  SecretBytes first(kPrefix.size() + secret.size());
  const std::span<char> out = first.span();
  std::copy(kPrefix.begin(), kPrefix.end(), out.begin());
  std::copy(secret.view().begin(), secret.view().end(),
            out.begin() + kPrefix.size());
  Hash256 key = HmacSha256(first.view(), scope.amz_date.substr(0, 8));
  key = HmacSha256(key.view(), scope.region);
  key = HmacSha256(key.view(), scope.service);
  return HmacSha256(key.view(), "aws4_request");
}

}  // namespace

std::string AmzDate(int64_t wall_nanos) {
  const auto seconds = static_cast<std::time_t>(wall_nanos / kNanosPerSecond);
  return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(seconds));
}

std::string UriEncode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string CanonicalQuery(const NameValues& query) {
  NameValues encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(UriEncode(name, false), UriEncode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  }
  return out;
}

std::string CanonicalRequest(const SigV4Request& request) {
  std::string out = fmt::format("{}\n{}\n{}\n", request.method, request.path,
                                CanonicalQuery(request.query));
  for (const auto& [name, value] : CanonicalHeaders(request.headers)) {
    out.append(name).append(":").append(value).append("\n");
  }
  out.append("\n").append(SignedHeaderNames(request.headers));
  return out.append("\n").append(request.payload_sha256_hex);
}

std::string AuthorizationHeader(const SigV4Request& request,
                                const SigV4Scope& scope,
                                const Credentials& credentials) {
  const std::string credential_scope = CredentialScope(scope);
  const std::string string_to_sign = fmt::format(
      "{}\n{}\n{}\n{}", kAlgorithm, scope.amz_date, credential_scope,
      Sha256::Of(CanonicalRequest(request)).ToHex());
  Hash256 key = SigningKey(scope, credentials.secret_access_key);
  const std::string signature = HmacSha256(key.view(), string_to_sign).ToHex();
  ClearSecret(key.bytes);
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}",
                     kAlgorithm, credentials.access_key_id, credential_scope,
                     SignedHeaderNames(request.headers), signature);
}

}  // namespace trefoil
