// SPDX-License-Identifier: Apache-2.0
// The other end of VOLUME/control.sock, for the commands of `trefoil`.
//
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "fs/control/protocol.h"
#include "fs/control/socket.h"

namespace trefoil {

class ControlClient {
 public:
  // kUnavailable when the volume is not mounted (no socket or nobody behind
  // it), kPermissionDenied for users other than its owner and root.
  static Result<std::unique_ptr<ControlClient>> Connect(
      const std::string& volume_path);

  // The result of `method`, or the error that the server answered.
  // `timeout_nanos` bounds the silence between two lines of the answer; a
  // negative one waits for ever. After kTimedOut, kIoError or kCorruption of
  // the connection itself the client is of no more use.
  Result<Json> Call(const std::string& method, const Json& params,
                    int64_t timeout_nanos,
                    const std::function<void(const Json&)>& on_progress = {});

 private:
  explicit ControlClient(LineSocket socket) : socket_(std::move(socket)) {}

  LineSocket socket_;
};

}  // namespace trefoil
