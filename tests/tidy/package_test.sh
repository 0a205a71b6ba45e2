#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an installation places exactly what the man page and the README say.
# Method: `cmake --install` into an empty DESTDIR, and with --deb CPack's .deb,
# each compared with the list below; the unit is verified as systemd reads it,
# and the installed program runs under each of its names.
# usage: package_test.sh SOURCE BUILD [--deb]
set -euo pipefail
source=$1 build=$2 kind=${3:-}

expected() {
  cat <<'LIST'
usr/bin/trefoil
usr/bin/trefoil-reader
usr/lib/systemd/system/trefoil-drill@.service
usr/lib/systemd/system/trefoil-drill@.timer
usr/lib/systemd/system/trefoil@.service
usr/sbin/fsck.trefoil
usr/sbin/mount.fuse.trefoil
usr/sbin/mount.trefoil
usr/share/bash-completion/completions/trefoil
usr/share/doc/trefoil/CHANGELOG.md
usr/share/doc/trefoil/LICENSE
usr/share/doc/trefoil/README.md
LIST
  local page
  for page in "$source"/man/*.[1578]; do
    echo "usr/share/man/man${page##*.}/$(basename "$page")"
  done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root

if [[ $kind == --deb ]]; then
  (cd "$build" && cpack -G DEB -B "$scratch/deb") >"$scratch/log" 2>&1 || {
    cat "$scratch/log"
    exit 1
  }
  deb=$(echo "$scratch"/deb/trefoil_*.deb)
  dpkg-deb -x "$deb" "$root"
  depends=$(dpkg-deb -f "$deb" Depends)
  for library in fuse3 libfuse3-3 librocksdb libcurl4 libssl3 libzstd1; do
    grep -q "$library" <<<"$depends" || {
      echo "the package does not depend on $library: $depends"
      exit 1
    }
  done
else
  DESTDIR=$root cmake --install "$build" --prefix /usr >"$scratch/log"
fi

# Bytecode and the like would show up here too.
diff <(expected | LC_ALL=C sort) \
  <(cd "$root" && find . ! -type d -printf '%P\n' | LC_ALL=C sort) ||
  { echo "left: expected; right: installed" && exit 1; }

for name in mount.trefoil mount.fuse.trefoil fsck.trefoil; do
  [[ $(readlink "$root/usr/sbin/$name") == ../bin/trefoil ]]
done
"$root/usr/bin/trefoil" --version | grep -q '^trefoil [0-9]'

# The program is not where systemd would look for it; all else must be right.
units=$root/usr/lib/systemd/system
grep -q '^ExecStart=trefoil mount -f ' "$units/trefoil@.service"
for unit in trefoil@ trefoil-drill@; do
  sed "s#^ExecStart=trefoil #ExecStart=$root/usr/bin/trefoil #" \
    "$units/$unit.service" >"$scratch/$unit.service"
  ln -s "$unit.service" "$scratch/${unit}office.service"
done
cp "$units/trefoil-drill@.timer" "$scratch/"
ln -s "trefoil-drill@.timer" "$scratch/trefoil-drill@office.timer"
for unit in trefoil@office.service trefoil-drill@office.service \
  trefoil-drill@office.timer; do
  complaints=$(systemd-analyze verify --man=no "$scratch/$unit" 2>&1) ||
    complaints+=" (it failed)"
  [[ -z $complaints ]] || { echo "$unit: $complaints" && exit 1; }
done

bash -n "$root/usr/share/bash-completion/completions/trefoil"
echo "everything is in its place"
