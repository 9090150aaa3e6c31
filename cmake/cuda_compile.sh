#!/usr/bin/env bash
# Runs the CUDA compiler's command line that it is given. ptxas only informs of warpgroup products that it runs one after another,
# and of waits that it puts between them; no option makes that an error. Here it stops the build. C7519, a fence more, is let
# pass: nothing waits for it.
set -uo pipefail

notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
"$@" 2>"$notes"
code=$?
cat "$notes" >&2
[[ $code == 0 ]] || exit $code
grep -qE '\(C75(08|1[0-8])\)' "$notes" || exit 0

echo "error: ptxas takes warpgroup products apart (above)" >&2
# No object that a later build would take for a good one.
previous=
for argument in "$@"; do
  if [[ $previous == -o && -f $argument ]]; then rm -f "$argument"; fi
  previous=$argument
done
exit 1
