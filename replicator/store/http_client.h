// SPDX-License-Identifier: Apache-2.0
// HttpClient: HTTP requests with reused connections, bounded in time and in
// memory. The only file that knows libcurl. It never follows a redirect,
// always verifies TLS (1.2 at least), and speaks HTTP/1.1 only.
//
// Nothing that a server answers is trusted: headers and body are bounded, a
// body shorter than announced is an error, and a transfer that stalls ends.
// Thread rule: thread-safe; each call uses the caller's thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/mutex.h"
#include "fs/base/status.h"
#include "fs/object/object_store.h"
#include "replicator/store/cancel.h"
#include "replicator/store/sigv4.h"

namespace trefoil {

struct HttpRequest {
  std::string method;  // GET, HEAD, PUT, POST or DELETE
  std::string url;
  NameValues headers;            // without Content-Length
  ObjectSource* body = nullptr;  // PUT only; borrowed for the call
  // A larger body of a 2xx answer is kCorruption; of any other answer it is
  // cut off.
  uint64_t max_body_bytes = 64U << 10;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // lower-case names
  std::string body;
  // The value of a header, or empty.
  [[nodiscard]] std::string_view Header(std::string_view name) const;
};

struct HttpClientOptions {
  // The only authorities that are trusted; empty: the system's.
  std::string ca_file;
  // Whether the environment's proxies (https_proxy ...) are used.
  bool use_proxy = true;
  std::chrono::milliseconds connect_timeout{10'000};
  // A transfer slower than this for this long ends; so does a server that
  // does not answer.
  std::chrono::seconds stall_timeout{60};
  uint32_t stall_bytes_per_second = 128;
  size_t max_idle_connections = 16;
};

class HttpClient {
 public:
  // Calls under way end within about a second of `cancel` being cancelled.
  HttpClient(HttpClientOptions options, std::shared_ptr<CancelToken> cancel);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any complete answer of the server, whatever its status code. Otherwise:
  // kUnavailable (no connection, stalled, cut off, cancelled),
  // kPermissionDenied (TLS: the server could not be verified), kCorruption
  // (not HTTP, or larger than allowed), or what `body` failed with.
  Result<HttpResponse> Perform(const HttpRequest& request);

 private:
  // A connection's handle, behind void* so that libcurl stays in one file.
  void* TakeHandle();
  void ReturnHandle(void* handle);

  const HttpClientOptions options_;
  const std::shared_ptr<CancelToken> cancel_;

  Mutex mu_;
  std::vector<void*> idle_ GUARDED_BY(mu_);
};

}  // namespace trefoil
