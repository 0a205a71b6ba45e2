# SPDX-License-Identifier: Apache-2.0
"""Which times move with which operation, exact values, and who may set
them."""
import errno
import mmap
import os
import time

from support import (KEEP_SIZE, KINDS, PUNCH_HOLE, Place, PosixCase,
                     RENAME_EXCHANGE, USER, as_user, birth_time, fallocate,
                     read_file, renameat2, tick, write_file)

PAST = (1_000_000_001_000_000_001, 1_000_000_002_000_000_002)


class TimesThatMove(PosixCase):
    def test_making_a_name_stamps_it_and_its_directory(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                before = time.time_ns() - 20_000_000
                self.moved(self.root,
                           lambda: self.make(kind, self.path(kind)),
                           "mtime", "ctime")
                st = os.lstat(self.path(kind))
                for value in (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns):
                    self.assertGreaterEqual(value, before)
                    self.assertLessEqual(value, time.time_ns())

    def test_removing_a_name_stamps_the_directory_and_what_stays(self):
        f = self.file()
        os.link(f, self.path("second"))
        self.moved(f, lambda: os.unlink(self.path("second")), "ctime")
        self.moved(self.root, lambda: os.unlink(f), "mtime", "ctime")
        self.directory("d")
        self.moved(self.root, lambda: os.rmdir(self.path("d")),
                   "mtime", "ctime")

    def test_link_stamps_inode_and_directory(self):
        f = self.file()
        self.moved(f, lambda: os.link(f, self.path("b")), "ctime")
        self.moved(self.root, lambda: os.link(f, self.path("c")),
                   "mtime", "ctime")

    def test_rename_stamps_both_directories_and_the_inode(self):
        self.directory("a")
        self.directory("b")
        for kind in KINDS:
            self.make(kind, self.path("a/x"))
            move = lambda: os.rename(self.path("a/x"), self.path("b/x"))  # noqa: E731
            back = lambda: os.rename(self.path("b/x"), self.path("a/x"))  # noqa: E731
            self.moved(self.path("a"), move, "mtime", "ctime")
            self.moved(self.path("a"), back, "mtime", "ctime")
            self.moved(self.path("b"), move, "mtime", "ctime")
            before = os.lstat(self.path("b/x")).st_ctime_ns
            tick()
            back()
            self.assertGreater(os.lstat(self.path("a/x")).st_ctime_ns, before)
            os.rename(self.path("a/x"), self.path(kind))

    def test_exchange_stamps_both_inodes(self):
        a, b = self.file("a"), self.file("b")
        swap = lambda: renameat2(a, b, RENAME_EXCHANGE)  # noqa: E731
        before = os.lstat(a).st_ctime_ns, os.lstat(b).st_ctime_ns
        tick()
        swap()
        self.assertGreater(os.lstat(a).st_ctime_ns, max(before))
        self.assertGreater(os.lstat(b).st_ctime_ns, max(before))

    def test_changes_of_attributes_stamp_ctime_alone(self):
        for kind in ("file", "directory", "fifo"):
            path = self.path(kind)
            self.make(kind, path)
            self.moved(path, lambda: os.chmod(path, 0o600), "ctime")
            self.moved(path, lambda: os.chown(path, 1, 1), "ctime")
        f = self.path("file")
        self.moved(f, lambda: os.setxattr(f, "user.a", b"1"), "ctime")
        self.moved(f, lambda: os.setxattr(f, "user.a", b"2"), "ctime")
        self.moved(f, lambda: os.removexattr(f, "user.a"), "ctime")

    def test_what_fails_stamps_nothing(self):
        f = self.file()
        self.directory("d")

        def nothing():
            self.fails(errno.EPERM, as_user, lambda: os.chmod(f, 0o777))
            self.fails(errno.EPERM, as_user, lambda: os.chown(f, USER, -1))
            self.fails(errno.EACCES, as_user, lambda: os.truncate(f, 0))
            self.fails(errno.ENODATA, os.removexattr, f, "user.none")
            self.fails(errno.EPERM, as_user, lambda: os.utime(f, ns=PAST))

        self.moved(f, nothing)
        self.moved(self.root, lambda: self.fails(
            errno.EEXIST, os.mkdir, self.path("d")))
        self.moved(self.root, lambda: self.fails(
            errno.ENOENT, os.unlink, self.path("none")))

    def test_data_changes_stamp_mtime_and_ctime(self):
        f = self.file(data=b"0" * 10000)
        fd = os.open(f, os.O_RDWR)
        for body in (lambda: os.pwrite(fd, b"1", 0),
                     lambda: os.ftruncate(fd, 5000),
                     lambda: os.ftruncate(fd, 9000),
                     lambda: os.truncate(f, 100),
                     lambda: fallocate(fd, 0, 0, 20000),
                     lambda: fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 0, 4096),
                     lambda: write_file(f, b"anew")):
            self.moved(f, body, "mtime", "ctime")
        self.moved(f, lambda: os.pwrite(fd, b"", 0))
        os.close(fd)

    def test_truncation_to_the_same_size_stamps_too(self):
        f = self.file(data=b"12345")
        self.moved(f, lambda: os.truncate(f, 5), "mtime", "ctime")
        self.moved(f, lambda: os.close(os.open(f, os.O_WRONLY | os.O_TRUNC)),
                   "mtime", "ctime")
        self.moved(f, lambda: os.close(os.open(f, os.O_WRONLY | os.O_TRUNC)),
                   "mtime", "ctime")

    def test_store_through_a_mapping_stamps_mtime(self):
        f = self.file(data=b"0" * 4096)
        fd = os.open(f, os.O_RDWR)
        before = os.stat(f).st_mtime_ns
        with mmap.mmap(fd, 4096) as memory:
            tick()
            memory[0:1] = b"1"
            memory.flush()
        os.close(fd)
        self.assertGreater(os.stat(f).st_mtime_ns, before)

    def test_reading_moves_no_time(self):
        f = self.file(data=b"text")
        os.symlink("file", self.path("l"))
        self.moved(f, lambda: read_file(f))
        self.moved(self.root, lambda: os.listdir(self.root))
        self.moved(self.path("l"), lambda: os.readlink(self.path("l")))


class TimesThatAreSet(PosixCase):
    def test_are_exact_after_a_remount(self):
        wanted = {}
        values = (0, 1, -1, -1_000_000_001, 999_999_999, 4_102_444_800_000_000_001,
                  2**31 * 10**9 - 1, 2**32 * 10**9 + 7)
        for i, value in enumerate(values):
            for kind in ("file", "directory", "symlink", "fifo"):
                path = self.path(f"{kind}{i}")
                self.make(kind, path)
                os.utime(path, ns=(value, value + 1), follow_symlinks=False)
                wanted[path] = (value, value + 1)
        Place.remount()
        for path, (atime, mtime) in wanted.items():
            st = os.lstat(path)
            self.assertEqual((st.st_atime_ns, st.st_mtime_ns), (atime, mtime),
                             path)

    def test_setting_them_moves_ctime(self):
        f = self.file()
        before = os.stat(f).st_ctime_ns
        tick()
        os.utime(f, ns=PAST)
        self.assertGreater(os.stat(f).st_ctime_ns, before)

    def test_owner_sets_any_and_writer_only_now(self):
        f = self.file(mode=0o666, uid=10)
        as_user(lambda: os.utime(f, ns=PAST), 10)
        as_user(lambda: os.utime(f))
        self.assertGreater(os.stat(f).st_mtime_ns, PAST[1])
        self.fails(errno.EPERM, as_user, lambda: os.utime(f, ns=PAST))
        os.chmod(f, 0o644)
        self.fails(errno.EACCES, as_user, lambda: os.utime(f))

    def test_birth_stays(self):
        f = self.file()
        born = birth_time(f)
        self.assertIsNotNone(born)
        self.assertLess(abs(time.time_ns() - born), 10**10)
        tick()
        write_file(f, b"new")
        os.utime(f, ns=PAST)
        os.rename(f, self.path("moved"))
        Place.remount()
        self.assertEqual(birth_time(self.path("moved")), born)
