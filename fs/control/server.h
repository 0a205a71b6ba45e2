// SPDX-License-Identifier: Apache-2.0
// The server of VOLUME/control.sock in the process that has the volume open.
// It answers root and the volume's owner only (peer credentials), bounds
// connections, request sizes and waits, and knows nothing of what the methods
// do: see handlers.h.
//
// Thread rule: Start, Stop and the destructor by one thread. Handlers run on
// threads of the server, several at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "fs/base/mutex.h"
#include "fs/control/protocol.h"
#include "fs/control/socket.h"

namespace trefoil {

// The request that a handler is answering.
class ControlCall {
 public:
  virtual ~ControlCall() = default;
  [[nodiscard]] virtual const Json& params() const = 0;
  // Tells the client how far the work is. False when the client has gone or
  // the server stops: the handler should end soon, its answer is not sent.
  virtual bool Progress(const Json& progress) = 0;
  // As Progress, without telling anything.
  virtual bool Wanted() = 0;
};

using ControlHandler = std::function<Result<Json>(ControlCall& call)>;
// By method name.
using ControlHandlers = std::map<std::string, ControlHandler>;

struct ControlServerOptions {
  size_t connections_max = 16;
  // How long a client may take to send a request or to accept an answer.
  int64_t client_timeout_nanos = 30'000'000'000;
};

class ControlServer {
 public:
  // Listens at `volume_path`/control.sock. The caller holds the volume.
  static Result<std::unique_ptr<ControlServer>> Start(
      const std::string& volume_path, ControlHandlers handlers,
      const ControlServerOptions& options = {});
  ~ControlServer();  // stops
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Takes no more requests, tells running handlers (ControlCall::Progress) and
  // waits for them; removes the socket.
  void Stop();

 private:
  struct Connection {
    explicit Connection(LineSocket s) : socket(std::move(s)) {}
    LineSocket socket;
    std::thread thread;
    std::atomic<bool> done{false};
  };
  class Call;

  ControlServer(std::string volume_path, ControlHandlers handlers,
                const ControlServerOptions& options);
  Status Listen();
  void AcceptLoop();
  void Accept(UniqueFd fd) EXCLUDES(mu_);
  void Serve(Connection& connection);
  bool AnswerOne(Connection& connection, const std::string& line);
  Result<Json> Dispatch(Connection& connection, const std::string& line);
  void ReapConnections() EXCLUDES(mu_);
  [[nodiscard]] bool MayTalk(int fd) const;

  const std::string volume_path_;
  const ControlHandlers handlers_;
  const ControlServerOptions options_;
  uid_t owner_ = 0;
  UniqueFd listener_;
  UniqueFd wake_;  // an eventfd that ends AcceptLoop's wait
  std::atomic<bool> stopping_{false};
  std::thread acceptor_;

  Mutex mu_;
  std::list<std::unique_ptr<Connection>> connections_ GUARDED_BY(mu_);
};

}  // namespace trefoil
