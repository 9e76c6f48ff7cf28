#!/usr/bin/env bash
# medtok doctor: all is good where all is good, on two ranks that read what the other wrote; each fault that is provoked here is named,
# with a cure: ranks started as singletons, threads oversubscribed, no GPU with run.device cuda, a serial HDF5, a full disk, a driver
# older than the toolkit, an unknown locale, a Python without pyarrow.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
unset CUDA_VISIBLE_DEVICES SLURM_JOB_ID SLURM_STEP_ID SLURM_NTASKS

# says STATE CHECK 'pattern': the report in `report` has the line.
says() { grep -qE "^$1 +$2 +.*$3" report || fail "no line \"$1 $2\" like /$3/: $(cat report)"; }

mkdir shared
"$MPIRUN" -n 2 "$MEDTOK" doctor shared --set run.device=cpu >report 2>&1 || fail "all is good, but: $(cat report)"
says good launch '2 rank\(s\) on 1 node\(s\), .*thread level (funneled|serialized|multiple)'
says good HDF5 parallel
says good folder "2 rank\(s\) wrote one file in shared, and read each other's rows"
says good GPUs 'not asked for'
says '(good|note)' METIS '([0-9.]+-[0-9]+-[0-9]+, for|needs METIS)'
grep -q problem report && fail "a problem where there is none: $(cat report)"
[ -z "$(ls shared)" ] || fail "left behind: $(ls shared)"

# Two processes of a launcher that MPI does not know.
OMPI_COMM_WORLD_SIZE=2 "$MEDTOK" doctor >report 2>&1 && fail "singletons are no problem: $(cat report)"
grep -q 'each is alone in its MPI world.*srun --mpi=pmix' report || fail "singletons are not named: $(cat report)"

faults=(LC_ALL=xx_YY.UTF-8 PYTHON=/bin/false "LD_PRELOAD=${SERIAL_HDF5:-}")
[ -n "${SERIAL_HDF5:-}" ] || unset 'faults[2]'
full=
if [ "$(id -u)" -eq 0 ] && mkdir disk && mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null; then
    trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work" "$mpi_scratch"' EXIT
    full=disk
fi
env "${faults[@]}" "$MEDTOK" doctor ${full:-.} --set run.threads=1000 --set run.device=cuda >report 2>/dev/null && fail "faults are no problem: $(cat report)"
says problem cores 'threads are oversubscribed: 1 rank\(s\).*1000 thread.*run.threads at 0'
"$MEDTOK" --version | grep -q 'not usable' && says problem GPUs 'no GPU can be used: .*run.device is cuda.*site.gpus'
[ -z "${SERIAL_HDF5:-}" ] || says problem HDF5 'is a serial build.*hdf5-mpi'
[ -z "$full" ] || says problem disk 'file system of disk is full: .* free'
says note locale 'locale xx_YY.UTF-8 is not installed.*LC_ALL=C.UTF-8'
says note Python '/bin/false has no pyarrow.*pip install pyarrow'

if [ -x "${MEDTOK_EMULATED:-}" ] && [ ! -e /dev/nvidiactl ]; then
    MEDTOK_EMULATION_DRIVER=12020 "$MEDTOK_EMULATED" doctor >report 2>/dev/null && fail "an old driver is no problem: $(cat report)"
    says problem GPUs 'driver is made for CUDA 12.2, too old for .*CUDA 13.0.*nvidia-smi'
    "$MEDTOK_EMULATED" doctor >report 2>/dev/null || fail "all is good on a GPU, but: $(cat report)"
    says good GPUs '1 on this node, one a rank; NCCL 2.28.9 sums gradients between them'
    MEDTOK_EMULATION_NCCL=none "$MEDTOK_EMULATED" doctor --set run.sums=nccl >report 2>/dev/null && fail "NCCL that is asked for and missing is no problem: $(cat report)"
    says problem GPUs 'run.sums is nccl, but NCCL cannot be used: libnccl.so.2: cannot open.*NCCL_HOME'
fi
finish
