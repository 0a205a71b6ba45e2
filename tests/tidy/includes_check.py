# SPDX-License-Identifier: Apache-2.0
"""Goal: the folders depend on each other one way only, and each third-party
library is known to the one folder that stands before it.
Method: read every #include line and look both rules up in the tables below.
"""

import os
import re

import tree

# What each folder may include besides itself.
ARROWS = {
    "fs/base": [],
    "fs/journal": ["fs/base"],
    "fs/object": ["fs/base"],
    "fs/index": ["fs/base"],
    "fs/volume": ["fs/base", "fs/journal", "fs/object", "fs/index"],
    "fs/verify": ["fs/base", "fs/journal", "fs/object", "fs/index",
                  "fs/volume"],
    "fs/control": ["fs/base", "fs/volume"],
    "fs/fuse": ["fs/base", "fs/volume"],
    "replicator": ["fs/base", "fs/object", "fs/volume"],
    "tools": ["fs/", "replicator"],
}

# Header (prefix) -> the only places that may include it.
FENCES = {
    "fuse_lowlevel.h": ["fs/fuse/"],
    "fuse3/": ["fs/fuse/"],
    "fuse.h": ["fs/fuse/"],
    "rocksdb/": ["fs/index/"],
    "curl/": ["replicator/store/"],
    "openssl/": ["fs/base/"],
    "xxhash.h": ["fs/base/"],
    "zstd": ["fs/object/"],
    "pugixml.hpp": ["replicator/store/"],
    "utf8proc.h": ["fs/index/", "fs/volume/"],
    "toml++/": ["fs/volume/"],
    "spdlog/": ["fs/base/log.cc"],
    "CLI/": ["tools/"],
    "systemd/": ["tools/"],
    "qrencode.h": ["tools/qr_code.cc"],
    "gtest/": ["tests/"],
    "gmock/": ["tests/"],
    "benchmark/": ["tests/"],
}
# Headers that one file alone may include.
ONE_FILE = ["curl/", "xxhash.h", "pugixml.hpp", "spdlog/spdlog.h"]

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(files, brackets='<"'):
    """(path, line number, header) of each #include with these brackets."""
    for path in files.sources():
        for number, line in files.lines(path):
            match = INCLUDE.match(line)
            if match and match.group(1) in brackets:
                yield path, number, match.group(2)


def folder_of(path):
    """The folder of ARROWS that `path` lies in, or None."""
    for folder in ARROWS:
        if path.startswith(folder + "/"):
            return folder
    return None


def arrows(files):
    for path, number, header in includes(files):
        source = folder_of(path)
        if source and header.startswith("tests/"):
            yield f"{path}:{number}: {source} may not include tests"
        target = folder_of(header)
        if not source or not target or source == target:
            continue
        if not any(target.startswith(allowed) for allowed in ARROWS[source]):
            yield f"{path}:{number}: {source} may not include {target}"


def fences(files):
    for path, number, header in includes(files):
        for prefix, places in FENCES.items():
            if not header.startswith(prefix):
                continue
            if not any(path.startswith(place) for place in places):
                yield (f"{path}:{number}: <{header}> belongs to "
                       f"{' and '.join(places)} alone")


def one_file(files):
    for prefix in ONE_FILE:
        users = sorted({path for path, _, header in includes(files)
                        if header.startswith(prefix)})
        if len(users) > 1:
            yield f"{users[1]}:1: {prefix} is already the business of {users[0]}"


def from_root(files):
    """Our own headers are named from the root, and exist."""
    for path, number, header in includes(files, '"'):
        if not os.path.exists(os.path.join(files.root, header)):
            yield f'{path}:{number}: no file "{header}" below the root'


CHECKS = [arrows, fences, one_file, from_root]

if __name__ == "__main__":
    tree.run(CHECKS)
