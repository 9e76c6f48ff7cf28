#!/usr/bin/env bash
# A signal ends the step, saves, and exits with 75; the next run goes on at the very next step, on another number of ranks, and
# ends where an undisturbed run ends. A killed run leaves no file under its final name.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

as_users_train
medtok prepare && medtok encode || fail "prepare and encode"
long="--set train.steps=200 --set train.checkpoint_every=50"
medtok train $long --set files.checkpoint=whole.h5 2>/dev/null || fail "undisturbed run"

"$MEDTOK" train --config small.yaml $long 2>log.txt &
pid=$!
for i in $(seq 200); do [ -s checkpoint.jsonl ] && break; sleep 0.02; done
kill -USR1 $pid
wait $pid
code=$?
[ $code -eq 75 ] || fail "exit code after SIGUSR1 is $code: $(cat log.txt)"
grep -q 'stopped by a signal' log.txt || fail "no word of the signal: $(cat log.txt)"
[ -e checkpoint.h5 ] && fail "a final checkpoint exists though training did not end"
ls checkpoint.step-*.h5 >/dev/null || fail "nothing was saved"
medtok train $long 2>log.txt || fail "resuming: $(cat log.txt)"
grep -q 'resumed from' log.txt || fail "did not resume: $(cat log.txt)"
[ "$(wc -l <checkpoint.jsonl)" -eq 200 ] || fail "$(wc -l <checkpoint.jsonl) metric lines, not 200"
cmp <(sed 's/, "gradient.*//' whole.jsonl) <(sed 's/, "gradient.*//' checkpoint.jsonl) || fail "losses differ from the undisturbed run's"
ls checkpoint.step-*.h5 2>/dev/null && fail "the ring is left behind"

rm -f checkpoint*
"$MPIRUN" -n 2 "$MEDTOK" train --config small.yaml $long >/dev/null 2>&1 &
pid=$!
for i in $(seq 500); do ls checkpoint.step-*.h5 >/dev/null 2>&1 && break; sleep 0.02; done
kill -KILL "$(ranks_of $pid | tail -n 1)" || fail "no rank to kill"
wait $pid && fail "mpirun reports success though its ranks were killed"
[ -e checkpoint.h5 ] && fail "a final checkpoint exists after the kill"
medtok_ranks 3 train $long 2>log.txt || fail "resuming on 3 ranks: $(cat log.txt)"
grep -q 'resumed from' log.txt || fail "did not resume after the kill: $(cat log.txt)"

# A damaged newest checkpoint is passed over for the one before; copies that the user made of checkpoints are no checkpoints.
again="$long --set files.checkpoint=ring.h5"
"$MEDTOK" train --config small.yaml $again 2>/dev/null &
pid=$!
for i in $(seq 1000); do [ -e ring.step-000000100.h5 ] && break; sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null
mapfile -t ring < <(ls -r ring.step-*.h5)
[ ${#ring[@]} -ge 2 ] || fail "no two checkpoints to try with: ${ring[*]}"
cp "${ring[1]}" ring.step-000000999-mine.h5 && cp "${ring[1]}" ring.step-7.h5 && echo left >"${ring[0]}.tmp-medtok-99999999"
size=$(stat -c %s "${ring[0]}")
head -c $((size / 2)) /dev/zero | dd of="${ring[0]}" bs=1 seek=$((size / 3)) conv=notrunc status=none count=2000
expect_error 1 "ring.step-[0-9]*.h5 is a checkpoint of this training, which train.resume=never would lose" medtok train $again --set train.resume=never
medtok train $again 2>log.txt || fail "resuming past a damaged checkpoint: $(cat log.txt)"
grep -q "resumed from .*${ring[1]}" log.txt || fail "did not fall back: $(cat log.txt)"
[ "$(ls ring.step-* | tr '\n' ' ')" = "ring.step-000000999-mine.h5 ring.step-7.h5 " ] || fail "in the ring's folder: $(ls ring.step-*)"
finish
