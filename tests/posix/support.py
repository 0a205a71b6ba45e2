# SPDX-License-Identifier: Apache-2.0
"""What the POSIX tests share: a directory of their own, other users, the
system calls that Python lacks, and ways of saying what must fail."""
import ctypes
import errno
import os
import pickle
import shutil
import stat
import struct
import tempfile
import time
import traceback
import unittest

libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE, INSERT = 1, 2, 8, 16, 32
O_TMPFILE = os.O_TMPFILE
STATX_BTIME = 0x800
PATH_MAX = 4096

# Ordinary users; none of the ids needs an entry in /etc/passwd.
USER, OTHER = 65534, 65533
GROUP, SECOND, FOREIGN = 65534, 65533, 65532


class Place:
    """Where the tests run; set by run.py."""
    root = None           # a directory on the filesystem under test
    is_trefoil = False
    remount = None        # unmounts and mounts it again


def call(name, *arguments):
    """A libc function that returns -1 and sets errno when it fails."""
    result = getattr(libc, name)(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), name)
    return result


def renameat2(source, target, flags):
    call("renameat2", AT_FDCWD, os.fsencode(source), AT_FDCWD,
         os.fsencode(target), flags)


def fallocate(fd, mode, offset, length):
    call("fallocate", fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


def link_fd(fd, target):
    """Names an open file: linkat(2) of an O_TMPFILE."""
    call("linkat", AT_FDCWD, b"/proc/self/fd/%d" % fd, AT_FDCWD,
         os.fsencode(target), 0x400)


def birth_time(path):
    """Nanoseconds, or None where the filesystem tells none."""
    data = ctypes.create_string_buffer(256)
    call("statx", AT_FDCWD, os.fsencode(path), 0x100, STATX_BTIME | 0x7ff, data)
    mask, = struct.unpack_from("I", data, 0)
    seconds, nanos = struct.unpack_from("qI", data, 80)
    return seconds * 10**9 + nanos if mask & STATX_BTIME else None


def name_to_handle(path):
    """(type, bytes) of the file's handle; it outlives a remount."""
    data = ctypes.create_string_buffer(8 + 128)
    struct.pack_into("Ii", data, 0, 128, 0)
    mount = ctypes.c_int()
    call("name_to_handle_at", AT_FDCWD, os.fsencode(path), data,
         ctypes.byref(mount), 0)
    size, kind = struct.unpack_from("Ii", data, 0)
    return kind, data.raw[8:8 + size]


def open_by_handle(handle, flags=os.O_RDONLY):
    kind, body = handle
    data = struct.pack("Ii", len(body), kind) + body
    directory = os.open(Place.root, os.O_RDONLY)
    try:
        return call("open_by_handle_at", directory, data, flags)
    finally:
        os.close(directory)


def write_file(path, data=b"x", mode=0o644):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    try:
        while data:
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def tick():
    """Lets the clock that stamps files move on, coarse as it may be."""
    time.sleep(0.012)


def as_user(body, uid=USER, gid=GROUP, groups=(), umask=0o022):
    """Runs `body` as somebody else, in a process of its own; its result."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.umask(umask)
            answer = (body(), None)
        except OSError as error:
            answer = (None, error.errno)
        except BaseException:
            answer = (None, traceback.format_exc())
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer, failure = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if isinstance(failure, int):
        raise OSError(failure, os.strerror(failure))
    if failure is not None:
        raise AssertionError(failure)
    return answer


class PosixCase(unittest.TestCase):
    """A test in an empty directory that anybody may enter and root owns."""

    def setUp(self):
        self.umask = os.umask(0)
        self.root = tempfile.mkdtemp(dir=Place.root)
        os.chmod(self.root, 0o755)

    def tearDown(self):
        os.umask(self.umask)
        shutil.rmtree(self.root, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def file(self, name="file", data=b"x", mode=0o644, uid=0, gid=0):
        path = self.path(name)
        write_file(path, data)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        return path

    def directory(self, name="directory", mode=0o755, uid=0, gid=0):
        path = self.path(name)
        os.mkdir(path)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        return path

    def make(self, kind, path, mode=0o644):
        """A file of `kind`: one of KINDS."""
        if kind == "directory":
            os.mkdir(path, mode)
        elif kind == "symlink":
            os.symlink("nowhere", path)
        else:
            os.mknod(path, KINDS[kind] | mode, os.makedev(1, 3))

    def fails(self, error, body, *arguments, **named):
        """`body` fails with errno `error` (one of them, for a tuple)."""
        wanted = error if isinstance(error, tuple) else (error,)
        try:
            result = body(*arguments, **named)
        except OSError as caught:
            self.assertIn(
                errno.errorcode.get(caught.errno),
                [errno.errorcode[e] for e in wanted])
        else:
            names = [errno.errorcode[e] for e in wanted]
            self.fail(f"expected {names}, but it succeeded: {result}")

    def eventually(self, true, seconds=60):
        """Waits for what happens soon, and not at once."""
        end = time.monotonic() + seconds
        while not true():
            self.assertLess(time.monotonic(), end, f"not within {seconds} s")
            time.sleep(0.02)

    def moved(self, path, body, *fields):
        """Runs `body`: of the times of `path` exactly `fields` go forward."""
        before = os.lstat(path)
        tick()
        body()
        after = os.lstat(path)
        for field in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns"):
            old, new = getattr(before, field), getattr(after, field)
            if field[3:-3] in fields:
                self.assertGreater(new, old, f"{field} of {path}")
            else:
                self.assertEqual(new, old, f"{field} of {path}")


KINDS = {"file": stat.S_IFREG, "fifo": stat.S_IFIFO, "char": stat.S_IFCHR,
         "block": stat.S_IFBLK, "socket": stat.S_IFSOCK,
         "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
