#!/usr/bin/env bash
# The readers of foreign bytes under libFuzzer with the sanitizers: safetensors for FUZZ_SECONDS (10), the others beside it for a half or a
# third of that. In half of a time as long most reach all edges but 4 in a hundred, those of predictions and source codes 6. By hand, after a
# change of a parser: FUZZ_SECONDS=300.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v clang >/dev/null || skip "clang is not installed"
seconds=${FUZZ_SECONDS:-10}
flags="-gline-tables-only -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I$ROOT/src -I$ROOT/jobs -I$ROOT/kernels -I$(dirname "$MEDTOK")/generated"
build() { # NAME, sources under src/, libraries
    local name=$1 sources=() libraries=()
    shift
    for word in "$@"; do case $word in -l*) libraries+=("$word") ;; *) sources+=("$ROOT/src/$word") ;; esac done
    clang $flags "$ROOT/tests/fuzz/fuzz_$name.c" "${sources[@]}" "${libraries[@]}" -o "fuzz_$name" 2>build.log || {
        grep -q 'cannot find.*clang_rt' build.log && skip "clang's runtime libraries are not installed (libclang-rt-14-dev)"
        fail "building fuzz_$name: $(cat build.log)"
    }
}
run() { # NAME SECONDS
    mkdir -p "corpus_$1"
    "./fuzz_$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 "corpus_$1" >"$1.log" 2>&1 || fail "fuzz_$1: $(tail -n 30 "$1.log")"
    echo "fuzz_$1: $(grep -oE 'Done [0-9]+ runs in [0-9]+ second' "$1.log")"
}
build safetensors lm/safetensors.c base/status.c -ljansson
build wordpiece lm/wordpiece.c base/dictionary.c base/status.c -lutf8proc -lxxhash
build bpe lm/{bpe,bpe_file,folder_json}.c base/{dictionary,status}.c -ljansson -lutf8proc -lxxhash -lpcre2-8
build config ../jobs/settings.c config/{schema,assign,values,yaml}.c text/options.c base/{status,text,string_list}.c -lyaml
build code_form terms/code_form.c
build source_code ingest/{ehrshot_rows,omop_rows,meds_csv_rows,label_files,field_values}.c terms/{source_code,source_pattern,code_map,code_form,code_hierarchy,drug_name,meds_code,omop_code}.c base/{status,dictionary,string_list}.c -lxxhash
build aces ehr/tasks/aces_{file,bounds}.c base/status.c -lyaml
build rows ingest/{row_scan,field_values,mimic_rows}.c base/status.c
build predictions ingest/{predictions,class_predictions,delimited,row_scan,byte_source,inflater,field_values}.c base/{status,string_list,input_file}.c -lz
build questions qa/questions.c base/{status,dictionary}.c -ljansson -lxxhash
build terms terms/{text_words,term_rules,term_index,term_match,negation}.c base/{status,dictionary}.c -lutf8proc -lxxhash
mkdir corpus_terms corpus_questions corpus_safetensors corpus_config corpus_wordpiece corpus_bpe corpus_code_form corpus_aces corpus_source_code corpus_rows corpus_predictions
for file in "$ROOT"/tests/golden/text/*/*.safetensors; do # the header, and a little of what follows
    head -c 6000 "$file" >"corpus_safetensors/$(echo "$file" | cksum | cut -d' ' -f1)"
done
printf '%s' '{"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}' >header
{ printf "\\x$(printf %x "$(wc -c <header)")\\0\\0\\0\\0\\0\\0\\0"; cat header; printf '0123456789'; } >corpus_safetensors/small
printf '%s' '{"added_tokens": [{"id": 5, "content": "<|im_end|>", "special": true}], "normalizer": {"type": "NFC"},
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Split", "pattern": {"Regex": "\\s+|\\S+"},
 "behavior": "Isolated"}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
 "model": {"type": "BPE", "ignore_merges": false, "vocab": {"a": 0, "aa": 1, "l": 2, "ll": 3, "aaaa": 4}, "merges": ["a a", ["l", "l"], "aa aa"]}}' >corpus_bpe/small
cp "$ROOT"/configs/*.yaml corpus_config/
cp "$ROOT"/tests/golden/aces/*.yaml corpus_aces/
printf '\017Ménière 中ab [MASK] \xed\xa0\x80' >corpus_wordpiece/one
printf '\005*0002-1200-*1' >corpus_code_form/ndc
printf '\003a00.0-A09.-' >corpus_code_form/range
printf '\005\0\020%s' '1,2,2180-05-07 10:00:00
"3, ""x""",4.5e3,2180-05-07
"a
b",,x
' >corpus_rows/csv
printf '\017\0\005%s' '1,2,2180-05-07 10:00:00,2180-05-09 10:00:00,2180-05-09,1,WHITE,' >corpus_rows/admission
printf '\004\0\005a\tb\tc\n"1\t2"\t3\n' >corpus_rows/tsv
printf '\001%s\0%s\0%s\0%s\0%s\0%s\0%s\0%s' 7 '2010-01-01 09:00:00' LOINC/718-7 '' 13.5 g/dL 100 measurement >corpus_source_code/ehrshot
printf '\012%s\0%s\0%s\0%s\0%s\0%s\0%s' 1 133729 2010-01-02 '' 100 25200 44835752 >corpus_source_code/omop
printf '\004MEDICATION//NDC//0002-1200-01//Heparin' >corpus_source_code/drug
printf 'subject_id,prediction_time,boolean_value,predicted_boolean_value,predicted_boolean_probability\n%s' \
    '7,2020-02-29 23:59:00,true,,0.5
-3,2019-12-31T00:00,F,1,1e-3
' >corpus_predictions/two
printf 'subject_id,prediction_time,classes,a,"b, c"\n%s' '7,2020-02-29,1;0,.5,1e-3
-3,2019-12-31T00:00,,-1,2
' >corpus_predictions/classes
printf '\024sugar sickness\tDM\nXY\tMI\tNo asthma, but (MS) acute hepatitis; UTIs: Crohn’s é' >corpus_terms/one
printf '%s' '[{"input": ["Stem\n A:  one\n B:  two\n", "B"], "medical_codes": [617490, 3]}]' >corpus_questions/released
printf '%s' '{"id": "1", "stem": "Stem", "options": ["one", "two"], "answer": "A", "codes": [["ICD10CM", "E11.9"]]}' >corpus_questions/ours
run safetensors "$seconds" &
run wordpiece $((seconds / 3))
run bpe $((seconds / 3))
run config $((seconds / 3))
run code_form $((seconds / 5))
run source_code $((seconds / 2))
run predictions $((seconds / 3))
run aces $((seconds / 3))
run rows $((seconds / 3))
run questions $((seconds / 5))
run terms $((seconds / 5))
wait $!
[ -n "$(grep -l 'Done' safetensors.log)" ] || fail "fuzz_safetensors did not end well"
finish
