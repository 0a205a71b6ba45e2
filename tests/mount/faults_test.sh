#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: whatever happens to a copy, the share goes on, status says what it is in
# words that help, and when the cause is gone the copies are whole again by
# themselves; nothing good is replaced by anything bad. The primary's objects
# alone give the tree back, too.
# Method: a share over a real directory target and a real Ceph gateway behind a
# proxy that fails, drops, loses answers and is slow; the gateway killed while
# objects are on their way, its user's key changed, its bucket emptied; one
# object spoiled in two copies and in all; journal and index deleted.
# usage: faults_test.sh PROGRAM SUPPORT_DIR
set -euo pipefail

trefoil=$1
support=$2
work=$(mktemp -d /tmp/trefoil-faults-XXXXXX)
share=$work/share
kit=(--recovery-key-file "$work/kit")
keys=$work/credentials
unset AWS_CA_BUNDLE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
mkdir "$share" "$work/second" "$work/tree"

clean_up() {
  umount -l "$share" 2>/dev/null || true
  "$support/faultproxy.sh" stop "$work/proxy" 2>/dev/null || true
  "$support/ceph-rgw.sh" stop "$work/gateway" --rm || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() {
  echo "faults_test: $*" >&2
  "$trefoil" status "$share" >&2 || true
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}
# Until the command succeeds; two minutes are for a busy machine.
eventually() { # COMMAND...
  local end=$((SECONDS + 120))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "never: $*"
    sleep 0.2
  done
}
# Not grep -q: it ends early, and what it reads from would fail with it.
says() { "$trefoil" status "$share" | grep -E -- "$1" >/dev/null; }
status_of() { # FIELD of the copy offsite
  "$trefoil" status --json "$share" | python3 -c '
import json, sys
for copy in json.load(sys.stdin)["copies"]:
    if copy["name"] == "offsite":
        print(copy[sys.argv[1]])' "$1"
}
put_keys() { # SECRET
  printf '[default]\naws_access_key_id=testkey\naws_secret_access_key=%s\n' \
    "$1" >"$keys.new"
  mv "$keys.new" "$keys"
}
mount_share() {
  "$trefoil" mount "$work/volume" "$share" --log-file "$work/share.log"
}
# More of the tree, on the share too.
write_files() { # NAME COUNT BYTES
  mkdir "$work/tree/$1"
  for ((i = 0; i < $2; i++)); do
    head -c "$3" /dev/urandom >"$work/tree/$1/$i"
  done
  cp -r "$work/tree/$1" "$share/"
}
expect_tree() { # WHAT
  diff -r --exclude=.snapshots "$work/tree" "$share" >"$work/diff.log" ||
    fail "$1: $(head -3 "$work/diff.log")"
}
expect_clean() {
  for copy in "$work/volume" "dir:$work/second" "s3+$endpoint/office"; do
    "$trefoil" fsck --read-data "${kit[@]}" \
      --credentials-file "$keys" "$copy" \
      >"$work/fsck.log" || fail "fsck of $copy: $(cat "$work/fsck.log")"
  done
}
s3() { # SECRET CURL-ARGUMENT...
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u "testkey:$1" \
    -H "x-amz-content-sha256: $empty" "${@:2}"
}
bucket_keys() {
  s3 "$1" "$endpoint/office?list-type=2" | grep -o '<Key>[^<]*' | cut -c6-
}

put_keys testsecret
endpoint=$("$support/ceph-rgw.sh" start "$work/gateway")
port=${endpoint##*:}
proxy_port=$("$support/free_ports.py")
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
s3 testsecret -X PUT "$endpoint/office"
"$trefoil" init "$work/volume" --second "dir:$work/second" \
  --offsite "s3+$endpoint/office" --credentials-file "$keys" \
  --recovery-kit "$work/kit" >/dev/null 2>&1
proxy() { # VARIABLE=VALUE...
  env "$@" "$support/faultproxy.sh" start "$work/proxy" "$port" \
    $proxy_port >/dev/null
}
sed -i "s#$endpoint#http://127.0.0.1:$proxy_port#" "$work/volume/config.toml"

echo "- refused, dropped, lost and slow requests only delay it"
proxy P503=15 P444=5 PLOST=10 BW=20000000
mount_share
for round in 1 2 3; do write_files "faulty$round" 20 100000; done
"$trefoil" sync "$share" --timeout 120

echo "- credentials that were revoked are said to be, new ones are taken up"
"$support/ceph-rgw.sh" admin "$work/gateway" user modify --uid=test \
  --access-key=testkey --secret-key=newsecret >/dev/null
write_files revoked 5 50000
eventually says 'offsite +refused'
says 'check the credentials' || fail "no advice"
"$trefoil" sync "$share" --target second --timeout 60
put_keys newsecret
"$trefoil" sync "$share" --timeout 120
expect_tree "with new credentials"

echo "- a gateway that is killed while objects are on their way, too"
before=$(status_of objects)
more_there() { (($(status_of objects) > before)); }
write_files large 3 20000000
eventually more_there
"$support/ceph-rgw.sh" kill "$work/gateway" rgw 2>/dev/null
write_files meanwhile 10 50000
expect_tree "without the gateway"
eventually says 'offsite +(unreachable|failing)'
"$support/ceph-rgw.sh" start "$work/gateway" >/dev/null
"$trefoil" sync "$share" --timeout 120
"$support/faultproxy.sh" stop "$work/proxy"
proxy P503=0

echo "- a bucket that was emptied by hand is noticed and filled again"
empty_bucket() {
  bucket_keys newsecret | xargs -P 4 -I{} curl -sf \
    --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:newsecret \
    -H "x-amz-content-sha256: $empty" -X DELETE "$endpoint/office/{}"
}
empty_bucket
"$trefoil" sync "$share" --timeout 120
says 'noticed .*(emptied|gone)' || fail "nothing is said of it"
"$trefoil" umount "$share"
expect_clean
echo "  also when it happened while the volume was not mounted"
empty_bucket
mount_share
"$trefoil" umount "$share" --wait --timeout 120
expect_clean
mount_share
expect_tree "beside a bucket that was emptied"
"$trefoil" umount "$share"

echo "- an object that is bad in two copies comes from the third"
spoil() { # FILE
  python3 - "$1" <<'P'
import os, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(os.path.getsize(f.name) // 2)
    byte = f.read(1)[0] ^ 4
    f.seek(-1, 1)
    f.write(bytes([byte]))
P
}
pack=$(cd "$work/volume/objects" && find pack -type f -size +1M | sort | head -1)
[[ $pack ]] || fail "no pack"
cp "$work/volume/objects/$pack" "$work/good"
spoil "$work/volume/objects/$pack"
spoil "$work/second/$pack"
mount_share
expect_tree "over an object that is bad in two copies"
"$trefoil" scrub --wait "$share" >"$work/scrub.log" ||
  fail "scrub: $(cat "$work/scrub.log")"
"$trefoil" umount "$share" --wait
expect_clean

echo "- bad in every copy it is named, left in place, and spoils nothing"
spoil "$work/volume/objects/$pack"
spoil "$work/second/$pack"
cp "$work/second/$pack" "$work/bad"
s3 newsecret -X DELETE "$endpoint/office/$pack"
mount_share
if diff -r --exclude=.snapshots "$work/tree" "$share" >"$work/diff.log" 2>&1
then
  fail "nothing is lost?"
fi
if grep -q differ "$work/diff.log"; then
  fail "wrong bytes: $(cat "$work/diff.log")"
fi
says "can't be read: [a-z0-9]+/[0-9]+: $pack" || fail "no file is named"
"$trefoil" scrub --wait --offsite "$share" >"$work/scrub.log" &&
  fail "scrub: $(cat "$work/scrub.log")"
cmp "$work/second/$pack" "$work/bad" || fail "what nobody can explain changed"
echo "  and one good copy of it heals all"
cp "$work/good" "$work/second/$pack"
"$trefoil" scrub --wait --offsite "$share" >"$work/scrub.log" ||
  fail "scrub: $(cat "$work/scrub.log")"
expect_tree "healed from the last good copy"
"$trefoil" umount "$share" --wait
expect_clean

echo "- the primary's objects give the tree back without index and journal"
rm -r "$work/volume/index"
mount_share
expect_tree "without the index"
"$trefoil" umount "$share" --wait
mv "$work/volume/journal" "$work/journal"
if "$trefoil" mount "$work/volume" "$share" 2>"$work/refused.log"; then
  fail "a deleted journal was not noticed"
fi
grep -q 'What is in no commit is lost without it' "$work/refused.log" ||
  fail "$(cat "$work/refused.log")"
rm -r "$work/volume/index"
mount_share
expect_tree "without index and journal"
says 'what was written after it is lost' || fail "nothing is said"
write_files after 2 1000
"$trefoil" sync "$share" --timeout 60
"$trefoil" umount "$share"
expect_clean
echo "faults: done"
