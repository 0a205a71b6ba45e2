// SPDX-License-Identifier: Apache-2.0
// The threads that read requests from /dev/fuse, have libfuse dispatch them
// and write the answers. One thread to start with; another whenever the last
// idle one has got work, up to a bound, so that a lightly used mount keeps its
// caches warm and a busy one is never blocked by a slow request. A thread whose
// request waits for a copy of the data does not count (O8).
//
// This is a loop of our own over libfuse's session, and the seam where raw
// messages are seen (wire.h). Each thread has its own clone of the device.
// Thread rule: one thread calls Start, the rest any; a worker may not call
// Join.
#pragma once

#include <atomic>
#include <list>
#include <set>
#include <span>
#include <thread>

#include "fs/base/mutex.h"
#include "fs/base/status.h"
#include "fs/volume/volume.h"

struct fuse_session;

namespace trefoil {

class FuseWorkers {
 public:
  // `session` is mounted; it and `volume` outlive this.
  FuseWorkers(fuse_session* session, Volume& volume, unsigned threads_max);
  ~FuseWorkers();  // as Finish
  FuseWorkers(const FuseWorkers&) = delete;
  FuseWorkers& operator=(const FuseWorkers&) = delete;

  Status Start();
  // Returns when all threads have ended or Interrupt was called.
  void Wait();
  // Ends Wait, now or when it comes.
  void Interrupt();
  // True when all threads have ended within `timeout`: the kernel closed the
  // connection, or End was called.
  bool WaitForEnd(std::chrono::nanoseconds timeout);
  // A thread's request begins to wait for something that may be far away (+1),
  // or goes on (-1).
  void NoteWaiting(int change);
  // Reads no more requests, waits for those that are being served, joins.
  void Finish();

 private:
  struct Worker {
    std::thread thread;
    // In read(2), and to be woken by a signal when the end has come.
    std::atomic<bool> reading{false};
    bool ended = false;  // guarded by mu_ of the pool
  };

  void Spawn() EXCLUDES(mu_);
  void Work(Worker& self) EXCLUDES(mu_);
  // One request; false when the connection has ended.
  bool ServeOne(Worker& self, int fd, char* data, size_t size);
  void WakeReaders() EXCLUDES(mu_);

  // Has the kernel forget the pages of `node`, and those that other threads
  // name meanwhile: only one thread at a time waits for the kernel, which may
  // wait for a write to be answered.
  void DropPages(int fd, NodeId node) EXCLUDES(mu_);

  // Hands a request to libfuse, or answers it.
  void Dispatch(int fd, std::span<char> message);

  fuse_session* const session_;
  Volume& volume_;
  const unsigned threads_max_;
  std::atomic<bool> ending_{false};
  std::atomic<unsigned> idle_{0};
  std::atomic<int> waiting_{0};
  // The flags of kInitFlags that were agreed on; set by INIT, which comes
  // before all else.
  std::atomic<uint32_t> init_flags_{0};

  Mutex mu_;
  CondVar changed_;
  std::list<Worker> workers_ GUARDED_BY(mu_);
  unsigned live_ GUARDED_BY(mu_) = 0;
  bool interrupted_ GUARDED_BY(mu_) = false;
  // Of files that are open, each once.
  std::set<NodeId> stale_pages_ GUARDED_BY(mu_);
  bool dropping_pages_ GUARDED_BY(mu_) = false;
};

}  // namespace trefoil
