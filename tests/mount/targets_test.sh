#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: the targets of a share in use change by one command each: a bucket that
# is added gets everything, whatever happens to the daemon meanwhile, and gives
# everything back alone; a target that is removed is let go at once, reachable or
# not; disks that take turns are told apart, and a blank one is taken in only
# when somebody says so.
# Method: a share over a directory target, a real Ceph gateway that is added
# behind a slow proxy, the daemon killed while the bucket is seeded; loop
# devices mounted in turn at one path.
# usage: targets_test.sh PROGRAM SUPPORT_DIR
set -euo pipefail

trefoil=$1
support=$2
work=$(mktemp -d /tmp/trefoil-targets-XXXXXX)
share=$work/share
usb=$work/usb
unset AWS_CA_BUNDLE
export AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret
mkdir "$share" "$usb" "$work/tree"

clean_up() {
  umount -l "$share" "$usb" 2>/dev/null || true
  "$support/faultproxy.sh" stop "$work/proxy" 2>/dev/null || true
  "$support/ceph-rgw.sh" stop "$work/gateway" --rm || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() {
  echo "targets_test: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}
# A field of a target, such as `third state`; of disk N, `second disks 0 in`.
target() { # NAME FIELD...
  "$trefoil" target list --json "$share" | python3 -c '
import json, sys
found = [t for t in json.load(sys.stdin) if t["name"] == sys.argv[1]]
value = found[0] if found else {}
for name in sys.argv[2:]:
    value = value[int(name)] if isinstance(value, list) else value.get(name, "")
print(value)' "$@"
}
until_target() { # VALUE NAME FIELD...
  for _ in {1..600}; do
    [[ $(target "${@:2}") != "$1" ]] || return 0
    sleep 0.1
  done
  fail "target ${*:2} is never $1: $("$trefoil" target list "$share")"
}
refused() { # TEXT COMMAND...
  ! "${@:2}" >"$work/out" 2>&1 || fail "not refused: ${*:2}"
  grep -qF -- "$1" "$work/out" || fail "${*:2}: $(cat "$work/out")"
}
mount_share() {
  "$trefoil" mount "$work/volume" "$share" --log-file "$work/share.log"
}
expect_clean() {
  "$trefoil" fsck --read-data --recovery-key-file "$work/kit" "$1" \
    >"$work/fsck.log" || fail "fsck of $1: $(cat "$work/fsck.log")"
}
s3() { # METHOD PATH
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:testsecret -X "$1" \
    -H "x-amz-content-sha256: $empty" "$endpoint/$2"
}
owners() { # URL
  case $1 in
    dir:*) ls -l --time-style=full-iso "${1#dir:}/owner" ;;
    *) s3 GET 'office?list-type=2' | grep -o '<Key>owner/[^<]*' ;;
  esac
}
expect_recovered() { # URL
  rm -rf "$work/recovered"
  owners "$1" >"$work/owners"
  "$trefoil" recover --full --from "$1" --recovery-key-file "$work/kit" \
    "$work/recovered" >"$work/recover.log"
  "$trefoil" mount "$work/recovered" "$work/mnt" --log-file "$work/rec.log"
  diff -r "$share" "$work/mnt" || fail "another tree came from $1"
  "$trefoil" snapshot list "$work/mnt" | grep before >/dev/null ||
    fail "no snapshot came from $1"
  # A trial, which nobody notices.
  echo trial >"$work/mnt/trial"
  "$trefoil" umount "$work/mnt"
  owners "$1" | cmp - "$work/owners" || fail "a trial touched the owners of $1"
}

head -c 24000000 /dev/urandom >"$work/tree/large"
for i in {1..200}; do echo "file $i" >"$work/tree/file$i"; done
"$trefoil" init "$work/volume" --second "dir:$work/second" \
  --recovery-kit "$work/kit" >/dev/null 2>&1
mount_share
cp -a "$work/tree/." "$share/"
"$trefoil" snapshot create "$share" --label before >/dev/null
rm "$share/file7"

echo "- what can't be a target is refused"
refused 'there is a target second' \
  "$trefoil" target add --same-disk "$share" second "dir:$work/x"
refused 'is target second' \
  "$trefoil" target add --same-disk "$share" third "dir:$work/second"
refused 'is the right disk mounted' \
  "$trefoil" target add "$share" third "dir:$usb/trefoil"
refused 'plain HTTP' \
  "$trefoil" target add "$share" third s3+http://store.example/bucket
refused 'last target' "$trefoil" target remove "$share" second
refused 'no target is named' "$trefoil" target remove "$share" third
"$trefoil" init "$work/other" --second "dir:$work/others" >/dev/null 2>&1
refused 'another volume' \
  "$trefoil" target add --same-disk "$share" third "dir:$work/others"
[[ $(grep -c '^\[\[target' "$work/volume/config.toml") == 1 ]] ||
  fail "a refused target is in the configuration"

echo "- a bucket is seeded while the daemon is killed"
endpoint=$("$support/ceph-rgw.sh" start "$work/gateway")
port=${endpoint##*:}
proxy_port=$("$support/free_ports.py")
empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
s3 PUT office
proxy() { # PERCENT_503
  "$support/faultproxy.sh" stop "$work/proxy" 2>/dev/null || true
  P503=$1 "$support/faultproxy.sh" start "$work/proxy" "$port" $proxy_port \
    >/dev/null
}
proxy 0
slow=s3+http://127.0.0.1:$proxy_port/office
"$trefoil" target add "$share" third "$slow" >"$work/out" ||
  fail "add: $(cat "$work/out")"
proxy 40
grep -q 'recovery-kit' "$work/out" || fail "add: $(cat "$work/out")"
for _ in {1..300}; do
  [[ $(target third objects) == 0 ]] || break
  sleep 0.1
done
echo "  killed with $(target third objects) objects there," \
  "$(target third objects_waiting) waiting"
kill -9 "$("$trefoil" status --json "$share" | python3 -c \
  'import json, sys; print(json.load(sys.stdin)["pid"])')"
umount -l "$share"
mount_share
proxy 0
"$trefoil" sync --target third --timeout 120 "$share"
echo after >"$share/after"
"$trefoil" sync --target third --timeout 120 "$share"
mkdir "$work/mnt"
expect_clean "$slow"
expect_recovered "$slow"

echo "- a target that is away is removed at once, and comes back"
"$support/faultproxy.sh" stop "$work/proxy"
echo more >"$share/more"
timeout 20 "$trefoil" target remove "$share" third >"$work/out" 2>&1 ||
  fail "remove: $(cat "$work/out")"
grep -q 'objects' "$work/out" || fail "remove: $(cat "$work/out")"
grep -q 'copies left: primary, second' "$work/out" ||
  fail "remove: $(cat "$work/out")"
[[ ! -e $work/volume/targets/third.json ]] || fail "its state is still there"
"$trefoil" sync --timeout 60 "$share"
"$trefoil" umount "$share"
# At rest, and under another name and URL.
"$trefoil" target add "$work/volume" cloud "s3+$endpoint/office" >"$work/out"
mount_share
"$trefoil" sync --timeout 120 "$share"
expect_clean "s3+$endpoint/office"
proxy 0
refused 'is target cloud of this volume already' \
  "$trefoil" target add "$share" twin "$slow"
"$support/faultproxy.sh" stop "$work/proxy"

echo "- disks take turns"
for disk in red blue; do
  truncate -s 96M "$work/$disk.img"
  mkfs.ext4 -q -E lazy_itable_init=0 -O ^has_journal "$work/$disk.img"
done
plug_in() { mount -o loop "$work/$1.img" "$usb"; }
plug_in red
"$trefoil" target add "$share" rotated "dir:$usb/trefoil" >/dev/null
"$trefoil" target adopt --label red "$share" rotated >/dev/null
"$trefoil" sync --target rotated --timeout 60 "$share"
until_target red rotated disks 0 label
umount "$usb"
echo "without a disk" >"$share/none"
refused 'is the right disk mounted' "$trefoil" target adopt "$share" rotated
[[ -z $(ls -A "$usb") ]] || fail "something was written to the mountpoint"
plug_in blue
[[ $(ls "$usb") == lost+found ]] || fail "a blank disk was written to"
"$trefoil" target adopt --label blue "$share" rotated >/dev/null
"$trefoil" sync --target rotated --timeout 60 "$share"
until_target blue rotated disks 0 label
[[ $(target rotated disks 0 in) == True ]] || fail "the blue disk is not in"
[[ $(target rotated disks 1 label) == red ]] || fail "no red disk"
(($(target rotated disks 1 watermark) < $(target rotated disks 0 watermark))) ||
  fail "the watermark of one disk was taken for the other's"
"$trefoil" status "$share" | grep 'red): away.*the oldest' >/dev/null ||
  fail "status: $("$trefoil" status "$share")"
umount "$usb"
plug_in red
"$trefoil" scrub --wait "$share" >"$work/scrub.log" ||
  fail "scrub after a swap: $(cat "$work/scrub.log")"
"$trefoil" sync --target rotated --timeout 120 "$share"
until_target red rotated disks 0 label
[[ -z $(target rotated notice) ]] || fail "$(target rotated notice)"
expect_clean "dir:$usb/trefoil"
expect_recovered "dir:$usb/trefoil"

echo "- a disk that is lost is forgotten, and told apart when it is found"
refused 'unplug it first' "$trefoil" target forget "$share" rotated red
refused 'no disk of rotated' "$trefoil" target forget "$share" rotated green
"$trefoil" target forget "$share" rotated blue >/dev/null
! "$trefoil" status "$share" | grep blue >/dev/null ||
  fail "status: $("$trefoil" status "$share")"
"$trefoil" sync --target rotated --timeout 60 "$share"
umount "$usb"
plug_in blue
found=$(ls -R "$usb/trefoil" | sha256sum)
refused 'was forgotten' \
  "$trefoil" sync --target rotated --timeout 3 "$share"
[[ $(ls -R "$usb/trefoil" | sha256sum) == "$found" ]] ||
  fail "a disk that was forgotten was written to"
"$trefoil" target adopt "$share" rotated >/dev/null
"$trefoil" sync --target rotated --timeout 60 "$share"
until_target blue rotated disks 0 label
[[ $(target rotated disks 0 in) == True ]] || fail "the blue disk is not in"
expect_clean "dir:$usb/trefoil"

echo "- what one copy has damaged comes from the other"
"$trefoil" sync --timeout 60 "$share"
"$trefoil" umount "$share"
expect_clean "$work/volume"
spoil() { # FILE
  [[ -n $1 ]] || fail "there is nothing to spoil"
  printf x | dd of="$1" bs=1 seek=300 conv=notrunc status=none
}
cp -r "$usb/trefoil" "$work/spoiled"
spoil "$(find "$work/spoiled/commit" -type f | sort | tail -n 1)"
spoil "$(find "$work/spoiled/pack" -type f | sort | head -n 1)"
spoil "$(find "$usb/trefoil/pack" -type f | sort | tail -n 1)"
from_both=(--full --recovery-key-file "$work/kit" --from "dir:$work/spoiled")
refused 'does not hash to its name' \
  "$trefoil" recover "${from_both[@]}" "$work/together"
from_both+=(--from "dir:$usb/trefoil")
"$trefoil" recover "${from_both[@]}" "$work/together" >"$work/recover.log" 2>&1 ||
  fail "$(cat "$work/recover.log")"
expect_clean "$work/together"
"$trefoil" target list "$work/together" | grep '^second2: dir:' >/dev/null ||
  fail "$("$trefoil" target list "$work/together")"
echo "targets: done"
