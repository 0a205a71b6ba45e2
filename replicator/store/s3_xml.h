// SPDX-License-Identifier: Apache-2.0
// The XML that S3 servers answer with. Everything here may come from a hostile
// server: sizes are bounded by the caller's bound on the body, and texts are
// cut and cleaned before anybody prints them.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fs/base/status.h"
#include "fs/object/object_store.h"

namespace trefoil {

// An <Error>; every field is empty where the answer had none.
struct S3Error {
  std::string code;     // letters, digits and dots only
  std::string message;  // printable ASCII, at most 200 characters
  std::string region;
  std::string endpoint;
};
// Never fails: nonsense is an empty S3Error.
S3Error ParseS3Error(std::string_view body);

// One page of ListObjectsV2, with whole, decoded keys as the server gave them.
struct S3ListPage {
  std::vector<ObjectInfo> objects;
  bool truncated = false;
  std::string next_token;
};
// kCorruption when the answer is not a well-formed list.
Result<S3ListPage> ParseS3ListPage(std::string_view body);

// `text` with everything but printable ASCII replaced, cut at `max_size`.
std::string CleanText(std::string_view text, size_t max_size);

}  // namespace trefoil
