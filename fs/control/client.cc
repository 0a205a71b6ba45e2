// SPDX-License-Identifier: Apache-2.0
#include "fs/control/client.h"

#include <fmt/format.h>

#include "fs/volume/volume_lock.h"

namespace trefoil {
namespace {

constexpr int64_t kSendTimeoutNanos = 10'000'000'000;

}  // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::Connect(
    const std::string& volume_path) {
  Result<UniqueFd> fd = ConnectUnix(volume_path, kControlSocketName);
  if (fd.status().Is(StatusCode::kNotFound)) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: not mounted", volume_path));
  }
  if (!fd.ok()) return fd.status();
  return std::unique_ptr<ControlClient>(
      new ControlClient(LineSocket(std::move(*fd), kMaxControlAnswerBytes)));
}

Result<Json> ControlClient::Call(
    const std::string& method, const Json& params, int64_t timeout_nanos,
    const std::function<void(const Json&)>& on_progress) {
  const Status sent =
      socket_.WriteLine(EncodeRequest({method, params}), kSendTimeoutNanos);
  for (;;) {
    // A server that refused us has closed, but its answer may still be there
    // to be read when sending has failed.
    Result<std::string> line = socket_.ReadLine(timeout_nanos);
    if (!line.ok()) return sent.ok() ? line.status() : sent;
    TREFOIL_ASSIGN(ControlAnswer answer, DecodeAnswer(*line));
    switch (answer.kind) {
      case ControlAnswer::Kind::kProgress:
        if (on_progress) on_progress(answer.value);
        break;
      case ControlAnswer::Kind::kResult:
        return std::move(answer.value);
      case ControlAnswer::Kind::kError:
        return answer.error;
    }
  }
}

}  // namespace trefoil
