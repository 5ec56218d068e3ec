#!/usr/bin/env bash
# Installs what is missing, builds, and shows the main job: newsletters in over SMTP, durable,
# queued by group, out over cached connections. Needs no root (but for installing), no
# configuration file and no port below 1024; leaves nothing behind.
. "$(dirname "$0")/lib/say.sh"

messages=${1:-50000}
[[ $messages =~ ^[0-9]+$ ]] || usage 'usage: tools/demo.sh [MESSAGES]'

"$root/tools/build.sh"

# The spool lies on the disk of the source tree: /tmp may be memory.
work=$(mktemp -d "$root/build/demo.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "== $messages newsletters of 5 KiB to 300 destinations of very different size"
"$root/build/ringpost-bench" relay \
  --systems ringpost --ringpostd "$root/build/ringpostd" --spool "$work" \
  --messages "$messages" --size 5K --destinations 300 --connections 100 \
  -O queue_group.default.max_messages_per_connection=0 \
  --at-end "'$root/tools/lib/demo_table.py' '$root/build/ringpost'"

cat <<TEXT

Where to look next
  README.md              what Ringpost is, and its figures
  docs/ARCHITECTURE.md   the house, and the way of a message through it
  docs/OPERATING.md      every setting; start your own with build/ringpostd -c FILE
  build/ringpost --help  status, queue, group list, explain ADDRESS, show ID
TEXT
