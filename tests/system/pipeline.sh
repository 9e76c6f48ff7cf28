#!/usr/bin/env bash
# From the sample to a verified table on two ranks; the table does not depend on the number of ranks; a second run finds
# everything up to date; a changed setting makes the file again.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

as_users_train
medtok prepare || fail prepare
medtok_ranks 2 encode || fail encode
medtok_ranks 2 train || fail train
medtok_ranks 2 tokenize || fail tokenize
medtok verify >verify.txt || fail verify
grep -q '710 codes in order' verify.txt || fail "verify says: $(cat verify.txt)"

content() { h5dump -a content_id "$1" | sed -n 's/.*(0): "\([0-9a-f]*\).*/\1/p'; }
for ranks in 1 3; do
    medtok_ranks $ranks tokenize --set files.table=table$ranks.h5 --set tokenize.batch=64 || fail "tokenize on $ranks ranks"
done
medtok_ranks 2 tokenize --set files.table=table2.h5 --set tokenize.batch=64 || fail "tokenize on 2 ranks"
if command -v h5dump >/dev/null; then
    [ -n "$(content table1.h5)" ] || fail "no content_id"
    [ "$(content table1.h5)" = "$(content table2.h5)" ] || fail "1 and 2 ranks give different tables"
    [ "$(content table1.h5)" = "$(content table3.h5)" ] || fail "1 and 3 ranks give different tables"
fi
medtok_ranks 3 encode --set files.text=text3.h5 || fail "encode on 3 ranks"
medtok encode --set files.text=text1.h5 || fail "encode on 1 rank"
[ "$(content text1.h5)" = "$(content text3.h5)" ] || fail "1 and 3 ranks give different features"

# One file of settings for all jobs may ask GPUs for tf32 in training: encode has no such setting, on CPU cores either.
{ cat small.yaml && echo 'run: {compute: tf32}'; } >gpu.yaml
"$MEDTOK" encode --config gpu.yaml --set files.text=text_tf32.h5 || fail "n-grams where the file asks for run.compute: tf32"

# The order of the table is that of the input.
medtok export tsv || fail export
cut -f1,2 "$SAMPLE/codes.tsv" >wanted.txt
cut -f1,2 export/tokens.tsv >found.txt
cmp wanted.txt found.txt || fail "the table is not in the order of the input"

for job in prepare encode train tokenize; do
    medtok $job 2>&1 | grep -q 'is up to date' || fail "$job does it again though nothing changed"
done
medtok prepare --set graph.max_nodes=8 2>&1 | grep -q 'wrote' || fail "prepare keeps a file made with other settings"
expect_error 1 'made from another vocabulary' medtok train --force
[ -z "$(find . -name '*.tmp*')" ] || fail "temporary files are left: $(find . -name '*.tmp*')"

medtok lookup E11.9 --set files.vocabulary=none >/dev/null || fail "lookup E11.9"
medtok lookup e119 | grep -q 'E11.9' || fail "lookup without dot and case"
medtok lookup icd10cm:E11.9 --near 3 | grep -c '^   *[0-9-][0-9.]* ' | grep -qx 3 || fail "three nearest"
expect_error 1 'E11\.99 is not in the table.*E11\.9' medtok lookup E11.99
finish
