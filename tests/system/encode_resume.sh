#!/usr/bin/env bash
# Killing encode at any point and starting it again gives the file of an undisturbed run, on any number of ranks; so does a
# signal to stop, which ends with 75; and what was finished is not done again.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

model=$ROOT/tests/golden/text/bf16-shards
# Thousands of different texts, so that there are some dozens of parts.
awk 'BEGIN {
    print "system\tcode\tdescription\tnodes"
    for (i = 0; i < 12000; i++) printf "X\tc%d\tdisease %d of the heart %d due to type %d diabetes %d\t\n", i, i * 7919 % 99991, i % 17, i, i % 1009 }' >codes.tsv
medtok prepare --set files.codes=codes.tsv 2>/dev/null || fail "prepare"
settings="--set text.encoder=bert --set text.model=$model --set text.max_tokens=40 --set text.nodes=yes"
id() { h5dump -a content_id "$1" | sed -n 's/.*(0): //p'; }
medtok encode $settings --set files.text=whole.h5 2>log || fail "encode: $(cat log)"
wanted=$(id whole.h5)
[ -z "$(ls | grep -E 'whole.h5.')" ] || fail "left beside the file: $(ls)"

# Waits until the journal of text.h5 names more than $1 parts, or the job has ended.
wait_for_parts() {
    while [ "$(wc -l 2>/dev/null <text.h5.parts || echo 0)" -le "$1" ] && kill -0 "$job" 2>/dev/null; do sleep 0.01; done
}

# Killed again and again, on other numbers of ranks: while it starts, and when some parts more are finished, however long the
# machine takes for that.
round=0
for ranks in 1 2 3; do
    rm -f text.h5*
    for when in 0.15 parts 0.4 parts parts; do
        round=$((round + 1))
        before=$(wc -l 2>/dev/null <text.h5.parts || echo 0)
        "$MPIRUN" -n $(((ranks + round) % 3 + 1)) "$MEDTOK" encode --config small.yaml $settings --set files.text=text.h5 2>>killed.log &
        job=$!
        if [ "$when" = parts ]; then wait_for_parts $((before + 2)); else sleep "$when"; fi
        kill -KILL $(ranks_of $job) $job 2>/dev/null
        wait $job 2>/dev/null
    done
    medtok_ranks $ranks encode $settings --set files.text=text.h5 2>log || fail "after kills: $(cat log)"
    cat log >>went_on.log
    [ "$(id text.h5)" = "$wanted" ] || fail "another file after kills, $ranks ranks"
    h5diff -q text.h5 whole.h5 features || fail "other features after kills, $ranks ranks"
    h5diff -q text.h5 whole.h5 node_row || fail "other rows of nodes after kills, $ranks ranks"
    [ -z "$(ls | grep -E '^text.h5.')" ] || fail "left beside the file: $(ls)"
done
grep -qh 'going on with' killed.log went_on.log || fail "no run went on with finished parts; was none long enough?"

# Open MPI's files have a semaphore of the file's name, which a rank that dies as it opens one leaves locked: nobody waits for it here.
left=/dev/shm/sem.OMPIO_left$$.h5.partial
if [ -w /dev/shm ] && head -c 32 /dev/zero >"$left"; then
    timeout 60 "$MPIRUN" -n 2 "$MEDTOK" encode --config small.yaml --set files.text=left$$.h5 2>log || fail "with a semaphore left locked: $(cat log)"
    rm -f "$left"
fi
# It opens no file by MPI: where Open MPI has no files (io: there is no such component), that would fail.
OMPI_MCA_io=none timeout 60 "$MPIRUN" -n 2 "$MEDTOK" encode --config small.yaml --set files.text=without.h5 2>log || fail "without files of MPI: $(cat log)"

# A signal: 75, and the next run goes on.
rm -f text.h5*
"$MEDTOK" encode --config small.yaml $settings --set files.text=text.h5 --set run.threads=1 2>log &
job=$!
wait_for_parts 2
kill -TERM $job
wait $job
[ $? -eq 75 ] || fail "after SIGTERM not 75: $(cat log)"
grep -q 'run the same command again' log || fail "no word about going on: $(cat log)"

# What keeps the partial file from being opened may pass: the run fails, and leaves all for the next one.
mv text.h5.partial aside && mkdir text.h5.partial
cp text.h5.parts parts.before
expect_error 1 'text.h5: cannot go on with it: Is a directory' medtok encode $settings --set files.text=text.h5
cmp text.h5.parts parts.before || fail "the journal is gone with a fault that passes"
rmdir text.h5.partial && mv aside text.h5.partial

# A finished part whose bytes were changed on the disk is done again; so are those of other settings.
offset=$(h5dump -p -H -d features text.h5.partial | sed -n 's/.*OFFSET \([0-9]*\).*/\1/p')
printf 'XXXX' | dd of=text.h5.partial bs=1 seek="$offset" conv=notrunc 2>/dev/null
parts=$(grep -c '^[0-9]* [0-9a-f]\{16\}$' text.h5.parts)
medtok encode $settings --set files.text=text.h5 2>log || fail "after the change: $(cat log)"
grep -q "$((parts - 1)) of [0-9]* parts are there" log || fail "the changed part was kept ($parts parts): $(cat log)"
[ "$(id text.h5)" = "$wanted" ] || fail "another file after a changed part"
finish
