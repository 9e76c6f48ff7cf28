#!/usr/bin/env bash
# run.device auto where there is no GPU that can be used: the log says why, as a warning where one was to be expected; ranks of
# which only some have one are an error. The machine's own GPUs, and the program's CUDA, are not asked: the emulated CUDA's driver
# is too old, or is none (kernels/tests/emulation/emulation.h).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
[ -x "${MEDTOK_EMULATED:-}" ] || skip "this build has no emulation of CUDA"
[ ! -e /dev/nvidiactl ] && [ ! -e /dev/nvidia0 ] || skip "this machine has device files of a GPU"
unset CUDA_VISIBLE_DEVICES SLURM_JOB_GPUS SLURM_STEP_GPUS SLURM_GPUS_ON_NODE
medtok prepare 2>/dev/null && medtok encode 2>encode.log || fail "prepare and encode"
anew() { rm -f "$work"/checkpoint.*; }
small="--config $work/small.yaml --set train.steps=2 --set train.batch=32"

# says LEVEL 'pattern' [variables]: a training says so, once, on two ranks; and nothing else of GPUs.
says() {
    local level=$1 pattern=$2
    shift 2
    anew
    env "$@" "$MPIRUN" -n 2 "$MEDTOK_EMULATED" train $small >log 2>&1 || fail "$*: $(cat log)"
    grep 'no GPU is used' log >said
    [ "$(wc -l <said)" -eq 1 ] && grep -qE " $level: no GPU is used: $pattern" said || fail "$*: no $level like /$pattern/ but: $(cat said)"
}
none=MEDTOK_EMULATION_DRIVER=0
says info 'no CUDA driver$' $none
says info 'no CUDA driver$' $none CUDA_VISIBLE_DEVICES= SLURM_JOB_GPUS=0
says info 'no CUDA driver$' $none CUDA_VISIBLE_DEVICES=-1
says warning 'no CUDA driver; .*CUDA_VISIBLE_DEVICES is set.*run.device=cpu' $none CUDA_VISIBLE_DEVICES=0
for variable in SLURM_JOB_GPUS SLURM_STEP_GPUS SLURM_GPUS_ON_NODE; do
    says warning "no CUDA driver; .*$variable is set" $none $variable=0
done
says warning 'the driver is made for CUDA 12.2, too old for .*CUDA 13.0.*nvidia-smi' MEDTOK_EMULATION_DRIVER=12020

# Nothing is said where no GPU is of use, or none is wanted.
env $none CUDA_VISIBLE_DEVICES=0 "$MEDTOK_EMULATED" encode --config "$work/small.yaml" --set files.text=other.h5 >log 2>&1 || fail "encode: $(cat log)"
grep -q GPU log && fail "encode of n-grams speaks of GPUs: $(grep GPU log)"
anew
env $none CUDA_VISIBLE_DEVICES=0 "$MEDTOK_EMULATED" train $small --set run.device=cpu >log 2>&1 || fail "on the CPU: $(cat log)"
grep -q GPU log && fail "run.device=cpu speaks of GPUs: $(grep GPU log)"

# The program itself, without or with CUDA, on a machine without a GPU.
if "$MEDTOK" --version | grep -q 'not usable'; then
    anew
    CUDA_VISIBLE_DEVICES=0 "$MEDTOK" train $small >log 2>&1 || fail "train: $(cat log)"
    grep -qE ' warning: no GPU is used: .*CUDA_VISIBLE_DEVICES is set' log || fail "no warning: $(cat log)"
fi

# Ranks that differ.
anew
expect_error 1 "rank 1: no GPU can be used on node $(hostname).* \(no CUDA driver\).*as many GPUs on each node.*run.device=cpu" \
    "$MPIRUN" -n 1 "$MEDTOK_EMULATED" train $small : -n 1 env $none "$MEDTOK_EMULATED" train $small
finish
