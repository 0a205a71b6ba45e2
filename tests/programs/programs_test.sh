#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: programs that people rely on work on a share and find their files whole
# after a remount: git, SQLite, PostgreSQL, a compiler, tar, rsync, ext4 in an
# image, dbench, fio.
# Method: each on a real mount; each judges itself (git fsck, integrity_check,
# checksums, comparison with what was there). At last fsck reads every byte of
# the volume.
# usage: programs_test.sh PROGRAM [CASE...]
set -euo pipefail

program=$1
shift
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d /tmp/trefoil-programs-XXXXXX)
share=$work/share
postgres=$(echo /usr/lib/postgresql/*/bin)
export HOME=$work GIT_CONFIG_NOSYSTEM=1
chmod 755 "$work"
mkdir "$share"

cleanup() {
  [[ ! -e $work/postgres.on ]] || as_postgres pg_ctl -s -m immediate stop || true
  umount "$work/image" 2>/dev/null || true
  umount -l "$share" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() {
  echo "programs_test: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

mount_share() {
  "$program" mount "$work/volume" "$share" --log-file "$work/share.log" \
    -o suid,dev,commit_interval=1s
}
remount() {
  "$program" umount "$share" --wait
  mount_share
}

# Everything that rsync sees as different between two trees.
expect_same() { # SOURCE/ COPY/ WHAT
  local found
  found=$(rsync -aHAXnic --delete --modify-window=-1 "$1" "$2")
  [[ -z $found ]] || fail "$3 differs: $(head -5 <<<"$found")"
}

# A tree with all that tar and rsync can carry.
make_tree() { # DIRECTORY
  mkdir -p "$1/a/b" "$1/empty"
  cp -r /usr/include/linux "$1/a/headers"
  python3 "$here/odd_files.py" "$1"
  setfacl -m u:1234:rwx,d:g:4321:r "$1/a/b"
}

test_git() {
  git init -q "$share/origin"
  cd "$share/origin"
  git config user.name test && git config user.email test@localhost
  cp -r /usr/include/linux linux
  git add -A && git commit -qm "all"
  local i
  for i in 1 2 3 4 5; do
    git mv "linux/$(ls linux/*.h | sed -n "${i}p" | xargs basename)" "moved$i.h"
    echo "$i" >>"moved$i.h"
    git commit -qam "$i"
  done
  git clone -q "file://$share/origin" "$share/clone"
  cd "$share/clone"
  git repack -qad && git gc -q --prune=now
  git checkout -q -b other HEAD~3 && git checkout -q -
  cd / && remount
  git -C "$share/clone" fsck --full --strict >"$work/git.log" 2>&1 ||
    fail "git fsck"
  [[ -z $(git -C "$share/clone" status --porcelain) ]] || fail "git status"
  diff -r --exclude .git "$share/origin" "$share/clone" || fail "the clone"
}

test_sqlite() {
  local mode i db
  for mode in WAL DELETE; do
    db=$share/$mode.db
    sqlite3 "$db" "PRAGMA journal_mode=$mode; CREATE TABLE t(i INTEGER PRIMARY
      KEY, who INT, data BLOB); CREATE INDEX x ON t(who, data);" >/dev/null
    for i in 1 2 3; do
      for _ in $(seq 20); do
        echo ".timeout 60000
          BEGIN IMMEDIATE; WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT
          v+1 FROM n WHERE v<50) INSERT INTO t(who,data) SELECT $i,
          randomblob(200) FROM n; DELETE FROM t WHERE who=$i AND i%10=0;
          COMMIT;"
      done | sqlite3 -bail "$db" &
    done
    wait %?sqlite3 2>/dev/null || true
    wait
    sqlite3 "$db" "SELECT count(*) FROM t" >"$work/$mode.count"
  done
  remount
  for mode in WAL DELETE; do
    db=$share/$mode.db
    [[ $(sqlite3 "$db" "PRAGMA integrity_check") == ok ]] || fail "$mode"
    [[ $(sqlite3 "$db" "SELECT count(*) FROM t") == "$(<"$work/$mode.count")" &&
      $(<"$work/$mode.count") -gt 2500 ]] || fail "$mode: rows are missing"
  done
}

as_postgres() {
  setpriv --reuid=postgres --regid=postgres --clear-groups \
    env PGDATA="$share/postgres" "PATH=$postgres:/usr/bin:/bin" "$@"
}
start_postgres() {
  as_postgres pg_ctl -s -w -l "$work/postgres.d/log" \
    -o "-c listen_addresses= -k $work/postgres.d" start
  touch "$work/postgres.on"
}

test_postgres() {
  install -d -o postgres "$work/postgres.d" "$share/postgres"
  as_postgres initdb --data-checksums --no-locale >"$work/initdb.log" 2>&1 ||
    fail "initdb"
  start_postgres
  local host=$work/postgres.d
  as_postgres pgbench -h "$host" -i -s 2 postgres >"$work/pgbench.log" 2>&1 ||
    fail "pgbench -i"
  as_postgres pgbench -h "$host" -c 4 -t 100 postgres >"$work/pgbench.log" \
    2>&1 || fail "pgbench"
  # A crash, to be recovered from its own log.
  as_postgres pg_ctl -s -m immediate stop
  remount
  start_postgres
  [[ $(as_postgres psql -h "$host" -Atc \
    "SELECT count(*) FROM pgbench_history" postgres) == 400 ]] ||
    fail "transactions of PostgreSQL are lost"
  as_postgres pg_amcheck -h "$host" --install-missing postgres ||
    fail "pg_amcheck"
  as_postgres pg_ctl -s -m fast stop
  rm "$work/postgres.on"
  as_postgres pg_checksums --check >"$work/checksums.log" || fail "pg_checksums"
}

test_compiler() {
  mkdir "$share/build" && cd "$share/build"
  local i
  for i in $(seq 30); do
    printf '#include <stdio.h>\nint f%d(int x) { return x + %d; }\n' \
      "$i" "$i" >"f$i.c"
    printf 'int f%d(int);\n' "$i" >>all.h
  done
  {
    printf '#include "all.h"\n#include <stdio.h>\nint main(void) { int x = 0;\n'
    seq -f 'x = f%g(x);' 30
    printf 'printf("%%d\\n", x); return 0; }\n'
  } >main.c
  cat >Makefile <<'MAKE'
objects := $(patsubst %.c,%.o,$(wildcard f*.c))
program: main.o libf.a
	$(CC) -o $@ main.o libf.a
libf.a: $(objects)
	ar rcs $@ $(objects)
%.o: %.c all.h
	$(CC) -O1 -c -o $@ $<
all.h: ;
main.c: ;
MAKE
  make -s -j4 program
  [[ $(./program) == 465 ]] || fail "the program that was built"
  make -q program || fail "make sees something to do after making all"
  sleep 0.01 && touch f7.c
  [[ $(make program | grep -c -- -c) == 1 ]] || fail "make after a touch"
  cd /
}

test_tar_and_rsync() {
  make_tree "$share/tree"
  mkdir "$share/untarred"
  tar --xattrs --xattrs-include='*' --acls --sparse --format=pax \
    -C "$share/tree" -cf "$share/tree.tar" .
  tar --xattrs --xattrs-include='*' --acls -C "$share/untarred" -xpf \
    "$share/tree.tar"
  expect_same "$share/tree/" "$share/untarred/" "what tar unpacked"
  rsync -aHAXS --modify-window=-1 "$share/tree/" "$work/outside/"
  rsync -aHAXS --modify-window=-1 "$work/outside/" "$share/synced/"
  remount
  expect_same "$work/outside/" "$share/tree/" "the tree"
  expect_same "$work/outside/" "$share/synced/" "what rsync brought back"
  [[ -z $(rsync -aHAXni --modify-window=-1 --delete "$work/outside/" "$share/synced/") ]] ||
    fail "rsync would copy again"
}

test_image() {
  mkdir "$work/image"
  truncate -s 256M "$share/image"
  mkfs.ext4 -q -F -b 4096 "$share/image"
  mount -o loop "$share/image" "$work/image"
  make_tree "$work/image/tree"
  rsync -aHAX --modify-window=-1 "$work/image/tree/" "$work/of-image/"
  umount "$work/image"
  remount
  e2fsck -fn "$share/image" >"$work/e2fsck.log" 2>&1 || fail "e2fsck"
  mount -o loop "$share/image" "$work/image"
  expect_same "$work/of-image/" "$work/image/tree/" "the tree in the image"
  umount "$work/image"
}

test_dbench() {
  mkdir "$share/dbench"
  dbench -D "$share/dbench" -t 8 4 >"$work/dbench.log" 2>&1 || fail "dbench"
  grep -q "^Throughput" "$work/dbench.log" || fail "dbench says nothing"
}

test_fio() {
  local engine
  for engine in psync libaio mmap; do
    fio --name="$engine" --directory="$share" --ioengine="$engine" \
      --verify_state_save=0 \
      --rw=randrw --bsrange=4k-64k --blockalign=4k --size=24m --numjobs=2 \
      --direct=$([[ $engine == libaio ]] && echo 1 || echo 0) --iodepth=8 \
      --verify=crc32c --verify_fatal=1 --fsync=64 --group_reporting \
      >"$work/fio.log" 2>&1 || fail "fio with $engine"
    rm "$share/$engine".*
  done
}

"$program" init "$work/volume" >/dev/null 2>&1
mount_share
if (($# == 0)); then
  set -- git sqlite postgres compiler tar_and_rsync image dbench fio
fi
for case in "$@"; do
  start=$SECONDS
  "test_$case"
  echo "$case: $((SECONDS - start)) s"
done
"$program" umount "$share" --wait
"$program" fsck --read-data "$work/volume" >"$work/fsck.log" || fail "fsck"
