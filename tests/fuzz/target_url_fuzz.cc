// SPDX-License-Identifier: Apache-2.0
// Goal: a target's URL has one meaning or none, and no secret of it is told.
// Method: each URL that is understood is written out and understood the same.
#include <string>

#include "fs/base/check.h"
#include "replicator/store/target_url.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<TargetUrl> url = ParseTargetUrl(text);
  const TargetOptions options;
  if (!url.ok()) {
    TREFOIL_CHECK(url.status().message().find('\n') == std::string::npos);
    // A password stands before an '@'. A path may have one.
    TREFOIL_CHECK(text.find('@') == std::string::npos ||
                  text.starts_with("dir:") ||
                  url.status().message().find('@') == std::string::npos);
    return 0;
  }
  const Result<TargetUrl> again = ParseTargetUrl(url->ToString());
  TREFOIL_CHECK(again.ok());
  TREFOIL_CHECK(again->ToString() == url->ToString());
  TREFOIL_CHECK(again->host == url->host && again->bucket == url->bucket &&
                again->prefix == url->prefix && again->path == url->path &&
                again->port == url->port && again->tls == url->tls);
  if (url->kind == TargetKind::kDir) {
    TREFOIL_CHECK((url->path + "/").find("/../") == std::string::npos);
  } else if (!url->tls && CheckTransport(*url, options).ok()) {
    TREFOIL_CHECK(IsLoopbackHost(url->host));
  }
  return 0;
}
