#!/usr/bin/env bash
# Sums of gradients between GPUs, on the emulation of CUDA and NCCL on the CPU (kernels/tests/emulation/nccl.cpp): by NCCL the losses are those of
# the way through the host's memory, on two ranks and on three; what stands against NCCL is said in one line, and all ranks go the other way; as
# many bytes are counted; a rank that dies ends the job. It is no test of NCCL.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${MEDTOK_EMULATED:-}" ] || skip "this build has no emulation of CUDA"

export OMP_NUM_THREADS=1
medtok prepare 2>/dev/null && medtok encode 2>/dev/null || fail "prepare and encode"
small="--set train.batch=12 train.steps=2 train.checkpoint_every=0 run.device=cuda run.threads=1"
# emulated RANKS NAME [settings]: a training with a GPU a rank; its log is NAME.log.
emulated() {
    local ranks=$1 name=$2
    shift 2
    "$MPIRUN" -n "$ranks" env MEDTOK_EMULATION_DEVICES="${DEVICES:-3}" MEDTOK_EMULATION_NCCL="${NCCL:-}" "$MEDTOK_EMULATED" train \
        --config "$work/small.yaml" $small --set files.checkpoint="$name.h5" "$@" >"$name.log" 2>&1
}
# says NAME LEVEL 'pattern': one line of the log speaks of how gradients are summed, and says so.
says() {
    grep 'gradients are summed' "$1.log" >said
    [ "$(wc -l <said)" -eq 1 ] && grep -qE " $2: gradients are summed $3" said || fail "$1: no line \"$2\" like /$3/, alone, but: $(cat said)"
}
numbers() { sed 's/.*"loss": \([^,]*\),.*"gradient_norm": \([^,]*\),.*/\1 \2/' "$1"; }
# same A B: losses and gradient norms of all steps, apart by a millionth at most: sums of two or three float32 values in another order.
same() {
    paste <(numbers "$1.jsonl") <(numbers "$2.jsonl") | awk '
        function off(a, b) { return (a > b ? a - b : b - a) > 1e-6 * a }
        off($1, $3) || off($2, $4) {bad++} END {exit !(NR == 2 && !bad)}' || fail "$2 is not $1: $(paste <(numbers "$1.jsonl") <(numbers "$2.jsonl"))"
}
# sent NAME: messages and bytes of backward and reduce, where gradients travel.
sent() { awk '$4 == "info:" && ($5 == "backward" || $5 == "reduce") {print $5, $(NF - 1), $NF}' "$1.log"; }

for ranks in 2 3; do
    emulated $ranks mpi$ranks --set run.sums=mpi run.stages=always || fail "by MPI on $ranks ranks: $(cat mpi$ranks.log)"
    emulated $ranks nccl$ranks --set run.sums=nccl run.stages=always || fail "by NCCL on $ranks ranks: $(cat nccl$ranks.log)"
    says mpi$ranks info 'by MPI, through the host.s memory \(run.sums\)$'
    says nccl$ranks info 'between the GPUs, by NCCL 2.28.9$'
    same mpi$ranks nccl$ranks
done
[ -n "$(sent mpi2)" ] && [ "$(sent mpi2)" = "$(sent nccl2)" ] || fail "other messages are counted: $(sent mpi2) and: $(sent nccl2)"

# What stands against it; ranks that share a GPU are emulated_cuda.sh's.
NCCL=refuse:1 emulated 2 refused || fail "a rank that cannot join: $(cat refused.log)"
says refused warning 'by MPI, .* since NCCL cannot be used: rank 1: NCCL: ncclCommInitRankConfig: unhandled system error .*NCCL_DEBUG=INFO'
same mpi2 refused
export MEDTOK_EMULATION_NCCL=none MEDTOK_EMULATION_DEVICES=2
two() { "$MPIRUN" -n 2 "$MEDTOK_EMULATED" train --config "$work/small.yaml" $small --set run.sums=nccl "$@"; }
expect_error 1 'run.sums is nccl, but it cannot be used: rank 0: libnccl.so.2: cannot open' two
expect_error 2 'run.sums is nccl, which sums between GPUs' two run.device=cpu
export MEDTOK_EMULATION_NCCL=

# A rank that dies in the midst of steps.
two files.checkpoint=dies.h5 train.steps=100000 train.log_every=1 >dies.log 2>&1 &
job=$!
for _ in $(seq 600); do grep -q "step 1/" dies.log && break || sleep 0.05; done
victim=$(pgrep -P "$(pgrep -P $job -x "$(basename "$MPIRUN")" || echo $job)" | tail -n 1)
grep -q "step 1/" dies.log && [ "/proc/$victim/exe" -ef "$MEDTOK_EMULATED" ] || fail "no rank at work: $(cat dies.log)"
kill -9 "$victim"
for _ in $(seq 200); do kill -0 $job 2>/dev/null || break; sleep 0.05; done
kill -0 $job 2>/dev/null && fail "the job goes on 10 s behind the death of a rank: $(cat dies.log)" && kill $job
wait $job 2>/dev/null && fail "a job that lost a rank ends well"
[ -z "$(pgrep -f "files.checkpoint=dies.h5")" ] || fail "ranks are left"
finish
