// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "fs/base/check.h"
#include "replicator/store/tls_error.h"

namespace trefoil {
namespace {

constexpr size_t kMaxHeaderBytes = 64U << 10;
constexpr long kTransferBufferBytes = 256L << 10;

struct SlistFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, SlistFree>;

// What libcurl's callbacks share during one transfer. They are C callbacks:
// nothing may be thrown through them, so each catches everything.
struct Transfer {
  const HttpRequest& request;
  const CancelToken& cancel;
  HttpResponse response{};
  uint64_t sent_bytes = 0;
  size_t header_bytes = 0;
  bool too_large = false;
  Status source_error{};
};

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view TrimLine(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

size_t TakeHeader(Transfer& transfer, std::string_view line) {
  transfer.header_bytes += line.size();
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  // A new status line: what an interim answer said does not count.
  if (line.starts_with("HTTP/")) transfer.response.headers.clear();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), Lower);
  transfer.response.headers[std::move(name)] =
      std::string(TrimLine(line.substr(colon + 1)));
  return line.size();
}

size_t TakeBody(Transfer& transfer, std::string_view data) {
  std::string& body = transfer.response.body;
  const uint64_t room = transfer.request.max_body_bytes - body.size();
  transfer.too_large = data.size() > room;
  body.append(data.substr(
      0, static_cast<size_t>(std::min<uint64_t>(room, data.size()))));
  return transfer.too_large ? CURL_WRITEFUNC_ERROR : data.size();
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  try {
    return TakeHeader(*static_cast<Transfer*>(user), {data, size * count});
  } catch (...) {
    return CURL_WRITEFUNC_ERROR;
  }
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  try {
    return TakeBody(*static_cast<Transfer*>(user), {data, size * count});
  } catch (...) {
    return CURL_WRITEFUNC_ERROR;
  }
}

size_t OnSend(char* out, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  ObjectSource& source = *transfer.request.body;
  const uint64_t left = source.size_bytes() - transfer.sent_bytes;
  const auto want = static_cast<size_t>(std::min<uint64_t>(left, size * count));
  if (want == 0) return 0;
  try {
    transfer.source_error = source.ReadAt(transfer.sent_bytes, {out, want});
  } catch (...) {
    return CURL_READFUNC_ABORT;
  }
  if (!transfer.source_error.ok()) return CURL_READFUNC_ABORT;
  transfer.sent_bytes += want;
  return want;
}

// A reused connection may turn out dead after the first bytes: libcurl then
// sends again on a fresh one, from the start.
int OnSeek(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  if (static_cast<uint64_t>(offset) > transfer.request.body->size_bytes())
    return CURL_SEEKFUNC_FAIL;
  transfer.sent_bytes = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->cancel.cancelled() ? 1 : 0;
}

template <class Value>
void SetOption(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle, option, value);
  TREFOIL_CHECK(code == CURLE_OK);
}

void SetLimits(CURL* handle, const HttpClientOptions& options) {
  SetOption(handle, CURLOPT_NOSIGNAL, 1L);
  SetOption(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  SetOption(handle, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  SetOption(handle, CURLOPT_FOLLOWLOCATION, 0L);
  SetOption(handle, CURLOPT_PATH_AS_IS, 1L);
  SetOption(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  SetOption(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  SetOption(handle, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  if (!options.ca_file.empty()) {
    SetOption(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    // Debian's libcurl would trust the system's directory besides.
    SetOption(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (!options.use_proxy) SetOption(handle, CURLOPT_PROXY, "");
  SetOption(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  SetOption(handle, CURLOPT_BUFFERSIZE, kTransferBufferBytes);
  SetOption(handle, CURLOPT_UPLOAD_BUFFERSIZE, kTransferBufferBytes);
  SetOption(handle, CURLOPT_CONNECTTIMEOUT_MS,
            static_cast<long>(options.connect_timeout.count()));
  SetOption(handle, CURLOPT_LOW_SPEED_TIME,
            static_cast<long>(options.stall_timeout.count()));
  SetOption(handle, CURLOPT_LOW_SPEED_LIMIT,
            static_cast<long>(options.stall_bytes_per_second));
}

void SetCallbacks(CURL* handle, Transfer* transfer) {
  SetOption(handle, CURLOPT_HEADERFUNCTION, &OnHeader);
  SetOption(handle, CURLOPT_HEADERDATA, transfer);
  SetOption(handle, CURLOPT_WRITEFUNCTION, &OnBody);
  SetOption(handle, CURLOPT_WRITEDATA, transfer);
  SetOption(handle, CURLOPT_NOPROGRESS, 0L);
  SetOption(handle, CURLOPT_XFERINFOFUNCTION, &OnProgress);
  SetOption(handle, CURLOPT_XFERINFODATA, transfer);
}

void SetMethod(CURL* handle, const HttpRequest& request, Transfer* transfer) {
  if (request.method == "HEAD") {
    SetOption(handle, CURLOPT_NOBODY, 1L);
  } else if (request.body != nullptr) {
    SetOption(handle, CURLOPT_UPLOAD, 1L);
    SetOption(handle, CURLOPT_INFILESIZE_LARGE,
              static_cast<curl_off_t>(request.body->size_bytes()));
    SetOption(handle, CURLOPT_READFUNCTION, &OnSend);
    SetOption(handle, CURLOPT_READDATA, transfer);
    SetOption(handle, CURLOPT_SEEKFUNCTION, &OnSeek);
    SetOption(handle, CURLOPT_SEEKDATA, transfer);
  } else if (request.method != "GET") {
    SetOption(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

HeaderList MakeHeaders(const HttpRequest& request) {
  HeaderList list;
  const auto append = [&](const std::string& line) {
    curl_slist* grown = curl_slist_append(list.get(), line.c_str());
    TREFOIL_CHECK(grown != nullptr);
    static_cast<void>(list.release());
    list.reset(grown);
  };
  for (const auto& [name, value] : request.headers) {
    append(fmt::format("{}: {}", name, value));
  }
  // Waiting for 100-continue costs a round trip, and many servers never say
  // it; a refused body is sent in vain instead.
  append("Expect:");
  append("Accept:");
  return list;
}

// The transfer ended without a complete answer.
Status TransferError(CURLcode code, const Transfer& transfer,
                     const TlsFailure& tls) {
  const std::string& why = tls.detail;
  if (!transfer.source_error.ok()) return transfer.source_error;
  if (transfer.too_large) {
    return {StatusCode::kCorruption,
            fmt::format("the server's answer is larger than the {} bytes "
                        "that it may have",
                        transfer.request.max_body_bytes)};
  }
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return {StatusCode::kUnavailable, "cancelled"};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
      return TlsStatus(tls);
    case CURLE_SSL_CACERT_BADFILE:
      return CaFileStatus(tls);
    case CURLE_SSL_CONNECT_ERROR:
      return {
          StatusCode::kUnavailable,
          fmt::format("no TLS connection ({}); is it the port for TLS?", why)};
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
      return {StatusCode::kCorruption,
              fmt::format("the server's answer is not sound HTTP ({})", why)};
    case CURLE_URL_MALFORMAT:
      return {StatusCode::kInvalidArgument, fmt::format("bad URL ({})", why)};
    default:
      return {StatusCode::kUnavailable, why};
  }
}

void InitializeCurl() {
  static std::once_flag once;
  std::call_once(once, [] {
    TREFOIL_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
  });
}

}  // namespace

std::string_view HttpResponse::Header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : found->second;
}

HttpClient::HttpClient(HttpClientOptions options,
                       std::shared_ptr<CancelToken> cancel)
    : options_(std::move(options)), cancel_(std::move(cancel)) {
  InitializeCurl();
}

HttpClient::~HttpClient() {
  MutexLock lock(mu_);
  for (void* handle : idle_) curl_easy_cleanup(handle);
}

void* HttpClient::TakeHandle() {
  {
    MutexLock lock(mu_);
    if (!idle_.empty()) {
      void* handle = idle_.back();
      idle_.pop_back();
      return handle;
    }
  }
  CURL* handle = curl_easy_init();
  TREFOIL_CHECK(handle != nullptr);
  return handle;
}

void HttpClient::ReturnHandle(void* handle) {
  // Forgets all options, which point into the ended call; keeps connections.
  curl_easy_reset(handle);
  {
    MutexLock lock(mu_);
    if (idle_.size() < options_.max_idle_connections) {
      idle_.push_back(handle);
      return;
    }
  }
  curl_easy_cleanup(handle);
}

Result<HttpResponse> HttpClient::Perform(const HttpRequest& request) {
  if (cancel_->cancelled()) {
    return Status(StatusCode::kUnavailable, "cancelled");
  }
  CURL* handle = TakeHandle();
  Transfer transfer{request, *cancel_};
  char detail[CURL_ERROR_SIZE] = {0};
  const HeaderList headers = MakeHeaders(request);
  SetLimits(handle, options_);
  SetCallbacks(handle, &transfer);
  SetMethod(handle, request, &transfer);
  SetOption(handle, CURLOPT_ERRORBUFFER, &detail[0]);
  SetOption(handle, CURLOPT_HTTPHEADER, headers.get());
  SetOption(handle, CURLOPT_URL, request.url.c_str());
  const CURLcode code = curl_easy_perform(handle);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  TlsFailure tls{.url = request.url,
                 .ca_file = options_.ca_file,
                 .detail = detail[0] != 0 ? detail : curl_easy_strerror(code)};
  curl_easy_getinfo(handle, CURLINFO_SSL_VERIFYRESULT, &tls.verify_result);
  if (code == CURLE_OK) {
    ReturnHandle(handle);
  } else {
    // What a failed transfer leaves in a handle is not to be relied upon: after
    // a failed name look-up it takes no options any more.
    curl_easy_cleanup(handle);
  }

  const bool success = status >= 200 && status < 300;
  const bool cut_off = transfer.too_large && status >= 300 &&
                       transfer.header_bytes <= kMaxHeaderBytes;
  if (code != CURLE_OK && !cut_off) {
    return TransferError(code, transfer, tls);
  }
  if (!success && status < 300) {
    return Status(StatusCode::kCorruption,
                  fmt::format("the server answered with status {}", status));
  }
  transfer.response.status = static_cast<int>(status);
  return std::move(transfer.response);
}

}  // namespace trefoil
