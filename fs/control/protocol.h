// SPDX-License-Identifier: Apache-2.0
// The control protocol: lines of JSON over a unix socket.
//
//   request  := {"method": NAME, "params": {...}} '\n'
//   answer   := {"progress": {...}} '\n' ...   any number of these, then one of
//               {"result": ...} '\n'
//               {"error": {"code": CODE, "message": TEXT}} '\n'
//
// CODE is StatusCodeName() of the error. A connection carries any number of
// requests, one after the other. Both sides bound the lines they take.
// Nothing here is trusted: a bad line is an error, never a crash.
// Thread rule: free functions, thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "fs/base/status.h"

namespace trefoil {

using Json = nlohmann::json;

// Longest request line, with its newline.
inline constexpr size_t kMaxControlRequestBytes = 64U << 10;
// Longest line of an answer: the list of all snapshots must fit.
inline constexpr size_t kMaxControlAnswerBytes = 16U << 20;

struct ControlRequest {
  std::string method;
  Json params = Json::object();
};

// One line of an answer; exactly one of progress, result and error.
struct ControlAnswer {
  enum class Kind { kProgress, kResult, kError };
  Kind kind = Kind::kError;
  Json value;    // of progress and result
  Status error;  // of kError
};

// Lines without the newline. Text that is not UTF-8 is replaced, not refused.
std::string EncodeRequest(const ControlRequest& request);
std::string EncodeProgress(const Json& progress);
std::string EncodeResult(const Json& result);
std::string EncodeError(const Status& error);

// kInvalidArgument with what is wrong with `line`.
Result<ControlRequest> DecodeRequest(std::string_view line);
// kCorruption with what is wrong with `line`.
Result<ControlAnswer> DecodeAnswer(std::string_view line);

// Parameters of a request: kInvalidArgument when `name` has another type than
// asked for or is out of bounds.
Result<std::string> StringParam(const Json& params, const std::string& name,
                                const std::string& when_absent,
                                size_t max_bytes);
Result<int64_t> IntegerParam(const Json& params, const std::string& name,
                             int64_t when_absent, int64_t min, int64_t max);
Result<bool> FlagParam(const Json& params, const std::string& name,
                       bool when_absent);

}  // namespace trefoil
