// SPDX-License-Identifier: Apache-2.0
// OperationGate: changes pass through it; a cut closes it for a moment to see
// a state in which no change is half made. The closer has precedence, so that
// a steady stream of writers can't starve a cut. Thread-safe.
#pragma once

#include "fs/base/mutex.h"

namespace trefoil {

class OperationGate {
 public:
  // Held by one change.
  class Pass {
   public:
    explicit Pass(OperationGate& gate) : gate_(gate) { gate_.Enter(); }
    ~Pass() { gate_.Leave(); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    OperationGate& gate_;
  };

  // Held by a cut: nobody is inside, and nobody enters.
  class Closed {
   public:
    explicit Closed(OperationGate& gate) : gate_(gate) { gate_.Close(); }
    ~Closed() { gate_.Open(); }
    Closed(const Closed&) = delete;
    Closed& operator=(const Closed&) = delete;

   private:
    OperationGate& gate_;
  };

 private:
  void Enter() {
    MutexLock lock(mu_);
    while (closed_) opened_.Wait(mu_);
    ++inside_;
  }
  void Leave() {
    MutexLock lock(mu_);
    if (--inside_ == 0) empty_.Signal();
  }
  void Close() {
    MutexLock lock(mu_);
    while (closed_) opened_.Wait(mu_);
    closed_ = true;
    while (inside_ != 0) empty_.Wait(mu_);
  }
  void Open() {
    MutexLock lock(mu_);
    closed_ = false;
    opened_.SignalAll();
  }

  Mutex mu_;
  CondVar opened_;
  CondVar empty_;
  int inside_ GUARDED_BY(mu_) = 0;
  bool closed_ GUARDED_BY(mu_) = false;
};

}  // namespace trefoil
