#!/usr/bin/env bash
# prepare writes the same vocabulary on any number of ranks and threads, with and without a hierarchy, and removes the same edges; a faulty
# row is one message on any number of ranks. Needs h5dump.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v h5dump >/dev/null || skip "h5dump is not installed"

contents() { h5dump -a content_id "$1" | sed -n 's/.*(0): //p'; }
# of LABEL SETTING...: on 1 rank and thread, then on others.
of() {
    local label=$1 wanted ranks threads
    shift
    for ranks in 1 2 3; do
        threads=$((ranks % 2 + 1))
        medtok_ranks $ranks prepare --set files.vocabulary=$label$ranks.h5 run.threads=$threads "$@" 2>log || fail "$label, $ranks ranks: $(cat log)"
        [ $ranks -eq 1 ] && medtok prepare --set files.vocabulary=${label}0.h5 run.threads=1 "$@" 2>/dev/null && wanted=$(contents ${label}0.h5)
        [ -n "$wanted" ] && [ "$(contents $label$ranks.h5)" = "$wanted" ] || fail "$label differs on $ranks ranks of $threads threads"
    done
    "$MEDTOK" verify ${label}3.h5 >log 2>&1 || fail "$label, 3 ranks: $(cat log)"
}
of inherits graph.hierarchy=inherit graph.hops=2 graph.max_nodes=12
of removed graph.remove=indication graph.remove_share=0.5 graph.removed=removed.tsv
mv removed.tsv removed3.tsv
medtok prepare --force --set files.vocabulary=removed0.h5 graph.remove=indication graph.remove_share=0.5 graph.removed=removed.tsv 2>/dev/null
[ -s removed.tsv ] && cmp -s removed.tsv removed3.tsv || fail "3 ranks remove other edges"

# A table of several parts: rows with line breaks within quotes, a description here and there.
{ echo code,system,description,nodes
  awk 'BEGIN {for (i = 0; i < 90000; i++) printf "C%d,%s,%s,%s\n", i, i < 45000 ? "First" : "Second",
       i % 7 ? "\"what number " i " is called,\nin a description of some length that makes the table long enough\"" : "", i % 50 ? "" : i % 855}'; } >long_codes.csv
of long files.codes=long_codes.csv text.empty=absent
sed 's/^C75000,/C60000,/' long_codes.csv >twice.csv
for ranks in 1 3; do
    expect_error 1 'twice.csv:139287: Second:C60000 is listed twice; first at twice.csv:111430$' medtok_ranks $ranks prepare --set files.codes=twice.csv files.vocabulary=bad.h5
done

# The first faulty row of a file of several parts, in the second of them, though later parts have others.
{ echo relation,x_index,y_index
  awk 'BEGIN {for (i = 0; i < 720000; i++) print "some relation," i % 5000 "," (i == 400000 || i == 690000 ? "x" i : i % 4999)}'; } >long.csv
for ranks in 1 2 3; do
    expect_error 1 'long.csv:400002: y_index is "x400000"' medtok_ranks $ranks prepare --set files.graph=long.csv files.vocabulary=bad.h5
    [ -e bad.h5 ] && fail "a vocabulary from a faulty graph"
done
finish
