#!/usr/bin/env bash
# The page that a long job keeps beside its output: there while it runs, with what became of the job at its end, one warning and no harm
# where it cannot be written, none with run.live_page=0. tests/bench/report_screenshots.sh shows it, by hand.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v python3 >/dev/null || skip "there is no Python"

says() { # page, words
    grep -qF -- "$2" "$1" || fail "$1 does not say \"$2\": $(grep -A 3 'class="state"' "$1" 2>&1)"
}
well_formed() { # every element is closed where it should be, and nothing is loaded from elsewhere
    python3 - "$1" <<'PY' || fail "$1 is no page"
import html.parser, re, sys
VOID = {"meta", "link", "path"}
class Page(html.parser.HTMLParser):
    opened = []
    def handle_starttag(self, tag, attributes):
        assert not any(k in ("src", "href", "action") and not v.startswith(("data:", "#")) for k, v in attributes), (tag, attributes)
        if tag not in VOID: self.opened.append(tag)
    def handle_endtag(self, tag):
        if tag not in VOID: assert self.opened and self.opened.pop() == tag, tag
page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
page.close()
assert not page.opened, page.opened
PY
}
wait_for() { # seconds, command
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do [ "$SECONDS" -lt "$end" ] && sleep 0.1 || return 1; done
}
medtok prepare 2>log && medtok encode 2>>log || fail "prepare and encode: $(cat log)"
[ ! -e vocabulary.live.html ] || fail "prepare is not long"

# ---- under way; then without its folder; then stopped ----
long="--set train.steps=1000000 train.log_every=1 train.checkpoint_every=0 run.live_page=1 run.threads=1 files.metrics=m/metrics.jsonl"
"$MEDTOK" train --config small.yaml $long 2>train.log &
job=$!
wait_for 60 grep -q '<figure' m/metrics.live.html || fail "there is no page with curves: $(tail -n 3 train.log)"
cp m/metrics.live.html running.html
mv m gone && : >m # a file where the folder was
wait_for 60 grep -q 'warning: the page that shows' train.log || fail "no warning: $(tail -n 3 train.log)"
sleep 1.5 # more versions, of which nothing is said
kill -USR1 $job
wait $job
[ $? -eq 75 ] || fail "a page that cannot be written ends the job otherwise: $(tail -n 3 train.log)"
[ "$(grep -c 'warning: the page that shows' train.log)" -eq 1 ] || fail "not one warning"
well_formed running.html
says running.html '<strong>Running</strong>'
says running.html '<meta http-equiv="refresh" content="1">'
says running.html 'of 1000000 steps'
says running.html 'aria-label="loss: '
[ -z "$(find . -name '*live.html.tmp*')" ] || fail "left: $(find . -name '*.tmp*')"

# ---- how it ended, also where it was too short for a version of its own ----
old() { cp running.html "$1"; }
rm -f m checkpoint*
medtok train --set run.live_page=3600 2>log && [ ! -e checkpoint.live.html ] || fail "a page of a training of a moment: $(cat log)"
old table.live.html
medtok tokenize 2>log || fail "tokenize: $(cat log)"
well_formed table.live.html
says table.live.html '<strong>Done</strong>'
says table.live.html 'tokenize: 710 of 710 codes (100 %)'
grep -q 'http-equiv="refresh"\|data-written=' table.live.html && fail "the page of a job that has ended is loaded again"
old text.live.html
medtok encode --force --set run.live_page=0 2>log && cmp -s text.live.html running.html || fail "run.live_page=0: $(cat log)"
echo mine >checkpoint.live.html
expect_error 2 'checkpoint.live.html is there already and is nothing that this job writes' medtok train --force
rm checkpoint.live.html

# ---- a grid of trainings ----
medtok synth --set synth.folder=h synth.formats=mimic4 synth.codes=made synth.patients=60 synth.diseases=10 synth.drugs=5 2>log &&
    medtok cohort --set cohort.folder=h/mimic4 cohort.split=60/20/20 cohort.tasks=los_7d files.cohort=cohort.h5 2>>log || fail "synth and cohort: $(cat log)"
evaluate="--set files.cohort=cohort.h5 ehr.steps=3 ehr.eval_every=1 ehr.batch=8 ehr.max_length=32 ehr.resamples=20 files.scores=scores.json"
old scores.live.html
medtok evaluate $evaluate ehr.task=none 2>log && fail "a task that there is not"
says scores.live.html '<strong>Failed</strong>. cohort.h5 has no task none'
medtok evaluate $evaluate ehr.grid.tasks=los_7d ehr.grid.arms=base,random-frozen >/dev/null 2>log || fail "evaluate: $(cat log)"
well_formed scores.live.html
says scores.live.html '<strong>Done</strong>'
says scores.live.html 'all trainings: 6 of 6 steps (100 %)'
says scores.live.html 'Measured on the way: los_7d.behrt.random-frozen.all.seed-0'
[ "$(grep -c '<td>done</td>' scores.live.html)" -eq 2 ] || fail "not two trainings that are done: $(grep '<td>' scores.live.html)"
finish
