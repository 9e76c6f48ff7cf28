#!/usr/bin/env bash
# All training options at once: the same losses and tokens from 1, 2 and 3 ranks; a run that was stopped and resumed ends in the
# same checkpoint, bit for bit; the options show in the metrics and in the table.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v h5dump >/dev/null || skip "h5dump (Debian: hdf5-tools) is missing"

medtok prepare && medtok encode --set text.nodes=yes || fail "prepare and encode"
# run.seed: k-means of points that differ by rounding can end in other rows (with seed 0 it does on 3 ranks); here it does not.
options="run.seed=2 quantizer.assign=residual loss.reconstruction=2 quantizer.update=ema quantizer.ema_decay=0.9 quantizer.init=kmeans quantizer.init_sample=600 quantizer.warmup=2
    model.text_map=principal graph.node_dim=32 graph.node_start=text graph.encoder_start=mean
    quantizer.gradient=rotation loss.kl=0.5 loss.neighbours=3 quantizer.revive_after=2 quantizer.revive_angle=0.5 train.average=0.9 train.schedule=cosine train.warmup=3 train.rate_end=0.5 train.weight_decay=0.1 run.threads=1"
all="--set train.log_every=2"
for o in $options; do all="$all --set $o"; done
value() { sed "s/.*\"$2\": \([^,}]*\).*/\1/" "$1"; } # FILE KEY: of each line
# same_on NAME RANKS: what training NAME revives, loses and gives as tokens on RANKS ranks is what it does on one.
same_on() {
    local one=${1:+_$1}1 many=${1:+_$1}$2 differ
    cmp revived$one.txt revived$many.txt || fail "$1 $2 ranks revive other rows"
    # As in rank_independence.sh: rounding of 1e-6, made larger by twelve steps of Adam.
    paste losses$one.txt losses$many.txt | awk '{d = ($2 - $1) / $1; if (d < 0) d = -d; if (d > 2e-4) bad = 1}
        END {exit bad || NR != 12}' || fail "$1 losses on $2 ranks: $(paste losses$one.txt losses$many.txt)"
    # Two nearly equal distances may swap by rounding: a few codes in a thousand.
    differ=$(paste <(cut -f1-3,5,7,9 export$one/tokens.tsv) <(cut -f1-3,5,7,9 export$many/tokens.tsv) |
        awk -F'\t' '{for (i = 1; i <= 6; i++) if ($i != $(i + 6)) {n++; break}} END {print n + 0}')
    [ "$differ" -le 7 ] || fail "$1 $2 ranks: $differ codes of 710 have other tokens"
}
attribute() { h5dump -a "$2" "$1" | sed -n 's/.*(0): "\{0,1\}\([0-9a-f]*\).*/\1/p'; }

for ranks in 1 2 3; do
    medtok_ranks $ranks train $all --set files.checkpoint=ranks$ranks.h5 2>log.txt || fail "$ranks ranks: $(cat log.txt)"
    value ranks$ranks.jsonl loss >losses$ranks.txt
    value ranks$ranks.jsonl revived >revived$ranks.txt
    medtok tokenize --set files.checkpoint=ranks$ranks.h5 --set files.table=table$ranks.h5 2>table.log || fail "tokenize"
    medtok export tsv --set files.table=table$ranks.h5 --set files.export=export$ranks >/dev/null 2>&1 || fail "export"
done
grep -q 'k-means of .* text vectors to rows 80 to 99' log.txt || fail "no word of k-means: $(cat log.txt)"
# Usage stands in the lines of steps whose log line is due; the first of them has no quantiser yet.
awk '/"usage_text"/ {if (NR % 2 || /"usage_text": null/ != (NR == 2)) bad = 1; n++} END {exit bad || n != 6}' ranks1.jsonl || fail "tokens in a step without quantiser: $(value ranks1.jsonl usage_text)"
grep -q 'averaged weights' table.log || fail "no word of the averages: $(cat table.log)"
medtok verify --set files.table=table1.h5 >/dev/null 2>log.txt || fail "verify: $(cat log.txt)"
[ "$(attribute table1.h5 residual)" = 1 ] || fail "the table does not say that its tokens are of residuals"
[ "$(attribute table1.h5 averaged)" = 1 ] || fail "the table does not say that its weights are averages"
awk '{n += $1} END {exit !(n > 0)}' revived1.txt || fail "no row was revived"
value ranks1.jsonl rate | awk 'NR == 1 && $1 - 1e-3 / 3 > 1e-9 {bad = 1} {last = $1}
    END {exit bad || NR != 12 || last - 5e-4 > 1e-9 || 5e-4 - last > 1e-9}' || fail "rates: $(value ranks1.jsonl rate)"
value ranks1.jsonl gradient_scale | awk '$1 > 0 && $1 < 1 {n++} END {exit !n}' || fail "clipping does not show"
for ranks in 2 3; do same_on "" $ranks; done

# Beside them: rows that are near, alone or by what they explain together, learn by gradient, of length 1 and at a rate of their own, no warm-up,
# k-means at the first weights.
near="$all --set quantizer.update=gradient --set quantizer.rate=2 --set quantizer.rows=unit --set loss.reconstruction=0 --set quantizer.warmup=0 --set model.text_map=random"
for how in nearest sparse; do
    for ranks in 1 2; do
        medtok_ranks $ranks train $near --set quantizer.assign=$how files.checkpoint=$how$ranks.h5 2>log.txt || fail "$how, $ranks ranks: $(cat log.txt)"
        value $how$ranks.jsonl loss >losses_$how$ranks.txt
        value $how$ranks.jsonl revived >revived_$how$ranks.txt
        medtok tokenize --set files.checkpoint=$how$ranks.h5 --set files.table=${how}_table$ranks.h5 2>/dev/null || fail "tokenize"
        medtok export tsv --set files.table=${how}_table$ranks.h5 --set files.export=export_$how$ranks >/dev/null 2>&1 || fail "export"
    done
    medtok verify --set files.table=${how}_table1.h5 >/dev/null 2>log.txt || fail "$how: verify: $(cat log.txt)"
    [ "$(attribute ${how}_table1.h5 residual)" = 0 ] || fail "$how: the table claims that its tokens are of residuals"
    awk '{n += $1} END {exit !(n > 0)}' revived_${how}1.txt || fail "$how: no row was revived"
    same_on $how 2
done
[ "$(attribute nearest_table1.h5 sparse)" = 0 ] && [ "$(attribute sparse_table1.h5 sparse)" = 1 ] || fail "which table is of sparse coding"

# The average takes no part in training, and it is what tokenize uses.
medtok train $all --set train.average=0 --set files.checkpoint=raw.h5 2>/dev/null || fail "no average"
cmp <(value raw.jsonl loss) losses1.txt || fail "train.average changes the losses"
medtok tokenize --set files.checkpoint=raw.h5 --set files.table=raw_table.h5 2>/dev/null || fail "tokenize without average"
[ "$(attribute raw_table.h5 averaged)" = 0 ] || fail "the table claims averages"
[ "$(attribute raw_table.h5 content_id)" != "$(attribute table1.h5 content_id)" ] || fail "the averages are not used"

# A batch that is larger than all codes less those held out is these codes, and so is what the rate is scaled for.
medtok train --set train.batch=5000 train.steps=1 train.warmup=0 train.schedule=constant train.holdout=0.5 train.rate_scale=linear train.rate_batch=100 run.threads=1 \
    files.checkpoint=scaled.h5 2>log.txt || fail "a scaled rate: $(cat log.txt)"
codes=$(sed -n 's/.*training on \([0-9]*\) codes.*/\1/p' log.txt)
value scaled.jsonl rate | awk -v n="$codes" '{d = $1 - 1e-3 * n / 100} END {exit !(NR == 1 && n > 300 && n < 400 && d < 1e-9 && d > -1e-9)}' ||
    fail "the rate of $codes codes: $(value scaled.jsonl rate)"

# Stopped and resumed.
long="$all --set train.steps=100 --set train.checkpoint_every=40"
medtok train $long --set files.checkpoint=whole.h5 2>/dev/null || fail "undisturbed run"
"$MEDTOK" train --config small.yaml $long 2>log.txt &
pid=$!
for i in $(seq 300); do [ -s checkpoint.jsonl ] && break; sleep 0.02; done
kill -USR1 $pid
wait $pid
code=$?
[ $code -eq 75 ] || fail "exit code after SIGUSR1 is $code: $(cat log.txt)"
medtok train $long 2>log.txt || fail "resuming: $(cat log.txt)"
grep -q 'resumed from' log.txt || fail "did not resume: $(cat log.txt)"
grep -q 'k-means' log.txt && fail "the codebook was made anew"
cmp whole.jsonl checkpoint.jsonl || fail "metrics differ from the undisturbed run's"
[ -n "$(attribute whole.h5 content_id)" ] || fail "no content_id"
[ "$(attribute whole.h5 content_id)" = "$(attribute checkpoint.h5 content_id)" ] || fail "the checkpoints differ"
finish
