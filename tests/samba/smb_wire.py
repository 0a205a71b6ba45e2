# SPDX-License-Identifier: Apache-2.0
"""An SMB client that says exactly what Windows programs say: dispositions,
share modes, delete-on-close, byte-range locks, renames of open files, the past
by timewarp token. The protocol is impacket's, nothing of it is Samba's.
"""

import calendar
import struct
import time

from impacket import smb3, smb3structs as s

from samba_share import PASSWORD, USER

READ = s.FILE_READ_DATA | s.FILE_READ_ATTRIBUTES | s.FILE_READ_EA
WRITE = (s.FILE_WRITE_DATA | s.FILE_APPEND_DATA | s.FILE_WRITE_ATTRIBUTES |
         s.FILE_WRITE_EA)
DELETE = s.DELETE
SHARE_NONE = 0
SHARE_READ = s.FILE_SHARE_READ
SHARE_ALL = s.FILE_SHARE_READ | s.FILE_SHARE_WRITE | s.FILE_SHARE_DELETE
OPEN = s.FILE_OPEN
CREATE = s.FILE_CREATE
OPEN_IF = s.FILE_OPEN_IF
OVERWRITE = s.FILE_OVERWRITE
OVERWRITE_IF = s.FILE_OVERWRITE_IF

STATUS_SHARING_VIOLATION = 0xC0000043
STATUS_FILE_LOCK_CONFLICT = 0xC0000054
STATUS_LOCK_NOT_GRANTED = 0xC0000055
STATUS_OBJECT_NAME_NOT_FOUND = 0xC0000034
STATUS_OBJECT_NAME_COLLISION = 0xC0000035
STATUS_MEDIA_WRITE_PROTECTED = 0xC00000A2

FSCTL_ENUMERATE_SNAPSHOTS = 0x00144064
FSCTL_REQUEST_RESUME_KEY = 0x00140078
FSCTL_COPYCHUNK_WRITE = 0x001480F2

# No client of ours is slow enough for this to be a limit.
TIMEOUT_SECONDS = 60
COPY_CHUNK_BYTES = 1 << 20
COPY_CHUNKS_MAX = 16
# What one credit pays for: some 1,300 snapshots.
ANSWER_BYTES_MAX = 65536

Error = smb3.SessionError


def timewarp(snapshot):
    """The create context that asks for the past."""
    moment = calendar.timegm(time.strptime(snapshot, "@GMT-%Y.%m.%d-%H.%M.%S"))
    token = s.SMB2_CREATE_TIMEWARP_TOKEN()
    token["Timestamp"] = (moment + 11644473600) * 10_000_000
    context = s.SMB2CreateContext()
    context["Next"] = 0
    context["NameOffset"] = 16
    context["NameLength"] = 4
    context["DataOffset"] = 24
    context["DataLength"] = 8
    context["Buffer"] = b"TWrp\0\0\0\0" + token.getData()
    return context


class Wire:
    """One client's connection to one share."""

    def __init__(self, smbd, share, user=USER):
        self.smb = smb3.SMB3("127.0.0.1", "127.0.0.1", sess_port=smbd.port,
                             timeout=TIMEOUT_SECONDS,
                             preferredDialect=s.SMB2_DIALECT_30)
        self.smb.login(user, PASSWORD)
        self.tree = self.smb.connectTree(share)

    def open(self, name, access=READ, share=SHARE_ALL, disposition=OPEN,
             options=0, attributes=0, past=None):
        contexts = [timewarp(past)] if past else None
        return File(self, self.smb.create(
            self.tree, name, access | s.SYNCHRONIZE, share, options,
            disposition, attributes, createContexts=contexts))

    def create(self, name, data=b"", **options):
        """A new file that is open for everything."""
        file = self.open(name, READ | WRITE | DELETE, disposition=CREATE,
                         **options)
        file.write_all(data)
        return file

    def read(self, name, past=None):
        with self.open(name, past=past) as file:
            return file.read_all()

    def rename(self, old, new, replace=False):
        with self.open(old, DELETE | s.FILE_READ_ATTRIBUTES) as file:
            file.rename(new, replace)

    def remove(self, name):
        self.open(name, DELETE, options=s.FILE_DELETE_ON_CLOSE).close()

    def send(self, command, body):
        packet = self.smb.SMB_PACKET()
        packet["Command"] = command
        packet["TreeID"] = self.tree
        packet["Data"] = body
        answer = self.smb.recvSMB(self.smb.sendSMB(packet))
        answer.isValidAnswer(0)
        return answer

    def close(self):
        self.smb.close_session()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class File:
    """An open file."""

    def __init__(self, wire, handle):
        self.wire = wire
        self.handle = handle

    def read(self, offset, size):
        return self.wire.smb.read(self.wire.tree, self.handle, offset, size)

    def write(self, offset, data):
        done = 0
        while done < len(data):
            part = data[done:done + (1 << 20)]
            done += self.wire.smb.write(self.wire.tree, self.handle, part,
                                        offset + done, len(part))

    def write_all(self, data):
        self.write(0, data)

    def read_all(self):
        data = b""
        left = self.size()
        while left > 0:
            part = self.read(len(data), min(left, 1 << 20))
            data += part
            left -= len(part)
        return data

    def size(self):
        info = self.wire.smb.queryInfo(self.wire.tree, self.handle,
                                       fileInfoClass=s.SMB2_FILE_STANDARD_INFO)
        return struct.unpack_from("<QQ", info)[1]

    def truncate(self, size):
        self._set(s.SMB2_FILE_END_OF_FILE_INFO, struct.pack("<Q", size))

    def rename(self, new, replace=False):
        name = new.encode("utf-16le")
        self._set(s.SMB2_FILE_RENAME_INFO,
                  struct.pack("<B7xQL", int(replace), 0, len(name)) + name)

    def set_attributes(self, attributes):
        self._set(s.SMB2_FILE_BASIC_INFO,
                  struct.pack("<QQQQLL", 0, 0, 0, 0, attributes, 0))

    def delete_on_close(self):
        self._set(s.SMB2_FILE_DISPOSITION_INFO, b"\1")

    def flush(self):
        self.wire.smb.flush(self.wire.tree, self.handle)

    def lock(self, offset, size, exclusive=True):
        """At once or not at all."""
        self._lock(offset, size, s.SMB2_LOCKFLAG_FAIL_IMMEDIATELY |
                   (s.SMB2_LOCKFLAG_EXCLUSIVE_LOCK if exclusive else
                    s.SMB2_LOCKFLAG_SHARED_LOCK))

    def unlock(self, offset, size):
        self._lock(offset, size, s.SMB2_LOCKFLAG_UNLOCK)

    def snapshots(self):
        """The tokens that the server offers, as it orders them."""
        answer = self._control(FSCTL_ENUMERATE_SNAPSHOTS, b"",
                               ANSWER_BYTES_MAX)
        there, returned, _ = struct.unpack_from("<LLL", answer)
        names = answer[12:].decode("utf-16le").split("\0")
        names = [name for name in names if name]
        assert there == returned == len(names), (there, returned, len(names))
        return names

    def copy_from(self, source):
        """All of `source`, by the server."""
        key = source._control(FSCTL_REQUEST_RESUME_KEY, b"", 32)[:24]
        size = source.size()
        for start in range(0, size, COPY_CHUNK_BYTES * COPY_CHUNKS_MAX):
            chunks = b""
            count = 0
            end = min(size, start + COPY_CHUNK_BYTES * COPY_CHUNKS_MAX)
            for offset in range(start, end, COPY_CHUNK_BYTES):
                length = min(COPY_CHUNK_BYTES, end - offset)
                chunks += struct.pack("<QQLL", offset, offset, length, 0)
                count += 1
            answer = self._control(FSCTL_COPYCHUNK_WRITE,
                                   key + struct.pack("<LL", count, 0) + chunks,
                                   12)
            written = struct.unpack_from("<LLL", answer)[2]
            assert written == end - start, (written, start, end)

    def close(self):
        # impacket keeps one entry for each name, not for each open file.
        opened = self.wire.smb._Session["OpenTable"][self.handle]
        self.wire.smb.GlobalFileTable.setdefault(opened["FileName"], None)
        self.wire.smb.close(self.wire.tree, self.handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _set(self, info_class, data):
        self.wire.smb.setInfo(self.wire.tree, self.handle, inputBlob=data,
                              fileInfoClass=info_class)

    def _lock(self, offset, size, flags):
        body = s.SMB2Lock()
        body["FileID"] = self.handle
        body["LockCount"] = 1
        body["Locks"] = struct.pack("<QQLL", offset, size, flags, 0)
        self.wire.send(s.SMB2_LOCK, body)

    def _control(self, code, data, answer_bytes):
        return self.wire.smb.ioctl(self.wire.tree, self.handle, code,
                                   s.SMB2_0_IOCTL_IS_FSCTL, data,
                                   maxInputResponse=0,
                                   maxOutputResponse=answer_bytes)
