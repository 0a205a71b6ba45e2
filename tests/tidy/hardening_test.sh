#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Goal: a release build is hardened: fortified functions, stack protector,
# control-flow protection, a position-independent program whose relocations
# are read-only before it starts.
# Method: configure the release preset and read what it would run for each of
# our sources and for the program; with --build, build the program and ask
# readelf. Control-flow protection is seen in the commands only: Debian's start
# files are not made for it, so the program as a whole never says it.
# usage: hardening_test.sh SOURCE BUILD [--build]
set -euo pipefail
source=$1 build=$2/release-check kind=${3:-}

launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
cd "$source"
mkdir -p "$build"
cmake --preset release -B "$build" -DTREFOIL_TESTS=OFF "${launcher[@]}" \
  >"$build/log" 2>&1 || {
  cat "$build/log"
  exit 1
}

compile=(-D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong
  -fstack-clash-protection -fPI)
[[ $(uname -m) != x86_64 ]] || compile+=(-fcf-protection=full)
commands=$(grep -c '"command":' "$build/compile_commands.json")
((commands > 100))
for flag in "${compile[@]}"; do
  have=$(grep '"command":' "$build/compile_commands.json" | grep -c -e " $flag")
  ((have == commands)) ||
    { echo "$flag: at $have of $commands sources" && exit 1; }
done
linked=$(ninja -C "$build" -t commands tools/trefoil | tail -n 1)
for flag in -pie -z,relro -z,now -z,noexecstack; do
  grep -q -e "$flag" <<<"$linked" || { echo "not linked with $flag" && exit 1; }
done
[[ $kind == --build ]] || { echo "the release preset is hardened" && exit 0; }

nice ninja -C "$build" trefoil >"$build/log" 2>&1 || {
  tail -n 50 "$build/log"
  exit 1
}
facts=$(LC_ALL=C readelf --wide --file-header --program-headers --dynamic \
  --dyn-syms --notes "$build/tools/trefoil")
must() {
  grep -Eq "$2" <<<"$facts" || { echo "the program has no $1" && exit 1; }
}
must "position-independent code" 'Type: +DYN \(Position-Independent'
must "read-only relocations" 'GNU_RELRO'
must "binding at its start" 'Flags: .*NOW.*PIE'
must "stack protector" ' __stack_chk_fail(@|$)'
must "fortified memcpy" ' __(memcpy|memmove|memset)_chk(@|$)'
must "stack that can't be run" 'GNU_STACK.* RW '
"$build/tools/trefoil" --version
