# SPDX-License-Identifier: Apache-2.0
"""chmod, chown, setuid, setgid and sticky, with ordinary users and
supplementary groups."""
import errno
import os
import stat

from support import (FOREIGN, GROUP, KEEP_SIZE, KINDS, OTHER, PUNCH_HOLE,
                     Place, PosixCase, SECOND, USER, ZERO_RANGE, as_user,
                     fallocate, mode_of, read_file)

NOT_SYMLINKS = [kind for kind in KINDS if kind != "symlink"]


class Modes(PosixCase):
    def test_every_bit_is_kept_for_every_kind(self):
        for kind in NOT_SYMLINKS:
            self.make(kind, self.path(kind))
            for mode in (0, 0o1, 0o7, 0o70, 0o700, 0o777, 0o1777, 0o2777,
                         0o4777, 0o7777, 0o6555):
                os.chmod(self.path(kind), mode)
                self.assertEqual(mode_of(self.path(kind)), mode, kind)
        Place.remount()
        for kind in NOT_SYMLINKS:
            self.assertEqual(mode_of(self.path(kind)), 0o6555, kind)

    def test_follows_symlinks(self):
        f = self.file()
        os.symlink(f, self.path("l"))
        os.chmod(self.path("l"), 0o600)
        self.assertEqual(mode_of(f), 0o600)
        self.assertEqual(mode_of(self.path("l")), 0o777)

    def test_only_owner_and_root_may(self):
        f = self.file(mode=0o666, uid=USER)
        as_user(lambda: os.chmod(f, 0o600))
        self.fails(errno.EPERM, as_user, lambda: os.chmod(f, 0o644), OTHER)

    def test_setgid_needs_membership(self):
        for kind in ("file", "directory"):
            path = self.path(kind)
            self.make(kind, path)
            os.chown(path, USER, SECOND)
            as_user(lambda: os.chmod(path, 0o2755))
            self.assertEqual(mode_of(path), 0o755, kind)
            as_user(lambda: os.chmod(path, 0o2755), groups=[SECOND])
            self.assertEqual(mode_of(path), 0o2755, kind)

    def test_sticky_is_kept_for_ordinary_users(self):
        d = self.directory(uid=USER)
        as_user(lambda: os.chmod(d, 0o1755))
        self.assertEqual(mode_of(d), 0o1755)

    def test_mode_change_holds_at_once_for_open_files_of_others(self):
        f = self.file(data=b"x", mode=0o644)
        as_user(lambda: os.open(f, os.O_RDONLY))
        os.chmod(f, 0o600)
        self.fails(errno.EACCES, as_user, lambda: os.open(f, os.O_RDONLY))


class Owners(PosixCase):
    def test_root_sets_any_and_it_is_kept(self):
        for kind in KINDS:
            self.make(kind, self.path(kind))
            os.chown(self.path(kind), 123456, 2**31 + 5, follow_symlinks=False)
            os.chown(self.path(kind), -1, 77, follow_symlinks=False)
            os.chown(self.path(kind), 78, -1, follow_symlinks=False)
        Place.remount()
        for kind in KINDS:
            st = os.lstat(self.path(kind))
            self.assertEqual((st.st_uid, st.st_gid), (78, 77), kind)

    def test_owner_gives_it_to_groups_of_his_own(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                path = self.path(kind)
                self.make(kind, path)
                os.chown(path, USER, GROUP, follow_symlinks=False)

                def give(gid, uid=-1):
                    return lambda: os.chown(path, uid, gid,
                                            follow_symlinks=False)

                as_user(give(SECOND), groups=[SECOND])
                self.assertEqual(os.lstat(path).st_gid, SECOND)
                as_user(give(GROUP, USER), groups=[SECOND])
                self.assertEqual(os.lstat(path).st_gid, GROUP)
                self.fails(errno.EPERM, as_user, give(FOREIGN),
                           groups=[SECOND])
                self.fails(errno.EPERM, as_user, give(-1, OTHER))
                self.fails(errno.EPERM, as_user, give(GROUP), OTHER)

    def test_change_of_owner_clears_set_id_but_of_directories(self):
        for kind in NOT_SYMLINKS:
            for mode in (0o6555, 0o4644, 0o2711):
                with self.subTest(kind=kind, mode=oct(mode)):
                    path = self.path(kind)
                    self.make(kind, path)
                    os.chown(path, USER, GROUP)
                    os.chmod(path, mode)
                    as_user(lambda: os.chown(path, USER, SECOND),
                            groups=[SECOND])
                    wanted = mode if kind == "directory" else mode & 0o777
                    self.assertEqual(mode_of(path), wanted)
                    os.rmdir(path) if kind == "directory" else os.unlink(path)

    def test_root_clears_them_too(self):
        f = self.file(mode=0o6755)
        os.chown(f, 5, 5)
        self.assertEqual(mode_of(f), 0o755)

    def test_setgid_without_group_execution_stays_for_members(self):
        f = self.file()
        for groups, wanted in (([SECOND], 0o2644), ([], 0o644)):
            os.chown(f, USER, SECOND)
            os.chmod(f, 0o2644)
            as_user(lambda: os.chown(f, -1, GROUP), groups=groups)
            self.assertEqual(mode_of(f), wanted, groups)


class SetIdOnWrites(PosixCase):
    """What takes setuid and setgid from a file: each way of changing its
    bytes, by an ordinary user."""

    def ways(self, f):
        def through(body):
            def run():
                fd = os.open(f, os.O_RDWR)
                body(fd)
                os.close(fd)
            return run

        def copied(fd):
            source = os.open(self.path("source"), os.O_RDONLY)
            os.copy_file_range(source, fd, 100)
            os.close(source)

        return {
            "write": through(lambda fd: os.write(fd, b"y")),
            "ftruncate": through(lambda fd: os.ftruncate(fd, 10)),
            "truncate": lambda: os.truncate(f, 10),
            "O_TRUNC": lambda: os.close(os.open(f, os.O_WRONLY | os.O_TRUNC)),
            "fallocate": through(lambda fd: fallocate(fd, 0, 0, 70000)),
            "punch": through(lambda fd: fallocate(
                fd, PUNCH_HOLE | KEEP_SIZE, 0, 4096)),
            "zero": through(lambda fd: fallocate(fd, ZERO_RANGE, 0, 4096)),
            "copy": through(copied),
        }

    def check(self, mode, wanted, gid=0, **who):
        self.file("source", b"s" * 200)
        f = self.path("file")
        for name, way in self.ways(f).items():
            with self.subTest(way=name, mode=oct(mode)):
                self.file("file", b"x" * 65536, mode | 0o666, gid=gid)
                as_user(way, **who) if who else way()
                self.assertEqual(oct(mode_of(f)), oct(wanted | 0o666))

    def test_of_a_stranger(self):
        for mode in (0o6777, 0o6676, 0o6766, 0o6666, 0o2777, 0o4777, 0o2666):
            self.check(mode, mode & 0o777, uid=USER)

    def test_of_a_member_keep_setgid_without_execution(self):
        self.check(0o6666, 0o2666, gid=SECOND, uid=USER, groups=[SECOND])
        self.check(0o6666, 0o2666, gid=GROUP, uid=USER)
        self.check(0o6676, 0o676, gid=SECOND, uid=USER, groups=[SECOND])

    def test_of_root_keep_them(self):
        for mode in (0o6777, 0o6666):
            self.check(mode, mode)


class SetgidDirectories(PosixCase):
    def test_give_their_group_and_subdirectories_the_bit(self):
        d = self.directory(mode=0o2777, gid=FOREIGN)

        def make_all():
            for kind in ("file", "fifo", "socket", "directory", "symlink"):
                self.make(kind, f"{d}/{kind}")

        as_user(make_all)
        for kind in ("file", "fifo", "socket", "directory", "symlink"):
            st = os.lstat(f"{d}/{kind}")
            self.assertEqual((st.st_uid, st.st_gid), (USER, FOREIGN), kind)
            self.assertEqual(bool(st.st_mode & stat.S_ISGID),
                             kind == "directory", kind)

    def test_take_setgid_from_files_of_strangers(self):
        d = self.directory(mode=0o2777, gid=FOREIGN)
        make = lambda: os.close(os.open(  # noqa: E731
            d + "/f", os.O_CREAT | os.O_WRONLY, 0o2775))
        as_user(make, umask=0)
        self.assertEqual(mode_of(d + "/f"), 0o775)
        os.unlink(d + "/f")
        as_user(make, umask=0, groups=[FOREIGN])
        self.assertEqual(mode_of(d + "/f"), 0o2775)

    def test_file_without_name_takes_the_group_too(self):
        d = self.directory(mode=0o2777, gid=FOREIGN)
        fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
        self.assertEqual(os.fstat(fd).st_gid, FOREIGN)
        os.close(fd)


class Programs(PosixCase):
    def test_setuid_program_runs_as_its_owner(self):
        program = self.file("id", read_file("/usr/bin/id"), 0o755, OTHER,
                            SECOND)
        os.chmod(program, 0o6755)

        def body():
            with os.popen(program + " -u; " + program + " -g") as output:
                return output.read().split()

        self.assertEqual(as_user(body), [str(OTHER), str(SECOND)])
