// SPDX-License-Identifier: Apache-2.0
// Why a TLS server was not believed, as a line that says what, where and what
// to do next.
// Thread rule: pure functions.
#pragma once

#include <string>

#include "fs/base/status.h"

namespace trefoil {

struct TlsFailure {
  std::string url;         // of the request; only its scheme and host are told
  std::string ca_file;     // empty: the system's authorities
  long verify_result = 0;  // X509_V_ERR_* of OpenSSL's x509_vfy.h
  std::string detail;      // what the library says
};

// kPermissionDenied: not a fault that passes by itself.
Status TlsStatus(const TlsFailure& failure);
// kPermissionDenied for authorities that can't be read.
Status CaFileStatus(const TlsFailure& failure);

}  // namespace trefoil
