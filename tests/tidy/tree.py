# SPDX-License-Identifier: Apache-2.0
"""The files that the checks of this folder look at, and how they report.

A check takes a Tree and yields findings: lines "path:line: what is wrong".
"""

import os
import subprocess
import sys


class Tree:
    """A source tree: what git tracks or would track; without git, all of it."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self._text = {}
        self.paths = sorted(self._git_paths() or self._walked_paths())

    def _git_paths(self):
        if not os.path.exists(os.path.join(self.root, ".git")):
            return None
        command = ["git", "-c", "safe.directory=*", "-C", self.root, "ls-files",
                   "-co", "--exclude-standard", "-z"]
        listed = subprocess.run(command, capture_output=True, check=True).stdout
        paths = listed.decode().split("\0")
        return [path for path in paths
                if path and os.path.isfile(os.path.join(self.root, path))]

    def _walked_paths(self):
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders
                          if name not in (".git", ".build", ".demo", ".cache")]
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def text(self, path):
        if path not in self._text:
            with open(os.path.join(self.root, path), encoding="utf-8",
                      errors="replace") as file:
                self._text[path] = file.read()
        return self._text[path]

    def lines(self, path):
        """(line number, line) pairs, numbered from 1."""
        return enumerate(self.text(path).split("\n"), 1)

    def sources(self, folder=""):
        """C++ files below `folder`."""
        return [path for path in self.paths
                if path.startswith(folder) and path.endswith((".h", ".cc"))]

    def scripts(self):
        """Python and shell files, those without an extension too."""
        return [path for path in self.paths
                if path.endswith((".py", ".sh")) or self._is_script(path)]

    def _is_script(self, path):
        return "." not in os.path.basename(path) and self.text(path).startswith(
            "#!")


def run(checks):
    """Runs `checks` over the tree named on the command line."""
    tree = Tree(sys.argv[1])
    findings = [finding for check in checks for finding in check(tree)]
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{len(findings)} findings")
    print(f"{len(tree.paths)} files looked at, no findings")
