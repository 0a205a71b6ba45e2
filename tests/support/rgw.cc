// SPDX-License-Identifier: Apache-2.0
#include "tests/support/rgw.h"

#include <utility>

namespace trefoil::testing {

Result<std::unique_ptr<CephGateway>> CephGateway::Start(
    const CephGatewayOptions& options) {
  auto gateway = std::make_unique<CephGateway>();
  gateway->dir_ = NewServerDir("rgw");
  const std::string script = SupportScript("ceph-rgw.sh");
  gateway->guard_ = std::make_unique<ServerGuard>(script, gateway->dir_);
  gateway->port_ = FreePort();
  Variables variables = options.extra;
  variables.emplace_back("RGW_PORT", std::to_string(gateway->port_));
  if (options.tls) {
    gateway->tls_port_ = FreePort();
    variables.emplace_back("RGW_TLS_PORT", std::to_string(gateway->tls_port_));
  }
  TREFOIL_TRY(RunProgram({script, "start", gateway->dir_}, variables).status());
  return gateway;
}

Status CephGateway::Script(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {SupportScript("ceph-rgw.sh"),
                                      arguments.front(), dir_};
  command.insert(command.end(), arguments.begin() + 1, arguments.end());
  return RunProgram(command).status();
}

Status CephGateway::Kill() { return Script({"kill", "rgw"}); }

Status CephGateway::KillAll() { return Script({"kill"}); }

Status CephGateway::Stop() { return Script({"stop"}); }

Status CephGateway::Restart() { return Script({"start"}); }

Result<std::string> CephGateway::Admin(
    const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {SupportScript("ceph-rgw.sh"), "admin",
                                      dir_};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunProgram(command);
}

Credentials CephGateway::credentials() const {
  return {"testkey", SecretBytes("testsecret"), {}};
}

}  // namespace trefoil::testing
