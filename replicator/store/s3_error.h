// SPDX-License-Identifier: Apache-2.0
// What an S3 server's refusal means to us: a Status whose code says what can
// be done and whose message says what, where and what to do next.
// Thread rule: pure functions.
#pragma once

#include <string>

#include "fs/base/status.h"
#include "replicator/store/http_client.h"
#include "replicator/store/target_url.h"

namespace trefoil {

// `what` is the operation and the key ("PUT pack/ab/..."), `response` any
// answer that is not a success.
Status S3ErrorStatus(const TargetUrl& url, const std::string& what,
                     const HttpResponse& response);

}  // namespace trefoil
