#!/usr/bin/env bash
# qa-link and qa-cosine from the shell: codes of questions by names, synonyms and rules of the user; the same bytes on one to three ranks;
# and what cannot be read or would overwrite something is refused.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

printf 'system\tcode\tdescription\tnodes\n' >codes.tsv
printf '%s\t%s\t%s\t\n' ICD10CM E11 'Type 2 diabetes mellitus' ICD10CM J45 Asthma ICD10CM J18.9 'Pneumonia, unspecified organism' \
    ATC A10BA02 metformin ICD10CM A00-B99 'Infections' ICD9CM 493 Asthma >>codes.tsv
"$MEDTOK" prepare --set files.codes=[codes.tsv] files.graph="$SAMPLE/kg.csv" files.vocabulary=v.h5 2>log || fail "prepare: $(cat log)"
printf 'drug,atc_code\nGlucophage,A10BA02\nNobody,X99\n' | gzip >drugs.csv.gz
printf 'chapter_num\tchapter_desc\tcode_start\tcode_end\n1\tContagious maladies\tA00\tB99\n' >chapters.tsv
printf 'sugar sickness\ttype 2 diabetes mellitus\n' >rules.tsv
cat >q.jsonl <<'JSON'
{"id": "1", "stem": "A woman with T2DM, no asthma, takes Glucophage.", "options": ["Pneumonia", "other"], "answer": "A"}
{"id": "2", "stem": "Sugar sickness is a contagious malady?", "options": ["yes", "no", "asthma"], "answer": "C"}
{"id": "3", "stem": "Left or other?", "options": ["left", "other"], "answer": "B"}
JSON
settings=(files.vocabulary=v.h5 link.questions=q.jsonl 'link.synonyms=[drugs.csv.gz, chapters.tsv]' link.terms=rules.tsv)

link() { "$MPIRUN" -n "$1" "$MEDTOK" qa-link --set "${settings[@]}" link.links="l$1.jsonl" link.linked="q$1.jsonl" "${@:2}"; }
for ranks in 1 2 3; do link $ranks >log 2>&1 || fail "qa-link on $ranks ranks: $(cat log)"; done
for ranks in 2 3; do
    cmp l1.jsonl l$ranks.jsonl && cmp q1.jsonl q$ranks.jsonl || fail "$ranks ranks link otherwise than one"
done
grep -q 'link.synonyms are of codes that the vocabulary has not' log && grep -q ' 1 of 3 names' log || fail "the unknown code: $(cat log)"
grep -q '3 questions: 2 with a code; 5 spans in stems, 1 of them negated' log || fail "the summary: $(cat log)"
grep -q '^{"question": "1", "diseases": \["T2DM"\], "medications": \["Glucophage"\], "procedures": \[\], "rows": \[0, 3\], ' l1.jsonl || fail "question 1: $(head -1 l1.jsonl)"
grep -q '^{"question": "2", "diseases": \["Sugar sickness", "contagious malady"\], .*"rows": \[0, 4\], ' l1.jsonl || fail "question 2: $(sed -n 2p l1.jsonl)"
grep -q '^{"question": "3", "diseases": \[\], .*"rows": \[\], "spans": \[\]' l1.jsonl || fail "question 3: $(tail -1 l1.jsonl)"
grep -q '^{"codes": \[\["ICD10CM", "E11"\], \["ATC", "A10BA02"\]\], "id": "1", .*"option_codes": \[\[\["ICD10CM", "J18.9"\]\], \[\]\]}$' q1.jsonl ||
    fail "linked question 1: $(head -1 q1.jsonl)"

# its own output is questions again, and gives the same
settings[1]=link.questions=q1.jsonl
link 1 link.links=again.jsonl link.linked=q-again.jsonl >log 2>&1 && cmp q1.jsonl q-again.jsonl || fail "linking again: $(cat log)"
settings[1]=link.questions=q.jsonl

# ---- refusals ----
expect_error 2 'link.questions is empty' "$MEDTOK" qa-link --set files.vocabulary=v.h5
expect_error 2 'link.questions' link 1 link.linked=q.jsonl
printf '{"id": "1", "stem": "s", "options": ["a", "b"], "answer": "C"}\n' >bad.jsonl
expect_error 1 'bad.jsonl:1: the answer is "C"' link 2 link.questions=bad.jsonl
printf 'no tab\n' >rules.bad
expect_error 1 'rules.bad:1: expected what is written, a tab' link 1 link.terms=rules.bad
printf 'a,b\n1,2\n' >no.csv
expect_error 1 'no.csv: no file of names' link 1 'link.synonyms=[no.csv]'
cp codes.tsv l9.jsonl
expect_error 2 'link.links: l9.jsonl is there already and is nothing that this job writes' link 1 link.links=l9.jsonl

# ---- a table: ranking, and answers without a language model ----
for job in prepare encode train tokenize; do medtok $job >log 2>&1 || fail "$job: $(cat log)"; done
expect_error 1 'was not made from the vocabulary' link 1 link.table=table.h5
"$MEDTOK" qa-cosine --set qa_cosine.questions=q1.jsonl files.table=table.h5 qa_cosine.report=b.json >out 2>log || fail "qa-cosine: $(cat log)"
grep -q '^all  *3  ' out && grep -q '"all": {' b.json && grep -q '"right_letters": {"A": 1, "B": 1, "C": 1}' b.json || fail "the report: $(cat out b.json)"
"$MEDTOK" qa-prefix --set qa_prefix.questions=q1.jsonl files.table=table.h5 qa_prefix.folder=prefix 2>log || fail "qa-prefix: $(cat log)"
"$MEDTOK" qa-prefix --set qa_prefix.questions=q1.jsonl files.table=table.h5 qa_prefix.folder=prefix 2>log || fail "qa-prefix again: $(cat log)"
[ "$(wc -l <prefix/questions.tsv)" -eq 4 ] && grep -q 'shape.: (3, 8, 128)' prefix/vectors.npy || fail "the arrays: $(head -c 128 prefix/vectors.npy | tr -d '\0')"
"$MEDTOK" qa-prefix --set qa_prefix.questions=q1.jsonl files.table=table.h5 qa_prefix.folder=prefix qa_prefix.table=few.h5 2>log || fail "a table of few codes: $(cat log)"
medtok verify few.h5 >out 2>log && grep -q '2 picked codes, 0 of' out || fail "few.h5: $(cat out log)"
echo mine >prefix/questions.tsv
expect_error 2 'questions.tsv is there already' "$MEDTOK" qa-prefix --set qa_prefix.questions=q1.jsonl files.table=table.h5 qa_prefix.folder=prefix
printf '[{"input": ["S\\n A:  x\\n B:  y\\n", "A"], "medical_codes": [3]}]' >released.json
expect_error 1 'look its codes up with `medtok qa-link`' "$MEDTOK" qa-cosine --set qa_cosine.questions=released.json files.table=table.h5
finish
