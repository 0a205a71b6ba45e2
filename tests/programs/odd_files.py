# SPDX-License-Identifier: Apache-2.0
"""Fills a directory with what copying programs get wrong: links, holes, odd
names, special files, attributes, exact times. usage: odd_files.py DIRECTORY"""
import os
import stat
import sys

root = sys.argv[1] + "/"


def make(name, data=b""):
    with open(os.fsencode(root) + os.fsencode(name), "wb") as file:
        file.write(data)


make("plain", b"text")
os.link(root + "plain", root + "a/b/hard link")
os.symlink("../plain", root + "a/symlink")
os.symlink("nowhere", root + "dangling")
make(b"bytes \xff\xfe name\n", b"x")
make("umlaut \u00e4 \u4e2d", b"y")
make("n" * 255, b"z")
make("big", os.urandom(3_000_000))
with open(root + "sparse", "wb") as sparse:
    sparse.truncate(50_000_000)
    sparse.seek(20_000_000)
    sparse.write(b"island")
os.mkfifo(root + "fifo", 0o640)
os.mknod(root + "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
make("attributes")
for i in range(20):
    os.setxattr(root + "attributes", f"user.number{i}", bytes([i]) * 40)
os.setxattr(root + "attributes", "trusted.t", b"t")
for i, mode in enumerate((0o4755, 0o2755, 0o1644, 0o000, 0o777)):
    make(f"mode {mode:o}")
    os.chown(root + f"mode {mode:o}", 1000 + i, 2000 + i)
    os.chmod(root + f"mode {mode:o}", mode)
os.mkdir(root + "setgid")
os.chmod(root + "setgid", 0o2775)
for i, name in enumerate(sorted(os.listdir(root))):
    os.utime(root + name, ns=(10**9 * i + 1, 1_234_567_890_123_456_789 + i),
             follow_symlinks=False)
