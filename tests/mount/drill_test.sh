#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a recovery drill finds nothing wrong with a good copy, whatever is
# written meanwhile, and finds what is wrong with a bad one; it says so in its
# report and its exit status, leaves no trace, and changes nothing on the copy,
# above all not its owner.
# Method: a share over a real directory target and a real Ceph gateway, drilled
# while somebody writes, unmounted, behind, damaged, emptied, unplugged and
# interrupted; the target's files are compared before and after.
# usage: drill_test.sh PROGRAM SUPPORT_DIR
set -euo pipefail

trefoil=$1
support=$2
work=$(mktemp -d /tmp/trefoil-drill-XXXXXX)
share=$work/share
export AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret
mkdir "$share" "$work/second" "$work/scratch" "$work/reports"
writer=

clean_up() {
  [[ -z $writer ]] || kill "$writer" 2>/dev/null || true
  umount -l "$share" 2>/dev/null || true
  "$support/ceph-rgw.sh" stop "$work/gateway" --rm || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() {
  echo "drill_test: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# Drills; what it says is in $said, its status in $status.
drill() { # OPTION...
  status=0
  said=$("$trefoil" drill "$work/volume" --scratch "$work/scratch" "$@" 2>&1) ||
    status=$?
  [[ -z $(ls -A "$work/scratch") ]] || fail "scratch is not empty: $said"
}
expect() { # STATUS TEXT
  ((status == $1)) || fail "status $status instead of $1: $said"
  grep -qF -- "$2" <<<"$said" || fail "no '$2' in: $said"
}
# A field of the newest report of a target.
figure() { # TARGET FIELD...
  python3 - "$work/volume/drills" "$@" <<'P'
import glob, json, sys
newest = sorted(glob.glob(f"{sys.argv[1]}/drill-{sys.argv[2]}-*.json"))[-1]
with open(newest) as report:
    value = json.load(report)
for name in sys.argv[3:]:
    value = value[name]
print(value)
P
}
everything_in() { find "$1" -printf '%P %s %T@ %m\n' | sort; }
s3() { # METHOD PATH
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:testsecret -X "$1" \
    -H "x-amz-content-sha256: $empty" "$endpoint/$2"
}
# Every object's key, time, hash and size.
everything_offsite() { s3 GET 'office?list-type=2' | sed 's/<Contents>/\n&/g'; }
mount_share() {
  "$trefoil" mount "$work/volume" "$share" --log-file "$work/share.log"
}

endpoint=$("$support/ceph-rgw.sh" start "$work/gateway")
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
s3 PUT office
"$trefoil" init "$work/volume" --second "dir:$work/second" \
  --offsite "s3+$endpoint/office" --recovery-kit "$work/kit" >/dev/null 2>&1
mount_share
python3 - "$share" <<'P'
import os, random, sys
root = sys.argv[1]
random.seed(20261123)
for i in range(300):
    directory = f"{root}/d{i % 7}/e{i % 3}"
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/file {i}"
    with open(path, "wb") as out:
        out.write(random.randbytes(random.choice((0, 1, 700, 3000, 90000))))
    if i % 10 == 0:
        os.link(path, path + ".link")
        os.symlink(f"file {i}", path + ".symlink")
        os.setxattr(path, "user.number", str(i).encode())
        os.chmod(path, 0o4750)
        os.chown(path, 1000 + i, 2000 + i)
        os.utime(path, ns=(i, 1_234_567_890_123_456_789 + i))
        with open(path + ".sparse", "wb") as out:
            out.truncate(8 << 20)
            out.seek(4 << 20)
            out.write(b"middle")
with open(root.encode() + b"/not \xff utf-8", "wb") as out:
    out.write(b"name")
os.mkfifo(f"{root}/fifo")
os.mknod(f"{root}/device", 0o20600, os.makedev(300, 70000))
os.setxattr(f"{root}/d0", "trusted.secret", b"for root")
P
setfacl -m u:1234:rw,d:u:1234:rwx "$share/d0/e0"

echo "- while files change, nothing is different"
python3 - "$share" <<'P' &
import itertools, os, sys
for i in itertools.count():
    path = f"{sys.argv[1]}/d{i % 7}/e0/busy{i % 50}"
    with open(path, "wb") as out:
        out.write(os.urandom(5000))
    if i % 3 == 0:
        os.rename(path, path + ".moved")
P
writer=$!
drill --sample 50
expect 0 "0 errors: 50 files recovered from offsite alone"
expect 0 "0 errors: 50 files recovered from second alone"
drill --all --target offsite --recovery-key-file "$work/kit"
expect 0 "each identical in content and metadata"
kill "$writer"
wait "$writer" 2>/dev/null || true
writer=
[[ $(figure offsite opened_with) == "a recovery key" ]] || fail "opened with?"
[[ $(figure offsite figures errors) == 0 ]] || fail "errors in the report"
[[ -z $("$trefoil" snapshot list "$share") ]] || fail "a snapshot stays"
"$trefoil" status "$share" | grep 'drill .*: passed: 0 errors' >/dev/null ||
  fail "no drill in the status"
grep -q '^Conclusion: *0 errors' "$work"/volume/drills/drill-offsite-*.txt ||
  fail "no conclusion in the report"
[[ $(stat -c %a "$work"/volume/drills/*.txt | sort -u) == 600 ]] ||
  fail "others may read the reports"

echo "- of an unmounted volume, and it leaves no trace"
named=$("$trefoil" snapshot create "$share" --label named)
rm -r "$share/d1"
"$trefoil" umount "$share" --wait
everything_in "$work/second" >"$work/before"
everything_offsite >"$work/before.offsite"
grep -q '<Key>owner/' "$work/before.offsite" || fail "nobody owns the bucket"
drill --all --target second
expect 0 "each identical in content and metadata"
sleep 1 # reports are told apart by seconds
drill --all --target second --snapshot "$named"
expect 0 "each identical in content and metadata"
[[ $(figure second same_state) == True ]] || fail "another state"
[[ $(figure second compared_with) == *"$named" ]] || fail "no snapshot"
drill --sample 9 --seed 42 --target offsite --report "$work/reports"
expect 0 "0 errors: 9 files"
drill --sample 9 --seed 42 --target second --report "$work/reports"
expect 0 "0 errors: 9 files"
paths() { grep -o '"path":"[^"]*"' "$1"; }
cmp <(paths "$work"/reports/drill-offsite-*.json) \
  <(paths "$work"/reports/drill-second-*.json) || fail "another choice"
everything_in "$work/second" | cmp - "$work/before" ||
  fail "the drill changed the copy"
everything_offsite | cmp - "$work/before.offsite" ||
  fail "the drill changed the bucket"

echo "- a copy that is behind is not a bad one"
cp -a "$work/second" "$work/second.good"
mv "$work/second" "$work/second.away"
mount_share
date >"$share/d2/e2/file 2"
rm -r "$share/d3"
cp -r "$share/d4" "$share/d8"
"$trefoil" sync "$share" --target offsite --timeout 120
"$trefoil" umount "$share"
mv "$work/second.away" "$work/second"
drill --all --target second
expect 0 "have been changed since"
[[ $(figure second same_state) == False ]] || fail "not behind?"
(($(figure second commits_behind) > 0)) || fail "not behind?"
(($(figure second figures same) > 100)) || fail "too little was compared"
at=$(figure second copy commit)
drill --target second --at "$at"
expect 0 "0 errors: 100 files"

echo "- what is bad is found"
python3 - "$work/second" <<'P'
import os, sys
packs = [os.path.join(d, n) for d, _, names in os.walk(sys.argv[1] + "/pack")
         for n in names]
with open(max(packs, key=os.path.getsize), "r+b") as f:
    f.seek(os.path.getsize(f.name) // 2)
    byte = f.read(1)[0] ^ 1
    f.seek(-1, 1)
    f.write(bytes([byte]))
P
drill --all --target second
expect 3 "from second alone are not as they should be"
grep -q '"verdict":"UNREADABLE"' "$work"/volume/drills/drill-second-*.json ||
  fail "the report names no file"
check=0
"$trefoil" status "$work/volume" --check >"$work/check.log" || check=$?
((check == 2)) || fail "no alarm: $(cat "$work/check.log")"
grep -q 'second failed its last drill' "$work/check.log" ||
  fail "no alarm: $(cat "$work/check.log")"
find "$work/second" -path '*/commit/*' -type f -delete
find "$work/second" -path '*/checkpoint/*' -type f -delete
drill --target second
expect 3 "Nothing can be recovered from second"
rm -rf "$work/second"
drill --target second
expect 1 "not there"
mv "$work/second.good" "$work/second"

echo "- interrupted at any moment it cleans up"
for signal in TERM KILL; do
  "$trefoil" drill "$work/volume" --target offsite --all \
    --scratch "$work/scratch" >"$work/drill.log" 2>&1 &
  running=$!
  until [[ -n $(ls -A "$work/scratch") ]] || ! kill -0 "$running"; do
    sleep 0.01
  done
  kill "-$signal" "$running" 2>/dev/null || true
  wait "$running" 2>/dev/null || true
  [[ $signal == KILL || -z $(ls -A "$work/scratch") ]] ||
    fail "after a signal scratch is not empty"
done
drill --target offsite
expect 0 "0 errors: 100 files"
mount_share
"$trefoil" drill "$share" --target offsite >"$work/drill.log" 2>&1 &
running=$!
until [[ -n $("$trefoil" snapshot list "$share") ]] || ! kill -0 "$running"; do
  sleep 0.01
done
kill -KILL "$running" 2>/dev/null || true
wait "$running" 2>/dev/null || true
drill --target all
expect 0 "0 errors: 100 files recovered from second alone"
[[ $("$trefoil" snapshot list "$share" | wc -l) == 1 ]] ||
  fail "a killed drill's snapshot stays"
"$trefoil" umount "$share" --wait
"$trefoil" fsck "$work/volume" >"$work/fsck.log" || fail "$(cat "$work/fsck.log")"
echo "drill: done"
