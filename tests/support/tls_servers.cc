// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_servers.h"

#include <vector>

namespace trefoil::testing {

Result<std::unique_ptr<TlsServers>> TlsServers::Start() {
  auto servers = std::make_unique<TlsServers>();
  servers->dir_ = NewServerDir("tls");
  const std::string script = SupportScript("tls-servers.sh");
  servers->guard_ = std::make_unique<ServerGuard>(script, servers->dir_);
  std::vector<std::string> command = {script, "start", servers->dir_};
  for (uint16_t& port : servers->ports_) {
    port = FreePort();
    command.push_back(std::to_string(port));
  }
  TREFOIL_TRY(RunProgram(command).status());
  return servers;
}

}  // namespace trefoil::testing
