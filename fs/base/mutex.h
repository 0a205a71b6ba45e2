// SPDX-License-Identifier: Apache-2.0
// Mutexes that clang's -Wthread-safety understands. Names as in abseil.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define TREFOIL_TSA(x) __attribute__((x))
#else
#define TREFOIL_TSA(x)
#endif
#define GUARDED_BY(x) TREFOIL_TSA(guarded_by(x))
#define REQUIRES(...) TREFOIL_TSA(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) \
  TREFOIL_TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) TREFOIL_TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) TREFOIL_TSA(acquire_capability(__VA_ARGS__))
#define RELEASE(...) TREFOIL_TSA(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS TREFOIL_TSA(no_thread_safety_analysis)

namespace trefoil {

class TREFOIL_TSA(capability("mutex")) Mutex {
 public:
  void Lock() ACQUIRE() { mu_.lock(); }
  void Unlock() RELEASE() { mu_.unlock(); }
  // Tells the analysis, which can't see through a callback, that the caller's
  // caller holds the mutex.
  void AssertHeld() TREFOIL_TSA(assert_capability(this)) {}

 private:
  friend class CondVar;
  std::mutex mu_;
};

class TREFOIL_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() RELEASE() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

class CondVar {
 public:
  void Wait(Mutex& mu) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when `timeout` passed without a signal.
  bool WaitFor(Mutex& mu, std::chrono::nanoseconds timeout) REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    const bool signalled =
        cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return signalled;
  }
  void Signal() { cv_.notify_one(); }
  void SignalAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

class TREFOIL_TSA(capability("mutex")) SharedMutex {
 public:
  void Lock() ACQUIRE() { mu_.lock(); }
  void Unlock() RELEASE() { mu_.unlock(); }
  void LockShared() TREFOIL_TSA(acquire_shared_capability()) {
    mu_.lock_shared();
  }
  void UnlockShared() TREFOIL_TSA(release_shared_capability()) {
    mu_.unlock_shared();
  }

 private:
  std::shared_mutex mu_;
};

class TREFOIL_TSA(scoped_lockable) ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mu)
      TREFOIL_TSA(acquire_shared_capability(mu))
      : mu_(mu) {
    mu_.LockShared();
  }
  ~ReaderLock() RELEASE() { mu_.UnlockShared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mu_;
};

class TREFOIL_TSA(scoped_lockable) WriterLock {
 public:
  explicit WriterLock(SharedMutex& mu) ACQUIRE(mu) : mu_(mu) { mu_.Lock(); }
  ~WriterLock() RELEASE() { mu_.Unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mu_;
};

}  // namespace trefoil
