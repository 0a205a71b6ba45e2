// SPDX-License-Identifier: Apache-2.0
// One FUSE request: what came with it, and the ways of answering. Private to
// this folder.
//
// Each request is answered exactly once; after the answer nothing of it may be
// touched. A reference that the kernel did not take (the caller was killed
// meanwhile) is given back to the volume here.
// Thread rule: a request lives on the thread that read it.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <new>
#include <optional>
#include <span>
#include <string_view>

#include "fs/fuse/wire.h"
#include "fs/volume/volume.h"

namespace trefoil {

// What a thread of the session knows of the request that it is serving.
struct ThreadContext {
  int fd = -1;  // where the request came from and its answer goes
  RequestHead head;
  // What was stored to this mapped file was refused.
  std::optional<NodeId> stale_pages;
  std::unique_ptr<char[]> buffer;  // for replies
  size_t buffer_bytes = 0;

  // At least `bytes` to put a reply together in.
  std::span<char> Buffer(size_t bytes);
  static ThreadContext& Current();
};

timespec ToTimespec(int64_t nanos);
struct stat ToStat(const Attr& attr);
// For how many seconds the attributes of `node` may be cached.
double AttrTimeout(NodeId node);
// How an answer about `attr` that was found in `directory` may be cached.
fuse_entry_param ToEntry(NodeId directory, const Attr& attr);
// Whether a name's absence in `directory` may be cached.
bool AbsenceLasts(NodeId directory);

class Request {
 public:
  explicit Request(fuse_req_t request);
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] Volume& volume() const { return volume_; }
  [[nodiscard]] Caller caller() const;
  // For a change that clears setuid and setgid, if it `kills` them.
  [[nodiscard]] SetIdRule SetIds(bool kills);
  // After such a change of data: the kernel keeps the mode of a file that was
  // written to, and is told here when it is not right any more.
  void DropModeIfCleared(NodeId node);
  // The caller may not do everything. (Which capabilities exactly it has is
  // not known.)
  [[nodiscard]] bool IsOrdinaryUser() const;
  [[nodiscard]] fuse_req_t raw() const { return request_; }

  // The answers. Error(0) says that it was done.
  void Error(int error);
  void Done(const Status& status) { Error(status.posix_errno()); }
  void Entry(NodeId directory, const Result<trefoil::Entry>& entry);
  void Absent();  // a name that is not there, to be cached
  void Attributes(const Result<Attr>& attr);
  // False when the kernel did not take them.
  bool Bytes(std::string_view bytes);
  void Count(uint64_t count);
  // An xattr's value or a list of names, for a caller with `size` bytes of
  // room; 0 asks for the size.
  void Sized(const Result<std::string>& bytes, size_t size);
  void Space(const Result<VolumeSpace>& space);
  void Offset(const Result<uint64_t>& offset);
  void None();

  // Runs `body(Request&)`; no exception gets from here into libfuse.
  template <class Body>
  static void Handle(fuse_req_t raw, Body body) noexcept {
    Request request(raw);
    try {
      body(request);
    } catch (const std::bad_alloc&) {
      request.ErrorUnlessAnswered(ENOMEM);
    } catch (...) {
      request.ErrorUnlessAnswered(EIO);
    }
  }

 private:
  void ErrorUnlessAnswered(int error) {
    if (!answered_) Error(error);
  }
  fuse_req_t Answer() {
    answered_ = true;
    return request_;
  }

  fuse_req_t request_;
  Volume& volume_;
  bool answered_ = false;
  bool set_ids_cleared_ = false;
};

inline NodeId ToNode(fuse_ino_t node) { return {node}; }

// Each fills in its part of the table.
void AddNameOperations(fuse_lowlevel_ops& ops);       // ops_names.cc
void AddDirectoryOperations(fuse_lowlevel_ops& ops);  // ops_directory.cc
void AddInodeOperations(fuse_lowlevel_ops& ops);      // ops_inode.cc
void AddDataOperations(fuse_lowlevel_ops& ops);       // ops_data.cc

}  // namespace trefoil
