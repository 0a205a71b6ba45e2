#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever a program does to save, the share and every snapshot hold
whole documents: the last version or the one before, and nothing between.
Method: patterns of known programs (save_patterns.py) and of databases with
byte-range locks, through smbd and on the mount, with snapshots being taken all
the while; whole files are compared by hash, again after a remount.
usage: save_test.py TREFOIL; TREFOIL_SEED replays, TREFOIL_SAVES sets how many
"""

import hashlib
import os
import random
import struct
import threading
import time
import unittest

import samba_share
from samba_share import Smbd
from save_patterns import PATTERNS
from smb_wire import (CREATE, READ, SHARE_ALL, STATUS_FILE_LOCK_CONFLICT,
                      STATUS_LOCK_NOT_GRANTED, WRITE, Error, Wire)

SAVES = int(os.environ.get("TREFOIL_SAVES", "12"))
SEED = int(os.environ.get("TREFOIL_SEED", str(random.randrange(1 << 32))))
SNAPSHOT_PAUSE_SECONDS = 0.01


class Desk:
    """A directory of the share, as clients and as the server see it."""

    share = "office"

    def __init__(self, name):
        self.smbd = smbd
        self.directory = name
        self.path = os.path.join(volume.mountpoint, name)
        os.mkdir(self.path)
        os.chmod(self.path, 0o777)

    def read(self, snapshot, document):
        """None where there was none."""
        try:
            path = (volume.past(snapshot, self.directory) if snapshot
                    else self.path)
            with open(os.path.join(path, document), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


class Snapshots:
    """Taken while the block runs, each with `state()` before and after."""

    def __init__(self, state):
        self.state = state
        self.taken = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.take)

    def take(self):
        while not self.stop.is_set():
            before = self.state()
            name = volume.snapshot()
            self.taken.append((name, before, self.state()))
            time.sleep(SNAPSHOT_PAUSE_SECONDS)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Thread(threading.Thread):
    """Keeps what went wrong for the one who joins it."""

    def __init__(self, body):
        super().__init__()
        self.body = body
        self.error = None

    def run(self):
        try:
            self.body()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def finish(self):
        self.join()
        if self.error:
            raise self.error


def together(*bodies):
    threads = [Thread(body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.finish()


def remount():
    smbd.stop()
    volume.unmount()
    volume.mount()
    smbd.start()


class DocumentsTest(unittest.TestCase):
    def replay(self, *kinds):
        """All at once; what snapshots hold, by snapshot and document."""
        print("seed", SEED, flush=True)
        desk = Desk(self.id().rsplit(".", 1)[1])
        patterns = [kind(desk, SEED + number)
                    for number, kind in enumerate(kinds)]

        def work(pattern):
            for _ in range(SAVES):
                pattern.save_next()
            pattern.end()
        with Snapshots(lambda: [(p.done, p.trying) for p in patterns]) as past:
            together(*[lambda p=pattern: work(p) for pattern in patterns])
        found = {}
        for name, before, after in past.taken:
            for at, pattern in enumerate(patterns):
                data = desk.read(name, pattern.document)
                found[name, pattern.document] = data and hashlib.sha256(
                    data).digest()
                self.assertTrue(
                    pattern.allows(data, before[at][0], after[at][1]),
                    f"seed {SEED}: {name} {pattern.document}: versions "
                    f"{before[at][0]} to {after[at][1]}, "
                    f"{None if data is None else len(data)} bytes")
        for pattern in patterns:
            self.assertEqual(desk.read(None, pattern.document), pattern.last)
            self.assertEqual(pattern.done, SAVES - 1)
        left = [name for name in os.listdir(desk.path)
                if name not in [p.document for p in patterns] + ["plan.bak"]]
        self.assertEqual(left, [])
        self.assertGreater(len(past.taken), 1)
        return desk, found

    def test_all_programs_at_once_and_after_a_remount(self):
        desk, found = self.replay(*PATTERNS)
        remount()
        for (name, document), hashed in found.items():
            data = desk.read(name, document)
            self.assertEqual(data and hashlib.sha256(data).digest(), hashed,
                             f"{name} {document}")


for pattern_kind in PATTERNS:
    setattr(DocumentsTest, f"test_{pattern_kind.__name__.lower()}",
            lambda self, kind=pattern_kind: self.replay(kind))


class AccessTest(unittest.TestCase):
    """Two clients of one database: each locks a page, by a byte far behind the
    end of the file, reads it, counts it up, and writes it back."""

    PAGES = 8
    PAGE_BYTES = 4096
    LOCKS_AT = 0x10000000
    ROUNDS = 40

    def page(self, count, seed):
        body = struct.pack("<QQ", count, seed) * (self.PAGE_BYTES // 16 - 2)
        return body + hashlib.sha256(body).digest()

    def count_of(self, page):
        self.assertEqual(len(page), self.PAGE_BYTES)
        self.assertEqual(hashlib.sha256(page[:-32]).digest(), page[-32:])
        return struct.unpack_from("<Q", page)[0]

    def total(self, data):
        return sum(self.count_of(data[at:at + self.PAGE_BYTES])
                   for at in range(0, len(data), self.PAGE_BYTES))

    def lock(self, file, offset):
        while True:
            try:
                return file.lock(offset, 1)
            except Error as error:
                self.assertIn(error.get_error_code(),
                              (STATUS_LOCK_NOT_GRANTED,
                               STATUS_FILE_LOCK_CONFLICT))
                time.sleep(0.002)

    def work(self, desk, seed, tried, done):
        rng = random.Random(seed)
        with Wire(smbd, "office") as wire:
            with wire.open(f"{desk.directory}\\orders.accdb", READ | WRITE,
                           share=SHARE_ALL) as file:
                for _ in range(self.ROUNDS):
                    number = rng.randrange(self.PAGES)
                    at = number * self.PAGE_BYTES
                    self.lock(file, self.LOCKS_AT + number)
                    count = self.count_of(file.read(at, self.PAGE_BYTES))
                    tried.append(number)
                    file.write(at, self.page(count + 1, seed))
                    done.append(number)
                    file.unlock(self.LOCKS_AT + number, 1)

    def test_no_update_is_lost_and_no_page_is_torn(self):
        desk = Desk("access")
        with Wire(smbd, "office") as wire:
            wire.open(f"{desk.directory}\\orders.accdb", WRITE,
                      disposition=CREATE).close()
            with wire.open(f"{desk.directory}\\orders.accdb", WRITE) as file:
                file.write_all(b"".join(self.page(0, 0)
                                        for _ in range(self.PAGES)))
        tried, done = [], []
        with Snapshots(lambda: (len(done), len(tried))) as past:
            together(*[lambda n=n: self.work(desk, SEED + n, tried, done)
                       for n in range(2)])
        for name, before, after in past.taken:
            total = self.total(desk.read(name, "orders.accdb"))
            self.assertLessEqual(before[0], total)
            self.assertLessEqual(total, after[1])
        self.assertEqual(self.total(desk.read(None, "orders.accdb")),
                         2 * self.ROUNDS)


class QuickbooksTest(unittest.TestCase):
    """A company file: under a lock on its header two far pages are written,
    flushed, and then the header that names them."""

    ROUNDS = 40
    PAGE_BYTES = 8192
    PAGES_AT = (1 << 16, 1 << 20)

    def number_at(self, data, offset):
        """The number that fills the page at `offset`."""
        page = data[offset:offset + self.PAGE_BYTES]
        numbers = set(struct.unpack(f"<{len(page) // 8}Q", page))
        self.assertEqual(len(numbers), 1, "a torn page")
        return numbers.pop()

    def test_a_header_never_names_what_is_not_there(self):
        desk = Desk("quickbooks")
        state = {"done": 0, "tried": 0}
        with Wire(smbd, "office") as wire, Snapshots(
                lambda: dict(state)) as past:
            file = wire.open(f"{desk.directory}\\company.qbw", READ | WRITE,
                             disposition=CREATE)
            for number in range(self.ROUNDS):
                page = struct.pack("<Q", number) * (self.PAGE_BYTES // 8)
                state["tried"] = number
                file.lock(0, 64)
                for offset in self.PAGES_AT:
                    file.write(offset, page)
                file.flush()
                file.write(0, page)
                file.unlock(0, 64)
                state["done"] = number
            file.close()
        for name, before, after in past.taken:
            data = desk.read(name, "company.qbw")
            if not data or len(data) < self.PAGES_AT[1] + self.PAGE_BYTES:
                self.assertEqual(before["done"], 0)
                continue
            header = self.number_at(data, 0)
            near, far = (self.number_at(data, at) for at in self.PAGES_AT)
            self.assertLessEqual(header, far, name)
            self.assertLessEqual(far, near, name)
            self.assertLessEqual(near, header + 1, name)
            self.assertLessEqual(before["done"], header, name)
            self.assertLessEqual(near, after["tried"], name)


def setUpModule():
    global root, volume, smbd
    root, volume = samba_share.make_volume()
    smbd = Smbd(root, volume.samba_conf("--share", "office"))


def tearDownModule():
    smbd.stop()
    samba_share.take_down(root, volume)


if __name__ == "__main__":
    samba_share.main()
