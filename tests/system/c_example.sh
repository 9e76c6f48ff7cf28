#!/usr/bin/env bash
# The example in C of src/store/README.md compiles as it says, both ways, and reads the tokens that lookup prints.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v h5pcc >/dev/null && command -v pkg-config >/dev/null || skip "no h5pcc or no pkg-config"

sed -n '/^```c$/,/^```$/{/^```/!p}' "$ROOT/src/store/README.md" >row.c
grep -q 'int main' row.c || fail "no C program in src/store/README.md"
for job in prepare encode train tokenize; do medtok $job 2>log.txt || fail "$job: $(cat log.txt)"; done
row=$(($(cut -f2 "$SAMPLE/codes.tsv" | grep -nx 'E11\.9' | head -n 1 | cut -d: -f1) - 2)) # behind the header, from 0
medtok lookup ICD10CM:E11.9 | sed -nE 's/^  [a-z_-]+ +([0-9]+) \(.*/\1/p' >wanted.txt
[ "$(wc -l <wanted.txt)" -eq 4 ] || fail "lookup: $(cat wanted.txt)"
compile() {
    case $1 in
        h5pcc) h5pcc row.c -o row ;;
        mpicc) mpicc row.c $(pkg-config --cflags --libs hdf5-openmpi) -o row ;;
    esac
}
ways=h5pcc
pkg-config --exists hdf5-openmpi && ways="h5pcc mpicc" # elsewhere than in Debian its name is another
for way in $ways; do
    compile $way 2>log.txt || fail "$way: $(cat log.txt)"
    ./row table.h5 "$row" | cmp - wanted.txt || fail "$way: other tokens than lookup's: $(cat wanted.txt)"
done
finish
