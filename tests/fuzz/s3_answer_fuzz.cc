// SPDX-License-Identifier: Apache-2.0
// Goal: no answer of an object store, list or error, makes a reader crash or
// put control characters into a message.
// Method: the input as XML, also inside of the elements that matter.
#include <string>

#include "fs/base/check.h"
#include "replicator/store/s3_error.h"
#include "replicator/store/s3_xml.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::fuzz {
namespace {

void CheckMessage(const std::string& message) {
  for (const char c : message) TREFOIL_CHECK(c >= 0x20 && c <= 0x7e);
}

void CheckError(const std::string& body, int status) {
  static const Result<TargetUrl> url =
      ParseTargetUrl("s3+https://host/bucket/prefix");
  HttpResponse response;
  response.status = status;
  response.body = body;
  response.headers["x-amz-bucket-region"] = body.substr(0, 80);
  const Status error = S3ErrorStatus(*url, "GET pack/x", response);
  TREFOIL_CHECK(!error.ok());
  CheckMessage(error.message());
  const S3Error parsed = ParseS3Error(body);
  CheckMessage(parsed.code + parsed.message + parsed.region + parsed.endpoint);
}

void CheckList(const std::string& body) {
  const Result<S3ListPage> page = ParseS3ListPage(body);
  if (!page.ok()) {
    CheckMessage(page.status().message());
    return;
  }
  for (const ObjectInfo& info : page->objects) {
    TREFOIL_CHECK(!info.key.empty());
  }
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil::fuzz;
  FuzzInput input(data, size);
  const int status = 300 + static_cast<int>(input.Number(2) % 300);
  const std::string text(input.Rest());
  CheckList(text);
  CheckList(
      "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>" +
      text + "</Key><Size>" + text.substr(0, 20) +
      "</Size></Contents></ListBucketResult>");
  CheckError(text, status);
  CheckError("<Error><Code>" + text + "</Code></Error>", status);
  return 0;
}
