#!/usr/bin/env bash
# Every wrong input ends with one clear message, a non-zero exit, and no output.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

header='system\tcode\tdescription\tnodes\n'
# codes CONTENT: prepare from a table of this content
codes() { printf "$1" >codes.tsv; }
prepare() { medtok prepare --set files.codes=codes.tsv --set files.vocabulary=out.h5 "$@"; }

expect_error 1 'nowhere.tsv: No such file' medtok prepare --set files.codes=nowhere.tsv
expect_error 1 'is a folder' medtok prepare --set files.codes=/tmp
expect_error 1 'nowhere.csv: No such file' medtok prepare --set files.graph=nowhere.csv
gzip -c "$SAMPLE/codes.tsv" | head -c 3000 >cut.tsv.gz
expect_error 1 'truncated gzip' medtok prepare --set files.codes=cut.tsv.gz
codes 'system\tcode\tnodes\nA\tB\t1\n' && expect_error 1 'column description is missing; there are: system, code, nodes' prepare
codes 'system\tcode\tcode\tnodes\n' && expect_error 1 'code is there twice' prepare
codes "$header" && expect_error 1 'holds no codes' prepare
codes '' && expect_error 1 'is empty' prepare
codes "${header}ICD10CM\tA00\n" && expect_error 1 'codes.tsv:2: 2 fields, but the header has 4' prepare
codes "${header}ICD10CM\tA00\tx\t1\nICD10CM\tA00\ty\t\n" && expect_error 1 'codes.tsv:3: ICD10CM:A00 is listed twice; first at codes.tsv:2' prepare
codes "${header}ICD10CM\tA00\tx\t99999\n" && expect_error 1 'codes.tsv:2: ICD10CM:A00 names node 99999, but .* has nodes 0 to 854' prepare
codes "${header}ICD10CM\tA00\tx\t-4\n" && expect_error 1 'codes.tsv:2: nodes is "-4": expected an integer' prepare
codes "${header}ICD10CM\tA00\tx\tfoo\n" && expect_error 1 'nodes is "foo"' prepare
codes "${header}ICD10CM\tA00\tx\t$(seq -s ';' 70000)\n" && expect_error 1 'codes.tsv:2: the code lists more than 65535 nodes' prepare
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

# One code in two spellings: in one table and in two, with both rows and both spellings.
spelled() { codes "${header}$1\t$2\tx\t\n$1\tQ99\tq\t\n$3\t$4\ty\t\n" && expect_error 1 "codes.tsv:4: $3:$4 is listed twice; first at codes.tsv:2, spelled $2" prepare; }
spelled ICD10CM E08.1 ICD10CM E081
spelled ICD10CM E08.1 ICD10CM e08.1
spelled ICD9CM 250.00 ICD9CM 25000
spelled ICD9PROC 00.66 ICD9PROC 0066
spelled NDC 0002-1200-01 NDC 00002120001
spelled ATC A10BA02 ATC a10ba02
codes "${header}ICD10CM\tE08.1\tx\t\n" && cp codes.tsv first.tsv && codes "${header}ICD10CM\tE081\tx\t\nICD10CM\te081\tx\t\n"
expect_error 1 'codes.tsv:2: ICD10CM:E081 is listed twice; first at first.tsv:2, spelled E08.1; 1 more are like it' medtok prepare --set files.codes=first.tsv,codes.tsv --set files.vocabulary=out.h5

quickly() { timeout 20 "$MEDTOK" prepare --config small.yaml --set files.vocabulary=out.h5 "$@"; }

# A node number far beyond all others: at once, before memory by node is asked for.
printf 'display_relation,x_index,y_index\nr,0,1\nr,1,0\nr,2,2147483646\n' >kg.csv
expect_error 1 'kg.csv:4: y_index is 2147483646, far beyond the 4 nodes that the file names' quickly --set files.graph=kg.csv

# Inputs without an end, or that never begin: at once.
mkfifo fifo
for key in codes graph; do
    expect_error 1 '/dev/zero is a device; a file is needed' quickly --set files.$key=/dev/zero
    expect_error 1 'fifo is a pipe, but inputs are read more than once' quickly --set files.$key=fifo
    expect_error 1 '/dev/fd/[0-9]+ is a pipe' quickly --set files.$key=<(zcat -f "$SAMPLE/codes.tsv")
done
{ printf "${header}ICD10CM\tA00\tx\t1\nICD10CM\tA01\t"; head -c 70000000 /dev/zero | tr '\0' x; } | gzip -1 >endless.tsv.gz
expect_error 1 'endless.tsv.gz:3: a row is longer than 64 MiB' quickly --set files.codes=endless.tsv.gz
{ gzip -c "$SAMPLE/codes.tsv"; echo more; } >joined.tsv.gz
expect_error 1 'joined.tsv.gz: the gzip data end at byte [0-9]+, but the file goes on' prepare --set files.codes=joined.tsv.gz
[ -e out.h5 ] && fail "a bad table left out.h5"

# Odd, but good: BOM, CRLF, other column order and extra columns, quoted commas and line breaks, no last line end, a 1 MB line.
{ printf '\xef\xbb\xbfnodes,extra,description,code,system\r\n1;2,,"a ""b"", c\r\nd",A00,ICD10CM\r\n'
  printf '[3],,%s,A01,ICD10CM\r\n' "$(head -c 1000000 /dev/zero | tr '\0' x)"
  printf ',,,A02,ICD10CM'; } >codes.tsv
prepare >log.txt 2>&1 || fail "odd but good: $(cat log.txt)"
grep -q '1 codes have no description' log.txt || fail "nothing said of the empty description: $(cat log.txt)"
printf 'med_code\tdesc\tcode_system\tpkg_index_list\nE11.9\tx\ticd10\t[1, 2]\n' >codes.tsv
prepare >log.txt 2>&1 && grep -q 'ICD10CM  *1 codes' log.txt || fail "MedTok's own columns: $(cat log.txt)"
grep -q 'warning: .*codes.tsv has MedTok.s pkg_index_list, .* graph.hops=0 takes it as it is' log.txt || fail "no warning of hops: $(cat log.txt)"
prepare --set graph.hops=0 --force >log.txt 2>&1 && ! grep -q 'pkg_index_list' log.txt || fail "a warning without hops: $(cat log.txt)"
printf 'CODE\tSystem\tDescription\nE11.9\tICD10CM\tx\nE11-E12\tICD10CM\tx\nXe0\tREAD\tx\nXE0\tREAD\tx\n' >codes.tsv
prepare >log.txt 2>&1 || fail "upper-case column names, and no nodes: $(cat log.txt)"
[ "$(grep -c 'codes.tsv has no column nodes: its codes have no nodes' log.txt)" -eq 1 ] || fail "said of the column nodes: $(cat log.txt)"
printf 'display_relation,x_index,y_index\nr,0,1\nr,1,0\nr,1,200000\n' >kg.csv
codes "${header}ICD10CM\tA00\tx\t1\nICD10CM\tA01\tx\t0;100;101\nICD10CM\tA02\tx\t7\n"
prepare --set files.graph=kg.csv >log.txt 2>&1 || fail "a graph with gaps: $(cat log.txt)"
[ "$(grep -c 'warning: 2 codes name a node that occurs in no edge of kg.csv; the first, at codes.tsv:3, is ICD10CM:A01 with node 100' log.txt)" -eq 1 ] ||
    fail "said of nodes without an edge: $(cat log.txt)"
{ gzip -c "$SAMPLE/codes.tsv"; head -c 700000 /dev/zero; } >padded.tsv.gz
{ head -n 300 "$SAMPLE/codes.tsv" | gzip; tail -n +301 "$SAMPLE/codes.tsv" | gzip; gzip </dev/null; } >members.tsv.gz
for file in padded members; do
    medtok prepare --set files.codes=$file.tsv.gz --set files.vocabulary=out.h5 >log.txt 2>&1 || fail "$file: $(cat log.txt)"
    grep -q "$(($(wc -l <"$SAMPLE/codes.tsv") - 1)) codes; " log.txt || fail "$file: $(cat log.txt)"
done
# Codes with neither side: nothing can be learned, which train says.
codes "${header}ICD10CM\tA00\t\t\nICD10CM\tA01\t\t\n"
for job in prepare encode train; do
    medtok $job --set files.codes=codes.tsv --set text.empty=absent --set files.vocabulary=no.h5 --set files.text=no.text.h5 --set files.checkpoint=no.checkpoint.h5 --set train.steps=1 >log.txt 2>&1 ||
        fail "$job of codes without sides: $(cat log.txt)"
done
grep -q 'warning: no code of no.h5 has a description or a graph: nothing can be learned' log.txt || fail "train says of codes without sides: $(cat log.txt)"

# Configuration.
printf 'graph:\n  hop: 2\n' >bad.yaml
expect_error 2 'bad.yaml:2: there is no key graph.hop; did you mean graph.hops' "$MEDTOK" prepare --config bad.yaml
printf 'train:\n  batch: many\n' >bad.yaml
expect_error 2 'bad.yaml:2: train.batch is "many": expected an integer, 2 to 1048576 \(codes\)' "$MEDTOK" train --config bad.yaml
printf 'loss: {sibling_negatives: some}\n' >bad.yaml
expect_error 2 'expected one of keep, leave-out' "$MEDTOK" train --config bad.yaml
printf 'a: [b\n' >bad.yaml
expect_error 2 'bad.yaml:[0-9]+: not valid YAML' "$MEDTOK" train --config bad.yaml
printf 'train: 5\n' >bad.yaml
expect_error 2 'bad.yaml:1: train is a section, which has no value of its own; its keys are batch, micro_batches, steps' "$MEDTOK" train --config bad.yaml
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
expect_error 1 'text.h5 holds text features, but a vocabulary is needed; .medtok prepare. makes it' medtok encode --set files.vocabulary=text.h5 --set files.text=other.h5
mkfifo pipe.h5
expect_error 1 'pipe.h5' timeout 20 "$MEDTOK" encode --config small.yaml --set files.vocabulary=pipe.h5
head -c 5000 vocabulary.h5 >cut.h5
expect_error 1 'cut.h5 is damaged' medtok encode --set files.vocabulary=cut.h5
expect_error 1 'codes.tsv is damaged or not an HDF5 file' medtok encode --set files.vocabulary=codes.tsv
expect_error 2 'quantizer.warmup \(40\) must be less than train.steps \(40\)' medtok train --set quantizer.warmup=40 --set train.steps=40
expect_error 2 'loss.parts \(9\) must not be more than train.batch \(8\)' medtok train --set loss.parts=9 --set train.batch=8
expect_error 2 'rank 0: 3 ranks are too many for a batch of 2 codes' medtok_ranks 3 train --set train.batch=2 --set quantizer.top_k=1
expect_error 1 'cannot make the folder /proc/x' medtok train --set files.checkpoint=/proc/x/y.h5 --set train.steps=1 --set files.metrics=m.jsonl
expect_error 1 'gradient|codebook|specific|shared|align|orthogonal' medtok train --set train.rate=1e6 --set train.clip=0 --set files.checkpoint=nan.h5
[ -e nan.h5 ] && fail "a diverged training left a checkpoint"
expect_error 1 'nan.h5: No such file|nan.h5 does not exist' medtok tokenize --set files.checkpoint=nan.h5

# N processes that are each alone.
OMPI_COMM_WORLD_SIZE=4 "$MEDTOK" verify >log.txt 2>&1 && fail "four singletons were not refused"
expect_error 2 'the launcher started 3 tasks, but each is alone' env SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=3 "$MEDTOK" verify

# Another schema version, and a table that was tampered with.
medtok train >/dev/null 2>&1 && medtok tokenize >/dev/null 2>&1 && medtok verify >/dev/null 2>&1 || fail "train, tokenize, verify"
if "$PYTHON" -c 'import h5py' 2>/dev/null; then
    cp table.h5 old.h5 && "$PYTHON" -c 'import h5py; h5py.File("old.h5","a").attrs["schema_version"] = 99'
    expect_error 1 'schema version 99, this program reads version 3' medtok verify --set files.table=old.h5
    cp checkpoint.h5 old.h5 && "$PYTHON" -c 'import h5py; h5py.File("old.h5","a").attrs["schema_version"] = 99'
    expect_error 1 'schema version 99' medtok tokenize --set files.checkpoint=old.h5 --set files.table=t.h5
    cp table.h5 bad.h5 && "$PYTHON" -c 'import h5py; h5py.File("bad.h5","a")["tokens"][3,0,0] = 5'
    expect_error 1 'bad.h5 is damaged: tokens has other values than were written, in rows 0 to 709; make it again with .medtok tokenize' medtok verify --set files.table=bad.h5
    cp text.h5 bad.h5 && "$PYTHON" -c 'import h5py; h5py.File("bad.h5","a")["features"][0,3] = 0.5'
    expect_error 1 'bad.h5 is damaged: features has other values than were written' medtok train --set files.text=bad.h5 --set files.checkpoint=c.h5
fi
finish
