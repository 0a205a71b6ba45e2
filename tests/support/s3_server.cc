// SPDX-License-Identifier: Apache-2.0
#include "tests/support/s3_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "fs/base/check.h"
#include "fs/base/clock.h"
#include "replicator/store/s3_error.h"

namespace trefoil::testing {
namespace {

// This process's environment with `extra` in front, so that it wins.
std::vector<std::string> MergedEnvironment(const Variables& extra) {
  std::vector<std::string> merged;
  for (const auto& [name, value] : extra) {
    merged.push_back(fmt::format("{}={}", name, value));
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& entry : extra) replaced |= entry.first == name;
    if (!replaced) merged.emplace_back(text);
  }
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe NewPipe() {
  std::array<int, 2> ends{};
  TREFOIL_CHECK(pipe2(ends.data(), O_CLOEXEC) == 0);
  return {ends[0], ends[1]};
}

// Starts `command` with its descriptor `as` being `fd`; -1 when it can't.
pid_t Spawn(std::vector<std::string> command, const Variables& extra, int fd,
            int as, bool new_session) {
  std::vector<std::string> environment = MergedEnvironment(extra);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd, as);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (new_session) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  const int error =
      posix_spawnp(&pid, command[0].c_str(), &actions, &attributes,
                   Pointers(command).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<std::string> RunProgram(const std::vector<std::string>& command,
                               const Variables& extra) {
  const Pipe pipe = NewPipe();
  const pid_t pid = Spawn(command, extra, pipe.write, STDOUT_FILENO, false);
  close(pipe.write);
  std::string output;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 1; pid > 0 && got > 0;) {
    got = read(pipe.read, buffer.data(), buffer.size());
    if (got > 0) output.append(buffer.data(), static_cast<size_t>(got));
  }
  close(pipe.read);
  const int code = pid > 0 ? WaitFor(pid) : 127;
  if (code == 0) return output;
  return Status(StatusCode::kIoError,
                fmt::format("{} {}: exit status {}", command[0],
                            command.size() > 1 ? command[1] : "", code));
}

uint16_t FreePort() {
  auto ports = RunProgram({SupportScript("free_ports.py")});
  TREFOIL_CHECK(ports.ok());
  return static_cast<uint16_t>(std::stoul(*ports));
}

ServerGuard::ServerGuard(const std::string& script, const std::string& dir) {
  const Pipe pipe = NewPipe();
  pipe_ = pipe.write;
  // cat ends when the last holder of the pipe's other end is gone: us.
  pid_ = Spawn({"bash", "-c",
                "cat; \"$0\" stop \"$1\" --rm >/dev/null 2>&1; rm -rf \"$1\"",
                script, dir},
               {}, pipe.read, STDIN_FILENO, true);
  TREFOIL_CHECK(pid_ > 0);
  close(pipe.read);
}

ServerGuard::~ServerGuard() {
  close(pipe_);
  static_cast<void>(WaitFor(pid_));
}

std::string SupportScript(const std::string& name) {
  return fmt::format("{}/{}", TREFOIL_TEST_SUPPORT_DIR, name);
}

std::string NewServerDir(const std::string& name) {
  const char* parent = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
  std::string dir = fmt::format("{}/trefoil-{}-XXXXXX",
                                parent == nullptr ? "/tmp" : parent, name);
  TREFOIL_CHECK(mkdtemp(dir.data()) != nullptr);
  return dir;
}

std::string S3Server::Url(const std::string& bucket,
                          const std::string& prefix) const {
  return fmt::format("s3+http://127.0.0.1:{}/{}{}{}", port(), bucket,
                     prefix.empty() ? "" : "/", prefix);
}

S3Endpoint S3Server::Endpoint(const std::string& bucket,
                              const std::string& prefix) const {
  Result<TargetUrl> url = ParseTargetUrl(Url(bucket, prefix));
  TREFOIL_CHECK(url.ok());
  return {*url, "us-east-1", false, credentials()};
}

Result<std::unique_ptr<SwiftServer>> SwiftServer::Start() {
  auto server = std::make_unique<SwiftServer>();
  const std::string dir = NewServerDir("swift");
  const std::string script = SupportScript("swift-s3.sh");
  server->guard_ = std::make_unique<ServerGuard>(script, dir);
  server->port_ = FreePort();
  TREFOIL_TRY(RunProgram({script, "start", dir},
                         {{"S3_PORT", std::to_string(server->port_)}})
                  .status());
  return server;
}

Credentials SwiftServer::credentials() const {
  return {"test:tester", SecretBytes("testing"), {}};
}

Result<std::unique_ptr<FaultProxy>> FaultProxy::Start(const S3Server& backend,
                                                      const FaultRates& rates) {
  auto proxy = std::make_unique<FaultProxy>();
  const std::string dir = NewServerDir("proxy");
  const std::string script = SupportScript("faultproxy.sh");
  proxy->guard_ = std::make_unique<ServerGuard>(script, dir);
  proxy->port_ = FreePort();
  proxy->credentials_ = backend.credentials();
  TREFOIL_TRY(RunProgram({script, "start", dir, std::to_string(backend.port()),
                          std::to_string(proxy->port_)},
                         {{"P503", std::to_string(rates.percent_503)},
                          {"P444", std::to_string(rates.percent_dropped)},
                          {"PLOST", std::to_string(rates.percent_lost)}})
                  .status());
  return proxy;
}

Status CreateBucket(const S3Endpoint& endpoint) {
  HttpClient client({}, std::make_shared<CancelToken>());
  S3Operation operation;
  operation.method = "PUT";
  MemorySource empty("");
  operation.body = &empty;
  TREFOIL_ASSIGN(const HttpResponse response,
                 client.Perform(SignS3Request(endpoint, operation,
                                              Clock::Real().WallNanos())));
  if (response.status < 300 || response.status == 409) return OkStatus();
  return S3ErrorStatus(endpoint.url, "create bucket", response);
}

}  // namespace trefoil::testing
