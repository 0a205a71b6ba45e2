// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/tls_error.h"

#include <fmt/format.h>

#include <string_view>

namespace trefoil {
namespace {

// Numbers of OpenSSL's x509_vfy.h, which are part of its ABI. libcurl compares
// the names before it asks for the result: until then that is unspecified.
enum VerifyResult : long {
  kUnspecified = 1,
  kNotYetValid = 9,
  kHasExpired = 10,
  kSelfSigned = 18,
  kSelfSignedInChain = 19,
  kNoLocalIssuer = 20,
  kNoIssuerForLeaf = 21,
  kOtherHost = 62,
};

// "https://host:port" of a URL.
std::string_view ServerOf(std::string_view url) {
  constexpr std::string_view kSeparator = "://";
  const size_t scheme = url.find(kSeparator);
  if (scheme == std::string_view::npos) return {};
  return url.substr(0, url.find('/', scheme + kSeparator.size()));
}

std::string UnknownAuthority(const TlsFailure& failure) {
  if (failure.ca_file.empty()) {
    return "is not signed by an authority that this machine trusts; if the "
           "store has its own, name that one's certificate with --ca-file "
           "(ca_file in config.toml)";
  }
  return fmt::format(
      "is not signed by an authority in {}; put the certificate of the store's "
      "authority there",
      failure.ca_file);
}

std::string WhatIsWrong(const TlsFailure& failure) {
  switch (failure.verify_result) {
    case kUnspecified:
    case kOtherHost:
      return fmt::format(
          "is for another host ({}); use the name that it has, or get a "
          "certificate for this one",
          failure.detail);
    case kNotYetValid:
      return "is not valid yet; check this machine's clock";
    case kHasExpired:
      return "has expired; renew it on the server, and check this machine's "
             "clock";
    case kSelfSigned:
    case kSelfSignedInChain:
    case kNoLocalIssuer:
    case kNoIssuerForLeaf:
      return UnknownAuthority(failure);
    default:
      return fmt::format("can't be believed ({}); check the server",
                         failure.detail);
  }
}

}  // namespace

Status TlsStatus(const TlsFailure& failure) {
  return {StatusCode::kPermissionDenied,
          fmt::format("TLS: the certificate of {} {}", ServerOf(failure.url),
                      WhatIsWrong(failure))};
}

Status CaFileStatus(const TlsFailure& failure) {
  return {StatusCode::kPermissionDenied,
          fmt::format("TLS: no certificate authorities (PEM) can be read from "
                      "{}; check ca_file",
                      failure.ca_file.empty() ? "the system's store"
                                              : failure.ca_file)};
}

}  // namespace trefoil
