# SPDX-License-Identifier: Apache-2.0
"""Goal: the formatter's output is final.
Method: clang-format over every C++ file; what it would change is a finding.
"""

import re
import subprocess

import tree


def formatted(files):
    paths = files.sources()
    result = subprocess.run(
        ["clang-format", "--dry-run", "--style=file"] + paths, cwd=files.root,
        capture_output=True, text=True, check=True)
    # A file out of shape is told once, by its first place.
    seen = set()
    for path, line in re.findall(r"^(\S+?):(\d+):\d+: ", result.stderr,
                                 re.MULTILINE):
        if path not in seen:
            seen.add(path)
            yield f"{path}:{line}: run clang-format -i on it"


CHECKS = [formatted]

if __name__ == "__main__":
    tree.run(CHECKS)
