#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: a mounted share behaves as POSIX says and as ext4 does.
Method: the tests of this folder on a real mount of the program. Called with
`ext4` they run on ext4 in a loop device instead, which shows that what they
expect is right; what only a share has is left out then.
usage: run.py PROGRAM|ext4 [UNITTEST ARGUMENT...]"""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from support import Place  # noqa: E402

EVERYWHERE = ["names", "rename", "permissions", "times",
              "data", "locks", "handles", "attributes"]
SHARE_ONLY = ["share"]


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Ext4:
    def __init__(self, work):
        self.image, self.mountpoint = work + "/image", work + "/mnt"
        os.mkdir(self.mountpoint)
        with open(self.image, "wb") as image:
            image.truncate(1 << 30)
        run("mkfs.ext4", "-q", "-F", self.image)

    def mount(self, *options):
        run("mount", "-o", ",".join(("loop", "noatime") + options), self.image,
            self.mountpoint)

    def unmount(self):
        run("umount", self.mountpoint)


class Share:
    def __init__(self, work, program):
        self.program = program
        self.volume, self.mountpoint = work + "/volume", work + "/mnt"
        os.mkdir(self.mountpoint)
        subprocess.run([program, "init", self.volume], check=True,
                       capture_output=True)

    def mount(self, *options):
        run(self.program, "mount", self.volume, self.mountpoint, "--log-file",
            self.volume + ".log", "-o", ",".join(("suid", "dev") + options))

    def unmount(self):
        run(self.program, "umount", self.mountpoint)

    def check(self):
        """Waits until the daemon has closed the volume."""
        run(self.program, "fsck", self.volume)


def main():
    program = sys.argv[1]
    Place.is_trefoil = program != "ext4"
    with tempfile.TemporaryDirectory(prefix="trefoil-posix-") as work:
        os.chmod(work, 0o755)
        place = (Share(work, os.path.abspath(program)) if Place.is_trefoil
                 else Ext4(work))
        place.mount()
        Place.root = place.mountpoint
        Place.share = place

        def remount(*options):
            place.unmount()
            place.mount(*options)

        Place.remount = remount
        modules = EVERYWHERE + (SHARE_ONLY if Place.is_trefoil else [])
        try:
            result = unittest.main(
                module=None, exit=False, verbosity=1,
                argv=["posix", *(sys.argv[2:] or modules)]).result
        finally:
            subprocess.run(["umount", "--lazy", place.mountpoint], check=True)
        if Place.is_trefoil:
            place.check()
    sys.exit(0 if result.wasSuccessful() and not result.skipped else 1)


if __name__ == "__main__":
    main()
