// SPDX-License-Identifier: Apache-2.0
// CephGateway: a real Ceph RADOS gateway for tests (ceph-rgw.sh: one monitor,
// one OSD in memory, one radosgw), ready in a few seconds, that can be killed
// and started again with its data.
// Thread rule: use by one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/s3_server.h"

namespace trefoil::testing {

struct CephGatewayOptions {
  bool tls = false;  // also listens with TLS, under a certificate of its own
  Variables extra =
      {};  // further variables of ceph-rgw.sh (STORE, STORE_GB ...)
};

class CephGateway : public S3Server {
 public:
  // A missing package is an error, never a reason to skip a test.
  static Result<std::unique_ptr<CephGateway>> Start(
      const CephGatewayOptions& options = {});

  // SIGKILL of the gateway alone; what it stored stays.
  Status Kill();
  // SIGKILL of the gateway, the OSD and the monitor.
  Status KillAll();
  // An orderly end of the gateway, the OSD and the monitor.
  Status Stop();
  // Starts what does not run; the same port, keys and data (an OSD in memory
  // keeps them over Stop only).
  Status Restart();
  // radosgw-admin with `arguments`; what it printed.
  Result<std::string> Admin(const std::vector<std::string>& arguments);

  [[nodiscard]] uint16_t port() const override { return port_; }
  [[nodiscard]] uint16_t tls_port() const { return tls_port_; }
  // The authority that the TLS certificate is signed by: itself.
  [[nodiscard]] std::string ca_file() const { return dir_ + "/tls.crt"; }
  [[nodiscard]] Credentials credentials() const override;

 private:
  Status Script(const std::vector<std::string>& arguments);

  std::string dir_;
  uint16_t port_ = 0;
  uint16_t tls_port_ = 0;
  std::unique_ptr<ServerGuard> guard_;
};

}  // namespace trefoil::testing
