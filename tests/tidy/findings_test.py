# SPDX-License-Identifier: Apache-2.0
"""Goal: the checks of this folder can fail.
Method: for each rule a small tree that breaks it, and nothing else; the one
finding must be the right one, and the repaired tree must have none.
"""

import os
import tempfile
import unittest

import cpp_functions
import includes_check
import style_check
import tree

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


def findings(check, files):
    """What `check` finds in a tree of `files` (path -> text)."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return list(check(tree.Tree(root)))


class Findings(unittest.TestCase):
    def one(self, check, files, part):
        found = findings(check, files)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def none(self, check, files):
        self.assertEqual(findings(check, files), [])

    def test_an_include_against_the_arrows(self):
        wrong = {"fs/volume/a.h": '#include "replicator/replicator.h"\n'}
        self.one(includes_check.arrows, wrong, "may not include replicator")
        right = {"replicator/a.h": '#include "fs/volume/volume.h"\n'}
        self.none(includes_check.arrows, right)

    def test_a_sibling_is_no_neighbour(self):
        self.one(includes_check.arrows,
                 {"fs/index/a.h": '#include "fs/journal/journal.h"\n'},
                 "fs/index may not include fs/journal")

    def test_a_third_party_outside_its_fence(self):
        self.one(includes_check.fences,
                 {"fs/volume/a.cc": "#include <rocksdb/db.h>\n"},
                 "belongs to fs/index/ alone")
        self.none(includes_check.fences,
                  {"fs/index/a.cc": "#include <rocksdb/db.h>\n"})

    def test_a_second_file_that_knows_curl(self):
        self.one(includes_check.one_file,
                 {"replicator/store/a.cc": "#include <curl/curl.h>\n",
                  "replicator/store/b.cc": "#include <curl/curl.h>\n"},
                 "replicator/store/b.cc:1")

    def test_a_header_that_is_not_there(self):
        self.one(includes_check.from_root,
                 {"fs/base/a.cc": '#include "fs/base/b.h"\n'}, "no file")

    def test_a_long_file(self):
        self.one(style_check.lengths, {"fs/a.cc": "\n" * 501}, "501 lines")
        self.none(style_check.lengths, {"fs/a.cc": "\n" * 500})

    def test_a_long_function(self):
        def text(lines):
            return "int A::F(int b) {\n" + "  b++;\n" * (lines - 2) + "}\n"
        self.one(style_check.function_lengths, {"fs/a.cc": text(71)},
                 "A::F has 71 lines")
        self.none(style_check.function_lengths, {"fs/a.cc": text(70)})

    def test_no_licence(self):
        self.one(style_check.licence_line, {"fs/a.cc": "int a;\n"}, "SPDX")

    def test_no_pragma_once(self):
        self.one(style_check.pragma_once, {"fs/a.h": LICENCE}, "#pragma once")

    def test_a_stray_note(self):
        note = "// TO" + "DO: later\n"
        self.one(style_check.forbidden_words, {"fs/a.cc": note}, "stray note")

    def test_a_path_of_one_machine(self):
        path = 'x = "/ro' + 'ot/x";\n'
        self.one(style_check.forbidden_words, {"fs/a.cc": path}, "one machine")

    def test_a_skipped_test(self):
        skip = "GTEST_" + "SKIP();\n"
        self.one(style_check.forbidden_words, {"tests/a.cc": skip}, "skips")

    def test_a_test_without_a_goal(self):
        self.one(style_check.tests_say_why,
                 {"tests/a_test.cc": LICENCE + "TEST(A, B) {}\n"},
                 "goal and method")

    def test_an_unregistered_source(self):
        sources = {"fs/CMakeLists.txt": "add(xa.cc)\n", "fs/a.cc": ""}
        self.one(style_check.registered, sources, "no CMakeLists.txt names it")
        sources["fs/CMakeLists.txt"] = "add(xa.cc a.cc)\n"
        self.none(style_check.registered, sources)


class Functions(unittest.TestCase):
    def test_what_is_a_function_and_what_is_not(self):
        text = ('namespace a {\nstruct B {\n  int F() const { return 1; }\n};\n'
                'const int kA[] = {1, 2};\n'
                'B::B(int x) : x_(x) {}\n'
                'TEST(A, B) {\n  auto f = [] { return "}"; };\n}\n'
                '// void G() {\n}\n')
        found = [(name, first, last)
                 for name, first, last in cpp_functions.functions(text)]
        self.assertEqual(found, [("F", 3, 3), ("B::B", 6, 6), ("TEST", 7, 9)])


if __name__ == "__main__":
    unittest.main()
