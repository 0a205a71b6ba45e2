# SPDX-License-Identifier: Apache-2.0
"""The bytes of files: truncate, fallocate, holes, copying inside, mappings,
large offsets, and random changes against a copy in memory."""
import errno
import mmap
import os
import random

from support import (COLLAPSE, INSERT, KEEP_SIZE, PUNCH_HOLE, Place, PosixCase,
                     ZERO_RANGE, as_user, fallocate, read_file)


class Truncation(PosixCase):
    def test_shrinks_and_grows_with_zeroes(self):
        f = self.file(data=b"a" * 10000)
        for size in (5000, 1, 20000, 4096, 4097, 0, 70000):
            kept = read_file(f)[:size]
            os.truncate(f, size)
            self.assertEqual(read_file(f), kept.ljust(size, b"\0"))

    def test_errors(self):
        f = self.file(data=b"abc", mode=0o666)
        self.fails(errno.EINVAL, os.truncate, f, -1)
        self.fails(errno.EISDIR, os.truncate, self.directory(), 0)
        fd = os.open(f, os.O_RDONLY)
        self.fails(errno.EINVAL, os.ftruncate, fd, 0)
        os.close(fd)
        os.mkfifo(self.path("fifo"))
        self.fails(errno.EINVAL, os.truncate, self.path("fifo"), 0)
        os.chmod(f, 0o444)
        self.fails(errno.EACCES, as_user, lambda: os.truncate(f, 0))
        self.assertEqual(read_file(f), b"abc")

    def test_tail_of_a_page_is_zero_after_growing(self):
        f = self.file(data=b"x" * 4096)
        fd = os.open(f, os.O_RDWR)
        with mmap.mmap(fd, 4096) as memory:
            os.ftruncate(fd, 10)
            os.ftruncate(fd, 4096)
            self.assertEqual(bytes(memory[10:]), bytes(4086))
        os.close(fd)


class Allocation(PosixCase):
    def setUp(self):
        super().setUp()
        self.f = self.file(data=b"d" * 65536)
        self.fd = os.open(self.f, os.O_RDWR)

    def tearDown(self):
        os.close(self.fd)
        super().tearDown()

    def test_grows_unless_told_not_to(self):
        os.posix_fallocate(self.fd, 0, 100000)
        self.assertEqual(os.stat(self.f).st_size, 100000)
        fallocate(self.fd, KEEP_SIZE, 0, 200000)
        self.assertEqual(os.stat(self.f).st_size, 100000)
        self.assertEqual(read_file(self.f),
                         (b"d" * 65536).ljust(100000, b"\0"))

    def test_punched_and_zeroed_ranges_read_as_zeroes(self):
        fallocate(self.fd, PUNCH_HOLE | KEEP_SIZE, 1000, 10000)
        fallocate(self.fd, ZERO_RANGE, 20000, 100)
        fallocate(self.fd, ZERO_RANGE | KEEP_SIZE, 65000, 9999)
        wanted = bytearray(b"d" * 65536)
        wanted[1000:11000] = bytes(10000)
        wanted[20000:20100] = bytes(100)
        wanted[65000:] = bytes(536)
        self.assertEqual(read_file(self.f), wanted)
        fallocate(self.fd, ZERO_RANGE, 65000, 9000)
        self.assertEqual(os.stat(self.f).st_size, 74000)

    def test_errors(self):
        self.fails(errno.EINVAL, fallocate, self.fd, 0, 0, 0)
        self.fails(errno.EINVAL, fallocate, self.fd, 0, -1, 10)
        self.fails(errno.EINVAL, fallocate, self.fd, 0, 0, -1)
        self.fails(errno.EFBIG, fallocate, self.fd, 0, 2**63 - 4096, 4096)
        self.fails(errno.EOPNOTSUPP, fallocate, self.fd, PUNCH_HOLE, 0, 4096)
        fd = os.open(self.f, os.O_RDONLY)
        self.fails(errno.EBADF, fallocate, fd, 0, 0, 10)
        os.close(fd)

    def test_collapse_and_insert_work_or_say_that_they_do_not(self):
        for mode in (COLLAPSE, INSERT):
            try:
                fallocate(self.fd, mode, 4096, 4096)
            except OSError as error:
                self.assertEqual(error.errno, errno.EOPNOTSUPP)
                self.assertEqual(read_file(self.f), b"d" * 65536)

    def test_seek_finds_data_and_holes(self):
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, 3 << 20)
        os.pwrite(self.fd, b"x" * 65536, 1 << 20)
        self.assertEqual(os.lseek(self.fd, 0, os.SEEK_DATA), 1 << 20)
        self.assertEqual(os.lseek(self.fd, 0, os.SEEK_HOLE), 0)
        self.assertEqual(os.lseek(self.fd, 1 << 20, os.SEEK_HOLE),
                         (1 << 20) + 65536)
        self.fails(errno.ENXIO, os.lseek, self.fd, 2 << 20, os.SEEK_DATA)
        self.fails(errno.ENXIO, os.lseek, self.fd, 3 << 20, os.SEEK_HOLE)
        self.assertEqual(os.lseek(self.fd, (3 << 20) - 1, os.SEEK_HOLE),
                         (3 << 20) - 1)

    def test_holes_are_told_of_in_blocks(self):
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, 100000)
        os.pwrite(self.fd, b"x", 5000)
        for whence, offset, wanted in (
                (os.SEEK_DATA, 0, 4096), (os.SEEK_DATA, 6000, 6000),
                (os.SEEK_HOLE, 4096, 8192), (os.SEEK_HOLE, 8191, 8192),
                (os.SEEK_HOLE, 100, 100), (os.SEEK_HOLE, 99999, 99999)):
            self.assertEqual(os.lseek(self.fd, offset, whence), wanted,
                             (whence, offset))
        self.fails(errno.ENXIO, os.lseek, self.fd, 8192, os.SEEK_DATA)

    def test_writing_to_allocated_space_takes_no_blocks(self):
        for start, offset, length in ((0, 4095, 2), (0, 0, 100000),
                                      (5000, 5000, 100000)):
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, b"d" * start, 0)
            fallocate(self.fd, 0, offset, length)
            os.fsync(self.fd)
            before = os.stat(self.f).st_blocks
            self.assertGreaterEqual(before * 512, length)
            os.pwrite(self.fd, b"x" * length, offset)
            os.fsync(self.fd)
            self.assertEqual(os.stat(self.f).st_blocks, before)

    def test_punching_gives_blocks_back(self):
        fallocate(self.fd, 0, 0, 1 << 20)
        fallocate(self.fd, PUNCH_HOLE | KEEP_SIZE, 0, 1 << 20)
        os.fsync(self.fd)
        self.assertEqual(os.stat(self.f).st_blocks, 0)

    def test_blocks_tell_what_is_allocated(self):
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, 1 << 40)
        os.pwrite(self.fd, b"x" * 65536, 1 << 39)
        os.fsync(self.fd)
        blocks = os.stat(self.f).st_blocks * 512
        self.assertGreaterEqual(blocks, 65536)
        self.assertLess(blocks, 1 << 20)


class Offsets(PosixCase):
    def test_far_offsets_hold_data(self):
        f = self.file(data=b"")
        fd = os.open(f, os.O_RDWR)
        # The most that ext4 takes with blocks of 4 KiB.
        end = (2**32 - 1) * 4096
        for offset in (2**31 - 2, 2**32 - 1, 2**42 + 1, end - 4):
            os.pwrite(fd, b"far!", offset)
            self.assertEqual(os.pread(fd, 4, offset), b"far!")
        self.assertEqual(os.stat(f).st_size, end)
        self.assertEqual(os.pread(fd, 4, 2**40), bytes(4))
        os.close(fd)

    def test_append_goes_to_the_end_wherever_it_is(self):
        f = self.file(data=b"12345")
        a = os.open(f, os.O_WRONLY | os.O_APPEND)
        os.truncate(f, 2)
        os.write(a, b"ab")
        os.lseek(a, 0, os.SEEK_SET)
        os.write(a, b"cd")
        self.assertEqual(read_file(f), b"12abcd")
        os.close(a)

    def test_vectors_and_limits(self):
        f = self.file(data=b"")
        fd = os.open(f, os.O_RDWR)
        self.assertEqual(os.pwritev(fd, [b"ab", b"", b"cde"], 3), 5)
        buffers = [bytearray(4), bytearray(10)]
        self.assertEqual(os.preadv(fd, buffers, 0), 8)
        self.assertEqual(bytes(buffers[0] + buffers[1][:4]), b"\0\0\0abcde")
        self.fails(errno.EINVAL, os.pread, fd, 1, -1)
        os.close(fd)
        fd = os.open(f, os.O_WRONLY)
        self.fails(errno.EBADF, os.read, fd, 1)
        os.close(fd)


class CopyInside(PosixCase):
    def test_copies_between_files_and_within_one(self):
        data = random.Random(1).randbytes(3 << 20)
        source = os.open(self.file("source", data), os.O_RDWR)
        target = os.open(self.file("target", b""), os.O_RDWR)
        done = 0
        while done < len(data):
            done += os.copy_file_range(source, target, len(data) - done)
        self.assertEqual(os.copy_file_range(source, target, 10), 0)
        self.assertEqual(read_file(self.path("target")), data)
        os.copy_file_range(source, source, 1 << 20, 0, 2 << 20)
        self.assertEqual(read_file(self.path("source"))[2 << 20:],
                         data[:1 << 20])
        self.fails(errno.EINVAL, os.copy_file_range, source, source, 1 << 20,
                   0, 1 << 19)
        os.close(source)
        os.close(target)

    def test_copy_is_apart_from_its_source(self):
        source = os.open(self.file("source", b"s" * 300000), os.O_RDWR)
        target = os.open(self.file("target", b""), os.O_RDWR)
        os.sync()
        os.copy_file_range(source, target, 300000)
        os.pwrite(source, b"changed", 1000)
        os.pwrite(target, b"other", 2000)
        a, b = read_file(self.path("source")), read_file(self.path("target"))
        self.assertEqual(a[2000:2005], b"sssss")
        self.assertEqual(b[1000:1007], b"sssssss")
        os.close(source)
        os.close(target)


class Mappings(PosixCase):
    def test_shared_stores_are_read_by_others_and_kept(self):
        f = self.file(data=b"0" * 300000)
        fd = os.open(f, os.O_RDWR)
        with mmap.mmap(fd, 300000) as memory:
            memory[5:10] = b"store"
            memory[299990:299995] = b"after"
            self.assertEqual(os.pread(fd, 5, 5), b"store")
            os.pwrite(fd, b"write", 100)
            self.assertEqual(bytes(memory[100:105]), b"write")
            memory.flush()
        os.close(fd)
        Place.remount()
        data = read_file(f)
        self.assertEqual((data[5:10], data[100:105], data[299990:299995]),
                         (b"store", b"write", b"after"))

    def test_private_stores_are_not(self):
        f = self.file(data=b"0" * 4096)
        fd = os.open(f, os.O_RDWR)
        with mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE) as memory:
            memory[0:4] = b"mine"
        os.close(fd)
        self.assertEqual(read_file(f), b"0" * 4096)

    def test_mapping_outlives_name_and_descriptor(self):
        f = self.file(data=b"0" * 8192)
        fd = os.open(f, os.O_RDWR)
        memory = mmap.mmap(fd, 8192)
        os.close(fd)
        os.unlink(f)
        memory[4096:4100] = b"live"
        memory.flush()
        self.assertEqual(bytes(memory[4096:4100]), b"live")
        memory.close()

    def test_read_only_descriptor_is_not_mapped_for_writing(self):
        fd = os.open(self.file(data=b"0" * 4096), os.O_RDONLY)
        self.fails(errno.EACCES, mmap.mmap, fd, 4096)
        os.close(fd)


class RandomChanges(PosixCase):
    """What fsx does: every way of changing bytes, mixed at random, compared
    with the same done in memory."""
    SIZE = 400_000
    STEPS = 1500

    def step(self, draw, fd, model):
        offset = draw.randrange(self.SIZE)
        length = min(draw.randrange(1, 70_000), self.SIZE - offset)
        what = draw.choice(("write", "write", "read", "read", "truncate",
                            "punch", "zero", "map", "copy", "allocate"))
        data = draw.randbytes(length)
        grown = len(model) < offset + length
        if what == "write":
            os.pwrite(fd, data, offset)
        elif what == "map" and not grown:
            with mmap.mmap(fd, len(model)) as memory:
                memory[offset:offset + length] = data
        elif what == "truncate":
            os.ftruncate(fd, offset)
            del model[offset:]
            model.extend(bytes(offset - len(model)))
            return
        elif what == "punch":
            fallocate(fd, PUNCH_HOLE | KEEP_SIZE, offset, length)
            end = min(offset + length, len(model))
            if offset < end:
                model[offset:end] = bytes(end - offset)
            return
        elif what == "zero":
            fallocate(fd, ZERO_RANGE, offset, length)
            data = bytes(length)
        elif what == "allocate":
            fallocate(fd, 0, offset, length)
            model.extend(bytes(max(0, offset + length - len(model))))
            return
        elif what == "copy":
            source = draw.randrange(self.SIZE)
            length = min(length, len(model) - source)
            if length <= 0 or abs(source - offset) < length:
                return
            length = os.copy_file_range(fd, fd, length, source, offset)
            data = bytes(model[source:source + length])
        else:
            self.assertEqual(os.pread(fd, length, offset),
                             bytes(model[offset:offset + length]))
            return
        model.extend(bytes(max(0, offset - len(model))))
        model[offset:offset + len(data)] = data

    def test_agree_with_the_same_in_memory(self):
        seed = int(os.environ.get("TREFOIL_SEED", random.randrange(2**32)))
        print(f"TREFOIL_SEED={seed}", flush=True)
        draw = random.Random(seed)
        f = self.file(data=b"")
        model = bytearray()
        for round_number in range(3):
            fd = os.open(f, os.O_RDWR)
            for i in range(self.STEPS // 3):
                self.step(draw, fd, model)
                if i % 50 == 0:
                    os.fsync(fd)
                    self.assertEqual(os.fstat(fd).st_size, len(model))
            os.close(fd)
            Place.remount()
            self.assertEqual(read_file(f), bytes(model), round_number)
