#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: a share defined by `trefoil samba-conf` is one that Windows programs
can't tell from a real disk, and its past is in Previous Versions.
Method: a real smbd on loopback with that definition; smbclient, libsmbclient
and a client of the bare protocol; remounts and a recovery in between.
usage: samba_test.py TREFOIL
"""

import hashlib
import os
import random
import re
import select
import shutil
import subprocess
import unittest

import smbc
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack

import samba_share
from samba_share import OTHER_USER, PASSWORD, USER, Smbd, run
from smb_wire import (DELETE, OVERWRITE_IF, READ, SHARE_NONE,
                      STATUS_SHARING_VIOLATION, WRITE, Error, Wire, s)

HIDDEN_AND_SYSTEM = s.FILE_ATTRIBUTE_HIDDEN | s.FILE_ATTRIBUTE_SYSTEM
SECURITY = (security.SECINFO_OWNER | security.SECINFO_GROUP |
            security.SECINFO_DACL)


def bytes_of(size, seed):
    return random.Random(seed).randbytes(size)


class SambaTest(unittest.TestCase):
    """One volume and one server for all tests; each has its own directory."""

    def setUp(self):
        self.directory = self.id().rsplit(".", 1)[1]
        self.client(f'mkdir "{self.directory}"')
        self.wire = Wire(smbd, "office")
        self.addCleanup(self.wire.close)

    def client(self, *commands, **options):
        return smbd.client("office", *commands, **options)

    def name(self, name):
        return f"{self.directory}\\{name}"

    def path(self, name):
        return os.path.join(volume.mountpoint, self.directory, name)

    def write(self, name, data):
        with self.wire.open(self.name(name), WRITE,
                            disposition=OVERWRITE_IF) as file:
            file.write_all(data)

    def put(self, name, data):
        """A local file to give to smbclient, by its name."""
        path = os.path.join(root, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def got(self, path):
        with open(path, "rb") as file:
            return file.read()

    def remount(self):
        """The daemon goes and comes; so does smbd, which has files open."""
        self.wire.close()
        smbd.stop()
        volume.unmount()
        volume.mount()
        smbd.start()
        self.wire = Wire(smbd, "office")


class FilesTest(SambaTest):
    def test_come_go_and_change_their_names(self):
        data = bytes_of(3_000_000, 1)
        source, back = self.put("in", data), os.path.join(root, "out")
        at = f"cd {self.directory}"
        self.client(at, f"put {source} a.bin", f"get a.bin {back}")
        self.assertEqual(self.got(back), data)
        self.client(at, "rename a.bin b.bin", "mkdir d", "rename b.bin d/c.bin")
        self.assertEqual(self.got(self.path("d/c.bin")), data)
        self.client(at, "cd d", "del c.bin", "cd ..", "rmdir d")
        self.assertEqual(os.listdir(self.path("")), [])

    def test_libsmbclient_reads_and_writes(self):
        context = smbc.Context(auth_fn=lambda *_: ("TREFOIL", USER, PASSWORD))
        context.port = smbd.port
        base = f"smb://127.0.0.1/office/{self.directory}"
        data = bytes_of(100_000, 2)
        file = context.open(base + "/f", os.O_CREAT | os.O_RDWR, 0o644)
        file.write(data)
        file.seek(0)
        self.assertEqual(file.read(), data)
        file.close()
        context.rename(base + "/f", base + "/g")
        names = [entry.name for entry in context.opendir(base).getdents()]
        self.assertIn("g", names)
        context.unlink(base + "/g")
        self.assertEqual(os.listdir(self.path("")), [])

    def test_names_of_all_alphabets_and_lengths(self):
        for name in ("Müller & Söhne.txt", "отчёт за год.doc", "見積書.xls",
                     "a" * 227, "é" * 113, " leading", "semi;colon"):
            with self.subTest(name):
                self.write(name, name.encode())
                self.assertEqual(self.wire.read(self.name(name)),
                                 name.encode())
                self.assertEqual(self.got(self.path(name)), name.encode())

    def test_longest_names_need_a_share_that_scans(self):
        with self.assertRaises(Error):
            self.write("a" * 228, b"x")
        self.assertEqual(os.listdir(self.path("")), [])
        define(volume.samba_conf("--share", "scanned").replace(
            " glusterfs_fuse", ""))
        with Wire(smbd, "scanned") as wire:
            wire.create(self.name("a" * 255), b"long").close()
        # What is there is opened without asking.
        self.assertEqual(self.got(self.path("a" * 255)), b"long")

    def test_locks_of_the_share_and_of_local_programs_are_the_same(self):
        self.write("f", b"x" * 100)
        with self.wire.open(self.name("f"), READ | WRITE) as file:
            file.lock(10, 5)
            with open(self.path("f"), "r+b") as local:
                result = run("/usr/bin/python3", "-c",
                             "import fcntl, sys\n"
                             "f = open(sys.argv[1], 'r+b')\n"
                             "try: fcntl.lockf(f, fcntl.LOCK_EX | "
                             "fcntl.LOCK_NB, 5, 10)\n"
                             "except BlockingIOError: sys.exit(7)\n",
                             local.name, check=False)
            self.assertEqual(result.returncode, 7)

    def test_share_modes_hold_between_clients(self):
        self.write("f", b"x")
        with Wire(smbd, "office") as other:
            held = self.wire.open(self.name("f"), READ, share=SHARE_NONE)
            with self.assertRaises(Error) as refused:
                other.open(self.name("f"), READ)
            self.assertEqual(refused.exception.get_error_code(),
                             STATUS_SHARING_VIOLATION)
            held.close()
            other.open(self.name("f"), READ).close()

    def test_local_changes_are_noticed(self):
        process = run_notify(self.directory)
        # Nothing tells when it begins to wait.
        for number in range(300):
            os.close(os.open(self.path(f"new{number}"), os.O_CREAT))
            if select.select([process.stdout], [], [], 0.2)[0]:
                break
        process.kill()
        seen, _ = process.communicate()
        self.assertIn("new", seen)


def run_notify(directory):
    """smbclient, waiting for changes of `directory`."""
    return subprocess.Popen(
        ["stdbuf", "-oL", "smbclient", "-s", smbd.config, "-p",
         str(smbd.port), "//127.0.0.1/office", PASSWORD, "-U", USER, "-c",
         f"notify {directory}"], stdout=subprocess.PIPE, text=True)


class PastTest(SambaTest):
    def offered(self, path):
        return re.findall("^@GMT.*$", self.client(f'allinfo "{path}"'), re.M)

    def test_is_offered_for_a_file_a_directory_and_the_root(self):
        os.makedirs(self.path("d/e"))
        self.write("d/e/f", b"1")
        first = volume.snapshot()
        self.write("d/e/f", b"22")
        second = volume.snapshot()
        for path in (self.name("d/e/f"), self.name("d/e"), self.name("d"),
                     self.directory, "\\"):
            with self.subTest(path):
                self.assertEqual(self.offered(path)[:2], [second, first])
        info = self.client(f"allinfo {self.directory}/d/e/f")
        sizes = dict(zip(re.findall("^@GMT.*$", info, re.M),
                         re.findall("^size: (.*)$", info, re.M)))
        self.assertEqual((sizes[first], sizes[second]), ("1", "2"))

    def test_is_fetched_and_listed(self):
        data = bytes_of(500_000, 3)
        self.write("f", data)
        self.write("gone", b"was here")
        past = volume.snapshot()
        self.write("f", b"new")
        os.unlink(self.path("gone"))
        out = os.path.join(root, "past")
        at = f"{past}\\{self.directory}"
        self.client(f"get {at}\\f {out}")
        self.assertEqual(self.got(out), data)
        self.assertIn("gone", self.client(f"ls {at}\\*"))
        self.client(f"get {at}\\gone {out}")
        self.assertEqual(self.got(out), b"was here")
        self.assertEqual(self.wire.read(self.name("f"), past=past), data)

    def test_takes_no_change(self):
        self.write("f", b"was")
        past = volume.snapshot()
        # Samba lets Windows open it for writing, and then refuses to write.
        with self.wire.open(self.name("f"), READ | WRITE, past=past) as file:
            for change in (lambda: file.write_all(b"is"),
                           lambda: file.truncate(0)):
                with self.assertRaises(Error):
                    change()
        with self.wire.open(self.name("f"), READ | DELETE, past=past) as file:
            with self.assertRaises(Error):
                file.rename(self.name("g"))
        file = self.wire.open(self.name("f"), READ | DELETE, past=past)
        with self.assertRaises(Error):
            file.delete_on_close()
            file.close()
        with self.assertRaises(Error):
            self.wire.open(self.name("new"), WRITE, disposition=s.FILE_CREATE,
                           past=past).close()
        self.assertEqual(self.wire.read(self.name("f"), past=past), b"was")
        self.assertEqual(self.wire.read(self.name("f")), b"was")

    def test_is_restored_over_a_file_that_is_open(self):
        data = bytes_of(5_000_000, 4)
        self.write("plan.dwg", data)
        past = volume.snapshot()
        self.write("plan.dwg", b"ruined")
        with Wire(smbd, "office") as reader:
            held = reader.open(self.name("plan.dwg"), READ)
            # What Explorer does: both are open, the server copies.
            source = self.wire.open(self.name("plan.dwg"), READ, past=past)
            target = self.wire.open(self.name("plan.dwg"), READ | WRITE,
                                    disposition=OVERWRITE_IF)
            target.copy_from(source)
            target.close()
            source.close()
            self.assertEqual(held.read_all(), data)
            held.close()
        self.assertEqual(self.got(self.path("plan.dwg")), data)
        self.assertEqual(self.wire.read(self.name("plan.dwg"), past=past), data)

    def test_is_found_in_a_share_of_a_directory(self):
        os.makedirs(self.path("accounts/2026"))
        os.chmod(self.path("accounts"), 0o777)
        with open(self.path("accounts/2026/book"), "w") as out:
            out.write("old")
        past = volume.snapshot()
        with open(self.path("accounts/2026/book"), "w") as out:
            out.write("new")
        define(volume.samba_conf("--share", "accounts", directory=os.path.join(
            self.directory, "accounts")))
        with Wire(smbd, "accounts") as wire:
            for path in ("", "2026", "2026\\book"):
                with wire.open(path) as file:
                    self.assertEqual(file.snapshots()[0], past)
            self.assertEqual(wire.read("2026\\book", past=past), b"old")
            self.assertEqual(wire.read("2026\\book"), b"new")

    def test_is_found_in_homes(self):
        for user in (USER, OTHER_USER):
            home = self.path(f"home/{user}")
            os.makedirs(home)
            give_to(home, user)
            with open(os.path.join(home, "diary"), "w") as out:
                out.write("old " + user)
            give_to(os.path.join(home, "diary"), user)
        past = volume.snapshot()
        define(volume.samba_conf("--homes", directory=os.path.join(
            self.directory, "home")))
        for user in (USER, OTHER_USER):
            with Wire(smbd, user, user=user) as wire:
                with wire.open("diary", WRITE,
                               disposition=OVERWRITE_IF) as file:
                    file.write_all(b"new")
                with wire.open("diary") as file:
                    self.assertEqual(file.snapshots()[0], past)
                self.assertEqual(wire.read("diary", past=past),
                                 b"old " + user.encode())
        with self.assertRaises(Error):
            Wire(smbd, USER, user=OTHER_USER)


def give_to(path, user):
    shutil.chown(path, user)
    os.chmod(path, 0o700)


def release(other):
    """Unmounts a volume that smbd has had open."""
    smbd.stop()
    other.unmount()
    smbd.start()


def define(section):
    """Adds a share; smbd has read it when this returns."""
    sections.append(section)
    smbd.configure("\n".join(sections))
    smbd.stop()
    smbd.start()


class AttributesTest(SambaTest):
    def give(self, name):
        """A file with everything that NTFS knows of one."""
        self.write(name, b"the data")
        self.write(name + ":notes", b"a stream")
        self.write(name + ":large", bytes_of(60_000, 5))
        with self.wire.open(self.name(name),
                            READ | WRITE | s.WRITE_DAC | s.READ_CONTROL) as f:
            f.set_attributes(HIDDEN_AND_SYSTEM)
            self.set_security(f)

    def set_security(self, file):
        """Everybody may read, in an order that no POSIX ACL can say."""
        sd = self.security(file)
        entry = security.ace()
        entry.type = security.SEC_ACE_TYPE_ACCESS_DENIED
        entry.access_mask = security.SEC_FILE_EXECUTE
        entry.trustee = security.dom_sid("S-1-5-32-546")
        sd.dacl_add(entry)
        self.wire.smb.setInfo(self.wire.tree, file.handle,
                              inputBlob=ndr_pack(sd),
                              infoType=s.SMB2_0_INFO_SECURITY,
                              fileInfoClass=0,
                              additionalInformation=security.SECINFO_DACL)

    def security(self, file):
        blob = self.wire.smb.queryInfo(self.wire.tree, file.handle,
                                       infoType=s.SMB2_0_INFO_SECURITY,
                                       fileInfoClass=0,
                                       additionalInformation=SECURITY)
        return ndr_unpack(security.descriptor, blob)

    def taken(self, name, past=None):
        """What `give` gave, as it is found."""
        with self.wire.open(self.name(name), READ | s.READ_CONTROL,
                            past=past) as file:
            basic = self.wire.smb.queryInfo(
                self.wire.tree, file.handle,
                fileInfoClass=s.SMB2_FILE_BASIC_INFO)
            sddl = self.security(file).as_sddl()
        streams = [self.wire.read(self.name(name + stream), past=past)
                   for stream in ("", ":notes", ":large")]
        return basic[:36], sddl, streams

    def test_survive_a_remount_and_are_in_the_past(self):
        self.give("f")
        given = self.taken("f")
        self.assertEqual(given[0][32], HIDDEN_AND_SYSTEM)
        self.assertIn("(D;;", given[1])
        self.assertEqual(given[2][0], b"the data")
        past = volume.snapshot()
        with self.wire.open(self.name("f:notes"), WRITE) as stream:
            stream.write_all(b"another!")
        self.remount()
        basic, sddl, streams = self.taken("f")
        # Writing the stream changed times, not that of its creation, and made
        # it a candidate for backup programs.
        self.assertEqual(basic[:8], given[0][:8])
        self.assertEqual(basic[32], HIDDEN_AND_SYSTEM |
                         s.FILE_ATTRIBUTE_ARCHIVE)
        self.assertEqual(sddl, given[1])
        self.assertEqual(streams[1], b"another!")
        self.assertEqual(self.taken("f", past=past), given)

    def test_survive_recovery_from_a_copy(self):
        self.give("f")
        given = self.taken("f")
        past = volume.snapshot()
        volume.trefoil("sync", volume.mountpoint)
        recovered = volume.recover(os.path.join(root, "recovered"))
        self.addCleanup(release, recovered)
        define(recovered.samba_conf("--share", "recovered"))
        self.wire = Wire(smbd, "recovered")
        self.assertEqual(self.taken("f"), given)
        self.assertEqual(self.taken("f", past=past), given)

    def test_streams_are_listed_renamed_and_removed_with_their_file(self):
        self.write("f", b"")
        self.write("f:one", b"1")
        self.write("f:two", b"22")
        info = self.client(f"allinfo {self.directory}/f")
        self.assertIn("[:one:$DATA], 1 bytes", info)
        self.assertIn("[:two:$DATA], 2 bytes", info)
        self.wire.rename(self.name("f"), self.name("g"))
        self.assertEqual(self.wire.read(self.name("g:two")), b"22")
        self.wire.remove(self.name("g:one"))
        self.assertNotIn(":one", self.client(f"allinfo {self.directory}/g"))

    def test_an_ordinary_file_has_the_times_that_were_set(self):
        self.write("f", b"x")
        moment = 1_600_000_000_123_456_700
        os.utime(self.path("f"), ns=(moment, moment))
        with self.wire.open(self.name("f")) as file:
            basic = self.wire.smb.queryInfo(
                self.wire.tree, file.handle,
                fileInfoClass=s.SMB2_FILE_BASIC_INFO)
        written = int.from_bytes(basic[16:24], "little")
        self.assertEqual(written, moment // 100 + 116444736000000000)


class CopyTest(SambaTest):
    def used(self):
        """Bytes that the primary disk holds: journal and objects."""
        status = volume.status()
        return status["journal"]["used_bytes"] + status["primary"]["bytes"]

    def test_on_the_server_moves_no_data(self):
        size = 48 << 20
        self.write("f", bytes_of(size, 6))
        volume.trefoil("sync", volume.mountpoint)
        before = self.used()
        with self.wire.open(self.name("f")) as source:
            with self.wire.open(self.name("copy"), READ | WRITE,
                                disposition=s.FILE_CREATE) as target:
                target.copy_from(source)
        volume.trefoil("sync", volume.mountpoint)
        self.assertLess(self.used() - before, size // 8)
        digests = [hashlib.sha256(self.got(self.path(name))).hexdigest()
                   for name in ("f", "copy")]
        self.assertEqual(digests[0], digests[1])


class DefinitionTest(unittest.TestCase):
    def test_is_what_testparm_reads_without_a_word(self):
        for options in ((), ("--macos",), ("--share", "an office"),
                        ("--homes",), ("--homes", "--macos")):
            with self.subTest(options):
                path = os.path.join(root, "definition")
                with open(path, "w", encoding="utf-8") as out:
                    out.write("[global]\n" + volume.samba_conf(*options))
                result = run("testparm", "-s", path, check=False)
                self.assertEqual(result.returncode, 0)
                for word in ("Unknown", "Ignoring", "Global parameter",
                             "ERROR", "WARNING"):
                    self.assertNotIn(word, result.stderr)

    def test_modules_stand_in_their_order(self):
        for options, modules in (
                ((), "shadow_copy2 acl_xattr streams_xattr glusterfs_fuse"),
                (("--macos",), "shadow_copy2 acl_xattr catia fruit "
                               "streams_xattr glusterfs_fuse")):
            self.assertIn(f"vfs objects = {modules}\n",
                          volume.samba_conf(*options))

    def test_with_macos_is_served(self):
        define(volume.samba_conf("--share", "mac", "--macos"))
        with Wire(smbd, "mac") as wire:
            wire.create("mac.txt", b"data").close()
            with wire.open("mac.txt:com.apple.note", WRITE,
                           disposition=OVERWRITE_IF) as note:
                note.write_all(b"a note")
            past = volume.snapshot()
            self.assertEqual(wire.read("mac.txt"), b"data")
            wire.remove("mac.txt")
            self.assertEqual(wire.read("mac.txt:com.apple.note", past=past),
                             b"a note")

    def test_what_smb_conf_would_misread_is_refused(self):
        for name in ("global", "Homes", "a]b", "a/b", "a%U", "x" * 81,
                     "a\nb", "IPC$"):
            with self.subTest(name):
                result = volume.trefoil("samba-conf", volume.mountpoint,
                                        "--share", name, check=False)
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stdout, "")
        for path in (root, os.path.join(volume.mountpoint, "absent")):
            result = volume.trefoil("samba-conf", path, check=False)
            self.assertEqual(result.returncode, 1, path)
        strange = os.path.join(volume.mountpoint, "100%S")
        os.mkdir(strange)
        result = volume.trefoil("samba-conf", strange, check=False)
        self.assertEqual(result.returncode, 1)
        os.rmdir(strange)


def setUpModule():
    global root, volume, smbd, sections
    root, volume = samba_share.make_volume()
    sections = [volume.samba_conf("--share", "office")]
    smbd = Smbd(root, sections[0])


def tearDownModule():
    smbd.stop()
    samba_share.take_down(root, volume)


if __name__ == "__main__":
    samba_share.main()
