#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Goal: TAB offers the commands, their subcommands and their options.
# Method: call the completion function as bash would, with the built program.
# usage: completion_test.sh SOURCE TREFOIL
set -euo pipefail
source "$1/tools/completion/trefoil"
program=$2

# expect WORD PARTIAL...: completing the line offers WORD.
expect() {
  local wanted=$1
  shift
  COMP_WORDS=("$program" "$@")
  COMP_CWORD=$#
  _trefoil
  printf '%s\n' "${COMPREPLY[@]}" | grep -qxF -- "$wanted" || {
    echo "'trefoil $*' does not offer '$wanted': ${COMPREPLY[*]}"
    exit 1
  }
}

expect snapshot sn
expect create snapshot cr
expect --label snapshot create --l
expect --json status --j
expect rotate key ro
expect --reseal key rotate --re
expect --read-data fsck --re
echo "completion answers"
