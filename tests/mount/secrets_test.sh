#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Goal: an encrypted volume tells whoever holds its copies nothing, comes back
# from any copy with the passphrase or the recovery key, and from none with
# anything else; what was taken back opens nothing any more.
# Method: the program as a user runs it, a directory target and a real Ceph
# gateway; every object of both is fetched and searched for plaintext; the
# search is shown to find it in a volume that is not encrypted.
# usage: secrets_test.sh PROGRAM SUPPORT_DIR
set -euo pipefail

trefoil=$1
support=$2
work=$(mktemp -d /tmp/trefoil-secrets-XXXXXX)
share=$work/share
recovered=$work/recovered.mnt
volume=$work/volume
export AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret
mkdir "$share" "$recovered" "$work/second" "$work/plain.second"

clean_up() {
  umount -l "$share" "$recovered" 2>/dev/null || true
  "$support/ceph-rgw.sh" stop "$work/gateway" --rm || true
  rm -rf "$work"
}
trap clean_up EXIT

fail() {
  echo "secrets_test: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

# refused EXIT_CODE TEXT COMMAND...: it ends so, in bounded time, and says so in
# one line.
refused() {
  local code=$1 text=$2 got=0
  shift 2
  timeout 120 "$@" </dev/null >"$work/out" 2>"$work/err" || got=$?
  ((got == code)) || fail "'$*' ended with $got: $(cat "$work/err")"
  grep -v 'trefoil: warning' "$work/err" >"$work/lines" || true
  (($(wc -l <"$work/lines") == 1)) || fail "'$*' said $(cat "$work/err")"
  grep -qF -- "$text" "$work/lines" || fail "'$*' said $(cat "$work/lines")"
}

secret_file() { # NAME TEXT
  (umask 077 && printf '%s\n' "$2" >"$work/$1")
}
mode_of() { stat -c %a "$1"; }
mount_share() {
  "$trefoil" mount "$volume" "$share" --log-file "$work/share.log" "$@"
}

empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
s3() { # CURL-ARGUMENT...
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:testsecret \
    -H "x-amz-content-sha256: $empty" "$@"
}

# Every object of the bucket as a file below DIR.
fetch_bucket() { # DIR
  local key
  s3 "$endpoint/office?list-type=2&max-keys=1000" |
    grep -o '<Key>[^<]*' | cut -c6- >"$work/bucket-keys"
  while read -r key; do
    mkdir -p "$1/$(dirname "$key")"
    s3 -o "$1/$key" "$endpoint/office/$key"
  done <"$work/bucket-keys"
}

# The files in which any of 1,000 files' plaintext is found, names included.
find_plaintext() { # DIR...
  grep -rlaE 'Kontoauszug|Geheimnis|Mandant|user\.vertraulich' "$@" || true
  find "$@" | grep -E 'Kontoauszug|Geheimnis|Mandant' || true
}

make_tree() { # DIR
  python3 - "$1" <<'P'
import os, random, sys
root = sys.argv[1]
random.seed(20261123)
for i in range(1000):
    directory = f"{root}/Mandant {i % 20}"
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/Kontoauszug {i}.txt"
    with open(path, "wb") as out:
        out.write(b"Geheimnis %d " % i)
        out.write(random.randbytes(random.choice((0, 300, 5000))))
        out.write(b" Geheimnis" * random.choice((1, 500)))
    if i % 10 == 0:
        os.symlink(f"Geheimnis-{i}", path + ".link")
        os.setxattr(path, "user.vertraulich", b"Geheimnis des Mandanten")
P
}

# The volume objects that a copy holds.
copies_have_object() { # NUMBER (16 hex digits)
  local names
  names=$(cd "$work/second/volume" && echo *)
  [[ $names == "$1"-* && $names != *" "* ]] || return 1
  names=$(s3 "$endpoint/office?list-type=2&max-keys=1000" |
    grep -o '<Key>volume/[^<]*' | cut -c6-)
  [[ $names == "volume/$1"-* && $names != *$'\n'* ]]
}
wait_for_object() { # NUMBER
  local number i
  number=$(printf %016x "$1")
  for ((i = 0; i < 600; i++)); do
    ! copies_have_object "$number" || return 0
    sleep 0.1
  done
  fail "a copy does not have volume object $1 alone"
}

recover() { # URL OPTION...
  rm -rf "$work/recovered"
  "$trefoil" recover --full --from "$1" "${@:2}" "$work/recovered" >/dev/null
}
recover_refused() { # TEXT URL OPTION...
  rm -rf "$work/recovered"
  refused 1 "$1" "$trefoil" recover --full --from "$2" "${@:3}" \
    "$work/recovered"
  [[ ! -e $work/recovered ]] || fail "a refused recovery left something behind"
}
expect_tree() { # WHAT
  "$trefoil" mount "$work/recovered" "$recovered" --log-file "$work/rec.log"
  diff -r --no-dereference "$work/tree" "$recovered" >"$work/diff" ||
    fail "$1: $(head -3 "$work/diff")"
  "$trefoil" umount "$recovered"
}

endpoint=$("$support/ceph-rgw.sh" start "$work/gateway")
s3 -X PUT "$endpoint/office"
offsite=s3+$endpoint/office
second=dir:$work/second
secret_file old.pass 'correct horse battery staple'
secret_file new.pass 'the new one: longer and better'
secret_file wrong.pass 'correct horse battery stable'

echo "- init: a failed one leaves nothing, a good one leaves a kit"
refused 1 "No such file" "$trefoil" init "$volume" --second "$second" \
  --passphrase-file "$work/nothing" --recovery-kit "$work/kit.txt"
echo mine >"$work/kit.txt"
refused 1 "never overwritten" "$trefoil" init "$volume" --second "$second" \
  --recovery-kit "$work/kit.txt"
[[ $(cat "$work/kit.txt") == mine ]] || fail "a file was overwritten by a kit"
rm "$work/kit.txt"
refused 1 "" "$trefoil" init "$volume" --second "dir:$work/no/such/place" \
  --recovery-kit "$work/kit.txt"
[[ ! -e $work/kit.txt && ! -e $volume ]] || fail "a failed init left something"
refused 2 "--no-encryption" "$trefoil" init "$volume" --no-encryption \
  --recovery-kit "$work/kit.txt"
refused 2 "nothing would open" "$trefoil" init "$volume" --no-key-file
"$trefoil" init "$volume" --second "$second" --offsite "$offsite" \
  --passphrase-file "$work/old.pass" --recovery-kit "$work/kit.txt" \
  >"$work/init.log" 2>&1
[[ $(mode_of "$volume") == 700 ]] || fail "others may enter the volume"
[[ $(mode_of "$volume/key") == 600 ]] || fail "others may read the key"
[[ $(mode_of "$work/kit.txt") == 600 ]] || fail "others may read the kit"
for text in "$offsite" "--from $second" "Recovery key:" "takeover" "█"; do
  grep -qF -- "$text" "$work/kit.txt" || fail "the kit lacks '$text'"
done
grep -o 'Recovery key:.*' "$work/kit.txt" | cut -d: -f2 | tr A-Z- 'a-z ' \
  >"$work/key.txt"
if grep -qF "$(tr a-z\  A-Z- <"$work/key.txt" | cut -c3-12)" "$work/init.log"
then
  fail "init printed the recovery key to no terminal"
fi

echo "- 1,000 files: no plaintext on the copies"
mount_share
mkdir "$work/tree"
make_tree "$work/tree"
cp -a "$work/tree/." "$share/"
"$trefoil" sync "$share" --timeout 120
fetch_bucket "$work/bucket"
(($(find "$work/bucket" -type f | wc -l) > 2)) || fail "the bucket is empty"
found=$(find_plaintext "$work/second" "$work/bucket")
[[ -z $found ]] || fail "plaintext in $found"
"$trefoil" umount "$share"
found=$(find_plaintext "$volume/objects")
[[ -z $found ]] || fail "plaintext in $found"
"$trefoil" init "$work/plain" --no-encryption \
  --second "dir:$work/plain.second" >/dev/null 2>&1
[[ ! -e $work/plain/key ]] || fail "a key without encryption"
"$trefoil" mount "$work/plain" "$share" --log-file "$work/plain.log"
cp -a "$work/tree/." "$share/"
"$trefoil" sync "$share" --timeout 120
"$trefoil" umount "$share"
[[ -n $(find_plaintext "$work/plain.second") ]] ||
  fail "the search finds nothing where all is in clear"
rm -rf "$work/plain" "$work/plain.second"

echo "- each copy comes back with the passphrase and with the recovery key"
for copy in "$second" "$offsite"; do
  recover "$copy" --passphrase-file "$work/old.pass"
  [[ $(mode_of "$work/recovered/key") == 600 ]] || fail "no key file"
  expect_tree "$copy by passphrase"
  recover "$copy" --recovery-key-file "$work/kit.txt"
  expect_tree "$copy by the kit"
  "$trefoil" fsck "$copy" --recovery-key-file "$work/key.txt" >/dev/null ||
    fail "fsck of $copy"
done
recover "$second" --recovery-key-file "$work/key.txt" --no-key-file
[[ ! -e $work/recovered/key ]] || fail "a key file that nobody wanted"
refused 1 "no key file" "$trefoil" mount "$work/recovered" "$recovered"
"$trefoil" recover --full --from "$second" --passphrase-file - \
  "$work/piped" <"$work/old.pass" >/dev/null
[[ -e $work/piped/key ]] || fail "no passphrase by standard input"

echo "- and with nothing else, soon and clearly"
sed 's/\([0-9a-z]\)\([0-9a-z]\)/\2\1/' "$work/key.txt" >"$work/typo.txt"
cmp -s "$work/key.txt" "$work/typo.txt" &&
  sed 's/[0-9a-y]/z/' "$work/key.txt" >"$work/typo.txt"
echo 00001-00002-00003-00004-00005-00006-00007-00008 >"$work/other.txt"
for copy in "$second" "$offsite"; do
  recover_refused "passphrase does not open" "$copy" \
    --passphrase-file "$work/wrong.pass"
  recover_refused "recovery key does not open" "$copy" \
    --recovery-key-file "$work/other.txt"
  recover_refused "group 1 is mistyped" "$copy" \
    --recovery-key-file "$work/typo.txt"
  recover_refused "--passphrase-file or --recovery-key-file" "$copy"
  refused 8 "does not open" "$trefoil" fsck "$copy" \
    --passphrase-file "$work/wrong.pass"
done
chmod 644 "$work/old.pass"
recover_refused "other users may read" "$second" \
  --passphrase-file "$work/old.pass"
chmod 600 "$work/old.pass"
chmod 644 "$volume/key"
refused 1 "chmod 600" "$trefoil" mount "$volume" "$share"
chmod 600 "$volume/key"

echo "- another passphrase, while the volume is mounted"
mount_share
"$trefoil" key change-passphrase "$share" \
  --new-passphrase-file "$work/new.pass" >/dev/null
wait_for_object 2
for copy in "$second" "$offsite"; do
  recover_refused "does not open" "$copy" --passphrase-file "$work/old.pass"
  recover "$copy" --passphrase-file "$work/new.pass"
done
expect_tree "after another passphrase"

echo "- a kit more, the first one taken back, while it is not mounted"
"$trefoil" umount "$share"
"$trefoil" key recovery-kit "$volume" "$work/kit2.txt" --label two >/dev/null
"$trefoil" key list "$volume" | grep '^3 .*recovery-key.*two$' >/dev/null ||
  fail "key list: $("$trefoil" key list "$volume")"
"$trefoil" key remove "$volume" 2 >/dev/null
mount_share
wait_for_object 4
recover_refused "does not open" "$offsite" --recovery-key-file "$work/kit.txt"
recover "$offsite" --recovery-key-file "$work/kit2.txt"
expect_tree "by the second kit"

echo "- new keys: the old key opens nothing, all is there"
cp "$volume/key" "$work/old.key"
"$trefoil" key rotate --reseal "$share" >/dev/null
echo "Geheimnis" >"$share/after rotation"
cp -a "$share/after rotation" "$work/tree/"
"$trefoil" sync "$share" --timeout 120
wait_for_object 5
cmp -s "$volume/key" "$work/old.key" && fail "the key file is the old one"
for ((i = 0; i < 900; i++)); do
  [[ -e $volume/reseal ]] || break
  sleep 0.2
done
[[ ! -e $volume/reseal ]] || fail "old objects are not sealed anew"
"$trefoil" umount "$share"
# The key's id is at offset 12 of an object's header.
find "$volume/objects/pack" "$volume/objects/commit" \
  "$volume/objects/checkpoint" -type f |
  while read -r object; do
    [[ $(od -An -tu4 -j12 -N4 "$object" | tr -d ' ') == 2 ]] ||
      fail "$object is sealed under the old key"
  done
refused 1 "does not open" "$trefoil" mount "$volume" "$share" \
  --key-command "cat $work/old.key"
for copy in "$second" "$offsite"; do
  recover "$copy" --passphrase-file "$work/new.pass"
  expect_tree "$copy after rotation"
done
"$trefoil" fsck --read-data "$volume" >/dev/null || fail "fsck after rotation"

echo "- mounts without a key file"
cp "$volume/key" "$work/new.key"
"$trefoil" key remove "$volume" key-file >/dev/null
[[ ! -e $volume/key ]] || fail "the key file stays"
refused 1 "no key file" "$trefoil" mount "$volume" "$share"
mount_share --passphrase-file "$work/new.pass"
"$trefoil" key remove "$share" 3 --passphrase-file "$work/new.pass" >/dev/null
"$trefoil" umount "$share"
refused 1 "last way in" "$trefoil" key remove "$volume" 1 \
  --passphrase-file "$work/new.pass"
mount_share -o "passphrase_file=$work/new.pass"
"$trefoil" umount "$share"
printf '[encryption]\nkey_command = "cat %s"\n' "$work/new.key" \
  >>"$volume/config.toml"
mount_share
cmp "$work/tree/after rotation" "$share/after rotation"
"$trefoil" umount "$share"
"$trefoil" status "$volume" >/dev/null || fail "status by key command"
"$trefoil" fsck "$volume" >/dev/null || fail "fsck by key command"
refused 1 "--new-key-file" "$trefoil" key rotate "$volume"
"$trefoil" key rotate "$volume" --new-key-file "$work/newer.key" >/dev/null
refused 1 "does not open" "$trefoil" mount "$volume" "$share"
mv "$work/newer.key" "$work/new.key"
mount_share
"$trefoil" key rotate "$share" --new-key-file "$work/newer.key" \
  >"$work/out" 2>&1
! grep -q warning "$work/out" || fail "rotate: $(cat "$work/out")"
echo "under the newest key" >"$share/newest"
"$trefoil" sync "$share" --timeout 120
"$trefoil" umount "$share"
for copy in "$volume/objects" "$work/second"; do
  newest=$(ls "$copy"/commit/* | tail -n 1)
  [[ $(od -An -tu4 -j12 -N4 "$newest" | tr -d ' ') == 4 ]] ||
    fail "$newest is not sealed under the newest key"
done
mv "$work/newer.key" "$work/new.key"
mount_share
"$trefoil" umount "$share"
refused 1 "exit status 3" "$trefoil" mount "$volume" "$share" \
  --key-command 'exit 3'

echo "- a terminal is asked, shows no passphrase, and shows the key once"
python3 - "$trefoil" "$work/typed" <<'P'
import os, pty, re, subprocess, sys, time
program, volume = sys.argv[1:]


def talk(arguments, answers):
    """What the program shows on a terminal; `answers` follow its questions."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(program, [program, *arguments])
    shown = b""
    while True:
        try:
            piece = os.read(fd, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if answers and re.search(rb": $", shown):
            os.write(fd, answers.pop(0) + b"\n")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


code, shown = talk(["init", volume], [b"typed by hand", b"typed by hamd"])
assert code == 1 and b"differ" in shown, shown
assert not os.path.exists(volume)
code, shown = talk(["init", volume, "--no-key-file"],
                   [b"typxx\x7f\x7fed by hand", b"typed by hand"])
assert code == 0, shown
assert b"typed" not in shown.replace(volume.encode(), b""), shown
key = re.search(rb"\b(?:[0-9A-Z]{5}-){7}[0-9A-Z]{5}\b", shown)
assert key and shown.count(key.group()) == 1, shown
for answer in (b"typed by hand", key.group()):
    code, shown = talk(["status", volume], [answer])
    assert code == 0 and answer not in shown, shown
code, shown = talk(["status", volume], [b"\x03"])
assert code == 1 and b"interrupted" in shown, shown
P
echo "secrets: nothing is told, and nothing else opens"
