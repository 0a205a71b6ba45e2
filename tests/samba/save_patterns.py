# SPDX-License-Identifier: Apache-2.0
"""How programs save: what goes over the wire, or to the kernel, when a person
presses Save.

A pattern has a document of which each version is known by its hash. A save
raises `trying`, does what the program does, and then raises `done`: whoever
looks meanwhile may find any version from `done` to `trying`, and, where the
program takes the name away for a moment, none. `exact` is False for programs
that write into the file itself: while they do it may be anything.
"""

import hashlib
import os
import random

from smb_wire import (CREATE, DELETE, OVERWRITE_IF, READ, SHARE_ALL,
                      SHARE_READ, WRITE, Wire, s)

DOCUMENT_BYTES_MAX = 400_000
WRITE_BYTES = 60_000


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Pattern:
    """One document being saved again and again; see above."""

    document = "document"
    exact = True
    may_vanish = False

    def __init__(self, desk, seed):
        self.desk = desk
        self.random = random.Random(seed)
        self.versions = []
        self.trying = self.done = -1
        self.last = b""

    def new_content(self):
        size = self.random.randrange(1, DOCUMENT_BYTES_MAX)
        # Some of it was there before, as in a document that somebody edits.
        kept = self.last[:self.random.randrange(len(self.last) + 1)]
        return (kept + self.random.randbytes(size))[:size]

    def save_next(self):
        data = self.new_content()
        self.versions.append(digest(data))
        self.trying += 1
        if self.trying == 0:
            self.begin(data)
        else:
            self.save(data)
        self.last = data
        self.done = self.trying

    def allows(self, data, first, last):
        """Whether `data` (None: no such file) may be seen by one who began
        to look when `first` was done, and ended when `last` was tried."""
        if data is None:
            return first < 0 or (self.may_vanish and first < last)
        if digest(data) in self.versions[max(first, 0):last + 1]:
            return True
        # What is not a version yet is what the first save is writing.
        return first < last and (not self.exact or first < 0)

    def begin(self, data):
        raise NotImplementedError

    def save(self, data):
        raise NotImplementedError

    def end(self):
        pass


class WindowsPattern(Pattern):
    """`desk` has the server and the share's directory."""

    def __init__(self, desk, seed):
        super().__init__(desk, seed)
        self.wire = Wire(desk.smbd, desk.share)

    def at(self, name):
        return f"{self.desk.directory}\\{name}"

    def scratch_name(self, form):
        return self.at(form % self.random.randrange(1 << 16))

    def write_new(self, name, data, share=SHARE_READ, attributes=0):
        with self.wire.open(name, READ | WRITE | DELETE, share=share,
                            disposition=CREATE,
                            attributes=attributes) as file:
            for offset in range(0, len(data), WRITE_BYTES):
                file.write(offset, data[offset:offset + WRITE_BYTES])
            file.flush()

    def begin(self, data):
        self.write_new(self.at(self.document), data)

    def end(self):
        self.wire.close()


class Word(WindowsPattern):
    """A new file, the old one renamed away, the new one to its name, the old
    one removed; an owner file that goes when it is closed."""

    document = "letter.docx"
    may_vanish = True

    def begin(self, data):
        super().begin(data)
        self.owner = self.wire.open(
            self.at("~$letter.docx"), READ | WRITE | DELETE, share=SHARE_ALL,
            disposition=CREATE, options=s.FILE_DELETE_ON_CLOSE,
            attributes=s.FILE_ATTRIBUTE_HIDDEN)
        self.owner.write_all(b"\x06Author" + bytes(155))

    def save(self, data):
        new = self.scratch_name("~WRD%04x.tmp")
        old = self.scratch_name("~WRL%04x.tmp")
        self.write_new(new, data)
        with self.wire.open(self.at(self.document), READ | DELETE) as document:
            document.rename(old)
            self.wire.rename(new, self.at(self.document))
        self.wire.remove(old)

    def end(self):
        self.owner.close()
        super().end()


class Excel(WindowsPattern):
    """ReplaceFile: attributes and security are read from the old file, which
    becomes a backup, and go with the new one."""

    document = "budget.xlsx"
    may_vanish = True

    def save(self, data):
        new = self.scratch_name("%08X")
        backup = self.scratch_name("%08X.tmp")
        self.write_new(new, data, attributes=s.FILE_ATTRIBUTE_TEMPORARY)
        with self.wire.open(self.at(self.document),
                            READ | DELETE | s.READ_CONTROL) as old:
            with self.wire.open(new, READ | WRITE | DELETE) as replacement:
                replacement.set_attributes(s.FILE_ATTRIBUTE_ARCHIVE)
                old.rename(backup)
                replacement.rename(self.at(self.document))
        self.wire.remove(backup)


class Acrobat(WindowsPattern):
    """A new file is renamed over the old one, which others may be reading."""

    document = "contract.pdf"

    def save(self, data):
        new = self.scratch_name("Acr%04X.tmp")
        self.write_new(new, data)
        self.wire.rename(new, self.at(self.document), replace=True)


class Autocad(WindowsPattern):
    """The old drawing becomes the .bak; lock files beside it."""

    document = "plan.dwg"
    may_vanish = True

    def begin(self, data):
        super().begin(data)
        self.locks = [self.wire.open(self.at(name), READ | WRITE | DELETE,
                                     share=SHARE_READ, disposition=CREATE,
                                     options=s.FILE_DELETE_ON_CLOSE)
                      for name in ("plan.dwl", "plan.dwl2")]

    def save(self, data):
        new = self.scratch_name("sav%04x.tmp")
        self.write_new(new, data)
        if self.done > 0:
            self.wire.remove(self.at("plan.bak"))
        self.wire.rename(self.at(self.document), self.at("plan.bak"))
        self.wire.rename(new, self.at(self.document))
        if digest(self.wire.read(self.at("plan.bak"))) != \
                self.versions[self.done]:
            raise AssertionError("plan.bak is not the last drawing")

    def end(self):
        for lock in self.locks:
            lock.close()
        super().end()


class Notepad(WindowsPattern):
    """The file is cut to nothing and written again."""

    document = "notes.txt"
    exact = False

    def save(self, data):
        with self.wire.open(self.at(self.document), READ | WRITE,
                            share=SHARE_READ,
                            disposition=OVERWRITE_IF) as file:
            file.write_all(data)
            file.truncate(len(data))


class LocalPattern(Pattern):
    """`desk.path` is the directory on the mount."""

    def path(self, name=None):
        return os.path.join(self.desk.path, name or self.document)

    @staticmethod
    def write(path, data, flags=os.O_EXCL, sync=True):
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | flags, 0o644)
        try:
            for offset in range(0, len(data), WRITE_BYTES):
                os.write(fd, data[offset:offset + WRITE_BYTES])
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)

    def begin(self, data):
        self.write(self.path(), data)


class Gedit(LocalPattern):
    """As LibreOffice and most others: written beside, synced, renamed over."""

    document = "minutes.odt"

    def save(self, data):
        new = self.path(".goutputstream-%06X" % self.random.randrange(1 << 24))
        self.write(new, data)
        os.rename(new, self.path())


class Sed(LocalPattern):
    """`sed -i`: the same, and nobody syncs."""

    document = "fstab.txt"

    def save(self, data):
        new = self.path("sed%06x" % self.random.randrange(1 << 24))
        self.write(new, data, sync=False)
        os.rename(new, self.path())


class Vim(LocalPattern):
    """The old file is renamed to a backup; a new one gets its name at once and
    its content a moment later."""

    document = "program.c"
    exact = False
    may_vanish = True

    def save(self, data):
        os.rename(self.path(), self.path("program.c~"))
        self.write(self.path(), data)
        os.unlink(self.path("program.c~"))


class Nano(LocalPattern):
    """The file is cut to nothing and written again."""

    document = "todo.txt"
    exact = False

    def save(self, data):
        self.write(self.path(), data, flags=os.O_TRUNC)


class Outlook(WindowsPattern):
    """A .pst: writes of whole sectors anywhere in one file that stays open,
    and two headers in turn. Each write alone makes a version, and every prefix
    of them may be seen."""

    document = "mail.pst"
    SECTORS = 512
    SECTOR_BYTES = 512

    def new_content(self):
        content = bytearray(self.last or bytes(self.SECTORS *
                                               self.SECTOR_BYTES))
        header = self.trying % 2
        first = self.random.randrange(2, self.SECTORS)
        if self.trying % 4 == 3:
            first, count = header, 1
        else:
            count = self.random.randrange(1, min(64, self.SECTORS - first + 1))
        self.where = first * self.SECTOR_BYTES
        self.what = self.random.randbytes(count * self.SECTOR_BYTES)
        content[self.where:self.where + len(self.what)] = self.what
        return bytes(content)

    def begin(self, data):
        super().begin(data)
        self.file = self.wire.open(self.at(self.document), READ | WRITE,
                                   share=SHARE_READ)

    def save(self, data):
        self.file.write(self.where, self.what)
        if self.trying % 4 == 3:
            self.file.flush()

    def end(self):
        self.file.close()
        super().end()


PATTERNS = (Word, Excel, Acrobat, Autocad, Notepad, Outlook, Gedit, Sed, Vim,
            Nano)
