#!/usr/bin/env bash
# A full or read-only disk: one message, a non-zero exit, no file under the final name, no temporary file. Needs root for the tmpfs.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ "$(id -u)" -eq 0 ] || skip "mounting a small file system needs root"
mkdir disk
mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || skip "mounting a tmpfs is not allowed here"
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT

medtok prepare 2>/dev/null && medtok encode 2>/dev/null && medtok train 2>/dev/null || fail "set-up"
wide="--set text.dim=2048"
expect_error 1 'disk/text.h5 needs about [0-9.]+ [MG]B, but the file system of .*disk has [0-9.]+ [kM]B free' medtok encode $wide --set files.text=disk/text.h5
expect_error 1 'needs about [0-9.]+ [MG]B, but' medtok_ranks 2 encode $wide --set files.text=disk/text.h5
# Training looks before its first step at the room for all checkpoints that there will be at a time.
expect_error 1 'disk/checkpoint.h5 needs about [0-9.]+ MB, but the file system of .*disk has' medtok train --set files.checkpoint=disk/checkpoint.h5 --set files.metrics=m.jsonl
[ -e m.jsonl ] && fail "a training without room for its checkpoints took steps"
# Fills up while it writes: the estimate fits, the file does not.
head -c 700000 /dev/zero >disk/filler
for ranks in 1 2; do
    expect_error 1 'disk/(table|text|checkpoint).h5' timeout 60 "$MPIRUN" -n $ranks "$MEDTOK" train --config small.yaml --set files.checkpoint=disk/checkpoint.h5 --set files.metrics=m.jsonl --set graph.node_dim=16 --set train.checkpoint_every=0
    expect_error 1 'disk/' timeout 60 "$MPIRUN" -n $ranks "$MEDTOK" tokenize --config small.yaml --set files.table=disk/table.h5
done
medtok tokenize 2>/dev/null
head -c 2000000 /dev/zero >disk/filler 2>/dev/null
expect_error 1 "disk/export" medtok export --set files.export=disk/export
rm -f disk/filler disk/export/*
for ranks in 1 2 3; do
    timeout 120 "$MPIRUN" -n $ranks "$(dirname "$MEDTOK")/tests/test_store_mpi" --full disk >store.log 2>&1 || fail "the store on a full disk, $ranks ranks: $(cat store.log)"
done
[ -z "$(ls disk | grep -v filler | grep -v export | grep -v 'live.html$')" ] || fail "left on the disk: $(ls disk)"
[ -z "$(ls disk/export 2>/dev/null | grep tmp)" ] || fail "left in the export: $(ls disk/export)"
finish
