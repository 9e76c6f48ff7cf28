#!/usr/bin/env bash
# A made-up vocabulary: the same bytes from any number of ranks, counts as published at its scale, degrees with a heavy tail, descriptions
# that are distinct and have their parents' words, equivalents and classes that the graph tells; `prepare` reads it as it is; nothing half-made
# after a signal.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

synth() { # RANKS FOLDER settings...
    "$MPIRUN" --bind-to none -n "$1" "$MEDTOK" synth --set synth.make=vocabulary "synth.folder=$2" synth.scale=0.01 "${@:3}" >log.txt 2>&1
}

# ---- ranks, seeds, compression ----
for n in 1 2; do synth $n ranks$n run.seed=7 synth.gzip=0 || fail "on $n ranks: $(cat log.txt)"; done
diff -r ranks1 ranks2 >log.txt || fail "2 ranks write other bytes: $(head -n 5 log.txt)"
[ "$(ls ranks1 | tr '\n' ' ')" = "classes.csv codes.csv equivalents.csv kg.csv parents.csv vocabulary.json " ] || fail "files: $(ls ranks1)"
synth 1 packed run.seed=7 || fail "gzip: $(cat log.txt)"
synth 1 seed run.seed=8 synth.gzip=0 || fail "another seed: $(cat log.txt)"
for f in classes codes equivalents kg parents; do
    gzip -dc packed/$f.csv.gz | cmp - ranks1/$f.csv || fail "$f.csv differs in gzip"
    cmp -s seed/$f.csv ranks1/$f.csv && fail "another seed gives the same $f.csv"
done

# ---- what the files hold, beside what is published ----
"$PYTHON" "$ROOT/tests/support/made_vocabulary.py" ranks1 0.01 >log.txt 2>&1 || fail "$(tail -n 3 log.txt)"

# ---- prepare, encode ----
files="files.codes=ranks1/codes.csv files.graph=ranks1/kg.csv files.vocabulary=made.h5"
"$MEDTOK" prepare --set $files graph.hierarchy=yes graph.parents=ranks1/parents.csv,ranks1/equivalents.csv >log.txt 2>&1 || fail "prepare: $(cat log.txt)"
grep -qE 'warning|error' log.txt && fail "prepare has something to say: $(grep -E 'warning|error' log.txt)"
grep -q '6176 codes; 0 without a graph' log.txt || fail "prepare finds other codes: $(cat log.txt)"
"$MEDTOK" prepare --set files.codes=packed/codes.csv.gz files.graph=packed/kg.csv.gz files.vocabulary=plain.h5 >log.txt 2>&1 || fail "prepare of gzip: $(cat log.txt)"
"$MEDTOK" verify plain.h5 made.h5 >log.txt 2>&1 || fail "verify: $(cat log.txt)"

# ---- what is refused ----
for scale in 0.009 10.1 0 nan -1 much; do
    expect_error 2 'synth.scale' "$MEDTOK" synth --set synth.make=vocabulary synth.folder=new synth.scale=$scale
done
expect_error 2 'synth.folder: ranks1 is there already' "$MEDTOK" synth --set synth.folder=ranks1
[ ! -e new ] || fail "a folder was made for settings that are wrong"
synth 1 packed synth.gzip=0 && [ ! -e packed/kg.csv.gz ] || fail "compressed files of an earlier run stay beside plain ones"

# ---- a signal leaves nothing half-made ----
"$MEDTOK" synth --set synth.make=vocabulary synth.folder=stopped synth.scale=1 2>log.txt &
pid=$!
for _ in $(seq 100); do [ -e stopped ] && break; sleep 0.1; done
kill -TERM $pid
wait $pid
[ $? -eq 75 ] || fail "stopped by a signal, it ends otherwise: $(tail -n 3 log.txt)"
[ ! -e stopped ] || fail "a signal leaves $(find stopped | head -n 3)"
finish
