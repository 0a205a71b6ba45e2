// SPDX-License-Identifier: Apache-2.0
#include "fs/control/protocol.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace trefoil {
namespace {

constexpr std::array kErrorCodes = {
    StatusCode::kPosix,
    StatusCode::kNotFound,
    StatusCode::kAlreadyExists,
    StatusCode::kInvalidArgument,
    StatusCode::kCorruption,
    StatusCode::kIoError,
    StatusCode::kNoSpace,
    StatusCode::kUnavailable,
    StatusCode::kPermissionDenied,
    StatusCode::kPreconditionFailed,
    StatusCode::kReadOnly,
    StatusCode::kNotSupported,
    StatusCode::kBusy,
    StatusCode::kTimedOut,
    StatusCode::kNewerFormat,
    StatusCode::kFenced,
    StatusCode::kTrimmed,
    StatusCode::kNoKey,
};

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// {NAME: value}
std::string EncodeOne(const char* name, const Json& value) {
  Json line = Json::object();
  line[name] = value;
  return Dump(line);
}

// Lists in lists are copied and freed one in the other: deeper ones than any of
// ours would end with the stack.
bool NestsTooDeeply(std::string_view line) {
  constexpr int kMaxDepth = 64;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxDepth) return true;
  }
  return false;
}

// The object on `line`, or nothing.
std::optional<Json> ParseObject(std::string_view line) {
  // The parser takes a NUL for the end of its input.
  if (line.find('\0') != std::string_view::npos) return std::nullopt;
  if (NestsTooDeeply(line)) return std::nullopt;
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

Status BadRequest(std::string_view why) {
  return {StatusCode::kInvalidArgument,
          fmt::format("control request: {}", why)};
}

Status BadAnswer(std::string_view why) {
  return {StatusCode::kCorruption, fmt::format("control answer: {}", why)};
}

// A code of a newer server is still an error.
StatusCode CodeFromName(const std::string& name) {
  for (const StatusCode code : kErrorCodes) {
    if (StatusCodeName(code) == name) return code;
  }
  return StatusCode::kIoError;
}

// `*status` becomes what `error` stands for.
Status DecodeError(const Json& error, Status* status) {
  if (!error.is_object()) return BadAnswer("an error that is no object");
  const auto code = error.find("code");
  const auto message = error.find("message");
  if (code == error.end() || message == error.end() || !code->is_string() ||
      !message->is_string()) {
    return BadAnswer("an error without code and message");
  }
  *status = Status(CodeFromName(code->get<std::string>()),
                   message->get<std::string>());
  return OkStatus();
}

}  // namespace

std::string EncodeRequest(const ControlRequest& request) {
  return Dump(Json{{"method", request.method}, {"params", request.params}});
}

std::string EncodeProgress(const Json& progress) {
  return EncodeOne("progress", progress);
}

std::string EncodeResult(const Json& result) {
  return EncodeOne("result", result);
}

std::string EncodeError(const Status& error) {
  Json value = Json::object();
  value["code"] = std::string(StatusCodeName(error.code()));
  value["message"] = error.message();
  return EncodeOne("error", value);
}

Result<ControlRequest> DecodeRequest(std::string_view line) {
  const std::optional<Json> json = ParseObject(line);
  if (!json) return BadRequest("not a JSON object on one line");
  const auto method = json->find("method");
  if (method == json->end() || !method->is_string()) {
    return BadRequest("\"method\" must be a string");
  }
  ControlRequest request;
  request.method = method->get<std::string>();
  const auto params = json->find("params");
  if (params != json->end()) {
    if (!params->is_object()) return BadRequest("\"params\" must be an object");
    request.params = *params;
  }
  return request;
}

Result<ControlAnswer> DecodeAnswer(std::string_view line) {
  const std::optional<Json> json = ParseObject(line);
  if (!json || json->size() != 1) return BadAnswer("not one JSON object");
  ControlAnswer answer;
  const auto member = json->begin();
  const std::string& name = member.key();
  const Json& value = member.value();
  if (name == "progress") {
    answer.kind = ControlAnswer::Kind::kProgress;
    answer.value = value;
  } else if (name == "result") {
    answer.kind = ControlAnswer::Kind::kResult;
    answer.value = value;
  } else if (name == "error") {
    TREFOIL_TRY(DecodeError(value, &answer.error));
  } else {
    return BadAnswer("neither progress nor result nor error");
  }
  return answer;
}

Result<std::string> StringParam(const Json& params, const std::string& name,
                                const std::string& when_absent,
                                size_t max_bytes) {
  const auto found = params.find(name);
  if (found == params.end()) return when_absent;
  if (!found->is_string()) {
    return BadRequest(fmt::format("\"{}\" must be a string", name));
  }
  std::string value = found->get<std::string>();
  if (value.size() > max_bytes) {
    return BadRequest(
        fmt::format("\"{}\" is longer than {} bytes", name, max_bytes));
  }
  return value;
}

Result<int64_t> IntegerParam(const Json& params, const std::string& name,
                             int64_t when_absent, int64_t min, int64_t max) {
  const auto found = params.find(name);
  if (found == params.end()) return when_absent;
  // An unsigned number above the signed range would wrap in get<int64_t>.
  const bool wraps = found->is_number_unsigned() &&
                     found->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (!found->is_number_integer() || wraps || found->get<int64_t>() < min ||
      found->get<int64_t>() > max) {
    return BadRequest(fmt::format("\"{}\" must be a whole number from {} to {}",
                                  name, min, max));
  }
  return found->get<int64_t>();
}

Result<bool> FlagParam(const Json& params, const std::string& name,
                       bool when_absent) {
  const auto found = params.find(name);
  if (found == params.end()) return when_absent;
  if (!found->is_boolean()) {
    return BadRequest(fmt::format("\"{}\" must be true or false", name));
  }
  return found->get<bool>();
}

}  // namespace trefoil
