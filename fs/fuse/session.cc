// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>

#include "fs/base/log.h"
#include "fs/fuse/mount_table.h"
#include "fs/fuse/request.h"
#include "fs/fuse/workers.h"

namespace trefoil {
namespace {

// How long programs that have files open may go on after Stop.
constexpr std::chrono::seconds kGrace{1};
constexpr unsigned kBackgroundRequests = 128;

// The last complaint of libfuse, which tells its callers only that there was
// one.
class LibraryMessages {
 public:
  static LibraryMessages& Get() {
    static auto* const messages = new LibraryMessages;
    return *messages;
  }
  void Add(std::string text) EXCLUDES(mu_) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    LogWarning("fuse", "{}", text);
    const MutexLock lock(mu_);
    last_ = std::move(text);
  }
  std::string Last() EXCLUDES(mu_) {
    const MutexLock lock(mu_);
    return last_.empty() ? "mounting failed" : last_;
  }

 private:
  Mutex mu_;
  std::string last_ GUARDED_BY(mu_);
};

__attribute__((format(printf, 2, 0))) void OnLibraryMessage(
    fuse_log_level level, const char* format, va_list arguments) {
  if (level > FUSE_LOG_WARNING) return;
  char text[512];
  vsnprintf(text, sizeof(text), format, arguments);
  LibraryMessages::Get().Add(text);
}

// Called by libfuse when the kernel has said what it can do.
void Initialize(void*, fuse_conn_info* connection) {
  // O_TRUNC must come as a truncation, since OPEN is not asked. Data change
  // through the kernel only, so that it need not compare mtimes.
  connection->want &= ~static_cast<unsigned>(
      FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA |
      FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
      FUSE_CAP_SPLICE_MOVE | FUSE_CAP_WRITEBACK_CACHE);
  connection->want |=
      connection->capable &
      (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
       FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_POSIX_ACL |
       FUSE_CAP_DONT_MASK | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_CACHE_SYMLINKS);
  connection->max_write = kMaxWriteBytes;
  connection->max_background = kBackgroundRequests;
  connection->congestion_threshold = kBackgroundRequests / 4 * 3;
}

// The kernel then passes ACLs on as any attribute, and checks modes alone.
void InitializeWithoutAcls(void* unused, fuse_conn_info* connection) {
  Initialize(unused, connection);
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_POSIX_ACL);
}

// A comma ends an option of libfuse unless it is escaped.
std::string EscapeOption(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string LibraryOptions(const FuseOptions& options) {
  std::string text =
      "fsname=" + EscapeOption(options.fsname) + ",subtype=trefoil,noatime";
  if (options.allow_other) text += ",allow_other";
  if (options.default_permissions) text += ",default_permissions";
  if (options.read_only) text += ",ro";
  if (options.suid) text += ",suid";
  if (options.dev) text += ",dev";
  for (const std::string& more : options.kernel_options) {
    text += "," + EscapeOption(more);
  }
  return text;
}

class FuseSessionImpl final : public FuseSession {
 public:
  FuseSessionImpl(Volume& volume, std::string mountpoint, FuseOptions options)
      : volume_(volume),
        mountpoint_(std::move(mountpoint)),
        options_(std::move(options)) {}
  ~FuseSessionImpl() override;

  Status Init();
  Status Mount() override;
  Status Run() override;
  void Stop() override;

 private:
  Status Probe();
  void TuneReadahead() const;
  [[nodiscard]] bool StillMounted() const;
  void Detach();

  Volume& volume_;
  const std::string mountpoint_;
  const FuseOptions options_;
  fuse_session* session_ = nullptr;
  std::unique_ptr<FuseWorkers> workers_;
  dev_t device_ = 0;  // st_dev of the mount; 0 before it answered
  bool mounted_ = false;
};

Status FuseSessionImpl::Init() {
  fuse_set_log_func(OnLibraryMessage);
  fuse_lowlevel_ops ops{};
  ops.init = options_.acls ? Initialize : InitializeWithoutAcls;
  AddNameOperations(ops);
  AddDirectoryOperations(ops);
  AddInodeOperations(ops);
  AddDataOperations(ops);
  std::string program = "trefoil";
  std::string flag = "-o";
  std::string text = LibraryOptions(options_);
  char* argv[] = {program.data(), flag.data(), text.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, argv);
  session_ = fuse_session_new(&args, &ops, sizeof(ops), &volume_);
  fuse_opt_free_args(&args);
  if (session_ == nullptr) {
    return {StatusCode::kInvalidArgument, LibraryMessages::Get().Last()};
  }
  workers_ =
      std::make_unique<FuseWorkers>(session_, volume_, options_.threads_max);
  volume_.OnHealWait(
      [workers = workers_.get()](int change) { workers->NoteWaiting(change); });
  return OkStatus();
}

FuseSessionImpl::~FuseSessionImpl() {
  if (mounted_) Detach();
  workers_.reset();
  volume_.OnHealWait(nullptr);
  // Closes the device, which ends requests that nobody has read.
  if (session_ != nullptr) fuse_session_destroy(session_);
}

Status FuseSessionImpl::Mount() {
  if (fuse_session_mount(session_, mountpoint_.c_str()) != 0) {
    return {StatusCode::kIoError, LibraryMessages::Get().Last()};
  }
  mounted_ = true;
  TREFOIL_TRY(workers_->Start());
  TREFOIL_TRY(Probe());
  TuneReadahead();
  return OkStatus();
}

Status FuseSessionImpl::Probe() {
  struct statfs space {};
  struct stat root {};
  if (stat(mountpoint_.c_str(), &root) != 0 ||
      statfs(mountpoint_.c_str(), &space) != 0) {
    return Status::FromErrno(errno,
                             mountpoint_ + ": the mount does not answer");
  }
  device_ = root.st_dev;
  return OkStatus();
}

// The kernel takes at most its default of 128 KiB from INIT; more can only be
// asked for here. Without the permission reading is slower, no more.
void FuseSessionImpl::TuneReadahead() const {
  const std::string path = fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb",
                                       major(device_), minor(device_));
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  const std::string text = std::to_string(options_.readahead_kib);
  if (write(fd, text.data(), text.size()) < 0) {
    LogWarning("fuse", "{}", Status::FromErrno(errno, path).ToString());
  }
  close(fd);
}

Status FuseSessionImpl::Run() {
  workers_->Wait();
  Detach();
  if (!workers_->WaitForEnd(kGrace)) {
    LogInfo("fuse", "{}: files are still open; they end here", mountpoint_);
  }
  workers_->Finish();
  return OkStatus();
}

void FuseSessionImpl::Stop() { workers_->Interrupt(); }

bool FuseSessionImpl::StillMounted() const {
  const Result<std::vector<MountTableEntry>> table = ReadMountTable();
  if (!table.ok()) return false;
  const std::optional<MountTableEntry> top = FindMount(*table, mountpoint_);
  return top.has_value() && top->type == kFuseTypeName &&
         (device_ == 0 ||
          makedev(top->device_major, top->device_minor) == device_);
}

// Takes the name away while requests are still served, so that the kernel can
// write back pages that were stored to through mmap.
void FuseSessionImpl::Detach() {
  mounted_ = false;
  if (!StillMounted()) return;
  const int fd = open(mountpoint_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    syncfs(fd);
    close(fd);
  }
  const Status status = Unmount(mountpoint_, /*lazily=*/true);
  if (!status.ok()) LogWarning("fuse", "{}", status.ToString());
}

}  // namespace

Result<std::unique_ptr<FuseSession>> FuseSession::Create(
    Volume& volume, const std::string& mountpoint, const FuseOptions& options) {
  auto session = std::make_unique<FuseSessionImpl>(volume, mountpoint, options);
  TREFOIL_TRY(session->Init());
  return std::unique_ptr<FuseSession>(std::move(session));
}

}  // namespace trefoil
