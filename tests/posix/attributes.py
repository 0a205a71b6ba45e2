# SPDX-License-Identifier: Apache-2.0
"""Extended attributes and POSIX ACLs: limits, flags, name spaces; ACLs in step
with the mode, decided by the kernel, inherited with the umask."""
import errno
import os
import struct
import subprocess

from support import (FOREIGN, GROUP, OTHER, Place, PosixCase, SECOND, USER,
                     as_user, mode_of)

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
TAGS = {"u": (1, 2), "g": (4, 8), "m": (16, 16), "o": (32, 32)}


def acl(text):
    """The xattr of an ACL written as for setfacl: `u::rwx,g:5:r-x,o::---`."""
    value = struct.pack("I", 2)
    for entry in text.split(","):
        letter, name, bits = entry.split(":")
        tag = TAGS[letter][1 if name else 0]
        mode = sum(4 >> i for i, bit in enumerate(bits) if bit != "-")
        value += struct.pack("HHI", tag, mode, int(name) if name else 2**32 - 1)
    return value


class Attributes(PosixCase):
    def test_values_of_any_size_and_bytes_are_kept(self):
        f = self.file()
        values = {"user.empty": b"", "user.one": b"\0", "user.bytes":
                  bytes(range(256)), "user.most": os.urandom(3000),
                  "user." + "n" * 250: b"long name", "trusted.t": b"t",
                  "security.s": b"s"}
        for name, value in values.items():
            os.setxattr(f, name, value)
        Place.remount()
        self.assertEqual(set(os.listxattr(f)), set(values))
        for name, value in values.items():
            self.assertEqual(os.getxattr(f, name), value)

    def test_limits(self):
        f = self.file()
        self.fails(errno.ERANGE, os.setxattr, f, "user." + "n" * 251, b"")
        self.fails(errno.E2BIG, os.setxattr, f, "user.a", bytes(65537))
        self.fails(errno.EOPNOTSUPP, os.setxattr, f, "nonsense", b"")
        self.fails(errno.EOPNOTSUPP, os.setxattr, f, "unknown.a", b"")

    def test_create_and_replace(self):
        f = self.file()
        self.fails(errno.ENODATA, os.setxattr, f, "user.a", b"1",
                   os.XATTR_REPLACE)
        os.setxattr(f, "user.a", b"1", os.XATTR_CREATE)
        self.fails(errno.EEXIST, os.setxattr, f, "user.a", b"2",
                   os.XATTR_CREATE)
        os.setxattr(f, "user.a", b"2", os.XATTR_REPLACE)
        self.assertEqual(os.getxattr(f, "user.a"), b"2")
        os.removexattr(f, "user.a")
        self.fails(errno.ENODATA, os.getxattr, f, "user.a")
        self.fails(errno.ENODATA, os.removexattr, f, "user.a")

    def test_name_spaces_have_their_guards(self):
        os.symlink("x", self.path("l"))
        os.mkfifo(self.path("fifo"))
        for path in (self.path("l"), self.path("fifo")):
            self.fails(errno.EPERM, os.setxattr, path, "user.a", b"",
                       follow_symlinks=False)
            os.setxattr(path, "trusted.a", b"t", follow_symlinks=False)
            self.assertEqual(
                os.getxattr(path, "trusted.a", follow_symlinks=False), b"t")
        f = self.file(mode=0o644, uid=USER)
        as_user(lambda: os.setxattr(f, "user.mine", b""))
        self.fails(errno.EPERM, as_user,
                   lambda: os.setxattr(f, "trusted.a", b""))
        self.fails(errno.EACCES, as_user,
                   lambda: os.setxattr(f, "user.a", b""), OTHER)
        os.setxattr(f, "trusted.a", b"")
        self.assertEqual(as_user(lambda: os.listxattr(f)), ["user.mine"])
        sticky = self.directory("sticky", 0o1777)
        self.fails(errno.EPERM, as_user,
                   lambda: os.setxattr(sticky, "user.a", b""))

    def test_go_with_the_inode(self):
        f = self.file()
        os.setxattr(f, "user.a", b"1")
        os.link(f, self.path("b"))
        os.rename(f, self.path("c"))
        self.assertEqual(os.getxattr(self.path("b"), "user.a"), b"1")
        os.unlink(self.path("b"))
        os.unlink(self.path("c"))
        self.file("c")
        self.assertEqual(os.listxattr(self.path("c")), [])

    def test_of_an_open_file_without_name(self):
        f = self.file()
        fd = os.open(f, os.O_RDWR)
        os.unlink(f)
        os.setxattr(fd, "user.a", b"1")
        self.assertEqual(os.getxattr(fd, "user.a"), b"1")
        os.close(fd)


class Acls(PosixCase):
    FULL = f"u::rw-,u:{USER}:rw-,g::r--,g:{SECOND}:-w-,m::rw-,o::---"

    def test_named_entries_decide(self):
        f = self.file(mode=0o600)
        os.setxattr(f, ACCESS, acl(self.FULL))
        self.assertEqual(mode_of(f), 0o660)
        read, write = (lambda: os.open(f, os.O_RDONLY),
                       lambda: os.open(f, os.O_WRONLY))
        as_user(read)
        as_user(write)
        as_user(write, OTHER, SECOND)
        self.fails(errno.EACCES, as_user, read, OTHER, SECOND)
        as_user(write, OTHER, FOREIGN, [SECOND])
        as_user(read, OTHER, 0)
        self.fails(errno.EACCES, as_user, write, OTHER, 0)
        self.fails(errno.EACCES, as_user, read, OTHER, FOREIGN)
        # The mask bounds all but owner and others.
        os.chmod(f, 0o640)
        self.fails(errno.EACCES, as_user, write)
        as_user(read)
        Place.remount()
        self.fails(errno.EACCES, as_user, write)
        self.assertEqual(
            os.getxattr(f, ACCESS), acl(self.FULL.replace("m::rw-", "m::r--")))

    def test_mode_and_acl_are_in_step(self):
        f = self.file(mode=0o600)
        os.setxattr(f, ACCESS, acl(f"u::r-x,u:{USER}:---,g::-w-,m::rwx,o::r--"))
        self.assertEqual(mode_of(f), 0o574)
        os.chmod(f, 0o421)
        self.assertEqual(os.getxattr(f, ACCESS), acl(
            f"u::r--,u:{USER}:---,g::-w-,m::-w-,o::--x"))
        os.removexattr(f, ACCESS)
        self.fails(errno.ENODATA, os.getxattr, f, ACCESS)

    def test_acl_that_the_mode_can_say_is_the_mode(self):
        f = self.file(mode=0o600)
        os.setxattr(f, ACCESS, acl("u::rwx,g::r-x,o::--x"))
        self.assertEqual(mode_of(f), 0o751)
        self.fails(errno.ENODATA, os.getxattr, f, ACCESS)
        self.assertEqual(os.listxattr(f), [])

    def test_nonsense_is_refused(self):
        f = self.file()
        for text in ("u::rwx", "u::rwx,g::r-x,o::--x,o::--x",
                     f"u::rwx,u:{USER}:rwx,g::r-x,o::--x",
                     "g::r-x,u::rwx,o::--x"):
            self.fails(errno.EINVAL, os.setxattr, f, ACCESS, acl(text))
        self.fails(errno.EACCES, os.setxattr, f, DEFAULT,
                   acl("u::rwx,g::r-x,o::--x"))
        self.fails(errno.EPERM, as_user,
                   lambda: os.setxattr(f, ACCESS, acl(self.FULL)))

    def test_default_is_inherited_instead_of_the_umask(self):
        d = self.directory(mode=0o777)
        text = f"u::rwx,u:{OTHER}:r-x,g::rwx,m::rwx,o::r--"
        os.setxattr(d, DEFAULT, acl(text))

        def make_all():
            os.close(os.open(d + "/f", os.O_CREAT | os.O_WRONLY, 0o664))
            os.mkdir(d + "/d", 0o770)
            os.mkfifo(d + "/p", 0o600)
            os.symlink("x", d + "/l")

        as_user(make_all, umask=0o077)
        self.assertEqual([mode_of(d + "/" + n) for n in "fdp"],
                         [0o664, 0o770, 0o600])
        self.assertEqual(os.getxattr(d + "/f", ACCESS), acl(
            f"u::rw-,u:{OTHER}:r-x,g::rwx,m::rw-,o::r--"))
        self.assertEqual(os.getxattr(d + "/d", DEFAULT), acl(text))
        self.assertEqual(os.getxattr(d + "/d", ACCESS), acl(
            f"u::rwx,u:{OTHER}:r-x,g::rwx,m::rwx,o::---"))
        self.assertEqual(os.listxattr(d + "/l", follow_symlinks=False), [])
        self.assertEqual(os.listxattr(d + "/f"), [ACCESS])

    def test_minimal_default_sets_the_mode_alone(self):
        d = self.directory(mode=0o777)
        os.setxattr(d, DEFAULT, acl("u::rwx,g::r-x,o::---"))
        os.umask(0o077)
        os.close(os.open(d + "/f", os.O_CREAT | os.O_WRONLY, 0o666))
        self.assertEqual(mode_of(d + "/f"), 0o640)
        self.assertEqual(os.listxattr(d + "/f"), [])
        fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o666)
        self.assertEqual(os.fstat(fd).st_mode & 0o777, 0o640)
        os.close(fd)

    def test_setting_one_takes_setgid_from_strangers(self):
        value = acl(f"u::rwx,u:{OTHER}:r-x,g::r-x,m::r-x,o::r-x")
        for kind in ("file", "directory"):
            path = self.path(kind)
            self.make(kind, path)
            for groups, wanted in (([SECOND], 0o2755), ([], 0o755)):
                os.chown(path, USER, SECOND)
                os.chmod(path, 0o2755)
                as_user(lambda: os.setxattr(path, ACCESS, value),
                        groups=groups)
                self.assertEqual(mode_of(path), wanted, (kind, groups))

    def test_tools_agree(self):
        f = self.file(mode=0o640)
        subprocess.run(["setfacl", "-m", f"u:{USER}:rw,g:{GROUP}:r", f],
                       check=True)
        shown = subprocess.run(["getfacl", "-cnp", f], check=True,
                               capture_output=True, text=True).stdout
        self.assertEqual(shown.split(), [
            "user::rw-", f"user:{USER}:rw-", "group::r--",
            f"group:{GROUP}:r--", "mask::rw-", "other::---"])
