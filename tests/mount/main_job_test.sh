#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the main job, end to end on real parts: files written to a mounted
# share are on three copies, each copy is found clean to the last byte, and
# each alone gives back the same tree and the same snapshots; the gateway may
# be away meanwhile, and the daemon may be killed.
# Method: a share over a real directory target and a real Ceph gateway; cp,
# sync, fsck and recover as a user runs them; rsync compares, and is shown to
# notice a changed byte, mode and attribute.
# usage: main_job_test.sh PROGRAM SUPPORT_DIR [FILES]
set -euo pipefail

trefoil=$1
support=$2
files=${3:-20000}
work=$(mktemp -d /tmp/trefoil-main-XXXXXX)
share=$work/share
recovered=$work/recovered.mnt
export AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret
mkdir "$share" "$recovered" "$work/second" "$work/tree"

clean_up() {
  umount -l "$share" "$recovered" 2>/dev/null || true
  "$support/ceph-rgw.sh" stop "$work/gateway" --rm || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() {
  echo "main_job_test: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# Everything that rsync sees as different, nothing left out.
differences() { # SOURCE/ COPY/
  rsync -aHAXnic --delete --modify-window=-1 --exclude=/.snapshots "$1" "$2"
}
expect_same() { # SOURCE/ COPY/ WHAT
  local found
  found=$(differences "$1" "$2")
  [[ -z $found ]] || fail "$3 differs: $(head -5 <<<"$found")"
}
expect_seen() { # WHAT
  [[ -n $(differences "$share/" "$recovered/") ]] ||
    fail "rsync does not notice a changed $1"
}

mount_share() {
  "$trefoil" mount "$work/volume" "$share" --log-file "$work/share.log"
}

# The volume has its key file, the others need the kit.
fsck_copy() { # VOLUME|URL
  "$trefoil" fsck --read-data --recovery-key-file "$work/kit" "$1"
}

make_tree() {
  python3 - "$work/tree" "$files" <<'P'
import os, random, sys
root, count = sys.argv[1], int(sys.argv[2])
random.seed(20261123)
for i in range(count):
    directory = f"{root}/d{i % 97}/e{i % 11}"
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/file {i}"
    with open(path, "wb") as out:
        out.write(random.randbytes(random.choice((0, 1, 700, 3000, 9000))))
    if i % 500 == 0:
        with open(path, "ab") as out:
            out.write(random.randbytes(2_000_000))
    if i % 100 == 0:
        os.link(path, path + ".link")
        os.symlink(f"file {i}", path + ".symlink")
        os.setxattr(path, "user.number", str(i).encode())
        os.chmod(path, 0o4750)
        os.utime(path, ns=(i, 1_234_567_890_123_456_789 + i))
        with open(path + ".sparse", "wb") as out:
            out.truncate(8 << 20)
            out.seek(4 << 20)
            out.write(b"middle")
P
  setfacl -m u:1234:rw "$work/tree/d0/e0" 2>/dev/null ||
    echo "main_job_test: no ACLs below /tmp; the tree has none"
  mkfifo "$work/tree/fifo"
}

endpoint=$("$support/ceph-rgw.sh" start "$work/gateway")
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:testsecret -X PUT \
  -H "x-amz-content-sha256: $empty" "$endpoint/office"
offsite=s3+$endpoint/office
second=dir:$work/second

"$trefoil" init "$work/volume" --second "$second" --offsite "$offsite" \
  --recovery-kit "$work/kit" \
  >/dev/null 2>&1
mount_share
make_tree

echo "- the gateway goes away while files are written"
"$support/ceph-rgw.sh" kill "$work/gateway" rgw 2>/dev/null
cp -a "$work/tree/." "$share/"
expect_same "$work/tree/" "$share/" "the share"
"$trefoil" sync "$share" --target second --timeout 120
if "$trefoil" sync "$share" --target offsite --timeout 2 2>/dev/null; then
  fail "sync claims what a dead gateway can't hold"
fi
"$support/ceph-rgw.sh" start "$work/gateway" >/dev/null
"$trefoil" sync "$share" --timeout 300

echo "- snapshots see what was, while the tree changes"
first=$("$trefoil" snapshot create "$share" --label first)
rm -r "$share/d1"
echo changed >"$share/d2/new"
"$trefoil" snapshot create "$share" >/dev/null
cp -a "$share/.snapshots/$first/d1" "$share/"
expect_same "$work/tree/" "$share/.snapshots/$first/" "the first snapshot"
rm "$share/d2/new"

echo "- every copy is clean, and each alone gives back the tree"
"$trefoil" sync "$share" --timeout 300
"$trefoil" umount "$share"
for copy in "$work/volume" "$second" "$offsite"; do
  fsck_copy "$copy" >"$work/fsck.log" ||
    fail "fsck of $copy: $(cat "$work/fsck.log")"
done
mount_share
for copy in "$second" "$offsite"; do
  rm -rf "$work/recovered"
  "$trefoil" recover --from "$copy" --full --recovery-key-file "$work/kit" \
    "$work/recovered"
  "$trefoil" mount "$work/recovered" "$recovered" --log-file "$work/rec.log"
  expect_same "$share/" "$recovered/" "the tree from $copy"
  count=0
  for snapshot in "$share"/.snapshots/*/; do
    expect_same "$snapshot" "$recovered/.snapshots/${snapshot#*/.snapshots/}" \
      "snapshot $snapshot from $copy"
    count=$((count + 1))
  done
  ((count == 2)) || fail "$count snapshots instead of 2"
  "$trefoil" status "$recovered" | grep detached >/dev/null || fail "not detached"
  [[ $copy == "$offsite" ]] || "$trefoil" umount "$recovered"
done

echo "- the comparison notices a byte, a mode, an attribute"
victim="d3/e3/file $((3 + 97 * 11))"
cp -a "$recovered/$victim" "$work/victim"
printf x | dd of="$recovered/$victim" bs=1 conv=notrunc status=none
touch -r "$work/victim" "$recovered/$victim"
expect_seen byte
cp -a "$work/victim" "$recovered/$victim"
chmod 0111 "$recovered/$victim"
expect_seen mode
cp -a "$work/victim" "$recovered/$victim"
setfattr -n user.new -v 1 "$recovered/$victim"
expect_seen attribute
"$trefoil" umount "$recovered"

echo "- kill -9 during a copy loses no file whose close returned"
pid=$("$trefoil" status "$share" --json | python3 -c '
import json, sys
def find(tree):
    if isinstance(tree, dict):
        if "pid" in tree: return tree["pid"]
        tree = list(tree.values())
    return next((p for p in map(find, tree) if p), None) if isinstance(
        tree, list) else None
print(find(json.load(sys.stdin)))')
mkdir "$share/killed"
: >"$work/closed"
python3 - "$work/tree" "$share/killed" "$work/closed" <<'P' &
import os, sys
source, target, log = sys.argv[1:]
with open(log, "w") as closed:
    number = 0
    for directory, _, names in os.walk(source):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.isfile(path) or os.path.getsize(path) > 3 << 20:
                continue
            with open(path, "rb") as f:
                data = f.read()
            try:
                with open(f"{target}/{number}", "wb", buffering=0) as out:
                    out.write(data)
            except OSError:
                sys.exit(0)
            closed.write(f"{number}\t{path}\n")
            closed.flush()
            number += 1
P
writer=$!
for _ in {1..600}; do
  (($(wc -l <"$work/closed") < 500)) || break
  sleep 0.1
done
kill -9 "$pid"
wait "$writer" || true
mount_share
count=0
while IFS=$'\t' read -r number path; do
  cmp "$path" "$share/killed/$number" || fail "$path is not whole"
  count=$((count + 1))
done <"$work/closed"
((count > 100)) || fail "only $count files were copied before the kill"
rm -r "$share/killed"
"$trefoil" umount "$share" --wait
for copy in "$work/volume" "$second" "$offsite"; do
  fsck_copy "$copy" >"$work/fsck.log" ||
    fail "fsck of $copy after the kill: $(cat "$work/fsck.log")"
done
echo "main job: $files files on three copies, $count closed before the kill"
