// SPDX-License-Identifier: Apache-2.0
#include "tools/signal_watch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "fs/base/check.h"

namespace trefoil {
namespace {

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

int OpenSignalFd() {
  const sigset_t set = EndSignals();
  return signalfd(-1, &set, SFD_CLOEXEC);
}

}  // namespace

void HoldEndSignals() {
  const sigset_t set = EndSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

SignalWatch::SignalWatch(std::function<void(int)> on_signal)
    : on_signal_(std::move(on_signal)),
      signal_fd_(OpenSignalFd()),
      end_fd_(eventfd(0, EFD_CLOEXEC)) {
  TREFOIL_CHECK(signal_fd_ >= 0 && end_fd_ >= 0);
  thread_ = std::thread([this] { Watch(); });
}

SignalWatch::~SignalWatch() {
  const uint64_t one = 1;
  TREFOIL_CHECK(write(end_fd_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(signal_fd_);
  close(end_fd_);
}

void SignalWatch::Watch() {
  while (true) {
    pollfd fds[] = {{signal_fd_, POLLIN, 0}, {end_fd_, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[1].revents != 0) return;
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
      on_signal_(static_cast<int>(info.ssi_signo));
    }
  }
}

}  // namespace trefoil
