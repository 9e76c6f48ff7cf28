#!/usr/bin/env bash
# probe gives the same report on any number of ranks, asks what its files allow, and says what is wrong with them.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

medtok prepare && medtok encode && medtok train --set train.steps=2 && medtok tokenize || fail "prepare, encode, train, tokenize"
printf 'from_system,from_code,to_system,to_code\nICD9CM,250.00,ICD10CM,E11.9\nICD9CM,250.01,ICD10CM,E10.9\n' >map.csv
printf 'code_start\tcode_end\nA00\tE89\nF01\tZ99\n' >chapters.tsv
printf 'icd9\tloinc\n250.00\t1-8\n' >nowhere.tsv
printf 'icd9cm\tccs_desc\n250.00\tdiabetes\n250.01\tdiabetes\n' >one.tsv # one class alone: nothing to tell apart
printf 'drug\tatc_code\nMETFORMIN\tA10BA02\nglipizide 5 mg Tab\tA10BB07\nGlipizide\tA10BB07\n' >drugs.tsv
files="--set probe.maps=[map.csv,drugs.tsv] --set probe.classes=[chapters.tsv,one.tsv] --set probe.resamples=20"
for ranks in 1 3; do # alone with two threads
    medtok_ranks $ranks probe $files --set run.threads=$((ranks == 1 ? 2 : 1)) --set probe.report=probe$ranks.json >probe$ranks.txt ||
        fail "probe on $ranks ranks"
done
cmp probe1.json probe3.json || fail "the figures depend on the number of ranks or threads"
cmp probe1.txt probe3.txt || fail "the printed figures depend on the number of ranks"
for wanted in 'ICD9CM to ICD10CM: 2 codes asked, 219 candidates' 'hit at 10' 'nearest, chapter' 'nearest, section' 'nearest, level 2' \
    'embedding, shared-graph ' 'untrained, rows of codes, tokens ' 'nodes that both list ' 'beginning of the code ' \
    'embedding - frozen text' 'MRR by 1 ... 20 tokens' "RxNorm to ATC, by the drug's name: 2 codes asked, 212 candidates" \
    'ICD10CM, linear map: [0-9]+ codes asked, [0-9]+ learned from' 'linear, chapter by 1 ... 20 tokens' 'linear, level 2' \
    'ATC, hierarchy: 212 codes in 4000 pairs' 'distance, Spearman by 1 ... 20 tokens'; do
    grep -qE -- "$wanted" probe1.txt || fail "no '$wanted' in: $(cat probe1.txt)"
done
grep -q '^ICD9CM: ' probe1.txt && fail "asked for the only class of a system: $(cat probe1.txt)"
# The code's own string tells level 1 of ATC, if its level 4 is held out, of all that have a relative.
grep -A20 '^ATC: ' probe1.txt | grep -qE 'beginning of the code +(0\.9|1\.0)' || fail "level 1 is not told by the code: $(cat probe1.txt)"

# What prepare removes of the graph is asked for, and is drawn by graph.remove_seed.
removal="--set graph.remove=indication --set graph.remove_share=0.2"
medtok prepare $removal --set graph.removed=removed.tsv --set files.vocabulary=without.h5 || fail "prepare that removes edges"
medtok prepare $removal --set graph.removed=other.tsv --set files.vocabulary=other.h5 --set graph.remove_seed=1 || fail "another seed"
cmp -s removed.tsv other.tsv && fail "the edges do not depend on the seed"
[ "$(cut -f1,4,5 removed.tsv | sort -u | tail -n 1)" = "$(printf 'relation\tx_type\ty_type')" ] || fail "removed: $(head removed.tsv)"
medtok probe $files --set probe.removed=removed.tsv --set probe.report=links.json >links.txt || fail "probe of removed edges"
grep -qE '^indication, drug to disease, still linked: [0-9]+ codes asked' links.txt || fail "no question of removed edges: $(cat links.txt)"
grep -A1 '^indication, drug to disease, still linked' links.txt | grep -q 'seen 100 %' || # this table's graph had all of them
    fail "edges that training saw are not marked: $(grep -A1 ^indication links.txt)"
grep -q '^indication, [a-z]* to [a-z]*: ' links.txt && fail "edges that training saw pass for removed ones: $(grep -A1 ^indication links.txt)"
# The file belongs to the vocabulary: another's is told from it, though both are there.
expect_error 1 'other.tsv does not hold the edges that were removed when without.h5 was made' \
    medtok prepare $removal --set graph.removed=other.tsv --set files.vocabulary=without.h5
medtok encode --set files.vocabulary=without.h5 --set files.text=without_text.h5 && without="--set files.vocabulary=without.h5 --set files.text=without_text.h5
    --set files.checkpoint=without_checkpoint.h5 --set files.table=without_table.h5" && medtok train $without --set train.steps=1 && medtok tokenize $without ||
    fail "a table without the edges"
expect_error 1 'other.tsv does not hold the edges that were removed when without.h5 was made' medtok probe $files $without --set probe.removed=other.tsv
medtok probe $without --set probe.removed=removed.tsv --set probe.resamples=20 --set probe.report=without.json >links.txt || fail "probe without the edges"
for direction in 'drug to disease' 'disease to drug'; do
    grep -A1 "^indication, $direction: [0-9]* codes asked" links.txt | grep -q '^ *hit at 1 *hit at 10 *MRR *$' ||
        fail "$direction: no question of edges that training did not see: $(grep -A1 ^indication links.txt)"
done
expect_error 2 'graph.removed is empty' medtok prepare $removal
rm removed.tsv
expect_error 1 'removed.tsv, which holds the edges that were removed, is not there' \
    medtok prepare $removal --set graph.removed=removed.tsv --set files.vocabulary=without.h5

expect_error 1 'nowhere.tsv maps no code of the vocabulary to another' medtok probe --set probe.maps=nowhere.tsv
expect_error 1 'chapters.tsv: no map between codes is told' medtok probe --set probe.maps=chapters.tsv
expect_error 1 'map.csv: no column has the names of groups|map.csv: .*names of groups' medtok probe --set probe.classes=map.csv
expect_error 2 'at most 32 classes can be asked for, those that codes tell themselves' \
    medtok probe --set probe.classes="[$(printf 'one.tsv, %.0s' $(seq 31))one.tsv]" # 32, and the levels of ATC
expect_error 2 'an output must not be an input' medtok probe $files --set probe.report=map.csv
printf 'system\tcode\tdescription\tnodes\nHCPCS\tA1\twalker\t\nHCPCS\tA2\tcrutch\t\nHCPCS\tA3\tcane\t\n' >flat.tsv
medtok prepare --set files.codes=flat.tsv --set files.vocabulary=flat.h5 || fail "another vocabulary"
expect_error 1 'table.h5 was made from another vocabulary than flat.h5' medtok_ranks 2 probe --set files.vocabulary=flat.h5
finish
