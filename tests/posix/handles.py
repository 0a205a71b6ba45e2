# SPDX-License-Identifier: Apache-2.0
"""Open by handle, as NFS servers do, also after a remount; and listings that
go on while their directory changes."""
import ctypes
import errno
import os
import random
import struct

from support import (Place, PosixCase, libc, name_to_handle, open_by_handle,
                     write_file)

libc.telldir.restype = ctypes.c_long
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p


class Listing:
    """opendir(3) and what belongs to it."""

    def __init__(self, path):
        self.stream = ctypes.c_void_p(libc.opendir(os.fsencode(path)))

    def next(self):
        entry = libc.readdir(self.stream)
        # d_name comes after ino, off, reclen and type.
        return entry and os.fsdecode(ctypes.string_at(entry + 19))

    def rest(self):
        return list(iter(self.next, None))

    def tell(self):
        return libc.telldir(self.stream)

    def seek(self, place):
        libc.seekdir(self.stream, ctypes.c_long(place))

    def close(self):
        libc.closedir(self.stream)


class Handles(PosixCase):
    def read(self, handle):
        fd = open_by_handle(handle)
        try:
            return os.read(fd, 100)
        finally:
            os.close(fd)

    def test_open_their_file_whatever_its_name(self):
        handle = name_to_handle(self.file("a", b"content"))
        self.assertEqual(self.read(handle), b"content")
        self.directory("d")
        os.rename(self.path("a"), self.path("d/b"))
        self.assertEqual(self.read(handle), b"content")
        os.link(self.path("d/b"), self.path("c"))
        os.unlink(self.path("d/b"))
        self.assertEqual(self.read(handle), b"content")

    def test_outlive_a_remount(self):
        self.directory("d")
        handles = {name: name_to_handle(self.file(name, name.encode()))
                   for name in ("f", "d/g", "d/h")}
        directory = name_to_handle(self.path("d"))
        Place.remount()
        for name, handle in handles.items():
            self.assertEqual(self.read(handle), name.encode())
        fd = open_by_handle(directory, os.O_RDONLY | os.O_DIRECTORY)
        self.assertEqual(sorted(os.listdir(fd)), ["g", "h"])
        self.assertEqual(os.stat("..", dir_fd=fd).st_ino,
                         os.stat(self.root).st_ino)
        os.close(fd)
        fd = open_by_handle(handles["f"], os.O_RDWR)
        os.write(fd, b"NEW")
        os.close(fd)
        os.rename(self.path("d"), self.path("moved"))
        Place.remount()
        self.assertEqual(self.read(handles["f"]), b"NEW")
        self.assertEqual(self.read(handles["d/g"]), b"d/g")

    def test_of_a_removed_file_are_stale(self):
        handle = name_to_handle(self.file("f"))
        kept = os.open(self.path("f"), os.O_RDONLY)
        os.unlink(self.path("f"))
        # While it is open it is there.
        os.close(open_by_handle(handle))
        os.close(kept)
        Place.remount()
        self.fails(errno.ESTALE, open_by_handle, handle)
        write_file(self.path("f"), b"another")
        self.fails(errno.ESTALE, open_by_handle, handle)

    def test_that_were_made_up_do_no_harm(self):
        kind, body = name_to_handle(self.file("f", b"content"))
        draw = random.Random(7)
        for i in range(300):
            forged = bytearray(body)
            for _ in range(draw.randrange(1, 4)):
                forged[draw.randrange(len(forged))] = draw.randrange(256)
            if i % 3 == 0:
                forged[:8] = struct.pack("q", draw.randrange(-2**63, 2**63))
            if bytes(forged) == body:
                continue
            try:
                os.close(open_by_handle((kind, bytes(forged)), os.O_PATH))
            except OSError as error:
                self.assertIn(error.errno, (errno.ESTALE, errno.EINVAL,
                                            errno.ENOENT))
        self.assertEqual(self.read((kind, body)), b"content")


class Listings(PosixCase):
    def fill(self, count):
        names = {f"entry {i}" for i in range(count)}
        for name in names:
            write_file(self.path(name), b"")
        return names

    def test_give_dots_and_each_entry_once(self):
        for count in (0, 1, 10, 3000):
            for name in os.listdir(self.root):
                os.unlink(self.path(name))
            names = self.fill(count)
            listing = Listing(self.root)
            found = listing.rest()
            listing.close()
            self.assertEqual(len(found), count + 2)
            self.assertEqual(set(found), names | {".", ".."})

    def test_go_back_to_where_telldir_was(self):
        self.fill(500)
        listing = Listing(self.root)
        places = []
        for _ in range(502):
            places.append(listing.tell())
            listing.next()
        for at in (0, 1, 2, 250, 501, 100):
            listing.seek(places[at])
            self.assertEqual(len(listing.rest()), 502 - at)
        listing.close()

    def test_places_hold_while_others_come_and_go(self):
        names = self.fill(1000)
        listing = Listing(self.root)
        seen = [listing.next() for _ in range(300)]
        place = listing.tell()
        gone = set(seen[2:200]) | set(list(names - set(seen))[:200])
        for name in gone:
            os.unlink(self.path(name))
        for i in range(1000, 1300):
            write_file(self.path(f"entry {i}"), b"")
        rest = listing.rest()
        listing.seek(place)
        again = listing.rest()
        listing.close()
        stayed = names - gone
        for found in (rest, again):
            self.assertEqual(len(found), len(set(found)))
            self.assertLessEqual(stayed - set(seen), set(found))
            self.assertFalse(set(found) & set(seen))

    def test_removing_all_while_reading_misses_none(self):
        self.fill(2000)
        listing = Listing(self.root)
        while name := listing.next():
            if name not in (".", ".."):
                os.unlink(self.path(name))
        listing.close()
        self.assertEqual(os.listdir(self.root), [])
