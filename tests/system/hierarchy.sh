#!/usr/bin/env bash
# graph.hierarchy: codes that the graph leaves out have graph tokens, new codes too; training on it, with strong views of the graph, does not
# depend on the ranks; probe and inspect say which rows training saw.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

files="--set files.vocabulary=h.h5 --set files.text=ht.h5 --set files.checkpoint=hc.h5 --set files.table=htable.h5"
medtok prepare --set files.vocabulary=h.h5 --set graph.hierarchy=yes 2>log.txt && medtok encode $files 2>/dev/null || fail "prepare, encode: $(cat log.txt)"
grep -q 'hierarchy: [0-9]* nodes above' log.txt || fail "no word of the hierarchy: $(cat log.txt)"
losses() { sed 's/.*"loss": \([^,}]*\).*/\1/' "$1"; }
for ranks in 1 2; do
    medtok_ranks $ranks train $files --set graph.node_drop=0.3 --set graph.dropout=0.2 --set train.steps=6 --set files.metrics=h$ranks.jsonl --set files.checkpoint=hc$ranks.h5 2>log.txt ||
        fail "train on $ranks ranks: $(cat log.txt)"
done
# As in rank_independence.sh: rounding of 1e-6, made larger by steps of Adam.
paste <(losses h1.jsonl) <(losses h2.jsonl) | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad = 1} END {exit bad || NR != 6}' ||
    fail "losses depend on ranks: $(paste <(losses h1.jsonl) <(losses h2.jsonl))"
files="${files/hc.h5/hc1.h5}"
medtok tokenize $files 2>/dev/null && medtok export tsv $files --set files.export=out >/dev/null 2>&1 || fail "tokenize, export"

# A procedure has no node of the graph: without a hierarchy no graph tokens, here it has some.
head -1 out/tokens.tsv | grep -q 'graph_specific' || fail "columns: $(head -1 out/tokens.tsv)"
column=$(head -1 out/tokens.tsv | tr '\t' '\n' | grep -n '^graph_specific' | head -1 | cut -d: -f1)
awk -F'\t' -v c=$column '$1 == "ICD10PCS" || $2 == "ICD10PCS" {n++; if ($c ~ /-1/ || $c == "") bad++} END {exit !n || bad}' out/tokens.tsv ||
    fail "procedures without graph tokens: $(grep ICD10PCS out/tokens.tsv | head -3)"

awk -F'\t' -v c=$column '$1 == "HCPCS" && !($c ~ /-1/ || $c == "") {bad = 1} END {exit bad}' out/tokens.tsv ||
    fail "codes that nothing stands above have graph tokens: $(grep HCPCS out/tokens.tsv | head -3)"

printf 'from_system,from_code,to_system,to_code\nICD9CM,250.00,ICD10CM,E11.9\nICD9CM,786.50,ICD10CM,R07.9\n' >map.csv
medtok probe $files --set probe.maps=map.csv --set probe.resamples=20 --set probe.report=p.json >p.txt 2>/dev/null || fail "probe"
grep -A1 '^ATC:' p.txt | grep -q 'nearest, level 1\* (seen [1-9]' || fail "levels of ATC are not marked: $(grep -A1 ^ATC p.txt)"
grep -A1 '^ICD9CM to ICD10CM' p.txt | grep -q '\*' && fail "a map is marked: $(grep -A1 '^ICD9CM to' p.txt)"
grep -q '^\*: .*graph.hierarchy' p.txt || fail "no word of what * means"
medtok inspect $files --set inspect.resamples=20 >inspect.txt 2>/dev/null || fail "inspect"
grep -q 'siblings were seen' inspect.txt || fail "inspect does not say that siblings were seen: $(tail -3 inspect.txt)"
# The map itself as parents: then it is no probe.
medtok prepare --set files.vocabulary=m.h5 --set graph.hierarchy=yes --set graph.parents=[map.csv] 2>/dev/null || fail "prepare with a map"
expect_error 1 'htable.h5 was made from another vocabulary than m.h5' medtok probe $files --set files.vocabulary=m.h5
files_m="--set files.vocabulary=m.h5 --set files.text=mt.h5 --set files.checkpoint=mc.h5 --set files.table=mtable.h5"
{ medtok encode $files_m && medtok train $files_m --set train.steps=1 && medtok tokenize $files_m; } 2>/dev/null || fail "a table of the map's parents"
medtok probe $files_m --set probe.maps=map.csv --set probe.resamples=20 --set probe.report=m.json >m.txt 2>/dev/null || fail "probe of the map's parents"
for table in p m; do # without it one of the two pairs is seen, by a node of the graph that both list
    seen=$(grep -A1 '^ICD9CM to ICD10CM' $table.txt | sed -n 's/.*hit at 1 (seen \([0-9]*\) %).*/\1/p')
    [ "$seen" = "$([ $table = m ] && echo 100 || echo 50)" ] || fail "$table: seen $seen %: $(cat $table.txt)"
done

# A new code gets the nodes that the model knows: the graph is not needed.
printf 'system\tcode\tdescription\nICD10PCS\t%s\tnew\n' "$(awk -F'\t' '$1 == "ICD10PCS" {print substr($2, 1, 6) "Y"; exit}' "$SAMPLE/codes.tsv")" >new.tsv
medtok tokenize $files --codes new.tsv --set files.table=new.h5 2>log.txt || fail "new codes: $(cat log.txt)"
medtok export tsv --set files.table=new.h5 --set files.export=new_out >/dev/null 2>&1 || fail "export of new codes"
awk -F'\t' -v c=$column 'NR == 2 && ($c ~ /-1/ || $c == "") {bad = 1} END {exit bad || NR != 2}' new_out/tokens.tsv ||
    fail "the new code has no graph tokens: $(cat new_out/tokens.tsv)"
expect_error 2 'graph.parents must name the tables that h.h5 was made with' \
    medtok tokenize $files --codes new.tsv --set files.table=new2.h5 --set graph.parents=[map.csv]
expect_error 2 'graph.hierarchy is no' medtok prepare --set files.vocabulary=n.h5 --set graph.parents=[map.csv]
finish
