// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/s3_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "replicator/store/s3_error.h"

namespace trefoil {
namespace {

// S3's own bound on a single PUT.
constexpr uint64_t kMaxPutBytes = 5ULL << 30;
constexpr uint64_t kMaxListBodyBytes = 8U << 20;
constexpr size_t kMaxTokenBytes = 8U << 10;
// Objects that a list may have: those of petabytes, or of a mad server.
constexpr uint64_t kMaxListedObjects = 1ULL << 23;
// Pages without a single new key before a server counts as mad.
constexpr int kMaxEmptyPages = 100;

Status CheckKey(std::string_view key) {
  if (IsValidObjectKey(key)) return OkStatus();
  return {StatusCode::kInvalidArgument,
          fmt::format("'{}' is not an object key", CleanText(key, 255))};
}

// A beginning of keys, or a place among them.
Status CheckListBound(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '/';
  });
  if (plain && text.size() <= 255) return OkStatus();
  return {StatusCode::kInvalidArgument,
          fmt::format("'{}' is not the beginning of an object key",
                      CleanText(text, 255))};
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

// The credentials may be the reason: Amazon answers to a token that has expired
// with 400. An answer to HEAD says no more than its status.
bool MayBeRefused(int status) {
  return status == 400 || status == 401 || status == 403;
}

struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t total = 0;
};

// "bytes 0-9/100"
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos ||
      dash > slash) {
    return std::nullopt;
  }
  const auto first = ParseNumber(text.substr(0, dash));
  const auto last = ParseNumber(text.substr(dash + 1, slash - dash - 1));
  const auto total = ParseNumber(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last >= *total)
    return std::nullopt;
  return ContentRange{*first, *last, *total};
}

// The last byte that `range` asks for; the largest number for "to the end".
uint64_t LastOf(ByteRange range) {
  constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();
  if (range.length == 0 || range.length > kEnd - range.offset) return kEnd;
  return range.offset + range.length - 1;
}

std::string RangeHeader(ByteRange range) {
  const uint64_t last = LastOf(range);
  if (last == std::numeric_limits<uint64_t>::max())
    return fmt::format("bytes={}-", range.offset);
  return fmt::format("bytes={}-{}", range.offset, last);
}

// The bytes of `range` out of a 206 answer, if it is what was asked for.
Result<std::string> CheckPart(HttpResponse response, ByteRange range) {
  const auto got = ParseContentRange(response.Header("content-range"));
  const bool fits = got && got->first == range.offset &&
                    got->last == std::min(LastOf(range), got->total - 1) &&
                    response.body.size() == got->last - got->first + 1;
  if (!fits) {
    return Status(StatusCode::kCorruption,
                  "the server answered with another range than was asked for");
  }
  return std::move(response.body);
}

// The bytes of `range` out of the whole object.
std::string CutWhole(std::string body, ByteRange range) {
  if (range.offset >= body.size()) return {};
  const uint64_t left = body.size() - range.offset;
  const uint64_t length =
      range.length == 0 ? left : std::min(range.length, left);
  return body.substr(static_cast<size_t>(range.offset),
                     static_cast<size_t>(length));
}

}  // namespace

struct S3Store::ListState {
  std::string prefix;  // of whole keys
  const std::function<bool(const ObjectInfo&)>& visit;
  std::string last;  // the whole key after which the rest is wanted
  std::string token;
  uint64_t objects = 0;
  int empty_pages = 0;
  bool done = false;
};

S3Store::S3Store(S3Endpoint endpoint, std::unique_ptr<HttpClient> client,
                 Clock& clock, uint32_t keys_per_page,
                 std::unique_ptr<CredentialsSource> newer)
    : endpoint_(std::move(endpoint)),
      prefix_(endpoint_.url.prefix.empty() ? "" : endpoint_.url.prefix + "/"),
      client_(std::move(client)),
      clock_(clock),
      keys_per_page_(keys_per_page),
      newer_(std::move(newer)) {}

std::string S3Store::Describe() const { return endpoint_.url.ToString(); }

std::string S3Store::Whole(std::string_view key) const {
  return prefix_ + std::string(key);
}

Result<HttpResponse> S3Store::Send(const S3Endpoint& endpoint,
                                   const S3Operation& operation,
                                   const std::string& what) {
  Result<HttpResponse> response =
      client_->Perform(SignS3Request(endpoint, operation, clock_.WallNanos()));
  if (response.ok()) return response;
  return response.status().WithContext(fmt::format("{}: {}", Describe(), what));
}

Result<HttpResponse> S3Store::RunAny(const S3Operation& operation,
                                     const std::string& what) {
  if (newer_ == nullptr) return Send(endpoint_, operation, what);
  S3Endpoint endpoint = endpoint_;
  endpoint.credentials = newer_->Current();
  Result<HttpResponse> response = Send(endpoint, operation, what);
  if (!response.ok() || !MayBeRefused(response->status) ||
      !newer_->LookAgain(endpoint.credentials)) {
    return response;
  }
  endpoint.credentials = newer_->Current();
  return Send(endpoint, operation, what);
}

Result<HttpResponse> S3Store::Run(const S3Operation& operation,
                                  const std::string& what) {
  TREFOIL_ASSIGN(HttpResponse response, RunAny(operation, what));
  if (response.status < 300) return response;
  return S3ErrorStatus(endpoint_.url, what, response);
}

Status S3Store::Put(std::string_view key, ObjectSource& source, PutMode mode) {
  TREFOIL_TRY(CheckKey(key));
  const std::string what = fmt::format("PUT {}", key);
  if (source.size_bytes() > kMaxPutBytes) {
    return {StatusCode::kNotSupported,
            fmt::format("{}: {}: {} bytes are more than one PUT may have",
                        Describe(), what, source.size_bytes())};
  }
  S3Operation operation{.method = "PUT", .object = Whole(key)};
  operation.body = &source;
  if (mode == PutMode::kIfAbsent)
    operation.headers.emplace_back("if-none-match", "*");
  TREFOIL_ASSIGN(const HttpResponse response, Run(operation, what));
  if (response.status == 200 || response.status == 201) return OkStatus();
  return {StatusCode::kCorruption,
          fmt::format("{}: {}: answered with status {} instead of 200",
                      Describe(), what, response.status)};
}

Result<std::string> S3Store::Get(std::string_view key, ByteRange range,
                                 uint64_t max_bytes) {
  TREFOIL_TRY(CheckKey(key));
  const std::string what = fmt::format("GET {}", key);
  const bool whole = range.offset == 0 && range.length == 0;
  S3Operation operation{.method = "GET", .object = Whole(key)};
  operation.max_body_bytes = max_bytes;
  if (!whole) operation.headers.emplace_back("range", RangeHeader(range));
  TREFOIL_ASSIGN(HttpResponse response, RunAny(operation, what));
  // The range begins at or behind the object's end.
  if (response.status == 416) return std::string();
  if (response.status >= 300)
    return S3ErrorStatus(endpoint_.url, what, response);
  if (response.status == 206 && !whole) {
    Result<std::string> part = CheckPart(std::move(response), range);
    if (part.ok()) return part;
    return part.status().WithContext(fmt::format("{}: {}", Describe(), what));
  }
  if (response.status != 200) {
    return Status(StatusCode::kCorruption,
                  fmt::format("{}: {}: answered with status {}", Describe(),
                              what, response.status));
  }
  return CutWhole(std::move(response.body), range);
}

Result<ObjectInfo> S3Store::Head(std::string_view key) {
  TREFOIL_TRY(CheckKey(key));
  const std::string what = fmt::format("HEAD {}", key);
  TREFOIL_ASSIGN(const HttpResponse response,
                 Run({.method = "HEAD", .object = Whole(key)}, what));
  const auto size = ParseNumber(response.Header("content-length"));
  if (!size) {
    return Status(
        StatusCode::kCorruption,
        fmt::format("{}: {}: answered without a size", Describe(), what));
  }
  return ObjectInfo{std::string(key), *size};
}

Status S3Store::Delete(std::string_view key) {
  TREFOIL_TRY(CheckKey(key));
  const std::string what = fmt::format("DELETE {}", key);
  TREFOIL_ASSIGN(const HttpResponse response,
                 RunAny({.method = "DELETE", .object = Whole(key)}, what));
  if (response.status < 300) return OkStatus();
  const bool gone = response.status == 404 &&
                    ParseS3Error(response.body).code != "NoSuchBucket";
  return gone ? OkStatus() : S3ErrorStatus(endpoint_.url, what, response);
}

Status S3Store::List(std::string_view prefix, std::string_view start_after,
                     const std::function<bool(const ObjectInfo&)>& visit) {
  TREFOIL_TRY(CheckListBound(prefix));
  TREFOIL_TRY(CheckListBound(start_after));
  ListState state{
      .prefix = Whole(prefix), .visit = visit, .last = {}, .token = {}};
  if (!start_after.empty()) state.last = Whole(start_after);
  while (!state.done) TREFOIL_TRY(ListPage(&state));
  return OkStatus();
}

Status S3Store::ListPage(ListState* state) {
  S3Operation operation{.method = "GET", .object = ""};
  operation.max_body_bytes = kMaxListBodyBytes;
  operation.query = {{"list-type", "2"},
                     {"encoding-type", "url"},
                     {"max-keys", std::to_string(keys_per_page_)},
                     {"prefix", state->prefix}};
  if (!state->token.empty()) {
    operation.query.emplace_back("continuation-token", state->token);
  } else if (!state->last.empty()) {
    operation.query.emplace_back("start-after", state->last);
  }
  const std::string what = fmt::format("LIST {}", state->prefix);
  TREFOIL_ASSIGN(const HttpResponse response, Run(operation, what));
  Result<S3ListPage> page = ParseS3ListPage(response.body);
  const Status taken = page.ok() ? TakePage(*page, state) : page.status();
  return taken.ok()
             ? taken
             : taken.WithContext(fmt::format("{}: {}", Describe(), what));
}

// Keys must come in order and all after the last one: a server that repeats
// itself must not keep us for ever.
Status S3Store::TakePage(const S3ListPage& page, ListState* state) const {
  for (const ObjectInfo& found : page.objects) {
    if (!found.key.starts_with(state->prefix) || found.key <= state->last) {
      return {StatusCode::kCorruption,
              fmt::format("the server listed '{}' out of order",
                          CleanText(found.key, 255))};
    }
    state->last = found.key;
    if (++state->objects > kMaxListedObjects) {
      return {StatusCode::kCorruption,
              fmt::format("the server lists more than {} objects",
                          kMaxListedObjects)};
    }
    ObjectInfo info{found.key.substr(prefix_.size()), found.size_bytes};
    if (!IsValidObjectKey(info.key)) continue;
    if (!state->visit(info)) {
      state->done = true;
      return OkStatus();
    }
  }
  if (!page.truncated) {
    state->done = true;
    return OkStatus();
  }
  state->empty_pages = page.objects.empty() ? state->empty_pages + 1 : 0;
  if (state->empty_pages > kMaxEmptyPages ||
      page.next_token.size() > kMaxTokenBytes ||
      (page.objects.empty() && page.next_token.empty())) {
    return {StatusCode::kCorruption, "the server's list does not end"};
  }
  state->token = page.next_token;
  return OkStatus();
}

}  // namespace trefoil
