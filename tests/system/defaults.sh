#!/usr/bin/env bash
# The program's defaults where what they begin with is not there: a default gives way, with one line in the log, and what files say is what was
# done; what was set is an error there. A training goes on from one with other first values without their being named.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

as_users_train
sets() { for s in "$@"; do printf -- '--set %s ' "$s"; done; }
# said FILE KEY VALUE: the settings in FILE.
said() { grep -aq "$2: $3" "$1" || fail "$1 does not say $2: $3"; }
# gives_way NAME 'REASON' SETTING...: a training with these settings ends well, and gives the reason in one line.
gives_way() {
    local name=$1 reason=$2
    shift 2
    medtok train $(sets files.checkpoint=$name.h5 train.steps=2 "$@") 2>$name.log || fail "$name: $(cat $name.log)"
    [ "$(grep -c 'is random: \|is map: ' $name.log)" -eq "$(grep -c . <<<"$reason")" ] || fail "$name: not a line a reason: $(cat $name.log)"
    while read -r line; do grep -qF "$line" $name.log || fail "$name: no '$line' in $(cat $name.log)"; done <<<"$reason"
}
medtok prepare 2>/dev/null && medtok encode 2>/dev/null || fail "prepare, encode"
gives_way usual ''
grep -q '^.*is random' usual.log && fail "the sample has names, features and width enough: $(cat usual.log)"
said usual.h5 graph.node_start text && said usual.h5 model.text_map principal && said usual.h5 model.text_specific feature && said usual.h5 quantizer.init kmeans
medtok tokenize --set files.checkpoint=usual.h5 2>/dev/null || fail tokenize
medtok lookup E11.9 --near 5 | grep '  0\.[0-9]* ' | grep -c 'E1[01]\.\|diabetes' | grep -q '^[2-5]$' || fail "what is near E11.9: $(medtok lookup E11.9 --near 5)"

# ---- settings ----
gives_way hidden 'graph.encoder_start is random: mean needs graph.hidden of at least 64, and it is 63' graph.hidden=63
said hidden.h5 graph.encoder_start random
expect_error 2 'graph.encoder_start: mean needs graph.hidden of at least 64' medtok train --set graph.hidden=63 graph.encoder_start=mean
sed -i '/quantizer.rate/d' small.yaml
gives_way ema '' quantizer.update=ema
said ema.h5 quantizer.rate 0
expect_error 2 'quantizer.rate .2. is for quantizer.update: gradient' medtok train --set quantizer.update=ema quantizer.rate=2
gives_way text_alone '' model.sides=text
said text_alone.h5 graph.node_start random
gives_way graph_alone '' model.sides=graph
"$MEDTOK" train --set text.mode=online text.model=x --dry-run >online.txt || fail "online"
grep -q 'model.text_map: random' online.txt && grep -q 'model.text_specific: map' online.txt && grep -q 'graph.node_start: random' online.txt || fail "online: $(cat online.txt)"
expect_error 2 'principal needs text.mode: cached' "$MEDTOK" train --set text.mode=online text.model=x model.text_map=principal --dry-run
expect_error 2 'graph.node_start: text needs text.mode: cached' "$MEDTOK" train --set text.mode=online text.model=x graph.node_start=text --dry-run

# ---- files ----
gives_way narrow $'model.text_map is random: text features are narrower than quantizer.dim\nmodel.text_specific is map: text features are narrower than twice quantizer.dim\ngraph.node_start is random: text features are narrower than graph.node_dim' \
    quantizer.dim=68 graph.node_dim=66 graph.hidden=140
said narrow.h5 model.text_map random && said narrow.h5 model.text_specific map
gives_way narrower 'model.text_specific is map: text features are narrower than twice quantizer.dim' quantizer.dim=36
said narrower.h5 model.text_map principal && said narrower.h5 model.text_specific map
expect_error 2 'as wide as quantizer.dim .36., with model.text_specific: feature twice that; they have 64' medtok train --set quantizer.dim=36 model.text_specific=feature files.checkpoint=x.h5
gives_way chance '' model.text_map=random
said chance.h5 model.text_specific map
expect_error 2 'text features as wide as quantizer.dim' medtok train --set quantizer.dim=68 model.text_map=principal files.checkpoint=x.h5

# One name for all nodes: nothing to tell them by.
awk -F, -v OFS=, 'NR == 1 {for (i = 1; i <= NF; i++) c[$i] = i} NR > 1 {$c["x_name"] = $c["y_name"] = "node"} 1' "$SAMPLE/kg.csv" >same.csv
same="files.vocabulary=same.h5 files.text=same_text.h5"
medtok prepare --set $same files.graph=same.csv 2>log.txt && medtok encode --set $same 2>>log.txt || fail "one name: $(cat log.txt)"
gives_way alike 'graph.node_start is random: the text encoder does not tell the names of nodes from each other' $same
said alike.h5 graph.node_start random
expect_error 1 'the names of all nodes have the same features' medtok train --set $same graph.node_start=text files.checkpoint=x.h5

# A text file without names: of an older release, or so set.
medtok encode --set text.nodes=no files.text=unnamed.h5 2>/dev/null || fail "encode without names"
expect_error 1 'run `medtok encode` again with text.nodes=yes, or set graph.node_start=random' medtok train --set files.text=unnamed.h5 files.checkpoint=x.h5
gives_way without 'graph.node_start is random: text.nodes is no' files.text=unnamed.h5 text.nodes=no
medtok_ranks 2 train --set files.text=unnamed.h5 graph.node_start=random files.checkpoint=unnamed2.h5 2>log.txt || fail "as told: $(cat log.txt)"

# Few codes, none with nodes: fewer than rows and than components.
head -6 "$SAMPLE/codes.tsv" | cut -f1-3 >few.tsv
few="files.vocabulary=few.h5 files.text=few_text.h5 files.table=few_table.h5"
medtok prepare --set $few files.codes=few.tsv 2>log.txt && medtok_ranks 2 encode --set $few 2>>log.txt || fail "few: $(cat log.txt)"
gives_way few_model '' $few train.batch=4
medtok tokenize --set $few files.checkpoint=few_model.h5 2>log.txt && medtok verify --set $few >log.txt 2>&1 || fail "few: $(cat log.txt)"

# ---- going on ----
plain=$(sed -n 's/^\([a-z_.]*\): \(.*\)/\1=\2/p' "$ROOT/tests/support/plain.yaml" | grep 'start\|map\|init')
medtok train $(sets $plain files.checkpoint=old.h5) 2>/dev/null || fail "a training that began by chance"
for from in old usual; do
    medtok_ranks 2 train --from $from.h5 --set files.checkpoint=on_$from.h5 train.steps=2 2>log.txt || fail "going on from $from.h5: $(cat log.txt)"
done
said on_old.h5 graph.node_start random && said on_old.h5 model.text_specific map && said on_usual.h5 model.text_specific feature && said on_old.h5 quantizer.init normal && said on_usual.h5 graph.node_start text
expect_error 1 'began with model.text_map: random' medtok train --from old.h5 --set model.text_map=principal files.checkpoint=x.h5

# ---- the rate ----
medtok train --set files.checkpoint=rate.h5 2>&1 | grep 'warning: train.rate' && fail "a rate that was set is warned of"
medtok train --set files.checkpoint=rate.h5 --force >said.txt 2>&1
grep -q 'warning: quantizer.rate is at its default, 400 times train.rate, .* quantizer.rate=1.6$' said.txt || fail "no warning of a codebook's rate of 0.5: $(cat small.yaml said.txt)"
medtok train --set files.checkpoint=rate.h5 quantizer.rate=1.6 --force 2>&1 | grep 'warning: .*rate' && fail "rates that were set are warned of"
sed -i '/train.rate/d' small.yaml
expect_warning() { medtok train --set files.checkpoint=rate.h5 train.steps="$1" --force 2>&1 | grep -c 'warning: train.rate is at its default, which is meant for 3000 steps'; }
[ "$(expect_warning 12)" -eq 1 ] || fail "no warning of a rate for 3,000 steps in a training of 12"
finish
