#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: clients that ignore case find a name with one look-up, in a directory
of any size, and never get another file than the one that they mean.
Method: getxattr(2) as Samba's glusterfs_fuse module calls it; then two shares
of a large directory, with that module and without.
usage: names_test.py TREFOIL; TREFOIL_FILES sets how large
"""

import contextlib
import errno
import os
import time
import unittest

import samba_share
from samba_share import Smbd
from smb_wire import (OVERWRITE_IF, STATUS_OBJECT_NAME_NOT_FOUND, WRITE, Error,
                      Wire)

FILES = int(os.environ.get("TREFOIL_FILES", "10000"))
# The kernel bounds an xattr's name, and so the names that can be asked for.
NAME_BYTES_MAX = 255 - len("glusterfs.get_real_filename:")


def real_name(directory, name):
    value = os.getxattr(directory, f"glusterfs.get_real_filename:{name}")
    assert value.endswith(b"\0"), value
    return value[:-1].decode()


class AnswerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = os.path.join(volume.mountpoint, "answers")
        os.mkdir(cls.directory)
        for name in ("ReadMe.TXT", "straße.txt", "both.txt", "BOTH.txt",
                     "n" * NAME_BYTES_MAX):
            cls.make(name)

    @classmethod
    def make(cls, name):
        os.close(os.open(os.path.join(cls.directory, name),
                         os.O_CREAT | os.O_WRONLY))

    def assert_absent(self, name, directory=None):
        with self.assertRaises(OSError) as raised:
            real_name(directory or self.directory, name)
        self.assertEqual(raised.exception.errno, errno.ENODATA)

    def test_has_the_spelling_of_the_entry(self):
        for name in ("readme.txt", "README.TXT", "ReadMe.TXT"):
            self.assertEqual(real_name(self.directory, name), "ReadMe.TXT")
        self.assertEqual(real_name(self.directory, "STRAßE.TXT"), "straße.txt")
        self.assertEqual(real_name(self.directory, "N" * NAME_BYTES_MAX),
                         "n" * NAME_BYTES_MAX)

    def test_prefers_the_exact_name(self):
        for name in ("both.txt", "BOTH.txt"):
            self.assertEqual(real_name(self.directory, name), name)
        self.assertIn(real_name(self.directory, "Both.Txt"),
                      ("both.txt", "BOTH.txt"))

    def test_says_that_there_is_none(self):
        for name in ("absent", "readme.tx", "readme.txt ", "strasse.txt",
                     "N" * (NAME_BYTES_MAX - 1)):
            self.assert_absent(name)

    def test_follows_changes(self):
        self.make("Old.doc")
        os.rename(os.path.join(self.directory, "Old.doc"),
                  os.path.join(self.directory, "New.doc"))
        self.assert_absent("OLD.DOC")
        self.assertEqual(real_name(self.directory, "NEW.DOC"), "New.doc")
        past = volume.snapshot()
        os.unlink(os.path.join(self.directory, "New.doc"))
        self.assert_absent("NEW.DOC")
        self.assertEqual(real_name(volume.past(past, "answers"), "NEW.DOC"),
                         "New.doc")

    def test_is_for_directories_and_is_no_attribute(self):
        with self.assertRaises(OSError) as raised:
            real_name(os.path.join(self.directory, "ReadMe.TXT"), "x")
        self.assertEqual(raised.exception.errno, errno.ENODATA)
        self.assertEqual(os.listxattr(self.directory), [])
        with self.assertRaises(OSError):
            os.setxattr(self.directory, "glusterfs.get_real_filename:x", b"y")
        self.assert_absent("x", os.path.join(self.directory, ".snapshots"))


class ShareTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = os.path.join(volume.mountpoint, "large")
        os.mkdir(directory)
        os.chmod(directory, 0o777)
        for number in range(FILES):
            os.close(os.open(os.path.join(directory, f"Invoice {number}.pdf"),
                             os.O_CREAT | os.O_WRONLY, 0o644))

    def cost(self, share, names, missing):
        """Seconds of all processors together, and of the clock, for opening
        one name. The first do not depend on what else the machine does."""
        with Wire(smbd, share) as wire:
            wire.open("large").close()
            began, used = time.monotonic(), cpu_seconds()
            for name in names:
                try:
                    wire.open(f"large\\{name}").close()
                    self.assertFalse(missing)
                except Error as error:
                    self.assertTrue(missing, error)
                    self.assertEqual(error.get_error_code(),
                                     STATUS_OBJECT_NAME_NOT_FOUND)
            used = sum(seconds - used.get(task, 0)
                       for task, seconds in cpu_seconds().items())
            return used / len(names), (time.monotonic() - began) / len(names)

    def test_size_of_a_directory_does_not_matter(self):
        for what, form, missing in (("in another case", "INVOICE %d.PDF", False),
                                    ("absent", "absent %d.pdf", True)):
            names = [form % (FILES - number) for number in range(1, 11)]
            asked = self.cost("office", names, missing)
            scanned = self.cost("scanned", names, missing)
            print(f"one of {FILES} files, {what}: "
                  f"{asked[1] * 1000:.1f} ms with the module, "
                  f"{scanned[1] * 1000:.1f} ms without; of processors "
                  f"{asked[0] * 1000:.1f} and {scanned[0] * 1000:.1f} ms")
            self.assertLess(asked[0] * 2, scanned[0])

    def test_a_file_is_not_replaced_by_one_that_only_folds_alike(self):
        with Wire(smbd, "office") as wire:
            for name in ("straße.txt", "strasse.txt", "STRASSE2.txt",
                         "café.txt", "cafe\u0301.txt"):
                with wire.open(name, WRITE, disposition=OVERWRITE_IF) as file:
                    file.write_all(name.encode())
            for name in ("straße.txt", "strasse.txt", "café.txt",
                         "cafe\u0301.txt"):
                self.assertEqual(wire.read(name), name.encode())
            self.assertEqual(wire.read("Strasse2.TXT"), b"STRASSE2.txt")


def cpu_seconds():
    """What each thread of smbd, its children and the daemon has used so far."""
    used = {}
    for pid in smbd.processes() + [volume.status()["pid"]]:
        for task in os.listdir(f"/proc/{pid}/task"):
            # Threads come and go.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{task}/schedstat",
                          encoding="ascii") as file:
                    used[task] = int(file.read().split()[0]) / 1e9
    return used


def setUpModule():
    global root, volume, smbd
    root, volume = samba_share.make_volume()
    asked = volume.samba_conf("--share", "office")
    scanned = volume.samba_conf("--share", "scanned").replace(
        " glusterfs_fuse", "")
    # Samba's own memory of names would hide what each look-up costs.
    smbd = Smbd(root, asked + scanned, "    stat cache = no\n")


def tearDownModule():
    smbd.stop()
    samba_share.take_down(root, volume)


if __name__ == "__main__":
    samba_share.main()
