#!/usr/bin/env bash
# Arrows between the rooms of src/ run down only (src/CMakeLists.txt): with the flags of its room, a source file that also
# includes a header of a room further up does not compile. The order is written down here once more, so that a
# line of the table that opens the wrong door is found. And no two files define a function of one name.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

order="base config dist store terms synth ingest nn lm train loader text fit measure report medtok ehr qa bench"
aside="nn:dist nn:store nn:config lm:dist lm:store lm:config store:terms ingest:synth fit:store fit:nn measure:nn measure:loader measure:text ehr:medtok bench:ehr qa:synth qa:text qa:report qa:medtok qa:ehr bench:qa" # no arrow, though below

database=$(dirname "$MEDTOK")/compile_commands.json
[ -r "$database" ] || skip "there is no compile_commands.json"
command_of() { # ROOM: the command that compiles its first file, in single precision
    grep -E "\"command\": .* -c $ROOT/src/$1/[a-z0-9_]+\.c\"" "$database" | grep -v _f64 | head -n 1 |
        sed -E 's/^ *"command": "//; s/",?$//; s/\\"/"/g; s/\\\\/\\/g'
}
compiles_with() { # ROOM HEADER
    (cd "$work" && eval "$(command_of "$1") -fsyntax-only -include $2") >log 2>&1
}
header_of() { # ROOM
    (cd "$ROOT/src" && ls "$1"/*.h | head -n 1)
}
refuses() { # ROOM ROOM-ABOVE
    local header
    header=$(header_of "$2")
    ! compiles_with "$1" "$header" || fail "$1 may include $header"
    grep -q "$header: No such file" log || fail "$1 with $header fails otherwise: $(head -n 3 log)"
    pairs=$((pairs + 1))
}

for folder in "$ROOT"/src/*/; do
    case " $order " in *" $(basename "$folder") "*) ;; *) fail "src/$(basename "$folder") is not among the rooms of this test" ;; esac
done
pairs=0 below=""
for room in $order; do
    [ -n "$(command_of "$room")" ] || continue # not made yet, or headers alone
    compiles_with "$room" "$(header_of "$room")" || fail "$room with its own header: $(head -n 3 log)"
    for other in $below; do refuses "$other" "$room"; done
    below="$below $room"
done
for pair in $aside; do
    [ -z "$(command_of "${pair%:*}")" ] || refuses "${pair%:*}" "${pair#*:}"
done
# A linker takes of a library the first function of a name that it meets, and says nothing of a second one.
library=$(dirname "$MEDTOK")/src/libmedtok_core.a
if command -v nm >/dev/null && [ -r "$library" ]; then
    twice=$(nm --defined-only "$library" | awk '$2 ~ /^[TDRB]$/ { print $3 }' | sort | uniq -d)
    [ -z "$twice" ] || fail "defined in two files each: $twice"
fi
[ "$pairs" -ge 60 ] || fail "only $pairs pairs were tried"
echo "$pairs includes that run up do not compile"
finish
