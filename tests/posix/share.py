# SPDX-License-Identifier: Apache-2.0
"""What only a share has: .snapshots in every directory, and reads that leave
no trace in the journal."""
import errno
import json
import mmap
import os
import stat
import subprocess
import time

from support import (GROUP, Place, PosixCase, RENAME_EXCHANGE, USER, as_user,
                     fallocate, mode_of, read_file, renameat2, write_file)

NAME_PREFIX = "@GMT-"


def trefoil(*arguments):
    return subprocess.run([Place.share.program, *arguments], check=True,
                          capture_output=True, text=True).stdout


def snapshot():
    return trefoil("snapshot", "create", Place.root).strip()


class Snapshots(PosixCase):
    def past(self, name, path=""):
        """The test's directory, or a path in it, in snapshot `name`."""
        return os.path.join(self.root, ".snapshots", name, path)

    def test_numbers_differ_from_live_ones_and_stay(self):
        f = self.file()
        d = self.directory()
        name = snapshot()
        paths = [self.past(name, p) for p in ("", "file", "directory")]
        numbers = [os.stat(p).st_ino for p in paths]
        live = [os.stat(p).st_ino for p in (self.root, f, d)]
        self.assertEqual(len(set(numbers + live)), 6)
        second = snapshot()
        self.assertNotIn(os.stat(self.past(second, "file")).st_ino,
                         numbers + live)
        Place.remount()
        self.assertEqual([os.stat(p).st_ino for p in paths], numbers)
        self.assertEqual(os.stat(f).st_ino, live[1])

    def test_below_a_file_there_are_none(self):
        f = self.file()
        name = snapshot()
        for path in (f + "/.snapshots", f + "/.snapshots/" + name,
                     self.past(name, "file/.snapshots")):
            self.fails(errno.ENOTDIR, os.stat, path)
            self.fails(errno.ENOTDIR, as_user, lambda: os.listdir(path))

    def test_are_reached_and_listed_by_ordinary_users_and_in_no_listing(self):
        d = self.directory(mode=0o711)
        name = snapshot()

        def look():
            st = os.stat(d + "/.snapshots")
            return (stat.S_ISDIR(st.st_mode), os.listdir(d + "/.snapshots"),
                    os.access(d + "/.snapshots", os.R_OK | os.X_OK))

        is_directory, names, accessible = as_user(look)
        self.assertTrue(is_directory and accessible)
        self.assertIn(name, names)
        for directory in (self.root, d, Place.root, self.past(name)):
            self.assertNotIn(".snapshots", os.listdir(directory))
        os.chmod(d, 0o700)
        self.fails(errno.EACCES, as_user, look)

    def test_every_change_inside_is_refused(self):
        self.file("file", b"kept")
        self.directory()
        name = snapshot()
        f = self.past(name, "file")
        new = self.past(name, "new")
        fd = os.open(f, os.O_RDONLY)
        for body in (lambda: write_file(new), lambda: os.mkdir(new),
                     lambda: os.symlink("x", new), lambda: os.mkfifo(new),
                     lambda: os.unlink(f), lambda: os.chmod(f, 0o600),
                     lambda: os.rmdir(self.past(name, "directory")),
                     lambda: os.chown(f, 1, 1), lambda: os.utime(f),
                     lambda: os.truncate(f, 0),
                     lambda: os.setxattr(f, "user.a", b""),
                     lambda: os.rename(f, new), lambda: os.link(f, new),
                     lambda: renameat2(f, self.past(name, "directory"),
                                       RENAME_EXCHANGE),
                     lambda: os.open(self.past(name), os.O_TMPFILE | os.O_RDWR),
                     lambda: os.fchmod(fd, 0o600),
                     lambda: os.mkdir(self.path(".snapshots/new")),
                     lambda: os.rmdir(self.past(name)),
                     lambda: os.rename(self.past(name), self.path(
                         ".snapshots/new"))):
            self.fails(errno.EROFS, body)
        os.close(fd)
        fd = os.open(f, os.O_WRONLY)
        self.fails(errno.EROFS, os.write, fd, b"x")
        self.fails(errno.EROFS, fallocate, fd, 0, 0, 10)
        os.close(fd)
        self.assertEqual(read_file(f), b"kept")

    def test_what_is_stored_to_a_mapped_file_of_one_does_not_stay(self):
        """The kernel does not ask before it lets a mapping be stored to."""
        self.file("file", b"kept" * 5000)
        f = self.past(snapshot(), "file")
        fd = os.open(f, os.O_RDWR)
        with mmap.mmap(fd, 20000) as memory:
            for at in (0, 8192, 16384):
                memory[at:at + 4] = b"else"
            self.fails(errno.EROFS, memory.flush)
            self.eventually(lambda: bytes(memory) == b"kept" * 5000)
            self.eventually(lambda: read_file(f) == b"kept" * 5000)
        os.close(fd)
        self.fails(errno.EROFS, os.truncate, f, 0)

    def test_virtual_directory_itself_stays(self):
        self.fails((errno.EROFS, errno.EEXIST), os.mkdir,
                   self.path(".snapshots"))
        for body in (lambda: os.rmdir(self.path(".snapshots")),
                     lambda: os.rename(self.path(".snapshots"),
                                       self.path("x")),
                     lambda: os.rename(self.directory(),
                                       self.path(".snapshots"))):
            self.fails((errno.EROFS, errno.EBUSY), body)

    def test_nothing_moves_out_of_one_or_into_one(self):
        self.file("file", b"old")
        name = snapshot()
        inside, live = self.past(name, "file"), self.file("live")
        for body in (lambda: os.rename(inside, self.path("out")),
                     lambda: os.link(inside, self.path("out")),
                     lambda: os.rename(live, self.past(name, "in")),
                     lambda: os.link(live, self.past(name, "in"))):
            self.fails((errno.EXDEV, errno.EROFS), body)
        self.fails(errno.EXDEV, os.rename, inside, self.path("out"))
        self.fails(errno.EXDEV, os.link, inside, self.path("out"))
        # Which is why mv(1) copies.
        subprocess.run(["cp", "-a", inside, self.path("out")], check=True)
        self.assertEqual(read_file(self.path("out")), b"old")

    def test_keep_times_sizes_modes_owners_and_attributes_exactly(self):
        f = self.file("file", b"x" * 12345, 0o640, 77, 78)
        os.setxattr(f, "user.a", b"1")
        os.chmod(f, 0o4710)
        os.utime(f, ns=(1_111_111_111_111_111_111, 1_222_222_222_222_222_222))
        os.symlink("target", self.path("link"))
        before = os.stat(f)
        name = snapshot()
        write_file(f, b"changed")
        os.chmod(f, 0o777)
        os.chown(f, 1, 1)
        os.removexattr(f, "user.a")
        os.unlink(self.path("link"))
        Place.remount()
        after = os.stat(self.past(name, "file"))
        for field in ("st_mode", "st_uid", "st_gid", "st_size", "st_nlink",
                      "st_atime_ns", "st_mtime_ns", "st_ctime_ns", "st_blocks"):
            self.assertEqual(getattr(after, field), getattr(before, field),
                             field)
        self.assertEqual(os.getxattr(self.past(name, "file"), "user.a"), b"1")
        self.assertEqual(os.readlink(self.past(name, "link")), "target")

    def test_permissions_inside_decide_as_they_were(self):
        f = self.file("secret", b"s", 0o600)
        mine = self.file("mine", b"m", 0o600, USER, GROUP)
        name = snapshot()
        os.chmod(f, 0o666)
        os.chown(mine, 0, 0)
        self.fails(errno.EACCES, as_user,
                   lambda: read_file(self.past(name, "secret")))
        self.assertEqual(as_user(lambda: read_file(self.past(name, "mine"))),
                         b"m")
        self.assertEqual(mode_of(self.past(name, "secret")), 0o600)

    def test_in_one_second_are_named_a_second_apart_and_in_order(self):
        names = []
        for i in range(5):
            self.file("count", str(i).encode())
            names.append(snapshot())
        self.assertEqual(names, sorted(set(names)))
        for i, name in enumerate(names):
            self.assertEqual(read_file(self.past(name, "count")),
                             str(i).encode())
        listed = json.loads(trefoil("snapshot", "list", Place.root, "--json"))
        self.assertEqual([n for n in os.listdir(self.path(".snapshots"))
                          if n in names], names)
        self.assertIn("time", json.dumps(listed))

    def test_deleted_while_a_file_in_it_is_open(self):
        self.file("file", b"x" * 300_000)
        name = snapshot()
        fd = os.open(self.past(name, "file"), os.O_RDONLY)
        directory = os.open(self.past(name), os.O_RDONLY)
        self.file("file", b"new")
        trefoil("snapshot", "delete", Place.root, name)
        try:
            data = os.pread(fd, 300_000, 0)
            self.assertEqual(data.count(b"x"), len(data))
        except OSError as error:
            self.assertIn(error.errno, (errno.ESTALE, errno.EIO))
        try:
            os.listdir(directory)
        except OSError as error:
            self.assertIn(error.errno, (errno.ESTALE, errno.ENOENT))
        os.close(fd)
        os.close(directory)
        self.assertEqual(read_file(self.path("file")), b"new")
        self.assertNotIn(name, os.listdir(self.path(".snapshots")))


class Quiet(PosixCase):
    def head(self):
        return json.loads(trefoil("status", Place.root, "--json"))["primary"]

    def test_reading_makes_no_record_and_no_commit(self):
        # Garbage collection of what other tests left behind commits too, so
        # the volume has to come to rest while it is read: each time files
        # are read that nobody has read before.
        attempts = 20
        for i in range(attempts):
            os.mkdir(self.path(str(i)))
            self.file(f"{i}/file", b"text" * 10000)
            os.symlink("file", self.path(f"{i}/link"))
        Place.remount("commit_interval=1s")
        trefoil("sync", Place.root)
        for i in range(attempts):
            before = self.head()
            f = self.path(f"{i}/file")
            for _ in range(3):
                read_file(f)
                os.listdir(self.path(str(i)))
                os.readlink(self.path(f"{i}/link"))
                os.stat(f)
                os.listxattr(f)
                os.statvfs(f)
                time.sleep(0.5)
            time.sleep(1.5)
            after = self.head()
            if after["head"] == before["head"]:
                break
        else:
            self.fail("a commit followed every time that files were read")
        self.assertEqual(after["waiting_changes"], 0)
        self.assertEqual(after["waiting_bytes"], 0)
        Place.remount()

    def test_remount_changes_read_only_and_keeps_suid_and_dev(self):
        f = self.file(data=b"x")
        options = {}
        for how in ("ro", "rw"):
            # As `mount -i -o remount` does, which asks no helper.
            subprocess.run(["mount", "-i", "-o", "remount," + how,
                            Place.root], check=True)
            with open("/proc/self/mounts") as mounts:
                options[how] = next(line.split()[3].split(",") for line in mounts
                                    if line.split()[1] == Place.root)
            if how == "ro":
                self.fails(errno.EROFS, write_file, f)
                self.fails(errno.EROFS, os.mkdir, self.path("d"))
        for how, shown in options.items():
            self.assertEqual(shown[0], how)
            self.assertNotIn("nosuid", shown)
            self.assertNotIn("nodev", shown)
        write_file(f, b"again")
