#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: the traps that snapshots have set for other filesystems behind Samba.
Method: each on a real mount, through a real smbd where a client would meet it.
usage: snapshots_test.py TREFOIL
"""

import errno
import os
import re
import unittest

import samba_share
from samba_share import USER, Smbd, run
from smb_wire import (OVERWRITE, OVERWRITE_IF, READ,
                      STATUS_MEDIA_WRITE_PROTECTED, WRITE, Error, Wire)

BURST = 1000


def as_user(*command, check=True):
    return run("setpriv", f"--reuid={USER}", f"--regid={USER}",
               "--clear-groups", *command, check=check)


class SnapshotsTest(unittest.TestCase):
    def setUp(self):
        self.directory = self.id().rsplit(".", 1)[1]
        os.mkdir(self.path())
        os.chmod(self.path(), 0o777)

    def path(self, name=""):
        return os.path.join(volume.mountpoint, self.directory, name)

    def past(self, snapshot, name=""):
        return os.path.join(volume.mountpoint, ".snapshots", snapshot,
                            self.directory, name)

    def write(self, name, data="", mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(data)
        os.chmod(self.path(name), mode)

    def assert_errno(self, number, call, *arguments):
        with self.assertRaises(OSError) as raised:
            call(*arguments)
        self.assertEqual(errno.errorcode[raised.exception.errno],
                         errno.errorcode[number], f"{call} {arguments}")

    def test_inode_numbers_differ_and_stay(self):
        self.write("f")
        os.mkdir(self.path("d"))
        first, second = volume.snapshot(), volume.snapshot()
        paths = [where(name) for name in ("", "f", "d")
                 for where in (self.path, lambda n: self.past(first, n),
                               lambda n: self.past(second, n))]
        numbers = [os.stat(path).st_ino for path in paths]
        self.assertEqual(len(set(numbers)), len(numbers))
        self.assertEqual(len({os.stat(path).st_dev for path in paths}), 1)
        remount()
        self.assertEqual([os.stat(path).st_ino for path in paths], numbers)

    def test_below_a_file_there_is_no_directory(self):
        self.write("f", "x", 0o600)
        past = volume.snapshot()
        for path in (self.path("f/.snapshots"), self.path("f/.snapshots/x"),
                     self.path(f"f/.snapshots/{past}"),
                     self.past(past, "f/.snapshots/x")):
            self.assert_errno(errno.ENOTDIR, os.stat, path)
            self.assert_errno(errno.ENOTDIR, os.listdir, path)

    def test_an_ordinary_user_enters_and_lists(self):
        os.mkdir(self.path("d"))
        os.chmod(self.path("d"), 0o711)
        past = volume.snapshot()
        for path in (volume.mountpoint, self.path(), self.path("d")):
            listed = as_user("ls", "-a", os.path.join(path, ".snapshots"))
            self.assertIn(past, listed.split())
            as_user("stat", os.path.join(path, ".snapshots", past))
        with Wire(smbd, "office") as wire:
            with wire.open(self.directory) as file:
                self.assertIn(past, file.snapshots())

    def test_no_listing_has_it(self):
        os.mkdir(self.path("d"))
        volume.snapshot()
        for path in (volume.mountpoint, self.path(), self.path("d")):
            self.assertNotIn(".snapshots", os.listdir(path))
        listed = smbd.client("office", "ls", f"cd {self.directory}", "ls")
        self.assertNotIn(".snapshots", listed)
        found = run("find", volume.mountpoint, "-name", ".snapshots")
        self.assertEqual(found, "")

    @staticmethod
    def overwrite(path):
        """The kernel opens without asking; the write is what is refused."""
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, b"x")
        finally:
            os.close(fd)

    def test_nothing_inside_changes_or_leaves(self):
        self.write("f", "was")
        past = self.past(volume.snapshot())
        inside, outside = os.path.join(past, "f"), self.path("g")
        for call, arguments in (
                (os.mkdir, (past + "d",)), (os.unlink, (inside,)),
                (os.mkfifo, (past + "p",)), (os.chmod, (inside, 0o600)),
                (os.chown, (inside, 1, 1)), (os.truncate, (inside, 0)),
                (os.utime, (inside,)), (os.symlink, ("x", past + "s")),
                (os.link, (inside, past + "l")), (os.rename, (inside, past + "r")),
                (os.setxattr, (inside, "user.x", b"x")),
                (self.overwrite, (inside,)),
                (os.open, (inside, os.O_WRONLY | os.O_TRUNC)),
                (os.open, (past + "n", os.O_CREAT | os.O_WRONLY)),
                (os.mkdir, (self.path(".snapshots/d"),)),
                (os.rmdir, (past,))):
            self.assert_errno(errno.EROFS, call, *arguments)
        self.write("h", "outside")
        for call, arguments in (
                (os.rename, (inside, outside)), (os.link, (inside, outside)),
                (os.rename, (self.path("h"), past + "h"))):
            self.assert_errno(errno.EXDEV, call, *arguments)
        self.assert_errno(errno.EROFS, os.link, self.path("h"), past + "h")

    def test_a_client_changes_nothing_inside(self):
        """Where a client may open a file for writing, its writes are refused."""
        with Wire(smbd, "office") as wire:
            name = f"{self.directory}\\f"
            wire.create(name, b"was").close()
            past = volume.snapshot()
            for disposition in (OVERWRITE, OVERWRITE_IF):
                self.assert_protected(wire.open, name, WRITE, past=past,
                                      disposition=disposition)
            with wire.open(name, READ | WRITE, past=past) as file:
                self.assert_protected(file.write_all, b"else")
                self.assert_protected(file.truncate, 0)
                self.assert_protected(file.set_attributes, 2)
                self.assertEqual(file.read_all(), b"was")
            for made in ("new", "f:stream"):
                with self.assertRaises(Error):
                    wire.create(f"{self.directory}\\{made}", b"x", past=past)
            self.assertEqual(wire.read(name, past=past), b"was")
            self.assertEqual(wire.read(name), b"was")

    def assert_protected(self, call, *arguments, **options):
        with self.assertRaises(Error) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.get_error_code(),
                         STATUS_MEDIA_WRITE_PROTECTED)

    def test_two_in_one_second_have_names_a_second_apart(self):
        self.write("f", "1")
        first = volume.call("snapshot-create", label="first")
        self.write("f", "2")
        second = volume.call("snapshot-create", label="second")
        exact = [(one["time"], one["nanos"]) for one in (first, second)]
        self.assertLess(exact[0], exact[1])
        self.assertLess(first["name"], second["name"])
        self.assertLess(exact[1][0] - exact[0][0], 2)
        for one, text in ((first, "1"), (second, "2")):
            with open(self.past(one["name"], "f"), encoding="utf-8") as file:
                self.assertEqual(file.read(), text)
        listed = volume.call("snapshot-list")
        self.assertEqual([one for one in listed if one["label"]],
                         [first, second])

    def test_times_and_size_are_exact(self):
        self.write("f", "x" * 12345)
        os.mkdir(self.path("d"))
        os.utime(self.path("f"), ns=(1_234_567_890_123_456_789,
                                     987_654_321_987_654_321))
        os.utime(self.path("d"), ns=(1, 999_999_999))

        def facts(path):
            st = os.stat(path)
            return (st.st_mode, st.st_nlink, st.st_uid, st.st_gid, st.st_size,
                    st.st_blocks, st.st_atime_ns, st.st_mtime_ns,
                    st.st_ctime_ns)
        before = [facts(self.path(name)) for name in ("f", "d")]
        past = volume.snapshot()
        self.write("f", "y")
        self.write("d/new")
        for _ in range(2):
            self.assertEqual([facts(self.past(past, name))
                              for name in ("f", "d")], before)
            remount()

    def test_permissions_are_as_they_were(self):
        self.write("secret", "s", 0o600)
        self.write("public", "p", 0o644)
        run("setfacl", "-m", "u:games:rw", self.path("public"))
        acl = run("getfacl", "-cp", self.path("public"))
        past = volume.snapshot()
        os.chmod(self.path("secret"), 0o666)
        run("setfacl", "-b", self.path("public"))
        os.chmod(self.path("public"), 0o600)
        self.assertEqual(run("getfacl", "-cp", self.past(past, "public")), acl)
        self.assertEqual(as_user("cat", self.past(past, "public")), "p")
        refused = as_user("cat", self.past(past, "secret"), check=False)
        self.assertIn("Permission denied", refused.stderr)
        with Wire(smbd, "office") as wire:
            at = self.directory
            self.assertEqual(wire.read(f"{at}\\public", past=past), b"p")
            with self.assertRaises(Error):
                wire.read(f"{at}\\secret", past=past)

    def test_may_be_deleted_while_a_file_in_it_is_open(self):
        with Wire(smbd, "office") as wire:
            name = f"{self.directory}\\f"
            with wire.open(name, WRITE, disposition=OVERWRITE_IF) as file:
                file.write_all(b"was")
            past = volume.snapshot()
            with open(self.path("f"), "w", encoding="utf-8") as out:
                out.write("is")
            held = wire.open(name, READ, past=past)
            with open(self.past(past, "f"), "rb") as local:
                self.assertEqual(local.read(), b"was")
                volume.call("snapshot-delete", name=past)
                # What it gives now is what it was or an error, never "is".
                local.seek(0)
                try:
                    self.assertIn(local.read(), (b"was", b""))
                except OSError as error:
                    self.assertEqual(error.errno, errno.ESTALE)
            try:
                self.assertEqual(held.read(0, 3), b"was")
            except Error:
                pass
            held.close()
            with wire.open(name) as file:
                self.assertNotIn(past, file.snapshots())
            self.assertEqual(wire.read(name), b"is")

    def test_a_thousand_at_once_are_ordered_and_readable(self):
        made = []
        for number in range(BURST):
            self.write("f", f"version {number}")
            made.append(volume.snapshot())
        self.assertEqual(made, sorted(set(made)))
        self.assertEqual(len(made), BURST)
        listed = [name for name in os.listdir(self.path(".snapshots"))
                  if name in set(made)]
        self.assertEqual(listed, made)
        info = smbd.client("office", f"allinfo {self.directory}/f")
        offered = [name for name in re.findall("^@GMT.*$", info, re.M)
                   if name in set(made)]
        self.assertEqual(offered, made[::-1])
        with Wire(smbd, "office") as wire:
            with wire.open(f"{self.directory}\\f") as file:
                self.assertEqual(file.snapshots()[:BURST], made[::-1])
            for number in (0, 1, 499, BURST - 1):
                self.assertEqual(
                    wire.read(f"{self.directory}\\f", past=made[number]),
                    f"version {number}".encode())


def remount():
    smbd.stop()
    volume.unmount()
    volume.mount()
    smbd.start()


def setUpModule():
    global root, volume, smbd
    root, volume = samba_share.make_volume()
    smbd = Smbd(root, volume.samba_conf("--share", "office"))


def tearDownModule():
    smbd.stop()
    samba_share.take_down(root, volume)


if __name__ == "__main__":
    samba_share.main()
