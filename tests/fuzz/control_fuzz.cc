// SPDX-License-Identifier: Apache-2.0
// Goal: no line on the control socket makes either side crash, and what one
// side writes the other understands.
// Method: the input as a request and as an answer; what was understood is
// written again and understood the same.
#include <string>

#include "fs/base/check.h"
#include "fs/control/protocol.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::fuzz {
namespace {

void CheckRequest(const std::string& line) {
  const Result<ControlRequest> request = DecodeRequest(line);
  if (!request.ok()) {
    TREFOIL_CHECK(request.status().Is(StatusCode::kInvalidArgument));
    const Result<ControlAnswer> answer =
        DecodeAnswer(EncodeError(request.status()));
    TREFOIL_CHECK(answer.ok());
    return;
  }
  for (const char* name : {"name", "label", "target", "a"}) {
    static_cast<void>(StringParam(request->params, name, "", 64));
    const Result<int64_t> number =
        IntegerParam(request->params, name, 1, 0, 1000);
    TREFOIL_CHECK(!number.ok() || (*number >= 0 && *number <= 1000));
  }
  const Result<ControlRequest> again = DecodeRequest(EncodeRequest(*request));
  TREFOIL_CHECK(again.ok());
  TREFOIL_CHECK(again->method == request->method);
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string line(reinterpret_cast<const char*>(data), size);
  fuzz::CheckRequest(line);
  const Result<ControlAnswer> answer = DecodeAnswer(line);
  if (answer.ok() && answer->kind == ControlAnswer::Kind::kResult) {
    TREFOIL_CHECK(DecodeAnswer(EncodeResult(answer->value)).ok());
  }
  return 0;
}
