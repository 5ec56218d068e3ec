#!/usr/bin/env bash
# The checks that need no build, in seconds: formatting, layering, coroutine form, limits. Also a
# pre-commit hook: ln -s ../../tools/check.sh .git/hooks/pre-commit
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/say.sh"

status=0
for lint in format layering coroutine_form limits; do
  /usr/bin/python3 "$root/tools/lint/$lint.py" || status=1
done
((status == 0)) || die 'see above; docs/STYLE.md says why'
