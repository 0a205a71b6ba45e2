# SPDX-License-Identifier: Apache-2.0
"""Locks of all three kinds: fcntl, open file descriptions, flock; and leases
as Samba takes them."""
import errno
import fcntl
import os
import signal
import struct

from support import PosixCase, as_user, tick

F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK = 37, 38, 36
BUSY = (errno.EAGAIN, errno.EACCES)


def set_range(fd, kind, start, length, command=F_OFD_SETLK):
    """Locks or unlocks a range for this open file description."""
    fcntl.fcntl(fd, command, struct.pack("hhqqi4x", kind, os.SEEK_SET, start,
                                         length, 0))


class RecordLocks(PosixCase):
    def setUp(self):
        super().setUp()
        self.f = self.file(data=b"0" * 100, mode=0o666)

    def elsewhere(self, kind, start, length):
        """Tries for a lock in another process."""
        def body():
            fd = os.open(self.f, os.O_RDWR)
            fcntl.lockf(fd, kind | fcntl.LOCK_NB, length, start)
        return as_user(body)

    def test_ranges_exclude_and_share(self):
        fd = os.open(self.f, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX, 10, 10)
        fcntl.lockf(fd, fcntl.LOCK_SH, 10, 50)
        self.fails(BUSY, self.elsewhere, fcntl.LOCK_EX, 15, 1)
        self.fails(BUSY, self.elsewhere, fcntl.LOCK_SH, 0, 11)
        self.fails(BUSY, self.elsewhere, fcntl.LOCK_EX, 55, 1)
        self.elsewhere(fcntl.LOCK_SH, 55, 1)
        self.elsewhere(fcntl.LOCK_EX, 0, 10)
        self.elsewhere(fcntl.LOCK_EX, 20, 30)
        # In the middle of a lock a part can be given back.
        fcntl.lockf(fd, fcntl.LOCK_UN, 2, 14)
        self.elsewhere(fcntl.LOCK_EX, 14, 2)
        self.fails(BUSY, self.elsewhere, fcntl.LOCK_EX, 16, 1)
        os.close(fd)
        self.elsewhere(fcntl.LOCK_EX, 0, 0)

    def test_closing_any_descriptor_drops_those_of_the_process(self):
        fd = os.open(self.f, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.close(os.open(self.f, os.O_RDONLY))
        self.elsewhere(fcntl.LOCK_EX, 0, 0)
        os.close(fd)

    def test_deadlock_is_noticed(self):
        reader, writer = os.pipe()
        fd = os.open(self.f, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, 0)
        child = os.fork()
        if child == 0:
            mine = os.open(self.f, os.O_RDWR)
            fcntl.lockf(mine, fcntl.LOCK_EX, 1, 1)
            os.write(writer, b"x")
            fcntl.lockf(mine, fcntl.LOCK_EX, 1, 0)
            os._exit(0)
        os.read(reader, 1)
        for _ in range(10):
            tick()
        self.fails(errno.EDEADLK, fcntl.lockf, fd, fcntl.LOCK_EX, 1, 1)
        os.close(fd)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        os.close(reader)
        os.close(writer)

    def test_descriptions_lock_against_each_other_in_one_process(self):
        a, b = (os.open(self.f, os.O_RDWR) for _ in range(2))
        set_range(a, fcntl.F_WRLCK, 0, 10)
        self.fails(BUSY, set_range, b, fcntl.F_WRLCK, 5, 10)
        set_range(b, fcntl.F_WRLCK, 10, 10)
        self.fails(BUSY, self.elsewhere, fcntl.LOCK_EX, 12, 1)
        os.close(os.open(self.f, os.O_RDONLY))
        self.fails(BUSY, set_range, b, fcntl.F_RDLCK, 5, 1)
        os.close(a)
        set_range(b, fcntl.F_WRLCK, 0, 10)
        os.close(b)

    def test_lock_is_waited_for(self):
        a, b = (os.open(self.f, os.O_RDWR) for _ in range(2))
        set_range(a, fcntl.F_WRLCK, 0, 0)
        previous = signal.signal(
            signal.SIGALRM,
            lambda *_: set_range(a, fcntl.F_UNLCK, 0, 0))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        set_range(b, fcntl.F_WRLCK, 0, 0, F_OFD_SETLKW)
        signal.signal(signal.SIGALRM, previous)
        os.close(a)
        os.close(b)

    def test_far_ranges_as_databases_take_them(self):
        fd = os.open(self.f, os.O_RDWR)
        for start in (0x40000000, 0x7fffffffffffff00, 2**62):
            fcntl.lockf(fd, fcntl.LOCK_EX, 1, start)
            self.fails(BUSY, self.elsewhere, fcntl.LOCK_EX, start, 1)
            self.elsewhere(fcntl.LOCK_EX, start + 1, 1)
        os.close(fd)


class WholeFileLocks(PosixCase):
    def test_flock_excludes_and_shares(self):
        f = self.file()
        a, b = (os.open(f, os.O_RDONLY) for _ in range(2))
        fcntl.flock(a, fcntl.LOCK_SH)
        fcntl.flock(b, fcntl.LOCK_SH)
        self.fails(BUSY, fcntl.flock, a, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(b, fcntl.LOCK_UN)
        fcntl.flock(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.fails(BUSY, fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(a)
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(b)

    def test_flock_of_a_directory(self):
        a, b = (os.open(self.root, os.O_RDONLY) for _ in range(2))
        fcntl.flock(a, fcntl.LOCK_EX)
        self.fails(BUSY, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(a)
        os.close(b)
