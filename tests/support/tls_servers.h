// SPDX-License-Identifier: Apache-2.0
// TlsServers: HTTPS servers on loopback with one good and several bad
// certificates (tls-servers.sh); each answers every request with "hello".
// Thread rule: use by one thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "fs/base/status.h"
#include "tests/support/s3_server.h"

namespace trefoil::testing {

class TlsServers {
 public:
  // In the order of the script's ports.
  enum Certificate {
    kGood,       // for localhost and 127.0.0.1
    kOtherName,  // for store.example.com
    kExpired,
    kEarly,     // not valid yet
    kStranger,  // of an authority that is not ca_file()
    kNoTls,     // plain HTTP
    kCount,
  };

  static Result<std::unique_ptr<TlsServers>> Start();

  [[nodiscard]] uint16_t port(Certificate which) const { return ports_[which]; }
  // The authority of all but the stranger.
  [[nodiscard]] std::string ca_file() const { return dir_ + "/ca.pem"; }
  [[nodiscard]] std::string strangers_ca_file() const {
    return dir_ + "/stranger.pem";
  }

 private:
  std::string dir_;
  std::array<uint16_t, kCount> ports_{};
  std::unique_ptr<ServerGuard> guard_;
};

}  // namespace trefoil::testing
