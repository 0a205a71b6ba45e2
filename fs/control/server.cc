// SPDX-License-Identifier: Apache-2.0
#include "fs/control/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "fs/base/log.h"
#include "fs/volume/volume_lock.h"

namespace trefoil {
namespace {

constexpr std::string_view kTag = "control";
constexpr int kBacklog = 16;
// Answers to clients that are turned away are short and not waited for.
constexpr int64_t kRefusalTimeoutNanos = 0;

template <class Body>
Status StartThread(std::thread* thread, Body body) {
  try {
    *thread = std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return {StatusCode::kBusy,
            fmt::format("control socket: no new thread: {}", error.what())};
  }
  return OkStatus();
}

}  // namespace

class ControlServer::Call final : public ControlCall {
 public:
  Call(ControlServer& server, Connection& connection, Json params)
      : server_(server), connection_(connection), params_(std::move(params)) {}

  [[nodiscard]] const Json& params() const override { return params_; }

  bool Progress(const Json& progress) override {
    if (!Wanted()) return false;
    return connection_.socket
        .WriteLine(EncodeProgress(progress),
                   server_.options_.client_timeout_nanos)
        .ok();
  }

  bool Wanted() override {
    return !server_.stopping_ && !connection_.socket.PeerClosed();
  }

 private:
  ControlServer& server_;
  Connection& connection_;
  const Json params_;
};

Result<std::unique_ptr<ControlServer>> ControlServer::Start(
    const std::string& volume_path, ControlHandlers handlers,
    const ControlServerOptions& options) {
  std::unique_ptr<ControlServer> server(
      new ControlServer(volume_path, std::move(handlers), options));
  TREFOIL_TRY(server->Listen());
  TREFOIL_TRY(StartThread(&server->acceptor_,
                          [raw = server.get()] { raw->AcceptLoop(); }));
  return server;
}

ControlServer::ControlServer(std::string volume_path, ControlHandlers handlers,
                             const ControlServerOptions& options)
    : volume_path_(std::move(volume_path)),
      handlers_(std::move(handlers)),
      options_(options) {}

ControlServer::~ControlServer() { Stop(); }

Status ControlServer::Listen() {
  struct stat st {};
  if (stat(volume_path_.c_str(), &st) != 0) {
    return Status::FromErrno(errno, "stat " + volume_path_);
  }
  owner_ = st.st_uid;
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (wake_.get() < 0) return Status::FromErrno(errno, "eventfd");
  TREFOIL_ASSIGN(listener_,
                 ListenUnix(volume_path_, kControlSocketName, kBacklog));
  return OkStatus();
}

void ControlServer::Stop() {
  if (!acceptor_.joinable()) return;
  stopping_ = true;
  const uint64_t one = 1;
  // An eventfd takes eight bytes at any time.
  TREFOIL_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
  acceptor_.join();
  std::list<std::unique_ptr<Connection>> connections;
  {
    const MutexLock lock(mu_);
    connections.swap(connections_);
  }
  for (const auto& connection : connections) connection->socket.Shutdown();
  for (const auto& connection : connections) connection->thread.join();
  unlink((volume_path_ + "/" + std::string(kControlSocketName)).c_str());
}

void ControlServer::AcceptLoop() {
  while (!stopping_) {
    std::array<pollfd, 2> wait{
        {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (poll(wait.data(), wait.size(), -1) < 0 || stopping_) continue;
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.get() >= 0) {
      Accept(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    // Out of descriptors or memory: the queue holds the client meanwhile.
    LogWarning(kTag, "{}",
               Status::FromErrno(errno, "accept on control.sock").message());
    pollfd pause{wake_.get(), POLLIN, 0};
    static_cast<void>(poll(&pause, 1, /*timeout=*/1000));
  }
}

bool ControlServer::MayTalk(int fd) const {
  const Result<uid_t> user = PeerUser(fd);
  return user.ok() && (*user == 0 || *user == owner_);
}

void ControlServer::Accept(UniqueFd fd) {
  const bool may_talk = MayTalk(fd.get());
  auto connection = std::make_unique<Connection>(
      LineSocket(std::move(fd), kMaxControlRequestBytes));
  Status refusal;
  if (!may_talk) {
    refusal = {StatusCode::kPermissionDenied,
               "only root and the volume's owner may use the control socket"};
  }
  ReapConnections();
  const MutexLock lock(mu_);
  if (refusal.ok() && connections_.size() >= options_.connections_max) {
    refusal = {StatusCode::kBusy,
               fmt::format("{} control connections are open; try again soon",
                           connections_.size())};
  }
  if (!refusal.ok()) {
    // Nothing can be done for a client that does not listen.
    static_cast<void>(connection->socket.WriteLine(EncodeError(refusal),
                                                   kRefusalTimeoutNanos));
    return;
  }
  Connection* const raw = connection.get();
  connections_.push_back(std::move(connection));
  const Status started =
      StartThread(&raw->thread, [this, raw] { Serve(*raw); });
  if (started.ok()) return;
  LogWarning(kTag, "{}", started.message());
  connections_.pop_back();
}

void ControlServer::ReapConnections() {
  const MutexLock lock(mu_);
  connections_.remove_if([](const std::unique_ptr<Connection>& connection) {
    if (!connection->done) return false;
    connection->thread.join();
    return true;
  });
}

void ControlServer::Serve(Connection& connection) {
  while (!stopping_) {
    Result<std::string> line =
        connection.socket.ReadLine(options_.client_timeout_nanos);
    if (!line.ok()) {
      // The stream can't be followed any more; the client learns why, if it is
      // still there.
      static_cast<void>(connection.socket.WriteLine(EncodeError(line.status()),
                                                    kRefusalTimeoutNanos));
      break;
    }
    if (!AnswerOne(connection, *line)) break;
  }
  connection.socket.Shutdown();
  connection.done = true;
}

bool ControlServer::AnswerOne(Connection& connection, const std::string& line) {
  const Result<Json> result = Dispatch(connection, line);
  const std::string answer =
      result.ok() ? EncodeResult(*result) : EncodeError(result.status());
  return connection.socket.WriteLine(answer, options_.client_timeout_nanos)
      .ok();
}

Result<Json> ControlServer::Dispatch(Connection& connection,
                                     const std::string& line) {
  TREFOIL_ASSIGN(ControlRequest request, DecodeRequest(line));
  const auto handler = handlers_.find(request.method);
  if (handler == handlers_.end()) {
    return Status(StatusCode::kNotSupported, "control request: unknown method");
  }
  Call call(*this, connection, std::move(request.params));
  return handler->second(call);
}

}  // namespace trefoil
