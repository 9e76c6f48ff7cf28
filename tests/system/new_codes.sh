#!/usr/bin/env bash
# Codes that the model was not trained on: the same tokens as codes of the vocabulary with the same text and nodes, from any
# number of ranks, in a table of their own or behind another; and what is refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The model is trained without every 35th code of the sample.
awk 'NR == 1 || NR % 35' "$SAMPLE/codes.tsv" >known.tsv
awk 'NR == 1 || NR % 35 == 0' "$SAMPLE/codes.tsv" >new.tsv
n_known=$(($(wc -l <known.tsv) - 1)) n_new=$(($(wc -l <new.tsv) - 1))
sed -i "s|codes: .*|codes: [$work/known.tsv]|" small.yaml
# Nodes of the model have features of their names, which new codes need none of: their nodes are the same.
for job in prepare "encode --set text.nodes=yes" "train --set graph.node_start=text graph.encoder_start=mean" tokenize verify; do
    medtok $job >/dev/null 2>&1 || fail $job
done

# rows TABLE FORMAT: the rows of a table, without the header
rows() {
    medtok export "$2" --set files.table="$1" --set files.export="$work/export.$1" 2>/dev/null || fail "export of $1"
    case $2 in tsv) tail -n +2 "export.$1/tokens.tsv" ;; jsonl) cat "export.$1/tokens.jsonl" ;; esac
}
no_scratch() { [ -z "$(find . -name '*.scratch-medtok-*' -o -name '*.tmp*')" ] || fail "$1 leaves $(find . -name '*.scratch-medtok-*' -o -name '*.tmp*')"; }

# ---- a table of their own, the same from 1, 2 and 3 ranks, in the order of the file ----
for ranks in 1 2 3; do
    medtok_ranks $ranks tokenize --codes new.tsv --set files.table=new$ranks.h5 --set tokenize.batch=8 2>log.txt ||
        fail "new codes on $ranks ranks: $(cat log.txt)"
    no_scratch "$ranks ranks"
    rows new$ranks.h5 jsonl >new$ranks.jsonl
done
cmp new1.jsonl new2.jsonl && cmp new1.jsonl new3.jsonl || fail "tables of new codes differ between numbers of ranks"
for part in embeddings_all tokens_all weights_all; do
    for ranks in 1 2 3; do medtok export npy --set files.table=new$ranks.h5 --set files.export=npy$ranks 2>/dev/null; done
    cmp npy1/$part.npy npy2/$part.npy && cmp npy1/$part.npy npy3/$part.npy || fail "$part differs between numbers of ranks"
done
rows new1.h5 tsv | cut -f1,2 | cmp - <(tail -n +2 new.tsv | cut -f1,2) || fail "new codes are out of order"
medtok verify --set files.table=new1.h5 >verify.txt || fail "verify of new codes"
grep -q ": $n_new new codes, " verify.txt || fail "verify says: $(cat verify.txt)"
medtok tokenize --codes new.tsv --set files.table=new1.h5 2>&1 | grep -q 'is up to date' || fail "new codes are tokenised again"
code=$(sed -n 3p new.tsv | cut -f2)
medtok lookup "$code" --set files.table=new1.h5 >lookup.txt || fail "lookup of $code"
grep -q "$(sed -n 3p known.tsv | cut -f3)" lookup.txt && fail "lookup gives a new code the description of a row of the vocabulary"

# ---- copies of all known codes under other names, in the same order: the same blocks, so the same bits ----
awk -F'\t' -v OFS='\t' 'NR > 1 {$1 = "COPY"; $2 = $2 "." NR} 1' known.tsv >copy.tsv
# Settings of this run that are not those of the model's vocabulary and features do not count.
other="--set graph.max_nodes=2 --set graph.hops=0 --set text.dim=32 --set text.empty=absent --set run.seed=5"
medtok tokenize --codes copy.tsv $other --set files.table=copy.h5 2>/dev/null || fail "copies"
medtok export npy --set files.table=copy.h5 --set files.export=npy.copy 2>/dev/null
medtok export npy --set files.export=npy.known 2>/dev/null
for part in embeddings_all tokens_all weights_all; do
    cmp npy.copy/$part.npy npy.known/$part.npy || fail "$part of copies differs from that of the codes copied"
done
# A few copies, in blocks of another size. Sums are then rounded in another order: weights of 0.2 differ by some 1e-7, and
# tokens whose weights differ by less may swap.
awk 'NR == 1 || NR % 97 == 5' copy.tsv >few.tsv
medtok_ranks 3 tokenize --codes few.tsv --set files.table=few.h5 2>/dev/null || fail "few copies"
picks() { cut -f3- | tr '\t' '\n' | awk 'NR % 2 {n = split($0, t, ";"); next} {split($0, w, ";"); for (i = 1; i <= n; i++) print NR, t[i], w[i]}' | sort -k1,1n -k2,2n; }
rows few.h5 tsv | picks >few.txt
rows table.h5 tsv | awk 'NR % 97 == 4' | picks | paste - few.txt |
    awk '{d = $3 - $6; if ($1 != $4 || $2 != $5 || d > 1e-5 || d < -1e-5) bad++} END {exit !(NR > 100 && !bad)}' ||
    fail "tokens of a few copies differ from those of the codes copied"

# ---- behind a table ----
medtok_ranks 2 tokenize --codes new.tsv --append-to table.h5 --set files.table=both.h5 --set tokenize.batch=8 2>log.txt || fail "append: $(cat log.txt)"
no_scratch append
for format in tsv jsonl; do
    rows table.h5 $format >old.txt; rows new1.h5 $format >behind.txt
    rows both.h5 $format | cmp - <(cat old.txt behind.txt) || fail "the appended table is not the old rows and the new ones ($format)"
done
medtok verify --set files.table=both.h5 >verify.txt || fail "verify of an appended table"
grep -q ": $n_known codes in order, $n_new new codes, " verify.txt || fail "verify says: $(cat verify.txt)"
medtok lookup "$(sed -n 3p known.tsv | cut -f2)" --set files.table=both.h5 | grep -qF "$(sed -n 3p known.tsv | cut -f3)" || fail "lookup in an appended table"
measures() { medtok inspect --set files.table="$1" --set inspect.resamples=20 2>/dev/null | grep -v "$1"; }
[ -n "$(measures table.h5)" ] && [ "$(measures table.h5)" = "$(measures both.h5)" ] || fail "new codes change the measures of the vocabulary"
# In place, without nodes and without a graph, one code on three ranks: the third version.
printf 'system\tcode\tdescription\tnodes\nLOCAL\tX1\tType 2 diabetes, seen in the clinic\t\n' >one.tsv
medtok_ranks 3 tokenize --codes one.tsv --append-to both.h5 --set files.table=both.h5 --set files.graph= 2>log.txt || fail "in place: $(cat log.txt)"
rows both.h5 tsv >third.txt
head -n -1 third.txt | cmp - <(rows table.h5 tsv; rows new1.h5 tsv) || fail "appending in place changed old rows"
medtok_ranks 2 tokenize --codes one.tsv --append-to both.h5 --set files.table=both.h5 2>&1 | grep -q 'both.h5 is up to date' ||
    fail "appending in place a second time"
tail -1 third.txt | cut -f1,2,5,6 | grep -qP '^LOCAL\tX1\t\t$' || fail "the last row is $(tail -1 third.txt)"
medtok verify --set files.table=both.h5 >verify.txt || fail "verify of the third version"
if command -v h5dump >/dev/null; then
    attribute() { h5dump -a "$1" both.h5 | sed -n 's/.*(0): //p'; }
    [ "$(attribute table_version) $(attribute base_rows) $(attribute vocabulary_rows)" = "3 $((n_known + n_new)) $n_known" ] ||
        fail "version $(attribute table_version), base $(attribute base_rows), vocabulary $(attribute vocabulary_rows)"
fi

# ---- behind a table that weighs the graph's vectors: new ones are weighed alike, whatever is set; trainings know nothing of it ----
medtok train --set graph.node_start=text graph.encoder_start=mean model.graph_weight=0.5 2>log.txt || fail "train, weighed: $(cat log.txt)"
grep -q 'model.graph_weight=0.5 changes nothing' log.txt && grep -q 'checkpoint.h5 is up to date' log.txt || fail "train, weighed: $(cat log.txt)"
medtok tokenize --set model.graph_weight=0.5 --set files.table=weighed.h5 2>log.txt || fail "weighed: $(cat log.txt)"
grep -q 'changes nothing' log.txt && fail "weighed: $(cat log.txt)"
medtok tokenize --codes new.tsv --append-to weighed.h5 --set model.graph_weight=2 files.table=behind.h5 tokenize.batch=8 2>log.txt || fail "behind a weighed table: $(cat log.txt)"
grep -q 'model.graph_weight is 0.5, that of weighed.h5, not 2' log.txt || fail "no word of the weight: $(cat log.txt)"
for name in weighed behind; do medtok verify --set files.table=$name.h5 >log.txt 2>&1 || fail "verify of $name.h5: $(cat log.txt)"; done
rows behind.h5 tsv | cmp - <(rows table.h5 tsv; rows new1.h5 tsv) || fail "the graph's weight changes tokens"
medtok export npy --set files.table=weighed.h5 --set files.export=npy.weighed 2>/dev/null
cmp -s npy.weighed/embeddings_all.npy npy.known/embeddings_all.npy && fail "the graph's weight changes no embedding"

# ---- with a language model, its features cached or computed in the step ----
model=$ROOT/tests/golden/text/plain
bert="--set text.encoder=bert --set text.max_tokens=16"
medtok encode $bert --set text.model="$model" --set files.text=bert.text.h5 2>/dev/null || fail "encode with a language model"
bert="--set files.text=bert.text.h5 --set files.checkpoint=bert.checkpoint.h5"
online="--set text.model=$model --set files.checkpoint=online.checkpoint.h5"
medtok train $bert 2>log.txt || fail "train with a language model: $(cat log.txt)"
medtok train $online --set text.mode=online --set text.max_tokens=16 --set train.steps=2 2>log.txt || fail "train online: $(cat log.txt)"
for way in bert online; do
    medtok tokenize ${!way} --set files.table=$way.h5 2>log.txt || fail "tokenize, $way: $(cat log.txt)"
    medtok_ranks 2 tokenize --codes copy.tsv ${!way} --set files.table=$way.copy.h5 2>log.txt || fail "copies, $way: $(cat log.txt)"
    medtok export npy --set files.table=$way.h5 --set files.export=$way 2>/dev/null
    medtok export npy --set files.table=$way.copy.h5 --set files.export=$way.copy 2>/dev/null
    for part in embeddings_all tokens_all; do
        cmp $way/$part.npy $way.copy/$part.npy || fail "$way: $part of copies differs from that of the codes copied"
    done
done
expect_error 1 'bert.text.h5 was made with another model than .*f16 .weights differ.' medtok tokenize --codes new.tsv $bert --set text.model="$ROOT/tests/golden/text/f16" --set files.table=out.h5
no_scratch "a language model"

# ---- what a killed run left is in nobody's way ----
for left in vocabulary.h5 text.h5 text.h5.partial text.h5.parts vocabulary.h5.tmp-medtok-1; do : >killed.h5.scratch-medtok-$left; done
medtok tokenize --codes new.tsv --set files.table=killed.h5 --set tokenize.batch=8 2>log.txt || fail "after a kill: $(cat log.txt)"
rows killed.h5 jsonl | cmp - new1.jsonl || fail "another table after a kill"
no_scratch "a run after a killed one"

# ---- what is refused, by name, leaving nothing ----
new() { medtok_ranks 2 tokenize --codes "$1" --set files.table=out.h5 "${@:2}"; }
header='system\tcode\tdescription\tnodes\n'
sed -n '1p;5p' known.tsv >bad.tsv
expect_error 1 "bad.tsv:2: $(sed -n 5p known.tsv | cut -f1):$(sed -n 5p known.tsv | cut -f2) is no new code: it is code number 3 of .*vocabulary.h5" new bad.tsv
expect_error 1 "one.tsv:2: LOCAL:X1 is no new code: it is code number $((n_known + n_new)) of both.h5" new one.tsv --append-to both.h5
printf "${header}A\tB\tx\t\nA\tB\ty\t\n" >bad.tsv
expect_error 1 'bad.tsv:3: A:B is listed twice; first at bad.tsv:2' new bad.tsv
printf "${header}A\tB\tx\t99999\n" >bad.tsv
expect_error 1 'bad.tsv:2: A:B names node 99999, but .* has nodes 0 to 854' new bad.tsv
expect_error 2 'bad.tsv:2: A:B has nodes: files.graph must name' new bad.tsv --set files.graph=
# A code in another spelling is no new code: of the vocabulary, of the table, of the list itself.
printf "${header}A\tB\tx\t\nICD10CM\te119\tx\t\nicd10\tE11.9\tx\t\n" >bad.tsv
expect_error 1 'bad.tsv:4: ICD10CM:E11.9 is listed twice; first at bad.tsv:3, spelled e119' new bad.tsv
sed -i 4d bad.tsv
number=$(($(grep -nP '^ICD10CM\tE11\.9\t' known.tsv | cut -d: -f1) - 2))
expect_error 1 "bad.tsv:3: ICD10CM:e119 is no new code: it is code number $number of .*vocabulary.h5, spelled E11.9" new bad.tsv --append-to table.h5
printf 'Code\tSystem\tDescription\n0002-1200-01\tNDC\tAlpha\n0002-1200\tNDC\tAlpha\nE119\tMINE\tx\n' >spelled.tsv
medtok tokenize --codes spelled.tsv --append-to table.h5 --set files.table=spelled.h5 2>log.txt || fail "codes without the column nodes: $(cat log.txt)"
[ "$(grep -c 'spelled.tsv has no column nodes' log.txt)" -eq 1 ] || fail "said of the column nodes: $(cat log.txt)"
printf "${header}NDC\t00002120001\tx\t\n" >bad.tsv
expect_error 1 "bad.tsv:2: NDC:00002120001 is no new code: it is code number $n_known of spelled.h5, spelled 0002-1200-01" new bad.tsv --append-to spelled.h5
medtok verify --set files.table=spelled.h5 >/dev/null || fail "verify of spelled.h5"
names() { medtok lookup "$@" 2>/dev/null | grep -oE '^[A-Za-z0-9]+ +[^ ]+' | tr -s ' '; }
for name in E11.9 e11.9 E119 icd10cm:e119 ICD-10-CM:E11.9; do
    [ "$(names $name)" = "ICD10CM E11.9" ] || fail "lookup $name finds: $(names $name)"
    names $name --set files.table=spelled.h5 | grep -qx "ICD10CM E11.9" || fail "a new row hides E11.9 from lookup $name"
done
[ "$(names E119 --set files.table=spelled.h5)" = "MINE E119
ICD10CM E11.9" ] || fail "lookup E119 finds: $(names E119 --set files.table=spelled.h5)"
[ "$(names 00002-1200-01 --set files.table=spelled.h5)" = "NDC 0002-1200-01" ] || fail "lookup does not show the spelling of the input"
printf 'system\tcode\tnodes\nA\tB\tC\n' >bad.tsv
expect_error 1 'column description is missing' new bad.tsv
printf "$header" >bad.tsv
expect_error 1 'bad.tsv holds no codes' new bad.tsv
expect_error 1 'nowhere.tsv: No such file' new nowhere.tsv
head -n 1000 "$SAMPLE/kg.csv" >other.csv
expect_error 1 'other.csv is another knowledge graph than .*vocabulary.h5 was made from' new new.tsv --set files.graph=other.csv
expect_error 2 'table.h5 holds the tokens of the vocabulary' medtok tokenize --codes new.tsv
expect_error 2 'append_to needs tokenize.codes' medtok tokenize --append-to table.h5
expect_error 2 'does not know --codes' medtok train --codes new.tsv
medtok train --set train.steps=3 --set files.checkpoint=other.h5 >/dev/null 2>&1 || fail "another checkpoint"
expect_error 1 'table.h5 was made with another checkpoint than other.h5' new new.tsv --append-to table.h5 --set files.checkpoint=other.h5
[ -e out.h5 ] && fail "an error left out.h5"
no_scratch "an error"
medtok verify >/dev/null || fail "the table of the vocabulary has changed"
finish
