/* ACES' task files: labels as es-aces gives them, on what tests/golden/make_aces_golden.py made; and what is refused. */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dictionary.h"
#include "base/status.h"
#include "ehr/tasks/aces_spec.h"
#include "ehr/tasks/tasks.h"

/* ---- events of a file ---- */
enum { MOST_EVENTS = 4096, MOST_CODES = 64 };
static struct {
    int64_t n, subject[MOST_EVENTS], time[MOST_EVENTS];
    int32_t code[MOST_EVENTS], visit[MOST_EVENTS];
    float value[MOST_EVENTS];
    char text[MOST_CODES][64];
    uint8_t kind[MOST_CODES];
    int64_t n_codes;
} events;

static int32_t number_of(const char *code) {
    for (int32_t i = 0; i < events.n_codes; i++)
        if (strcmp(events.text[i], code) == 0) return i;
    assert_true(events.n_codes < MOST_CODES);
    snprintf(events.text[events.n_codes], sizeof events.text[0], "%s", code);
    return (int32_t)events.n_codes++;
}

static void add_event(int64_t subject, int64_t time, const char *code, float value) {
    assert_true(events.n < MOST_EVENTS);
    events.subject[events.n] = subject;
    events.time[events.n] = time;
    events.code[events.n] = number_of(code);
    events.visit[events.n] = -1;
    events.value[events.n++] = value;
}

static void read_events(const char *folder) {
    char path[512], line[256];
    snprintf(path, sizeof path, "%s/events.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    memset(&events, 0, sizeof events);
    while (fgets(line, sizeof line, file)) {
        char *rest = line, *field[4];
        for (int i = 0; i < 4; i++) field[i] = strsep(&rest, "\t\n");
        add_event(strtoll(field[0], NULL, 10), field[1][0] ? strtoll(field[1], NULL, 10) : COHORT_NO_TIME, field[2],
                  field[3][0] ? strtof(field[3], NULL) : NAN);
    }
    fclose(file);
}

/* ---- a task ---- */
static int make_set(struct task_set **set, const char *path) {
    char *paths[] = {(char *)path};
    struct string_list names = {0};
    struct task_options options = {.aces = {1, paths}};
    struct task_codes codes = {
        .n = events.n_codes, .text = {.text = events.text[0], .stride = sizeof events.text[0]}, .kind = events.kind};
    return task_set_make(set, &options, &names, &codes);
}

static void label_all(struct task_set *set) {
    for (int64_t first = 0, end; first < events.n; first = end) {
        for (end = first; end < events.n && events.subject[end] == events.subject[first];) end++;
        struct subject_record record = {.index = events.subject[first],
                                        .subject = events.subject[first],
                                        .birth = COHORT_NO_TIME,
                                        .death = COHORT_NO_TIME,
                                        .n_events = end - first,
                                        .time = events.time + first,
                                        .code = events.code + first,
                                        .value = events.value + first,
                                        .visit = events.visit + first};
        assert_int_equal(task_set_label(set, &record), STATUS_OK);
    }
}

static void compare(const char *yaml) {
    char path[512], line[128];
    struct task_set *set;
    int status = make_set(&set, yaml);
    if (status != STATUS_OK) fail_msg("%s: %s", yaml, status_message());
    label_all(set);
    const struct task_samples *samples = task_set_samples(set, 0);
    snprintf(path, sizeof path, "%.*s.tsv", (int)(strlen(yaml) - strlen(".yaml")), yaml);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    long long n = 0;
    for (; fgets(line, sizeof line, file); n++) {
        char *end = line;
        int64_t subject = strtoll(end, &end, 10), time = strtoll(end, &end, 10), label = strtoll(end, &end, 10);
        if (n >= samples->n || samples->samples[n].subject != subject || samples->samples[n].time != time ||
            samples->samples[n].label != label)
            fail_msg("%s: line %lld is %s", yaml, n + 1, line);
    }
    if (n != samples->n) fail_msg("%s: %lld samples, not %lld", yaml, samples->n, n);
    fclose(file);
    task_set_free(set);
}

static void labels_are_those_of_es_aces(void **state) {
    (void)state;
    const char *folder = getenv("ACES_GOLDEN") ? getenv("ACES_GOLDEN") : "tests/golden/aces";
    char pattern[512];
    glob_t found;
    read_events(folder);
    snprintf(pattern, sizeof pattern, "%s/task_*.yaml", folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) compare(found.gl_pathv[i]);
    globfree(&found);
}

/* ---- small files ---- */
#define PREDICATES "predicates:\n  adm: {code: ADMISSION//A}\n  out: {code: DISCHARGE}\n"
#define TRIGGER    "trigger: adm\n"
#define INPUT                                                                                                          \
    "  input: {start: null, end: trigger + 24h, start_inclusive: True, end_inclusive: True, index_timestamp: end}\n"
#define TARGET                                                                                                         \
    "  target: {start: input.end, end: start -> out, start_inclusive: False, end_inclusive: True, label: out}\n"
static const char *const PATH = "/tmp/test_aces.yaml";

static int make_of(struct task_set **set, const char *text) {
    FILE *file = fopen(PATH, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    int status = make_set(set, PATH);
    unlink(PATH);
    return status;
}

static void what_is_outside_the_subset_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } CASES[] = {
        {"predicates: [", "test_aces.yaml:2: not valid YAML"},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET "patient_demographics: {f: {code: GENDER//F}}\n",
         "test_aces.yaml:8: the file: the key patient_demographics is not supported; supported are description, "
         "metadata,"},
        {PREDICATES "windows:\n" INPUT TARGET, "the file lacks the key trigger"},
        {PREDICATES "trigger: birth\nwindows:\n" INPUT TARGET, "test_aces.yaml:4: the predicate birth is not defined"},
        {"predicates:\n  adm: {code: A, unit: mg}\n" TRIGGER "windows:\n" INPUT TARGET,
         "test_aces.yaml:2: predicates.adm: the key unit is not supported"},
        {"predicates:\n  adm: {code: A, static: true}\n" TRIGGER "windows:\n" INPUT TARGET, "the key static is not"},
        {"predicates:\n  adm: \?\?\?\n" TRIGGER "windows:\n" INPUT TARGET, "predicates.adm is left open"},
        {"predicates:\n  adm: {code: {any: [A], regex: B}}\n" TRIGGER "windows:\n" INPUT TARGET,
         "predicates.adm.code must have one of any and regex"},
        {"predicates:\n  adm: {code: {regex: '(?i)a'}}\n  out: {code: D}\n" TRIGGER "windows:\n" INPUT TARGET,
         "predicates.adm.code.regex (?i)a: (? is not supported"},
        {"predicates:\n  adm: {code: {regex: 'a{'}}\n  out: {code: D}\n" TRIGGER "windows:\n" INPUT TARGET, "regex a{"},
        {"predicates:\n  adm: {code: A, value_min: low}\n" TRIGGER "windows:\n" INPUT TARGET,
         "value_min must be a number, not low"},
        {"predicates:\n  adm: {expr: adm + out}\n" TRIGGER "windows:\n" INPUT TARGET,
         "predicates.adm.expr must be or(NAME, ...) or and(NAME, ...), not adm + out"},
        {"predicates:\n  adm: {expr: 'or(adm, out)'}\n  out: {code: D}\n" TRIGGER "windows:\n" INPUT TARGET,
         "predicates.adm.expr: it is made of itself"},
        {PREDICATES TRIGGER "windows:\n" INPUT, "no window has a label"},
        {PREDICATES TRIGGER "windows:\n" TARGET, "no window has an index_timestamp"},
        {PREDICATES TRIGGER
         "windows:\n" INPUT TARGET
         "  more: {start: trigger, end: start + 1 month, start_inclusive: True, end_inclusive: True}\n",
         "test_aces.yaml:8: windows.more: no length of time (24h, 2 days) in \"start + 1 month\""},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: trigger, end: start -> x, start_inclusive: True, end_inclusive: True}\n",
         "windows.more: a predicate that is not defined in \"start -> x\""},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: trigger, end: start - 1d, start_inclusive: True, end_inclusive: True}\n",
         "a start behind its end"},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: trigger, end: input.end, start_inclusive: True, end_inclusive: True}\n",
         "start and end that refer to each other, or neither to the other"},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: more.end, end: start + 1d, start_inclusive: True, end_inclusive: True}\n",
         "start and end that refer to each other"},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: null, end: gap.end, start_inclusive: True, end_inclusive: True}\n",
         "windows.more: a reference that is not there in \"gap.end\""},
        {PREDICATES TRIGGER
         "windows:\n" INPUT TARGET
         "  more: {start: null, end: trigger, start_inclusive: True, end_inclusive: True, has: {out: 3}}\n",
         "windows.more.has.out must be (min, max), not 3"},
        {PREDICATES TRIGGER "windows:\n" INPUT TARGET
                            "  more: {start: null, end: trigger, start_inclusive: yes, end_inclusive: True}\n",
         "start_inclusive must be true or false"},
        {PREDICATES TRIGGER "windows:\n" TARGET
                            "  input: {start: end - 1d, end: trigger, start_inclusive: True, end_inclusive: True, "
                            "index_timestamp: end}\n",
         "windows.input.index_timestamp: of a window whose start is `end - LENGTH` ACES gives the other end"},
    };
    struct task_set *set;
    memset(&events, 0, sizeof events);
    add_event(1, 0, "DISCHARGE", NAN);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(make_of(&set, CASES[i].text), STATUS_USAGE);
        if (!strstr(status_message(), CASES[i].message)) fail_msg("case %zu: %s", i, status_message());
    }
    assert_int_equal(make_set(&set, "/tmp/nowhere.yaml"), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "cannot read the task file /tmp/nowhere.yaml"));
}

static void a_label_that_the_history_says_is_seen(void **state) {
    (void)state;
    static const struct {
        const char *windows;
        int past;
    } CASES[] = {
        {INPUT TARGET, 0},
        /* 24 h from the trigger on are known at their end */
        {INPUT "  w: {start: end - 24h, end: input.end, start_inclusive: True, end_inclusive: True, label: out}\n", 1},
        {INPUT "  w: {start: null, end: trigger, start_inclusive: True, end_inclusive: True, label: out}\n", 1},
        {INPUT "  w: {start: end - 2d, end: trigger, start_inclusive: True, end_inclusive: True, label: out}\n", 1},
        {INPUT "  w: {start: trigger, end: start + 24h, start_inclusive: True, end_inclusive: True, label: out}\n", 1},
        {INPUT "  w: {start: trigger, end: start + 25h, start_inclusive: True, end_inclusive: True, label: out}\n", 0},
        /* a discharge may come early or late */
        {INPUT "  w: {start: trigger, end: start -> out, start_inclusive: True, end_inclusive: True, label: out}\n", 0},
        {"  input: {start: trigger, end: start -> out, start_inclusive: True, end_inclusive: True, index_timestamp: "
         "end}\n"
         "  w: {start: trigger, end: start + 1s, start_inclusive: True, end_inclusive: True, label: out}\n",
         0},
        {"  input: {start: w.end, end: start -> out, start_inclusive: True, end_inclusive: True, index_timestamp: "
         "end}\n"
         "  w: {start: trigger, end: start + 1d, start_inclusive: True, end_inclusive: True, label: out}\n",
         1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct aces_spec *spec = calloc(1, sizeof *spec);
        char text[2048];
        assert_non_null(spec);
        int n = snprintf(text, sizeof text, PREDICATES TRIGGER "windows:\n%s", CASES[i].windows);
        if (aces_spec_read_text(spec, "case", text, (size_t)n) != STATUS_OK) fail_msg("%zu: %s", i, status_message());
        if (aces_label_is_past(spec) != CASES[i].past) fail_msg("case %zu", i);
        aces_spec_free(spec);
        free(spec);
    }
}

static void codes_are_found_as_the_data_set_spells_them(void **state) {
    (void)state;
    static const struct {
        const char *code;
        int n;
    } CASES[] = {{"DIAGNOSIS//ICD//10//E119", 2},       {"DIAGNOSIS//ICD//10//E11.9", 2},
                 {"{regex: 'ICD//10//E11'}", 2},        {"{regex: '^ICD10CM/'}", 2},
                 {"{regex: 'ICD//\\d+//2500?0'}", 1},   {"{any: [ICD9CM/250.00, 'MEDICATION//ATC//A10BA02']}", 2},
                 {"{regex: '^(?:PROCEDURE|ATC)/'}", 2}, {"{regex: 'PROCEDURE//ICD//9//3893$'}", 1},
                 {"{regex: '^MEDICATION//'}", 1},       {"{regex: 'E11\\.9'}", 0}};
    char text[1024];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct task_set *set;
        memset(&events, 0, sizeof events);
        add_event(1, 0, "ICD10CM/E119", NAN);
        add_event(1, 5, "ICD9CM/25000", NAN);
        add_event(1, 6, "ATC/A10BA02", NAN);
        add_event(1, 7, "ICD9PROC/3893", NAN);
        add_event(1, 8, "ICD10CM/E119", NAN);
        snprintf(
            text, sizeof text,
            "predicates:\n  adm: {code: %s}\ntrigger: adm\nwindows:\n"
            "  w: {start: trigger, end: null, start_inclusive: True, end_inclusive: True, label: adm, index_timestamp: "
            "start}\n",
            CASES[i].code);
        if (make_of(&set, text) != STATUS_OK) fail_msg("%s: %s", CASES[i].code, status_message());
        label_all(set);
        assert_int_equal(task_set_samples(set, 0)->n, CASES[i].n);
        assert_string_equal(task_set_samples(set, 0)->name, "test_aces");
        task_set_free(set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_those_of_es_aces),
        cmocka_unit_test(what_is_outside_the_subset_is_refused_by_name),
        cmocka_unit_test(a_label_that_the_history_says_is_seen),
        cmocka_unit_test(codes_are_found_as_the_data_set_spells_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
