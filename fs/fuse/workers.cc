// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

#include "fs/base/log.h"
#include "fs/fuse/ops_extra.h"
#include "fs/fuse/request.h"
#include "fs/volume/healer.h"

namespace trefoil {
namespace {

constexpr size_t kPageBytes = 4096;
// Ends a read(2) of the device early; its handler does nothing.
constexpr int kWakeSignal = SIGUSR1;

struct Free {
  void operator()(char* p) const { std::free(p); }  // NOLINT(*-no-malloc)
};

// libfuse's writev: answers go to the device that the request came from.
ssize_t WriteAnswer(int fd, iovec* iov, int count, void*) {
  ThreadContext& thread = ThreadContext::Current();
  if (thread.head.kind == RequestKind::kInit && count >= 2) {
    AcceptInitFlags({static_cast<char*>(iov[1].iov_base), iov[1].iov_len},
                    thread.head.init_flags);
  }
  return writev(thread.fd >= 0 ? thread.fd : fd, iov, count);
}

// Never called: the workers read. libfuse wants both.
ssize_t ReadRequest(int fd, void* data, size_t size, void*) {
  return read(fd, data, size);
}

// A second door to the same connection, or -1.
int CloneDevice(int fd) {
  const int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (clone < 0) return -1;
  auto source = static_cast<uint32_t>(fd);
  if (ioctl(clone, FUSE_DEV_IOC_CLONE, &source) == 0) return clone;
  close(clone);
  return -1;
}

Status InstallWakeSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  if (sigaction(kWakeSignal, &action, nullptr) != 0) {
    return Status::FromErrno(errno, "sigaction");
  }
  return OkStatus();
}

void UnblockWakeSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kWakeSignal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

FuseWorkers::FuseWorkers(fuse_session* session, Volume& volume,
                         unsigned threads_max)
    : session_(session), volume_(volume), threads_max_(threads_max) {}

FuseWorkers::~FuseWorkers() { Finish(); }

void FuseWorkers::Finish() {
  ending_.store(true);
  do {
    WakeReaders();
  } while (!WaitForEnd(std::chrono::milliseconds(20)));
  std::list<Worker> workers;
  {
    const MutexLock lock(mu_);
    workers.swap(workers_);
  }
  for (Worker& worker : workers) worker.thread.join();
}

Status FuseWorkers::Start() {
  TREFOIL_TRY(InstallWakeSignal());
  const fuse_custom_io io{.writev = WriteAnswer,
                          .read = ReadRequest,
                          .splice_receive = nullptr,
                          .splice_send = nullptr};
  const int error =
      fuse_session_custom_io(session_, &io, fuse_session_fd(session_));
  if (error != 0) return Status::FromErrno(-error, "fuse_session_custom_io");
  Spawn();
  const MutexLock lock(mu_);
  if (live_ == 0) return {StatusCode::kIoError, "can't start a thread"};
  return OkStatus();
}

void FuseWorkers::Wait() {
  const MutexLock lock(mu_);
  while (live_ > 0 && !interrupted_) changed_.Wait(mu_);
}

void FuseWorkers::Interrupt() {
  const MutexLock lock(mu_);
  interrupted_ = true;
  changed_.SignalAll();
}

bool FuseWorkers::WaitForEnd(std::chrono::nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mu_);
  while (live_ > 0) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    changed_.WaitFor(mu_, left);
  }
  return true;
}

// A thread that is about to read misses the signal: callers repeat this until
// all have ended.
void FuseWorkers::WakeReaders() {
  const MutexLock lock(mu_);
  for (Worker& worker : workers_) {
    if (!worker.ended && worker.reading.load()) {
      pthread_kill(worker.thread.native_handle(), kWakeSignal);
    }
  }
}

void FuseWorkers::NoteWaiting(int change) {
  waiting_.fetch_add(change);
  if (change > 0 && idle_.load() == 0) Spawn();
}

void FuseWorkers::Spawn() {
  const MutexLock lock(mu_);
  const auto waiting =
      static_cast<unsigned>(std::clamp(waiting_.load(), 0, kMaxWaitingReads));
  if (workers_.size() >= threads_max_ + waiting || ending_.load()) return;
  Worker& worker = workers_.emplace_back();
  idle_.fetch_add(1);
  ++live_;
  try {
    worker.thread = std::thread([this, &worker] { Work(worker); });
  } catch (const std::system_error&) {
    workers_.pop_back();
    idle_.fetch_sub(1);
    --live_;
  }
}

void FuseWorkers::Work(Worker& self) {
  UnblockWakeSignal();
  const int main_fd = fuse_session_fd(session_);
  const int clone = CloneDevice(main_fd);
  const int fd = clone >= 0 ? clone : main_fd;
  ThreadContext::Current().fd = fd;
  // The data of a write begin at a page, behind their headers.
  const size_t size = kWriteHeaderBytes + kMaxWriteBytes + kPageBytes;
  const std::unique_ptr<char, Free> memory(
      static_cast<char*>(std::aligned_alloc(
          kPageBytes, kPageBytes + kMaxWriteBytes + 2 * kPageBytes)));
  if (memory != nullptr) {
    char* const data = memory.get() + kPageBytes - kWriteHeaderBytes;
    while (!ending_.load() && ServeOne(self, fd, data, size)) {
    }
  }
  if (clone >= 0) close(clone);
  const MutexLock lock(mu_);
  self.ended = true;
  --live_;
  changed_.SignalAll();
}

void FuseWorkers::DropPages(int fd, NodeId node) {
  const MutexLock lock(mu_);
  stale_pages_.insert(node);
  if (dropping_pages_) return;
  dropping_pages_ = true;
  while (!stale_pages_.empty()) {
    const NodeId next = stale_pages_.extract(stale_pages_.begin()).value();
    mu_.Unlock();
    NotifyPages(fd, next);
    mu_.Lock();
  }
  dropping_pages_ = false;
}

void FuseWorkers::Dispatch(int fd, std::span<char> message) {
  const RequestHead& head = ThreadContext::Current().head;
  if (ServeExtra(volume_, fd, message)) return;
  if (head.kind == RequestKind::kInit) init_flags_.store(head.init_flags);
  if ((init_flags_.load() & FUSE_SETXATTR_EXT) != 0) {
    message = WithoutSetxattrExtension(message);
  }
  fuse_buf request{};
  request.size = message.size();
  request.mem = message.data();
  fuse_session_process_buf(session_, &request);
}

bool FuseWorkers::ServeOne(Worker& self, int fd, char* data, size_t size) {
  self.reading.store(true);
  const ssize_t n = read(fd, data, size);
  const int error = errno;
  self.reading.store(false);
  if (n < 0) {
    // ENOENT: the caller was killed before its request got here.
    if (error == EINTR || error == EAGAIN || error == ENOENT) return true;
    if (error != ENODEV) {
      LogError("fuse", "{}",
               Status::FromErrno(error, "reading /dev/fuse").ToString());
    }
    ending_.store(true);
    return false;
  }
  ThreadContext& thread = ThreadContext::Current();
  thread.head = PeekRequest({data, static_cast<size_t>(n)});
  const bool was_last_idle = idle_.fetch_sub(1) == 1;
  if (was_last_idle && thread.head.kind != RequestKind::kForget) Spawn();
  thread.stale_pages.reset();
  Dispatch(fd, {data, static_cast<size_t>(n)});
  if (thread.stale_pages) DropPages(fd, *thread.stale_pages);
  idle_.fetch_add(1);
  return true;
}

}  // namespace trefoil
