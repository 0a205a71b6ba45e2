#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal: LibreOffice opens, locks, saves and converts documents on a share.
Method: a headless LibreOffice is driven through UNO by a script that runs in
the Python that the system's UNO belongs to; the lock file is looked at from
outside, and the text is read back after a remount.
usage: office_test.py PROGRAM"""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

SYSTEM_PYTHON = "/usr/bin/python3"  # python3-uno is for this one
SCRIPT = """
import sys, time, uno
from com.sun.star.beans import PropertyValue
pipe, url = sys.argv[1:]
def value(name, to):
    p = PropertyValue(); p.Name = name; p.Value = to; return p
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext(
    "com.sun.star.bridge.UnoUrlResolver", local)
for _ in range(600):
    try:
        context = resolver.resolve(
            f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        break
    except Exception:
        time.sleep(0.2)
desktop = context.ServiceManager.createInstanceWithContext(
    "com.sun.star.frame.Desktop", context)
new = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, ())
new.Text.String = "first"
new.storeAsURL(url, ())
new.close(True)
document = desktop.loadComponentFromURL(url, "_blank", 0, ())
print("open", flush=True)
sys.stdin.readline()
document.Text.String = document.Text.String + " and second"
document.store()
document.storeToURL(url + ".pdf", (value("FilterName", "writer_pdf_Export"),))
document.storeToURL(url + ".docx", (value("FilterName", "MS Word 2007 XML"),))
document.close(True)
print("closed", flush=True)
try:
    desktop.terminate()
except Exception:
    pass  # the office is gone before it can answer
"""


def mount(program, work):
    subprocess.run([program, "mount", work + "/volume", work + "/share",
                    "--log-file", work + "/log"], check=True)


def main():
    program = os.path.abspath(sys.argv[1])
    work = tempfile.mkdtemp(prefix="trefoil-office-")
    share = work + "/share"
    os.mkdir(share)
    pipe = os.path.basename(work)
    subprocess.run([program, "init", work + "/volume"], check=True,
                   capture_output=True)
    mount(program, work)
    office = subprocess.Popen(
        ["soffice", "--headless", "--norestore", "--nologo",
         f"-env:UserInstallation=file://{work}/profile",
         f"--accept=pipe,name={pipe};urp"], start_new_session=True)
    try:
        url = f"file://{share}/letter.odt"
        script = subprocess.Popen(
            [SYSTEM_PYTHON, "-c", SCRIPT, pipe, url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        assert script.stdout.readline() == "open\n", "no document"
        lock = share + "/.~lock.letter.odt#"
        assert os.path.exists(lock), "an open document is not locked"
        script.stdin.write("\n")
        script.stdin.flush()
        assert script.stdout.readline() == "closed\n", "saving failed"
        assert not os.path.exists(lock), "the lock of a closed document stays"
        script.wait(60)
        office.wait(60)
        subprocess.run([program, "umount", share, "--wait"], check=True)
        mount(program, work)
        with zipfile.ZipFile(share + "/letter.odt") as letter:
            assert letter.testzip() is None
            assert b"first and second" in letter.read("content.xml")
        with zipfile.ZipFile(share + "/letter.odt.docx") as letter:
            assert letter.testzip() is None
        with open(share + "/letter.odt.pdf", "rb") as pdf:
            assert pdf.read(5) == b"%PDF-"
        subprocess.run([program, "umount", share, "--wait"], check=True)
        subprocess.run([program, "fsck", "--read-data", work + "/volume"],
                       check=True, stdout=subprocess.DEVNULL)
    finally:
        if office.poll() is None:
            os.killpg(office.pid, 9)
            time.sleep(1)
        subprocess.run(["umount", "-l", share], stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
