// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/open_target.h"

#include <fmt/format.h>

#include <utility>

#include "replicator/store/credentials.h"
#include "replicator/store/s3_store.h"

namespace trefoil {
namespace {

Result<std::unique_ptr<ObjectStore>> OpenS3(
    const TargetConfig& config, const TargetUrl& url, Env& env, Clock& clock,
    Random& random, const std::shared_ptr<CancelToken>& cancel) {
  TREFOIL_TRY(CheckTransport(url, config.options));
  const EnvironmentLookup environment = ProcessEnvironment();
  S3Endpoint endpoint;
  endpoint.url = url;
  endpoint.region = FindRegion(env, config.options, environment);
  endpoint.virtual_host =
      config.options.address_style == AddressStyle::kVirtualHost;
  TREFOIL_ASSIGN(
      std::unique_ptr<CredentialsSource> credentials,
      CredentialsSource::Open(env, clock, config.options, environment));
  HttpClientOptions http = config.http;
  // What is for this machine does not leave it.
  http.use_proxy =
      !IsLoopbackHost(RequestHost(url, config.options.address_style));
  http.ca_file = !config.options.ca_file.empty()
                     ? config.options.ca_file
                     : environment("AWS_CA_BUNDLE").value_or("");
  auto store = std::make_unique<S3Store>(
      std::move(endpoint), std::make_unique<HttpClient>(http, cancel), clock,
      S3Store::kKeysPerPage, std::move(credentials));
  return std::unique_ptr<ObjectStore>(std::make_unique<RetryStore>(
      std::move(store), config.retry, clock, random, cancel));
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> OpenTarget(
    const TargetConfig& config, Env& env, Clock& clock, Random& random,
    std::shared_ptr<CancelToken> cancel) {
  if (cancel == nullptr) cancel = std::make_shared<CancelToken>();
  const Result<TargetUrl> url = ParseTargetUrl(config.url);
  if (!url.ok()) {
    return config.name.empty()
               ? url.status()
               : url.status().WithContext("target " + config.name);
  }
  if (url->kind == TargetKind::kDir) {
    return std::unique_ptr<ObjectStore>(
        std::make_unique<DirStore>(env, url->path, config.expected_id));
  }
  Result<std::unique_ptr<ObjectStore>> store =
      OpenS3(config, *url, env, clock, random, cancel);
  if (store.ok() || config.name.empty()) return store;
  return store.status().WithContext("target " + config.name);
}

}  // namespace trefoil
