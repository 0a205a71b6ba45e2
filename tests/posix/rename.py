# SPDX-License-Identifier: Apache-2.0
"""rename(2) and renameat2(2): what replaces what, flags, and who may."""
import errno
import os
import stat

from support import (KINDS, PosixCase, RENAME_EXCHANGE, RENAME_NOREPLACE,
                     RENAME_WHITEOUT, USER, as_user, read_file, renameat2,
                     write_file)


class Renaming(PosixCase):
    def test_every_kind_moves_and_keeps_its_inode(self):
        os.mkdir(self.path("to"))
        for kind in KINDS:
            with self.subTest(kind=kind):
                self.make(kind, self.path("old"))
                number = os.lstat(self.path("old")).st_ino
                os.rename(self.path("old"), self.path("to/new"))
                self.fails(errno.ENOENT, os.lstat, self.path("old"))
                self.assertEqual(os.lstat(self.path("to/new")).st_ino, number)
                os.rename(self.path("to/new"), self.path("to/" + kind))

    def test_what_replaces_what(self):
        for old in KINDS:
            for new in KINDS:
                with self.subTest(old=old, new=new):
                    a, b = self.path("a" + old + new), self.path("b" + old + new)
                    self.make(old, a)
                    self.make(new, b)
                    number = os.lstat(a).st_ino
                    if old == "directory" and new != "directory":
                        self.fails(errno.ENOTDIR, os.rename, a, b)
                    elif old != "directory" and new == "directory":
                        self.fails(errno.EISDIR, os.rename, a, b)
                    else:
                        os.rename(a, b)
                        self.assertEqual(os.lstat(b).st_ino, number)
                        self.fails(errno.ENOENT, os.lstat, a)

    def test_full_directory_is_not_replaced(self):
        self.directory("a")
        self.directory("b")
        self.file("b/file")
        self.fails((errno.ENOTEMPTY, errno.EEXIST), os.rename, self.path("a"),
                   self.path("b"))
        os.unlink(self.path("b/file"))
        os.rename(self.path("a"), self.path("b"))

    def test_replaced_file_lives_while_it_is_open(self):
        old = self.file("old", b"old")
        fd = os.open(old, os.O_RDONLY)
        os.rename(self.file("new", b"new"), old)
        self.assertEqual(os.read(fd, 9), b"old")
        self.assertEqual(os.fstat(fd).st_nlink, 0)
        self.assertEqual(read_file(old), b"new")
        os.close(fd)

    def test_two_names_of_one_inode_both_stay(self):
        os.link(self.file("a"), self.path("b"))
        os.rename(self.path("a"), self.path("b"))
        self.assertEqual(sorted(os.listdir(self.root)), ["a", "b"])
        os.rename(self.path("a"), self.path("a"))

    def test_directory_does_not_move_below_itself(self):
        self.directory("d")
        self.directory("d/e")
        self.fails(errno.EINVAL, os.rename, self.path("d"), self.path("d/x"))
        self.fails(errno.EINVAL, os.rename, self.path("d"), self.path("d/e/x"))
        self.fails((errno.ENOTEMPTY, errno.EEXIST), os.rename,
                   self.path("d/e"), self.path("d"))

    def test_dots_are_refused(self):
        d = self.directory()
        for name in (".", ".."):
            self.fails((errno.EBUSY, errno.EINVAL), os.rename, f"{d}/{name}",
                       self.path("x"))
            self.fails((errno.EBUSY, errno.EINVAL, errno.EEXIST,
                        errno.ENOTEMPTY), os.rename, self.directory("new"),
                       f"{d}/{name}")
            os.rmdir(self.path("new"))

    def test_missing_source(self):
        self.fails(errno.ENOENT, os.rename, self.path("x"), self.path("y"))

    def test_moved_directory_finds_its_new_parent(self):
        self.directory("a")
        self.directory("a/d")
        self.directory("b")
        fd = os.open(self.path("a/d"), os.O_RDONLY)
        os.rename(self.path("a/d"), self.path("b/d"))
        self.assertEqual(os.stat("..", dir_fd=fd).st_ino,
                         os.stat(self.path("b")).st_ino)
        os.close(fd)
        self.assertEqual(os.stat(self.path("a")).st_nlink, 2)
        self.assertEqual(os.stat(self.path("b")).st_nlink, 3)

    def test_case_of_a_name_changes(self):
        write_file(self.path("readme"))
        os.rename(self.path("readme"), self.path("README"))
        self.assertEqual(os.listdir(self.root), ["README"])


class RenameFlags(PosixCase):
    def test_noreplace_keeps_what_is_there(self):
        a, b = self.file("a", b"a"), self.file("b", b"b")
        self.fails(errno.EEXIST, renameat2, a, b, RENAME_NOREPLACE)
        self.assertEqual(read_file(b), b"b")
        renameat2(a, self.path("c"), RENAME_NOREPLACE)
        self.assertEqual(read_file(self.path("c")), b"a")

    def test_exchange_swaps_any_two_kinds(self):
        self.directory("x")
        for old in KINDS:
            for new in KINDS:
                with self.subTest(old=old, new=new):
                    a, b = self.path("a" + old + new), self.path("x/" + old + new)
                    self.make(old, a)
                    self.make(new, b)
                    renameat2(a, b, RENAME_EXCHANGE)
                    self.assertEqual(stat.S_IFMT(os.lstat(a).st_mode),
                                     KINDS[new])
                    self.assertEqual(stat.S_IFMT(os.lstat(b).st_mode),
                                     KINDS[old])
        directories = [n for n in os.listdir(self.path("x"))
                       if os.path.isdir(self.path("x/" + n))
                       and not os.path.islink(self.path("x/" + n))]
        self.assertEqual(os.stat(self.path("x")).st_nlink, 2 + len(directories))

    def test_exchange_needs_both_and_no_loop(self):
        a = self.directory("a")
        self.fails(errno.ENOENT, renameat2, a, self.path("b"), RENAME_EXCHANGE)
        self.directory("a/b")
        self.fails(errno.EINVAL, renameat2, a, self.path("a/b"),
                   RENAME_EXCHANGE)
        self.fails(errno.EINVAL, renameat2, self.path("a/b"), a,
                   RENAME_EXCHANGE)
        self.fails(errno.EINVAL, renameat2, a, self.path("c"),
                   RENAME_EXCHANGE | RENAME_NOREPLACE)

    def test_whiteout_leaves_a_device(self):
        a = self.file("a", b"a")
        renameat2(a, self.path("b"), RENAME_WHITEOUT)
        st = os.lstat(a)
        self.assertTrue(stat.S_ISCHR(st.st_mode))
        self.assertEqual(st.st_rdev, 0)
        self.assertEqual(read_file(self.path("b")), b"a")
        self.fails(errno.EINVAL, renameat2, a, self.path("b"),
                   RENAME_WHITEOUT | RENAME_EXCHANGE)

    def test_unknown_flag_is_refused(self):
        self.fails(errno.EINVAL, renameat2, self.file("a"), self.path("b"), 64)


class WhoMayRename(PosixCase):
    def test_sticky_directory_protects_source_and_target(self):
        self.directory("from", 0o777)
        self.directory("sticky", 0o1777)

        def move(source, target):
            return lambda: os.rename(self.path(source), self.path(target))

        self.file("sticky/f", mode=0o666)
        self.file("from/f", uid=USER)
        refused = (errno.EPERM, errno.EACCES)
        self.fails(refused, as_user, move("sticky/f", "from/g"))
        self.fails(refused, as_user, move("from/f", "sticky/f"))
        self.file("sticky/mine", uid=USER)
        as_user(move("sticky/mine", "from/mine"))
        as_user(move("from/mine", "sticky/back"))

    def test_directory_of_another_does_not_change_its_parent(self):
        self.directory("a", 0o777)
        self.directory("b", 0o777)
        self.directory("a/d", 0o755)
        # `..` of the moved directory would be written.
        self.fails(errno.EACCES, as_user,
                   lambda: os.rename(self.path("a/d"), self.path("b/d")))
        as_user(lambda: os.rename(self.path("a/d"), self.path("a/e")))

    def test_target_directory_must_be_writable(self):
        self.directory("from", 0o777)
        self.directory("to", 0o755)
        self.file("from/f")
        self.fails(errno.EACCES, as_user,
                   lambda: os.rename(self.path("from/f"), self.path("to/f")))
