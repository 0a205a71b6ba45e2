# SPDX-License-Identifier: Apache-2.0
"""Making, linking, finding and removing names: link, mkdir, mkfifo, mknod,
open, rmdir, symlink, unlink, and the errors that paths give."""
import errno
import os
import socket
import stat

from support import (GROUP, KINDS, O_TMPFILE, PATH_MAX, PosixCase,
                     USER, as_user, call, link_fd, mode_of, read_file, tick,
                     write_file)


class PathErrors(PosixCase):
    """Every call that takes a path gives the same errors for a bad one."""

    def calls(self):
        return {
            "open": lambda p: os.open(p, os.O_RDONLY),
            "create": lambda p: os.open(p, os.O_CREAT | os.O_WRONLY, 0o644),
            "mkdir": os.mkdir,
            "mkfifo": os.mkfifo,
            "mknod": lambda p: os.mknod(p, stat.S_IFREG | 0o644),
            "symlink": lambda p: os.symlink("x", p),
            "link": lambda p: os.link(self.source, p),
            "link from": lambda p: os.link(p, self.path("new")),
            "unlink": os.unlink,
            "rmdir": os.rmdir,
            "rename": lambda p: os.rename(p, self.path("new")),
            "rename to": lambda p: os.rename(self.source, p),
            "chmod": lambda p: os.chmod(p, 0o600),
            "chown": lambda p: os.chown(p, 1, 1),
            "truncate": lambda p: os.truncate(p, 1),
            "utimens": os.utime,
            "readlink": os.readlink,
            "setxattr": lambda p: os.setxattr(p, "user.x", b"x"),
        }

    def each(self, path, *errors):
        self.source = self.file("source")
        for name, function in self.calls().items():
            with self.subTest(call=name):
                self.fails(errors, function, path)

    def test_component_of_256_bytes_is_too_long(self):
        self.each(self.path("n" * 256), errno.ENAMETOOLONG)

    def test_component_of_255_bytes_is_not(self):
        path = self.path("n" * 255)
        write_file(path)
        os.rename(path, self.path("m" * 255))
        os.unlink(self.path("m" * 255))
        os.mkdir(path)
        os.rmdir(path)

    def test_path_longer_than_path_max_is_too_long(self):
        self.each("/".join([self.root] + ["x" * 200] * 21), errno.ENAMETOOLONG)

    def test_path_of_path_max_less_one_works(self):
        depth = (PATH_MAX - len(self.root) - 120) // 101
        for i in range(depth):
            os.mkdir("/".join([self.root] + ["d" * 100] * (i + 1)))
        base = "/".join([self.root] + ["d" * 100] * depth)
        path = base + "/" + "f" * (PATH_MAX - 2 - len(base))
        self.assertEqual(len(path), PATH_MAX - 1)
        write_file(path, b"deep")
        self.assertEqual(read_file(path), b"deep")
        os.unlink(path)
        self.fails(errno.ENAMETOOLONG, write_file, path + "f")

    def test_file_in_the_path_is_not_a_directory(self):
        self.file("plain")
        self.each(self.path("plain/name"), errno.ENOTDIR)

    def test_missing_directory_in_the_path(self):
        self.each(self.path("missing/name"), errno.ENOENT)

    def test_loop_of_symlinks(self):
        os.symlink("b", self.path("a"))
        os.symlink("a", self.path("b"))
        self.each(self.path("a/name"), errno.ELOOP)

    def test_symlink_to_itself_is_a_loop_where_it_is_followed(self):
        os.symlink("self", self.path("self"))
        for function in (lambda p: os.open(p, os.O_RDONLY), os.stat,
                         lambda p: os.chmod(p, 0o600), lambda p: os.chown(p, 1, 1),
                         lambda p: os.truncate(p, 0), os.utime):
            self.fails(errno.ELOOP, function, self.path("self"))
        self.assertTrue(os.path.islink(self.path("self")))

    def test_directory_without_search_permission(self):
        closed = self.directory("closed", 0o700)
        self.file("closed/file", mode=0o666)
        for function in (os.stat, os.unlink, os.mkdir, os.readlink,
                         lambda p: os.open(p, os.O_RDONLY)):
            self.fails(errno.EACCES, as_user, lambda: function(closed + "/file"))

    def test_directory_without_write_permission(self):
        shut = self.directory("shut", 0o555)
        self.file("shut/file", mode=0o666)
        self.directory("shut/dir", 0o777)
        for function in (lambda: os.unlink(shut + "/file"),
                         lambda: os.rmdir(shut + "/dir"),
                         lambda: os.mkdir(shut + "/new"),
                         lambda: os.mkfifo(shut + "/new"),
                         lambda: os.symlink("x", shut + "/new"),
                         lambda: write_file(shut + "/new"),
                         lambda: os.rename(shut + "/file", shut + "/new")):
            self.fails(errno.EACCES, as_user, function)


class MakingNames(PosixCase):
    def test_each_kind_has_its_type_mode_owner_and_one_link(self):
        for kind, bits in KINDS.items():
            with self.subTest(kind=kind):
                path = self.path(kind)
                self.make(kind, path, 0o640)
                st = os.lstat(path)
                self.assertEqual(stat.S_IFMT(st.st_mode), bits)
                if kind != "symlink":
                    self.assertEqual(mode_of(path), 0o640)
                self.assertEqual(st.st_nlink, 2 if kind == "directory" else 1)
                self.assertEqual((st.st_uid, st.st_gid), (0, 0))

    def test_new_names_belong_to_their_maker(self):
        open_to_all = self.directory("open", 0o777)

        def make_all():
            for kind in ("file", "fifo", "socket", "directory", "symlink"):
                self.make(kind, f"{open_to_all}/{kind}")

        as_user(make_all, 4321, 1234)
        for kind in ("file", "fifo", "socket", "directory", "symlink"):
            st = os.lstat(f"{open_to_all}/{kind}")
            self.assertEqual((st.st_uid, st.st_gid), (4321, 1234), kind)

    def test_umask_takes_bits_away(self):
        for mask, wanted in ((0o022, 0o755), (0o077, 0o700), (0o501, 0o276)):
            os.umask(mask)
            for kind in ("file", "fifo", "directory"):
                path = self.path(f"{kind}{mask:o}")
                self.make(kind, path, 0o777)
                self.assertEqual(mode_of(path), wanted, kind)
        os.umask(0)

    def test_existing_name_of_any_kind_is_refused(self):
        for kind in KINDS:
            self.make(kind, self.path(kind))
            for new in KINDS:
                with self.subTest(old=kind, new=new):
                    self.fails(errno.EEXIST, self.make, new, self.path(kind))
            self.fails(errno.EEXIST, os.link, self.file("source"),
                       self.path(kind))
            self.fails(errno.EEXIST, os.open, self.path(kind),
                       os.O_CREAT | os.O_EXCL | os.O_RDWR)

    def test_device_needs_privilege(self):
        os.chmod(self.root, 0o777)
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            self.fails(errno.EPERM, as_user, lambda: os.mknod(
                self.path("device"), kind | 0o644, os.makedev(1, 3)))

    def test_device_keeps_large_numbers_and_works(self):
        os.mknod(self.path("big"), stat.S_IFBLK | 0o600,
                 os.makedev(4000, 1000000))
        st = os.lstat(self.path("big"))
        self.assertEqual((os.major(st.st_rdev), os.minor(st.st_rdev)),
                         (4000, 1000000))
        os.mknod(self.path("zero"), stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with open(self.path("zero"), "rb") as zero:
            self.assertEqual(zero.read(4), bytes(4))

    def test_fifo_and_socket_carry_data(self):
        os.mkfifo(self.path("fifo"))
        fd = os.open(self.path("fifo"), os.O_RDWR)
        os.write(fd, b"through")
        self.assertEqual(os.read(fd, 7), b"through")
        os.close(fd)
        with socket.socket(socket.AF_UNIX) as server, \
                socket.socket(socket.AF_UNIX) as client:
            server.bind(self.path("socket"))
            server.listen()
            client.connect(self.path("socket"))

    def test_directory_counts_its_subdirectories(self):
        for i in range(3):
            os.mkdir(self.path(f"d{i}"))
        self.assertEqual(os.stat(self.root).st_nlink, 5)
        os.rmdir(self.path("d0"))
        self.assertEqual(os.stat(self.root).st_nlink, 4)
        os.rename(self.path("d1"), self.path("d2/d1"))
        self.assertEqual(os.stat(self.root).st_nlink, 3)
        self.assertEqual(os.stat(self.path("d2")).st_nlink, 3)

    def test_mkdir_of_a_trailing_slash_and_file_of_one(self):
        os.mkdir(self.path("d") + "/")
        self.fails(errno.EISDIR, os.open, self.path("f") + "/",
                   os.O_CREAT | os.O_WRONLY)
        self.fails(errno.ENOTDIR, os.stat, self.file("plain") + "/")


class Opening(PosixCase):
    def test_kinds_give_their_errors(self):
        d = self.directory()
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            self.fails(errno.EISDIR, os.open, d, flags)
        self.fails(errno.EISDIR, os.open, d, os.O_CREAT)
        self.fails(errno.ENOTDIR, os.open, self.file(), os.O_DIRECTORY)
        os.symlink("file", self.path("link"))
        self.fails(errno.ELOOP, os.open, self.path("link"), os.O_NOFOLLOW)
        os.mkfifo(self.path("fifo"))
        self.fails(errno.ENXIO, os.open, self.path("fifo"),
                   os.O_WRONLY | os.O_NONBLOCK)
        self.make("socket", self.path("socket"))
        self.fails(errno.ENXIO, os.open, self.path("socket"), os.O_RDONLY)

    def test_running_program_is_busy(self):
        program = self.path("sleep")
        write_file(program, read_file("/bin/sleep"), 0o755)
        os.chmod(program, 0o755)
        child = os.spawnv(os.P_NOWAIT, program, ["sleep", "60"])
        try:
            for _ in range(100):
                if os.readlink(f"/proc/{child}/exe") == program:
                    break
                tick()
            self.fails(errno.ETXTBSY, os.open, program, os.O_WRONLY)
            self.fails(errno.ETXTBSY, os.truncate, program, 0)
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)

    def test_file_open_for_writing_can_not_be_run(self):
        program = self.path("true")
        write_file(program, read_file("/bin/true"), 0o755)
        os.chmod(program, 0o755)
        fd = os.open(program, os.O_WRONLY)
        self.fails(errno.ETXTBSY, os.execv, program, ["true"])
        os.close(fd)

    def test_creating_read_only_file_gives_a_writable_descriptor(self):
        os.chmod(self.root, 0o777)

        def body():
            fd = os.open(self.path("f"), os.O_CREAT | os.O_RDWR, 0)
            os.write(fd, b"mine")
            os.close(fd)

        as_user(body)
        self.assertEqual(mode_of(self.path("f")), 0)
        self.assertEqual(read_file(self.path("f")), b"mine")

    def test_permissions_decide_by_class(self):
        for mode, uid, gid, wanted in (
                (0o600, USER, 0, "rw"), (0o400, USER, 0, "r"),
                (0o200, USER, 0, "w"), (0o060, 0, GROUP, "rw"),
                (0o040, 0, GROUP, "r"), (0o006, 0, 0, "rw"),
                # The first class that applies decides alone.
                (0o066, USER, GROUP, ""), (0o606, 0, GROUP, "")):
            f = self.file("f", mode=mode, uid=uid, gid=gid)
            for letter, flags in (("r", os.O_RDONLY), ("w", os.O_WRONLY)):
                with self.subTest(mode=oct(mode), access=letter):
                    if letter in wanted:
                        as_user(lambda: os.open(f, flags))
                    else:
                        self.fails(errno.EACCES, as_user,
                                   lambda: os.open(f, flags))

    def test_noatime_is_for_the_owner(self):
        f = self.file(mode=0o666)
        self.fails(errno.EPERM, as_user,
                   lambda: os.open(f, os.O_RDONLY | os.O_NOATIME))

    def test_truncation_needs_write_permission(self):
        f = self.file(data=b"kept", mode=0o444)
        self.fails(errno.EACCES, as_user,
                   lambda: os.open(f, os.O_RDONLY | os.O_TRUNC))
        self.assertEqual(read_file(f), b"kept")


class Links(PosixCase):
    def test_names_share_one_inode(self):
        f = self.file(data=b"one")
        os.link(f, self.path("two"))
        self.assertEqual(os.stat(f).st_nlink, 2)
        self.assertEqual(os.stat(f).st_ino, os.stat(self.path("two")).st_ino)
        write_file(self.path("two"), b"changed")
        self.assertEqual(read_file(f), b"changed")
        os.unlink(f)
        self.assertEqual(os.stat(self.path("two")).st_nlink, 1)

    def test_directory_is_refused(self):
        self.fails(errno.EPERM, os.link, self.directory(), self.path("new"))

    def test_special_files_and_symlinks_can_be_linked(self):
        for kind in ("fifo", "char", "socket", "symlink"):
            self.make(kind, self.path(kind))
            os.link(self.path(kind), self.path(kind + "2"),
                    follow_symlinks=False)
            self.assertEqual(os.lstat(self.path(kind)).st_nlink, 2)

    def test_other_filesystem_is_refused(self):
        self.fails(errno.EXDEV, os.link, "/proc/self/status", self.path("x"))
        self.fails(errno.EXDEV, os.rename, self.file(), "/dev/shm/x")

    def test_many_links_and_no_more(self):
        f = self.file()
        for i in range(2, 2001):
            os.link(f, self.path(str(i)))
        self.assertEqual(os.stat(f).st_nlink, 2000)

    def test_symlink_target_is_kept_up_to_path_max(self):
        for target in ("x", "a" * 59, "b" * 60, "c" * 255, "d/" * 2047):
            os.symlink(target, self.path("l"))
            self.assertEqual(os.readlink(self.path("l")), target)
            self.assertEqual(os.lstat(self.path("l")).st_size, len(target))
            os.unlink(self.path("l"))
        self.fails(errno.ENAMETOOLONG, os.symlink, "e" * 4096, self.path("l"))
        self.fails(errno.ENOENT, os.symlink, "", self.path("l"))

    def test_file_without_name_gets_one(self):
        fd = os.open(self.root, O_TMPFILE | os.O_RDWR, 0o640)
        os.write(fd, b"hidden")
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(os.listdir(self.root), [])
        link_fd(fd, self.path("seen"))
        self.assertEqual(os.fstat(fd).st_nlink, 1)
        os.close(fd)
        self.assertEqual(read_file(self.path("seen")), b"hidden")
        self.assertEqual(mode_of(self.path("seen")), 0o640)

    def test_file_without_name_that_is_exclusive_gets_none(self):
        fd = os.open(self.root, O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
        self.fails(errno.ENOENT, link_fd, fd, self.path("seen"))
        os.close(fd)

    def test_unlinked_file_gets_no_name_back(self):
        f = self.file()
        fd = os.open(f, os.O_RDWR)
        os.unlink(f)
        self.fails(errno.ENOENT, link_fd, fd, self.path("again"))
        os.close(fd)


class Removing(PosixCase):
    def test_unlinked_file_lives_while_it_is_open(self):
        f = self.file(data=b"alive")
        fd = os.open(f, os.O_RDWR)
        os.unlink(f)
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(os.pread(fd, 10, 0), b"alive")
        os.pwrite(fd, b"more", 5)
        os.ftruncate(fd, 7)
        os.fchmod(fd, 0o600)
        self.assertEqual(os.pread(fd, 10, 0), b"alivemo")
        os.close(fd)

    def test_kinds_give_their_errors(self):
        d = self.directory()
        self.fails(errno.EISDIR, os.unlink, d)
        self.fails(errno.ENOTDIR, os.rmdir, self.file())
        os.symlink("directory", self.path("link"))
        self.fails(errno.ENOTDIR, os.rmdir, self.path("link"))
        for kind in KINDS:
            self.make(kind, self.path("x"))
            (os.rmdir if kind == "directory" else os.unlink)(self.path("x"))

    def test_directory_with_anything_in_it_stays(self):
        for kind in KINDS:
            d = self.directory()
            self.make(kind, d + "/x")
            self.fails((errno.ENOTEMPTY, errno.EEXIST), os.rmdir, d)
            (os.rmdir if kind == "directory" else os.unlink)(d + "/x")
            os.rmdir(d)

    def test_dots_are_not_removed(self):
        d = self.directory()
        self.fails(errno.EINVAL, os.rmdir, d + "/.")
        self.fails((errno.ENOTEMPTY, errno.EEXIST), os.rmdir, d + "/..")

    def test_mountpoint_is_busy(self):
        self.fails(errno.EBUSY, os.rmdir, os.path.dirname(self.root))

    def test_removed_directory_takes_no_names(self):
        d = self.directory()
        fd = os.open(d, os.O_RDONLY)
        os.rmdir(d)
        self.fails(errno.ENOENT, os.mkdir, "x", dir_fd=fd)
        self.fails(errno.ENOENT, os.open, "x", os.O_CREAT | os.O_WRONLY,
                   dir_fd=fd)
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        os.close(fd)

    def test_sticky_directory_protects_what_others_own(self):
        sticky = self.directory("sticky", 0o1777, uid=10)
        for owner, allowed in ((USER, True), (20, False)):
            self.file("sticky/f", mode=0o666, uid=owner)
            self.directory("sticky/d", 0o777, uid=owner)
            for body in (lambda: os.unlink(sticky + "/f"),
                         lambda: os.rmdir(sticky + "/d")):
                if allowed:
                    as_user(body)
                else:
                    self.fails((errno.EPERM, errno.EACCES), as_user, body)
        # The directory's owner may.
        as_user(lambda: os.unlink(sticky + "/f"), 10)

    def test_faccessat_agrees_with_open(self):
        f = self.file(mode=0o640, gid=GROUP)
        self.assertTrue(as_user(lambda: os.access(f, os.R_OK)))
        self.assertFalse(as_user(lambda: os.access(f, os.W_OK)))
        self.assertFalse(as_user(lambda: os.access(f, os.X_OK)))
        self.assertEqual(
            call("access", os.fsencode(f), os.R_OK | os.W_OK), 0)
