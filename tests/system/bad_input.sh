#!/usr/bin/env bash
# Every wrong input ends with one clear message, a non-zero exit, and no output.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

header='system\tcode\tdescription\tnodes\n'
# codes CONTENT: prepare from a table of this content
codes() { printf "$1" >codes.tsv; }
prepare() { medtok prepare --set files.codes=codes.tsv --set files.vocabulary=out.h5; }

expect_error 1 'nowhere.tsv: No such file' medtok prepare --set files.codes=nowhere.tsv
expect_error 1 'is a folder' medtok prepare --set files.codes=/tmp
expect_error 1 'nowhere.csv: No such file' medtok prepare --set files.graph=nowhere.csv
gzip -c "$SAMPLE/codes.tsv" | head -c 3000 >cut.tsv.gz
expect_error 1 'truncated gzip' medtok prepare --set files.codes=cut.tsv.gz
codes 'system\tcode\tdescription\nA\tB\tC\n' && expect_error 1 'column nodes is missing; there are: system, code, description' prepare
codes 'system\tcode\tcode\tnodes\n' && expect_error 1 'code is there twice' prepare
codes "$header" && expect_error 1 'holds no codes' prepare
codes '' && expect_error 1 'is empty' prepare
codes "${header}ICD10CM\tA00\n" && expect_error 1 'codes.tsv:2: 2 fields, but the header has 4' prepare
codes "${header}ICD10CM\tA00\tx\t1\nICD10CM\tA00\ty\t\n" && expect_error 1 'codes.tsv:3: ICD10CM:A00 is listed twice; first at codes.tsv:2' prepare
codes "${header}ICD10CM\tA00\tx\t99999\n" && expect_error 1 'codes.tsv:2: ICD10CM:A00 names node 99999, but .* has nodes 0 to 854' prepare
codes "${header}ICD10CM\tA00\tx\t-4\n" && expect_error 1 'codes.tsv:2: nodes is "-4": expected an integer' prepare
codes "${header}ICD10CM\tA00\tx\tfoo\n" && expect_error 1 'nodes is "foo"' prepare
codes "${header}ICD10CM\t\tx\t1\n" && expect_error 1 'codes.tsv:2: the code is empty' prepare
codes "${header}ICD10CM\tA00\tM\xe9ni\xe8re\t1\n" && expect_error 1 'codes.tsv:2: byte 14 of the row \(0xe9\) is not UTF-8' prepare
codes "${header}ICD10CM\tA00\tx\\\\000y\t1\n"; printf "${header}ICD10CM\tA00\tx\0y\t1\n" >codes.tsv
expect_error 1 'codes.tsv:2: a zero byte' prepare
printf 'system,code,description,nodes\nICD10CM,A00,"never closed,1\n' >codes.tsv
expect_error 1 'codes.tsv:2: a quote opened in this row is never closed' prepare
printf 'x_index,y_index\n1,2\n' >kg.csv
expect_error 1 'column relation is missing' medtok prepare --set files.graph=kg.csv
printf 'display_relation,x_index,y_index\nr,1,x\n' >kg.csv
expect_error 1 'kg.csv:2: y_index is "x"' medtok prepare --set files.graph=kg.csv
[ -e out.h5 ] && fail "a bad table left out.h5"

# Odd, but good: BOM, CRLF, other column order and extra columns, quoted commas and line breaks, no last line end, a 1 MB line.
{ printf '\xef\xbb\xbfnodes,extra,description,code,system\r\n1;2,,"a ""b"", c\r\nd",A00,ICD10CM\r\n'
  printf '[3],,%s,A01,ICD10CM\r\n' "$(head -c 1000000 /dev/zero | tr '\0' x)"
  printf ',,,A02,ICD10CM'; } >codes.tsv
prepare >log.txt 2>&1 || fail "odd but good: $(cat log.txt)"
grep -q '1 codes have no description' log.txt || fail "nothing said of the empty description: $(cat log.txt)"
printf 'med_code\tdesc\tcode_system\tpkg_index_list\nE11.9\tx\ticd10\t[1, 2]\n' >codes.tsv
prepare >log.txt 2>&1 && grep -q 'ICD10CM  *1 codes' log.txt || fail "MedTok's own columns: $(cat log.txt)"

# Configuration.
printf 'graph:\n  hop: 2\n' >bad.yaml
expect_error 2 'bad.yaml:2: there is no key graph.hop; did you mean graph.hops' "$MEDTOK" prepare --config bad.yaml
printf 'train:\n  batch: many\n' >bad.yaml
expect_error 2 'bad.yaml:2: train.batch is "many": expected an integer, 2 to 1048576 \(codes\)' "$MEDTOK" train --config bad.yaml
printf 'loss: {negatives: some}\n' >bad.yaml
expect_error 2 'expected one of local, global' "$MEDTOK" train --config bad.yaml
printf 'a: [b\n' >bad.yaml
expect_error 2 'bad.yaml:[0-9]+: not valid YAML' "$MEDTOK" train --config bad.yaml
printf 'train: 5\n' >bad.yaml
expect_error 2 'bad.yaml:1: train is a section, which has no value of its own; its keys are batch, steps' "$MEDTOK" train --config bad.yaml
printf 'train: {rate: 1e-400}\n' >bad.yaml
expect_error 2 'bad.yaml:1: train.rate is "1e-400", which is too small a number to be told from 0' "$MEDTOK" train --config bad.yaml
printf 'train: {steps: 3}\n---\ntrain: {steps: 4}\n' >bad.yaml
expect_error 2 'bad.yaml:2: a second YAML document begins here' "$MEDTOK" train --config bad.yaml
expect_error 2 'there is no key x; .medtok JOB --help. lists' "$MEDTOK" train --set x=1
expect_error 2 'there is no key graph.foo; graph has hops, max_nodes' "$MEDTOK" prepare --set graph.foo=1
expect_error 2 'there is no key TRAIN.STEPS; did you mean train.steps' "$MEDTOK" train --set TRAIN.STEPS=1
expect_error 2 'cannot read the configuration nowhere.yaml' "$MEDTOK" train --config nowhere.yaml
expect_error 2 'there is no key train.bath; did you mean train.batch' medtok train --set train.bath=3
expect_error 2 'heads \(5\) must divide' medtok train --set attention.heads=5
expect_error 2 'there is no job trian' "$MEDTOK" trian
expect_error 2 'does not know --wat' medtok train --wat

# Files of the pipeline.
expect_error 1 'vocabulary.h5 does not exist; .medtok prepare. makes it' medtok encode
medtok prepare >/dev/null 2>&1 && medtok encode >/dev/null 2>&1 || fail "prepare and encode"
expect_error 1 'is a text file, but a vocabulary file is needed' medtok encode --set files.vocabulary=text.h5
head -c 5000 vocabulary.h5 >cut.h5
expect_error 1 'cut.h5 is damaged' medtok encode --set files.vocabulary=cut.h5
expect_error 1 'codes.tsv is damaged or not an HDF5 file' medtok encode --set files.vocabulary=codes.tsv
expect_error 2 'rank 0: 3 ranks are too many for a batch of 2 codes' medtok_ranks 3 train --set train.batch=2 --set quantizer.top_k=1
expect_error 1 'cannot make the output folder /proc/x' medtok train --set files.checkpoint=/proc/x/y.h5 --set train.steps=1 --set files.metrics=m.jsonl
expect_error 1 'gradient|codebook|specific|shared|align|orthogonal' medtok train --set train.rate=1e6 --set train.clip=0 --set files.checkpoint=nan.h5
[ -e nan.h5 ] && fail "a diverged training left a checkpoint"
expect_error 1 'nan.h5: No such file|nan.h5 does not exist' medtok tokenize --set files.checkpoint=nan.h5

# N processes that are each alone.
OMPI_COMM_WORLD_SIZE=4 "$MEDTOK" verify >log.txt 2>&1 && fail "four singletons were not refused"
expect_error 2 'the launcher started 3 tasks, but each is alone' env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=3 "$MEDTOK" verify

# Another schema version, and a table that was tampered with.
medtok train >/dev/null 2>&1 && medtok tokenize >/dev/null 2>&1 && medtok verify >/dev/null 2>&1 || fail "train, tokenize, verify"
if python3 -c 'import h5py' 2>/dev/null; then
    cp table.h5 old.h5 && python3 -c 'import h5py; h5py.File("old.h5","a").attrs["schema_version"] = 99'
    expect_error 1 'schema version 99, this program reads version 2' medtok verify --set files.table=old.h5
    cp checkpoint.h5 old.h5 && python3 -c 'import h5py; h5py.File("old.h5","a").attrs["schema_version"] = 99'
    expect_error 1 'schema version 99' medtok tokenize --set files.checkpoint=old.h5 --set files.table=t.h5
    cp table.h5 bad.h5 && python3 -c 'import h5py; h5py.File("bad.h5","a")["tokens"][3,0,0] = 5'
    expect_error 1 'the checksum of tokens' medtok verify --set files.table=bad.h5
    cp text.h5 bad.h5 && python3 -c 'import h5py; h5py.File("bad.h5","a")["features"][0,3] = float("nan")'
    expect_error 1 'a feature of [A-Z0-9a-z]+:[^ ]+ is NaN' medtok train --set files.text=bad.h5 --set files.checkpoint=c.h5
fi
finish
