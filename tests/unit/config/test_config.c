/* Settings: defaults, YAML, --set, errors, and what is printed. */
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

#include "base/status.h"
#include "config/schema.h"
#include "defaults.h"
#include "jobs.h"
#include "settings.h"

static struct config config;

static int set_up(void **state) {
    (void)state;
    return config_defaults(&config);
}

static int tear_down(void **state) {
    (void)state;
    config_free(&config);
    return 0;
}

static void reads(const char *text) {
    if (config_read_text(&config, "t.yaml", text, strlen(text)) != STATUS_OK)
        fail_msg("%s: %s", text, status_message());
}

static void refuses(const char *text, const char *message) {
    assert_int_equal(config_read_text(&config, "t.yaml", text, strlen(text)), STATUS_USAGE);
    if (!strstr(status_message(), message)) fail_msg("no \"%s\" in: %s", message, status_message());
}

static void defaults_are_allowed_and_reference_settings_are_those_of_the_method(void **state) {
    (void)state;
    assert_int_equal(config.quantizer.size, 21000);
    assert_int_equal(config.quantizer.top_k, 5);
    assert_int_equal(config.subgraph.max_nodes, 64);
    const struct key *keys = CONFIG_SCHEMA.keys;
    for (int i = 0; i < CONFIG_SCHEMA.n; i++) { /* every default is allowed, every key has help and a job */
        assert_true(strlen(keys[i].help) > 3 && keys[i].jobs != 0);
        assert_ptr_equal(schema_find(&CONFIG_SCHEMA, keys[i].name), &keys[i]);
    }
    assert_int_equal(config_read_file(&config, "configs/reference.yaml"), STATUS_OK);
    assert_true(config.train.rate == 1e-4 && config.train.beta2 == 0.95 && config.loss.temperature == 0.07);
    assert_true(config.train.schedule == SCHEDULE_CONSTANT && config.train.warmup == 0 && config.train.average == 0);
    assert_true(config.quantizer.loss_space == LOSS_SPACE_RAW && config.quantizer.shared_region == SHARED_ALL);
    assert_true(config.quantizer.update == UPDATE_GRADIENT && config.quantizer.revive_after == 0);
    assert_true(config.loss.sibling_negatives == SIBLINGS_KEEP && config.loss.parts == 4);
    /* what the defaults do otherwise */
    assert_true(config.text.pool == POOL_CLS && config.text.nodes == NODE_TEXTS_NO);
    assert_true(config.model.text_map == TEXT_MAP_RANDOM && config.model.graph_weight == 1);
    assert_true(config.graph.node_start == NODE_START_RANDOM && config.graph.encoder_start == ENCODER_START_RANDOM);
    assert_true(config.quantizer.init == INIT_NORMAL && config.quantizer.warmup == 0 && config.quantizer.rate == 0);
    assert_true(config.quantizer.rows == ROWS_FREE && config.quantizer.assign == ASSIGN_NEAREST);
    assert_true(config.loss.reconstruction == 0 && config.loss.neighbours == 0 && config.loss.kl == 0);
    assert_true(config.loss.orthogonality == 0.1);
}

static void plain_settings_are_those_of_the_publication_where_defaults_are_not(void **state) {
    (void)state;
    assert_int_equal(config_read_file(&config, PLAIN_SETTINGS), STATUS_OK);
    assert_true(config.text.pool == POOL_CLS && config.text.nodes == NODE_TEXTS_NO);
    assert_true(config.model.text_map == TEXT_MAP_RANDOM && config.model.graph_weight == 1);
    assert_true(config.graph.node_start == NODE_START_RANDOM && config.graph.encoder_start == ENCODER_START_RANDOM);
    assert_true(config.quantizer.init == INIT_NORMAL && config.quantizer.rate == 0 &&
                config.quantizer.rows == ROWS_FREE);
    assert_true(config.loss.neighbours == 0 && config.loss.orthogonality == 0.1 && config.train.rate == 1e-3);
}

static void what_was_set_is_known(void **state) {
    (void)state;
    assert_false(config_given(&config, "train.steps") || config_given(&config, "train.rate"));
    reads("train.steps: 3000\nfiles.codes: [a]\n"); /* the default's value */
    assert_true(config_given(&config, "train.steps") && config_given(&config, "files.codes"));
    assert_int_equal(config_set(&config, "train.rate=1"), STATUS_OK);
    assert_true(config_given(&config, "train.rate"));
    assert_false(config_given(&config, "train.batch") || config_given(&config, "train.warmup"));
}

static void defaults_give_way_and_what_was_set_does_not(void **state) {
    (void)state;
    config_set(&config, "text.mode=online");
    config_set(&config, "quantizer.update=ema");
    config_set(&config, "graph.hidden=127");
    defaults_by_settings(&config, 0);
    assert_true(config.model.text_map == TEXT_MAP_RANDOM && config.graph.node_start == NODE_START_RANDOM);
    assert_true(config.quantizer.rate == 0 && config.graph.encoder_start == ENCODER_START_RANDOM);
    config_set(&config, "model.text_map=principal");
    config_set(&config, "graph.node_start=text");
    config_set(&config, "quantizer.rate=3");
    config_set(&config, "graph.encoder_start=mean");
    defaults_by_settings(&config, 0);
    assert_true(config.model.text_map == TEXT_MAP_PRINCIPAL && config.graph.node_start == NODE_START_TEXT);
    assert_true(config.quantizer.rate == 3 && config.graph.encoder_start == ENCODER_START_MEAN);
}

static void yaml_may_nest_or_dot(void **state) {
    (void)state;
    reads(
        "graph: {hops: 2, max_nodes: 9}\ntrain.batch: 77\nfiles:\n  codes: [a.tsv, 'b c.tsv']\nloss:\n  parts: "
        "3\n");
    assert_int_equal(config.subgraph.hops, 2);
    assert_int_equal(config.train.batch, 77);
    assert_int_equal(config.files.codes.n, 2);
    assert_string_equal(config.files.codes.items[1], "b c.tsv");
    assert_int_equal(config.loss.parts, 3);
    reads("files.codes: one.tsv\n");
    assert_int_equal(config.files.codes.n, 1);
    reads("");
    reads("# only a comment\n");
}

static void errors_name_file_line_key_and_what_is_allowed(void **state) {
    (void)state;
    refuses("graph:\n  hop: 2\n", "t.yaml:2: there is no key graph.hop; did you mean graph.hops?");
    refuses("\n\ntrain.batch: many\n", "t.yaml:3: train.batch is \"many\": expected an integer, 2 to 1048576 (codes)");
    refuses("train.batch: 1e3\n", "expected an integer");
    refuses("train.batch: 1\n", "2 to 1048576");
    refuses("train.batch: 99999999999999999999\n", "expected an integer");
    refuses("train.rate: nan\n", "expected a number");
    refuses("text.dropout: 1\n", "0 to 0.99");
    refuses("graph.encoder: transformer\n", "expected one of gcn");
    refuses("train.batch: 8\ntrain:\n  batch: 9\n", "t.yaml:3: train.batch is set twice");
    refuses("train.batch: [1, 2]\n", "a list");
    refuses("train.rate: 1e-400\n", "train.rate is \"1e-400\", which is too small a number to be told from 0");
    refuses("train: 3\n",
            "t.yaml:1: train is a section, which has no value of its own; its keys are batch, micro_batches, ");
    refuses("- a\n- b\n", "expected lines of the form");
    refuses("a: [b\n", "not valid YAML");
    refuses("a: \"\\xff\n", "not valid YAML");
    refuses("graph: {hops: {deep: 1}}\n", "there is no key graph.hops.deep");
    refuses("? [a]\n: 1\n", "a key must be a word");
}

static void keys_are_suggested_only_when_near(void **state) {
    (void)state;
    static const struct {
        const char *name, *message;
    } CASES[] = {
        {"graph.hop", "did you mean graph.hops?"},
        {"TRAIN.STEPS", "did you mean train.steps?"},
        {"loss.algin", "did you mean loss.align?"},
        {"steps", "did you mean train.steps or ehr.steps or qa.steps?"},
        {"model.steps", "did you mean train.steps or ehr.steps or qa.steps?"},
        {"batch", "did you mean train.batch or tokenize.batch or ehr.batch?"},
        {"a", "there is no key a; `medtok JOB --help`"},
        {"x", "there is no key x; `medtok JOB --help`"},
        {"nowhere.foo", "there is no key nowhere.foo; `medtok JOB --help`"},
        {"graph.foo", "there is no key graph.foo; graph has hops, max_nodes, remove, "},
        {"run.x", "there is no key run.x; run has seed, threads, "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s: 3\n", CASES[i].name);
        refuses(text, CASES[i].message);
    }
}

static void a_second_document_is_refused(void **state) {
    (void)state;
    refuses("train.steps: 4\n---\ntrain.steps: 5\n", "t.yaml:2: a second YAML document begins here");
    refuses("--- {}\n--- {}\n", "t.yaml:2: a second YAML document");
    refuses("train.steps: 4\n---\na: [b\n", "not valid YAML");
    reads("---\ntrain.steps: 6\n...\n");
    assert_int_equal(config.train.steps, 6);
}

static void numbers_near_zero_are_read(void **state) {
    (void)state;
    reads("train.rate: 1e-300\ntrain.weight_decay: 0e-400\ntrain.clip: 0.000\n");
    assert_true(config.train.rate == 1e-300 && config.train.weight_decay == 0 && config.train.clip == 0);
}

static void keys_tell_their_jobs_and_whether_they_are_of_the_model(void **state) {
    (void)state;
    assert_int_equal(config_jobs("graph.hops=2"), JOB_PREPARE);
    assert_int_equal(config_jobs("tokenize.batch=x=y"), JOB_TOKENIZE);
    assert_int_equal(config_jobs("model.graph_weight=0.7"), JOB_TOKENIZE); /* no training is another one with it */
    assert_int_equal(config_jobs("graph.hop=2"), 0);
    assert_int_equal(config_jobs("graph.hops"), 0);
    assert_int_equal(config_jobs("=2"), 0);
    assert_true(config_is_of_model("quantizer.size=3") && config_is_of_model("train.average=0"));
    assert_false(config_is_of_model("tokenize.batch=3") || config_is_of_model("model.graph_weight=0.7") ||
                 config_is_of_model("run.threads=1") || config_is_of_model("text.model=x") ||
                 config_is_of_model("nothing=1"));
}

static char *help_of(enum job job) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_print_help(out, job);
    fclose(out);
    return text;
}

static void help_says_what_a_key_means_to_the_job(void **state) {
    (void)state;
    char *train = help_of(JOB_TRAIN), *bench = help_of(JOB_BENCH), *prepare = help_of(JOB_PREPARE);
    assert_null(strstr(train, "bench: "));
    assert_null(strstr(train, "each backend"));
    assert_non_null(strstr(bench, "auto: on each backend in turn"));
    assert_null(strstr(prepare, "tokenize"));
    free(train);
    free(bench);
    free(prepare);
}

static void set_overrides_and_checks(void **state) {
    (void)state;
    assert_int_equal(config_set(&config, "train.steps=12"), STATUS_OK);
    assert_int_equal(config.train.steps, 12);
    assert_int_equal(config_set(&config, "files.codes=[a, b]"), STATUS_OK);
    assert_int_equal(config.files.codes.n, 2);
    assert_int_equal(config_set(&config, "files.table=/x=y.h5"), STATUS_OK);
    assert_string_equal(config.files.table, "/x=y.h5");
    assert_int_equal(config_set(&config, "train.steps"), STATUS_USAGE);
    assert_int_equal(config_set(&config, "=3"), STATUS_USAGE);
    assert_int_equal(config_set(&config, "train.step=3"), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "train.steps"));
}

static void keys_are_checked_against_each_other(void **state) {
    (void)state;
    assert_int_equal(TRAIN_JOB.check(&config), STATUS_OK);
    assert_int_equal(PREPARE_JOB.check(&config), STATUS_USAGE);
    config_set(&config, "train.patience=3");
    assert_int_equal(TRAIN_JOB.check(&config), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "train.patience needs evaluations"));
    config_set(&config, "train.eval_every=5");
    config_set(&config, "train.holdout=0.1");
    assert_int_equal(TRAIN_JOB.check(&config), STATUS_OK);
    config_set(&config, "attention.heads=5");
    assert_int_equal(TRAIN_JOB.check(&config), STATUS_USAGE);
    config_set(&config, "attention.heads=4");
    config_set(&config, "quantizer.size=9");
    assert_int_equal(TRAIN_JOB.check(&config), STATUS_USAGE);
    config_set(&config, "text.ngram_min=6");
    assert_int_equal(ENCODE_JOB.check(&config), STATUS_USAGE);
}

static char *printed(enum job job) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    config_print(out, &config, job);
    fclose(out);
    return text;
}

static void what_is_printed_reads_back(void **state) {
    (void)state;
    reads("files.graph: \"it's: a #path\"\nfiles.codes: ['x,y', z]\ngraph.hops: 3\n");
    config_set(&config, "train.rate=0.1234567890123");
    for (int j = JOB_PREPARE; j <= JOB_TRAIN; j *= 2) {
        char *first = printed((enum job)j);
        config_free(&config);
        assert_int_equal(config_defaults(&config), STATUS_OK);
        reads(first);
        char *second = printed((enum job)j);
        if (j == JOB_PREPARE) assert_string_equal(config.files.graph, "it's: a #path");
        assert_string_equal(first, second);
        free(first);
        free(second);
    }
}

static void a_value_of_several_lines_is_refused(void **state) {
    (void)state;
    refuses("site:\n  setup: |\n    module load a\n    module load b\n", "t.yaml:2: site.setup holds a line break");
    refuses("site.sbatch: [--qos=a, \"--comment=b\\nc\"]\n", "t.yaml:1: site.sbatch holds a line break");
    assert_int_equal(config_set(&config, "files.table=a\nb"), STATUS_USAGE);
    assert_int_equal(config_set(&config, "site.sbatch=[a\n,b]"), STATUS_USAGE);
}

static void provenance_holds_what_shapes_the_output_alone(void **state) {
    (void)state;
    char *text;
    assert_int_equal(config_provenance(&config, JOB_TRAIN, &text), STATUS_OK);
    assert_non_null(strstr(text, "train.rate: 5e-06\n"));
    assert_null(strstr(text, "files."));
    assert_null(strstr(text, "threads"));
    assert_null(strstr(text, "log_every"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_allowed_and_reference_settings_are_those_of_the_method, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(plain_settings_are_those_of_the_publication_where_defaults_are_not, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_set_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_give_way_and_what_was_set_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(yaml_may_nest_or_dot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_name_file_line_key_and_what_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_suggested_only_when_near, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_document_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_near_zero_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_tell_their_jobs_and_whether_they_are_of_the_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(help_says_what_a_key_means_to_the_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(set_overrides_and_checks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_checked_against_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_printed_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_of_several_lines_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(provenance_holds_what_shapes_the_output_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
