// SPDX-License-Identifier: Apache-2.0
// Stands before the C library's syncs in a daemon (LD_PRELOAD) and treats those
// of a journal as TREFOIL_SYNC_STUB says:
//   skip        they answer that all is well, and nothing is done
//   fail:FILE   once FILE is there it is removed, and one of them fails; what
//               comes later succeeds, as the kernel's syncs do after an error
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

bool IsJournal(int fd) {
  std::string path(4096, '\0');
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  return size > 0 && std::string_view(path.data(), static_cast<size_t>(size))
                             .find("/journal") != std::string_view::npos;
}

template <class Sync>
int Treat(int fd, const Sync& sync) {
  const char* const setting = std::getenv("TREFOIL_SYNC_STUB");
  if (setting == nullptr || !IsJournal(fd)) return sync();
  const std::string_view treatment = setting;
  if (treatment == "skip") return 0;
  constexpr std::string_view kFail = "fail:";
  if (treatment.starts_with(kFail) &&
      unlink(std::string(treatment.substr(kFail.size())).c_str()) == 0) {
    errno = EIO;
    return -1;
  }
  return sync();
}

}  // namespace

extern "C" {

int fdatasync(int fd) {
  return Treat(fd,
               [fd] { return static_cast<int>(syscall(SYS_fdatasync, fd)); });
}

int fsync(int fd) {
  return Treat(fd, [fd] { return static_cast<int>(syscall(SYS_fsync, fd)); });
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  return Treat(fd, [=] {
    return static_cast<int>(
        syscall(SYS_sync_file_range, fd, offset, size, flags));
  });
}

}  // extern "C"
