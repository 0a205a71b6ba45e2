#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: mount(8) and fstab(5) drive Trefoil through /sbin/mount.trefoil and
# /sbin/mount.fuse.trefoil, without PATH and HOME, with the options that people
# write there.
# Method: a mount namespace of our own whose /sbin also holds the two names,
# links to the program; mount(8) with an fstab of our own.
# usage: helper_test.sh PROGRAM
set -euo pipefail

if [[ ${2-} != inside ]]; then
  work=$(mktemp -d /tmp/trefoil-helper-XXXXXX)
  trap 'rm -rf "$work"' EXIT
  unshare --mount --propagation private "$0" "$1" inside "$work"
  exit
fi

program=$1
work=$3
share=$work/share
trap 'umount -l "$share" 2>/dev/null || true' EXIT

fail() {
  echo "helper_test: $*" >&2
  exit 1
}

expect_mounted() { # FRAGMENT OF THE LINE IN /proc/mounts
  grep -q "^$work/volume $share fuse.trefoil $1" /proc/mounts ||
    fail "$2: $(grep "$share" /proc/mounts || echo not mounted)"
  stat "$share" >/dev/null
}

mkdir "$work/sbin" "$work/upper" "$share"
ln -s "$program" "$work/sbin/mount.trefoil"
ln -s "$program" "$work/sbin/mount.fuse.trefoil"
mount -t overlay -o "lowerdir=$work/sbin:/usr/sbin" overlay /usr/sbin
"$program" init "$work/volume"

echo "mount(8) by type"
for type in trefoil fuse.trefoil; do
  env -i /bin/mount -t "$type" "$work/volume" "$share"
  expect_mounted "rw," "type $type"
  echo "$type" >"$share/$type"
  /bin/umount "$share"
done

echo "fstab"
cat >"$work/fstab" <<FSTAB
$work/volume $share trefoil _netdev,nofail,noauto,x-systemd.automount,x-gvfs-hide,rw,noatime,allow_other,default_permissions,snapdir=visible,commit_interval=2s,log_file=$work/log,credentials_file=$work/credentials 0 0
FSTAB
env -i /bin/mount -T "$work/fstab" "$share"
expect_mounted "rw,noatime" "fstab"
[[ $(cat "$share/trefoil") == trefoil ]] || fail "the file is lost"
[[ $(ls -A "$share") == *.snapshots* ]] || fail ".snapshots is not listed"

echo "remount through the helper"
/bin/mount -T "$work/fstab" -o remount,ro "$share"
expect_mounted "ro," "remount,ro"
touch "$share/x" 2>/dev/null && fail "a write went through on ro"
/bin/mount -T "$work/fstab" -o remount,rw "$share"
touch "$share/x"
/bin/umount "$share"

echo "read-only and a user's fstab options"
env -i /bin/mount -t fuse.trefoil -o ro,user,exec "$work/volume" "$share"
expect_mounted "ro,nosuid,nodev,noatime" "ro,user,exec"
/bin/umount "$share"

echo "-f does nothing, unknown options are refused unless sloppy"
env -i /bin/mount -f -t trefoil "$work/volume" "$share"
env -i "$work/sbin/mount.trefoil" "$work/volume" "$share" -fnv -o rw
grep -q "$share" /proc/mounts && fail "-f mounted it"
env -i /bin/mount -t trefoil -o frobnicate "$work/volume" "$share" 2>"$work/err" &&
  fail "an unknown option was accepted"
grep -q "'frobnicate' is not known" "$work/err" || fail "$(cat "$work/err")"
env -i /bin/mount -s -t trefoil -o frobnicate "$work/volume" "$share"
expect_mounted "rw," "sloppy"
echo "fsck waits until the daemon has closed the volume"
/bin/umount "$share" && "$program" fsck "$work/volume" || fail "umount && fsck"
echo "ok"
