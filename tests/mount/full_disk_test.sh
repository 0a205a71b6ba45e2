#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a full primary disk refuses writes at write(2) and nothing else: what
# frees space works and gives it back within a minute, the daemon lives, the
# volume mounts again, and an offsite store that is away changes none of it.
# Method: a volume on an ext4 of its own in a loop device, its offsite target
# an address where nobody listens.
# usage: full_disk_test.sh PROGRAM
set -euo pipefail

program=$1
work=$(mktemp -d /tmp/trefoil-full-XXXXXX)
disk=$work/disk
share=$work/share
volume=$disk/volume
readonly kDiskMiB=512

cleanup() {
  "$program" umount "$share" >/dev/null 2>&1 || umount -l "$share" 2>/dev/null ||
    true
  umount "$disk" 2>/dev/null || umount -l "$disk" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "full_disk_test: $*" >&2
  "$program" status "$volume" >&2 || true
  df -m "$disk" >&2 || true
  tail -n 20 "$work/log" >&2 || true
  exit 1
}

available_mib() { df -m --output=avail "$share" | tail -n 1; }

mount_share() {
  "$program" mount "$volume" "$share" -o commit_interval=2s,log_file="$work/log"
}

# write MIB FILE: incompressible; prints dd's last words and ends as it does.
write() (
  set +o pipefail
  openssl enc -aes-128-ctr -pass pass:"$2" -nosalt -pbkdf2 -iter 1 </dev/zero \
    2>/dev/null | dd of="$2" bs=1M count="$1" iflag=fullblock conv=fsync 2>&1
)

mkdir "$disk" "$share"
truncate -s ${kDiskMiB}M "$work/image"
mkfs.ext4 -q -F "$work/image"
mount -o loop "$work/image" "$disk"
export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret
"$program" init "$volume" --offsite s3+http://127.0.0.1:9/bucket --force 2>/dev/null
mount_share
mkdir "$share/kept"
echo "kept" >"$share/kept/file"

echo "filling the disk: write(2) says so, close(2) and fsync(2) don't"
if said=$(write $kDiskMiB "$share/big"); then
  fail "more fits than there is: $said"
fi
[[ $said == *"error writing"*"No space left"* ]] || fail "dd said: $said"
"$program" status "$volume" --json | grep '"state": *"ok"' >/dev/null ||
  fail "the volume is not ok"
said=$("$program" status --check "$volume" || true)
[[ $said == *"primary disk "*"full"* ]] || fail "status --check said: $said"
[[ $(cat "$share/kept/file") == kept ]] || fail "a read failed"

echo "what frees space works"
size=$(stat -c %s "$share/big")
((size > 100 << 20)) || fail "only $size bytes were taken"
mv "$share/big" "$share/kept/big"
truncate -s $((size / 2)) "$share/kept/big"
rm "$share/kept/big"
for ((second = 0; $(available_mib) < kDiskMiB / 2; ++second)); do
  ((second < 60)) || fail "space is not back after $second s"
  sleep 1
done
echo "space was back after $second s"

echo "writing and deleting three times the disk's size"
for ((written = 0, i = 0; written < 3 * kDiskMiB; written += 60, ++i)); do
  said=$(write 60 "$share/round$((i % 3))") || fail "round $i: $said"
  ((i < 2)) || rm "$share/round$(((i - 2) % 3))"
done

echo "a full disk unmounts and mounts"
write $kDiskMiB "$share/big" >/dev/null && fail "more fits than there is"
"$program" umount "$share"
mount_share
[[ $(cat "$share/kept/file") == kept ]] || fail "a file is lost"
[[ -s $share/big ]] || fail "the big file is lost"
rm "$share/big"
"$program" umount "$share"
"$program" fsck --read-data "$volume" || fail "fsck: $?"
echo "ok"
