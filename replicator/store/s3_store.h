// SPDX-License-Identifier: Apache-2.0
// S3Store: an ObjectStore over any server that speaks the S3 protocol.
//
// An object is one signed PUT with a Content-Length and the payload's SHA-256,
// which the server checks (O10); there are no multipart uploads. kImmutable is
// an unconditional PUT: the name is the hash, so writing again changes
// nothing (O4). kIfAbsent is `If-None-Match: *`; where a server ignores it,
// the probe finds out. Requests are not retried here (see RetryStore), except
// one that was refused while there are new credentials: those it gets at once.
// Thread rule: thread-safe.
#pragma once

#include <memory>
#include <string>

#include "fs/base/clock.h"
#include "fs/object/object_store.h"
#include "replicator/store/credentials_source.h"
#include "replicator/store/http_client.h"
#include "replicator/store/s3_request.h"
#include "replicator/store/s3_xml.h"

namespace trefoil {

class S3Store : public ObjectStore {
 public:
  // S3's own bound on the keys of one page of a list.
  static constexpr uint32_t kKeysPerPage = 1000;

  // `clock` outlives the store and gives the time of signatures. The endpoint's
  // credentials are for ever, unless `newer` says where to look for others.
  S3Store(S3Endpoint endpoint, std::unique_ptr<HttpClient> client, Clock& clock,
          uint32_t keys_per_page = kKeysPerPage,
          std::unique_ptr<CredentialsSource> newer = nullptr);

  Status Put(std::string_view key, ObjectSource& source, PutMode mode) override;
  Result<std::string> Get(std::string_view key, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override;
  Status List(std::string_view prefix, std::string_view start_after,
              const std::function<bool(const ObjectInfo&)>& visit) override;
  Status Delete(std::string_view key) override;
  [[nodiscard]] std::string Describe() const override;

 private:
  struct ListState;

  // The key in the bucket.
  [[nodiscard]] std::string Whole(std::string_view key) const;
  // A success (2xx), or what went wrong with `what`.
  Result<HttpResponse> Run(const S3Operation& operation,
                           const std::string& what);
  Result<HttpResponse> RunAny(const S3Operation& operation,
                              const std::string& what);
  // One signed request with the credentials of `endpoint`.
  Result<HttpResponse> Send(const S3Endpoint& endpoint,
                            const S3Operation& operation,
                            const std::string& what);
  Status ListPage(ListState* state);
  Status TakePage(const S3ListPage& page, ListState* state) const;

  const S3Endpoint endpoint_;
  const std::string prefix_;  // empty, or ends with '/'
  const std::unique_ptr<HttpClient> client_;
  Clock& clock_;
  const uint32_t keys_per_page_;
  const std::unique_ptr<CredentialsSource> newer_;
};

}  // namespace trefoil
