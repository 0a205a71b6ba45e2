#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: no test of Samba's SMB2 suites that passes on ext4 fails on a share of
a volume.
Method: smbtorture against both, behind one smbd with one definition, and the
list of what is known (torture_list.txt). In short, the tests that pass and take
no time, on the volume alone.
usage: torture_test.py TREFOIL LIST [short|long]
"""

import os
import re
import sys
import threading
import unittest

import samba_share
import torture
from samba_share import Smbd, run

LIST = sys.argv[2]
LONG = sys.argv[3] == "long"
EXT4_BYTES = 2 << 30

# They wait for time-outs, for minutes altogether.
SLOW_SUITES = ("smb2.oplock", "smb2.lease", "smb2.dir", "vfs.fruit")
SLOW_TESTS = ("bench-path-contention-shared",)


def known():
    """{suite: {test: kind}} of the list, without the slow ones in short."""
    suites = {}
    for kind, suite, test in torture.read_list(LIST):
        if LONG or (suite not in SLOW_SUITES and test not in SLOW_TESTS):
            suites.setdefault(suite, {})[test] = kind
    return suites


def share_for(suite, share):
    return share + "-macos" if suite == "vfs.fruit" else share


def outcomes_of(share, suite, wanted):
    """A test that fails does so twice, alone the second time: they measure
    time, on a machine that may be busy."""
    tests = [] if LONG else [test for test, kind in wanted.items()
                             if kind == "pass"]
    found = torture.run_suite(smbd, share_for(suite, share), suite, tests)
    for test, kind in wanted.items():
        if kind == "pass" and test in found and found[test].kind != "pass":
            again = torture.run_suite(smbd, share_for(suite, share), suite,
                                      [test])
            found.update(again)
    return found


class TortureCase(unittest.TestCase):
    def check(self, suite, wanted, found):
        """Each test that the list says passes did."""
        for test, kind in wanted.items():
            if kind != "pass":
                continue
            with self.subTest(f"{suite}.{test}"):
                self.assertIn(test, found)
                self.assertEqual(found[test].kind, "pass", found[test].why)


class ShortTest(TortureCase):
    def test_what_passes_goes_on_passing(self):
        for suite, wanted in known().items():
            self.check(suite, wanted, outcomes_of("office", suite, wanted))


class LongTest(TortureCase):
    def compare(self, suite, found, on_ext4):
        for test, outcome in on_ext4.items():
            with self.subTest(f"{suite}.{test}, and on ext4"):
                if outcome.kind == "pass":
                    self.assertEqual(found[test].kind, "pass", found[test].why)

    def test_as_ext4(self):
        suites = known()
        results = {share: {} for share in ("office", "ext4")}

        def work(share):
            for suite, wanted in suites.items():
                results[share][suite] = outcomes_of(share, suite, wanted)
        threads = [threading.Thread(target=work, args=(share,))
                   for share in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for suite, wanted in suites.items():
            found = results["office"][suite]
            on_ext4 = results["ext4"][suite]
            self.report(suite, found, on_ext4)
            self.check(suite, wanted, found)
            self.compare(suite, found, on_ext4)
            with self.subTest(f"{suite} is listed"):
                self.assertEqual(
                    {test: outcome.kind for test, outcome in found.items()},
                    wanted)

    def report(self, suite, *found):
        counts = [" ".join(f"{sum(o.kind == kind for o in one.values())} {kind}"
                           for kind in ("pass", "fail", "skip"))
                  for one in found]
        print(f"{suite}: {counts[0]}; ext4: {counts[1]}", flush=True)


def ext4_definition(section, directory):
    """The same share of a directory that is not a volume's."""
    section = section.replace(volume.mountpoint, directory)
    section = re.sub(r"^\[office", "[ext4", section, flags=re.M)
    return section.replace("shadow_copy2 ", "").replace(" glusterfs_fuse", "")


def setUpModule():
    global root, volume, smbd, ext4
    root, volume = samba_share.make_volume()
    sections = (volume.samba_conf("--share", "office") +
                volume.samba_conf("--share", "office-macos", "--macos"))
    ext4 = os.path.join(root, "ext4")
    if LONG:
        os.mkdir(ext4)
        with open(ext4 + ".img", "wb") as image:
            image.truncate(EXT4_BYTES)
        run("mkfs.ext4", "-q", ext4 + ".img")
        run("mount", "-o", "loop", ext4 + ".img", ext4)
        os.chmod(ext4, 0o777)
        sections += ext4_definition(sections, ext4)
    # fruit's tests want it; it can be said in [global] alone.
    smbd = Smbd(root, sections, "    fruit:copyfile = yes\n")


def tearDownModule():
    smbd.stop()
    if LONG:
        run("umount", ext4)
    samba_share.take_down(root, volume)


if __name__ == "__main__":
    sys.argv[2:4] = ["LongTest" if LONG else "ShortTest"]
    samba_share.main()
