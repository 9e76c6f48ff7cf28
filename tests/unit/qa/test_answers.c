/* Prefixes and answers of a small random model (tests/golden/llama/smollm2): a code's vector is the same in every file, training and testing
 * make the same rows, and scores follow their options when these are turned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "base/status.h"
#include "qa/answers.h"
#include "store/table_pick.h"

#define MODEL "tests/golden/llama/smollm2"

enum { N = 12, BYTES = 16, DIM = 1, WIDTH = TABLE_GROUPS * DIM };

#define TRY_OR_FAIL(call)                                                                                              \
    do                                                                                                                 \
        if (call) fail_msg("%s", status_message());                                                                    \
    while (0)

static struct device device;
static char table_path[] = "/tmp/medtok-answers-t-XXXXXX";

/* Codes C0 ... C11, those of even numbers of one system; row i is (1, i + 1, 0, 0). C5 has no vector. */
static int make_table(void **state) {
    char codes[N][BYTES] = {{0}}, systems[N][BYTES] = {{0}};
    float embedding[N][WIDTH] = {{0}}, weights[N][TABLE_GROUPS] = {{0}};
    float codebook[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    int32_t tokens[N][TABLE_GROUPS] = {{0}};
    struct provenance provenance = {.job = "tokenize", .config = ""};
    struct comm self = comm_self();
    struct table_shape shape = {.n_codes = N,
                                .graph_weight = 1,
                                .top_k = 1,
                                .dim = DIM,
                                .codebook_size = 8,
                                .vocabulary_rows = N,
                                .base_rows = N,
                                .table_version = 1,
                                .region = {{0, 2}, {2, 4}, {4, 6}, {6, 8}}};
    struct table_head head = {.code = codes[0],
                              .system = systems[0],
                              .code_bytes = BYTES,
                              .system_bytes = BYTES,
                              .codebook = codebook,
                              .vocabulary_id = "v",
                              .checkpoint_id = "c",
                              .step = 1};
    struct table_writer *writer;
    (void)state;
    close(mkstemp(table_path));
    for (int i = 0; i < N; i++) {
        snprintf(codes[i], BYTES, "C%d", i);
        snprintf(systems[i], BYTES, "%s", i % 2 ? "ATC" : "ICD10CM");
        for (int g = 0; g < TABLE_GROUPS; g++) tokens[i][g] = 2 * g;
        if (i != 5) embedding[i][0] = 1, embedding[i][1] = (float)(i + 1);
    }
    provenance_finish(&provenance, KIND_TABLE);
    assert_int_equal(table_create(&writer, &self, table_path, &shape, &head, &provenance, STATUS_OK), STATUS_OK);
    assert_int_equal(table_write(writer, 0, N, tokens[0], weights[0], embedding[0]), STATUS_OK);
    assert_int_equal(table_commit(writer, STATUS_OK), STATUS_OK);
    return 0;
}

static int remove_table(void **state) {
    (void)state;
    return unlink(table_path);
}

#define QUESTION(id, codes)                                                                                            \
    "{\"id\": \"" id "\", \"stem\": \"Case " id                                                                        \
    "\", \"options\": [\"w\", \"x\", \"y\"], \"answer\": \"B\", \"codes\": [" codes "]}\n"

static void parse(const char *text, struct questions *q) {
    if (questions_parse("q", text, (int64_t)strlen(text), q)) fail_msg("%s", status_message());
}

static void make_prefix(struct prefix *p, enum qa_prefix kind, int mean, const struct questions *q,
                        struct parameter_set *set) {
    struct qa_options o = {.prefix = kind, .codes = 2, .mean = mean, .questions = "q"};
    if (prefix_make(p, &o, table_path, 7, q, set, 8)) fail_msg("%s", status_message());
}

/* ---- vectors ---- */
static void a_code_has_one_vector_whatever_the_other_questions_are(void **state) {
    (void)state;
    struct questions one, more;
    parse(QUESTION("a", "[\"ATC\", \"C3\"]"), &one);
    parse(QUESTION("b", "[\"ICD10CM\", \"C2\"], [\"ATC\", \"C7\"]") QUESTION("c", "[\"ATC\", \"C9\"]")
              QUESTION("a", "[\"ATC\", \"C3\"]"),
          &more);
    for (enum qa_prefix kind = QA_PREFIX_RANDOM; kind <= QA_PREFIX_VECTORS; kind++) {
        struct parameter_set sets[2] = {{0}, {0}};
        struct prefix p[2];
        make_prefix(&p[0], kind, 0, &one, &sets[0]);
        make_prefix(&p[1], kind, 0, &more, &sets[1]);
        int64_t n = prefix_vectors(&p[0], 0);
        assert_int_equal(prefix_vectors(&p[1], 2), n);
        assert_memory_equal(p[0].vectors, p[1].vectors + p[1].offsets[2] * WIDTH, (size_t)(n * WIDTH) * sizeof(float));
        for (int i = 0; i < 2; i++) {
            prefix_free(&p[i]);
            parameter_set_free(&sets[i]);
        }
    }
    questions_free(&one);
    questions_free(&more);
}

static void a_picked_table_has_its_codes_as_the_whole_one_has_them(void **state) {
    (void)state;
    char path[] = "/tmp/medtok-picked-t-XXXXXX";
    struct table whole, few;
    struct provenance provenance = {.job = "qa-prefix", .config = ""};
    const int64_t rows[3] = {7, 3, 7}, picked[2] = {3, 7}, beyond[1] = {N};
    int32_t tokens[2][2][TABLE_GROUPS];
    float weights[2][2][TABLE_GROUPS], embedding[2][2][WIDTH];
    close(mkstemp(path));
    provenance_finish(&provenance, KIND_TABLE);
    assert_int_equal(table_open(&whole, table_path), STATUS_OK);
    assert_int_equal(table_pick(&whole, 1, beyond, path, &provenance), STATUS_FAILED);
    if (table_pick(&whole, 3, rows, path, &provenance)) fail_msg("%s", status_message());
    assert_int_equal(table_open(&few, path), STATUS_OK);
    assert_int_equal(few.shape.n_codes, 2);
    assert_int_equal(few.shape.vocabulary_rows, 0);
    assert_int_equal(few.shape.picked, 2);
    assert_string_equal(few.code, "C3");
    assert_string_equal(few.code + few.code_bytes, "C7");
    assert_string_equal(few.system, "ATC");
    for (int64_t i = 0; i < 2; i++) {
        TRY_OR_FAIL(table_read(&whole, picked[i], 1, tokens[0][i], weights[0][i], embedding[0][i]));
        TRY_OR_FAIL(table_read(&few, i, 1, tokens[1][i], weights[1][i], embedding[1][i]));
    }
    assert_memory_equal(tokens[0], tokens[1], sizeof tokens[0]);
    assert_memory_equal(weights[0], weights[1], sizeof weights[0]);
    assert_memory_equal(embedding[0], embedding[1], sizeof embedding[0]);
    table_close(&few);
    table_close(&whole);
    provenance_free(&provenance);
    unlink(path);
}

/* Each vector is one of the same system's, each once: column 1 over column 0 is the row's number + 1. */
static void shuffled_vectors_stay_in_their_system(void **state) {
    (void)state;
    struct questions q;
    struct parameter_set set = {0};
    struct prefix p;
    int met[N] = {0}, moved = 0;
    parse(QUESTION("a", "[\"ICD10CM\", \"C0\"], [\"ICD10CM\", \"C2\"]")
              QUESTION("b", "[\"ICD10CM\", \"C4\"], [\"ICD10CM\", \"C6\"]")
                  QUESTION("c", "[\"ICD10CM\", \"C8\"], [\"ICD10CM\", \"C10\"]"),
          &q);
    make_prefix(&p, QA_PREFIX_SHUFFLED, 0, &q, &set);
    assert_int_equal(p.offsets[3], 6);
    for (int i = 0; i < 6; i++) {
        int row = (int)lrintf(p.vectors[i * WIDTH + 1] / p.vectors[i * WIDTH]) - 1;
        assert_true(row >= 0 && row < N && row % 2 == 0);
        assert_int_equal(met[row]++, 0);
        moved += row != 2 * i;
    }
    assert_true(moved > 1);
    prefix_free(&p);
    parameter_set_free(&set);
    questions_free(&q);
}

/* ---- rows ---- */
/* The rows of one question's prefix alone, [rows, hidden] into out. */
static int64_t rows_of(const struct prefix *p, int64_t n, const int64_t *asked, int is_trained, real *out) {
    struct pack pack;
    struct tape tape;
    struct prefix_batch b;
    pack_make(&pack, &device);
    tape_init(&tape, &device);
    pack_begin(&pack);
    assert_int_equal(prefix_pack(p, &pack, n, asked, &b), STATUS_OK);
    assert_int_equal(pack_send(&pack), STATUS_OK);
    tape_reset(&tape, !is_trained);
    struct var *x = prefix_apply(p, &tape, &b);
    assert_int_equal(tape_status(&tape), STATUS_OK);
    device_download_reals(&device, out, x->value, b.n * 8);
    tape_free(&tape);
    pack_free(&pack);
    return b.n;
}

static void rows_are_the_same_in_training_and_testing_and_null_without_a_vector(void **state) {
    (void)state;
    enum { HIDDEN = 8 };
    struct questions q;
    struct parameter_set set = {0};
    struct prefix p;
    real batch[16 * HIDDEN], alone[4 * HIDDEN], none[HIDDEN];
    parse(QUESTION("empty", "") QUESTION("two", "[\"ATC\", \"C1\"], [\"ICD10CM\", \"C2\"], [\"ATC\", \"C3\"]")
              QUESTION("without", "[\"ATC\", \"C5\"], [\"ATC\", \"C99\"]") QUESTION("one", "[\"ICD10CM\", \"C4\"]"),
          &q);
    const int64_t all[4] = {3, 0, 1, 2}, rows[4] = {1, 1, 2, 1};
    make_prefix(&p, QA_PREFIX_VECTORS, 0, &q, &set);
    assert_int_equal(parameter_set_allocate(&set, &device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&set, 7), STATUS_OK);
    device_download_reals(&device, none, p.none->value, HIDDEN);
    assert_int_equal(rows_of(&p, 4, all, 1, batch), 5);
    for (int64_t i = 0, at = 0; i < 4; at += rows[i++]) {
        assert_int_equal(rows_of(&p, 1, &all[i], 0, alone), rows[i]);
        for (int64_t k = 0; k < rows[i] * HIDDEN; k++) assert_true(fabs(alone[k] - batch[at * HIDDEN + k]) < 1e-6);
        if (prefix_vectors(&p, all[i]) == 0) assert_memory_equal(alone, none, sizeof none);
        assert_int_equal(prefix_vectors(&p, all[i]) == 0, all[i] == 0 || all[i] == 2);
    }
    prefix_free(&p);
    parameter_set_free(&set);
    questions_free(&q);
}

/* ---- answers ---- */
static void answer(const char *text, int with_rotations, struct questions *q, struct answers *x) {
    struct qa_options o = {.model = MODEL, .questions = "q", .adapter = "", .max_tokens = 256};
    struct answer_terms terms = {.options = &o, .table = "", .precision = PRODUCTS_F32};
    struct answer_model model;
    struct comm self = comm_self();
    parse(text, q);
    if (answer_model_open(&model, &device, &terms, q)) fail_msg("%s", status_message());
    if (answers_make(x, &self, &model, with_rotations)) fail_msg("%s", status_message());
    answer_model_close(&model);
}

#define TURNED(first, second, third, letter)                                                                           \
    "{\"id\": \"q\", \"stem\": \"Which?\", \"options\": [\"" first "\", \"" second "\", \"" third                      \
    "\"], \"answer\": \"" letter "\"}\n"

/* Over all orders the same prompts are asked, whichever order the file has. */
static void scores_over_all_orders_follow_their_options(void **state) {
    (void)state;
    struct questions q[3];
    struct answers x[3];
    answer(TURNED("fever", "gout", "cough", "A"), 1, &q[0], &x[0]);
    answer(TURNED("gout", "cough", "fever", "C"), 1, &q[1], &x[1]);
    answer(TURNED("cough", "fever", "gout", "B"), 1, &q[2], &x[2]);
    for (int turn = 1; turn < 3; turn++) {
        for (int i = 0; i < 3; i++)
            assert_true(fabs(x[turn].rotated->scores[i] - x[0].rotated->scores[(i + turn) % 3]) < 1e-4);
        assert_int_equal((x[turn].rotated->chosen + turn) % 3, x[0].rotated->chosen);
    }
    assert_true(fabs(x[0].rotated->scores[0] - x[0].rotated->scores[1]) > 1e-3);
    for (int i = 0; i < 3; i++) {
        answers_free(&x[i]);
        questions_free(&q[i]);
    }
}

/* The mean over all orders is made of what each order's file gives as it stands. */
static void each_order_is_scored_as_a_file_with_that_order(void **state) {
    (void)state;
    struct questions q[3];
    struct answers x[3];
    answer(TURNED("fever", "gout", "cough", "A"), 1, &q[0], &x[0]);
    answer(TURNED("gout", "cough", "fever", "C"), 0, &q[1], &x[1]);
    answer(TURNED("cough", "fever", "gout", "B"), 0, &q[2], &x[2]);
    for (int i = 0; i < 3; i++) {
        double sum = x[0].plain->scores[i] + x[1].plain->scores[(i + 2) % 3] + x[2].plain->scores[(i + 1) % 3];
        assert_true(fabs(sum / 3 - x[0].rotated->scores[i]) < 1e-4);
    }
    for (int i = 0; i < 3; i++) {
        answers_free(&x[i]);
        questions_free(&q[i]);
    }
}

static void weights_that_are_no_numbers_are_no_answer(void **state) {
    (void)state;
    struct qa_options o = {.model = MODEL, .questions = "q", .adapter = "", .max_tokens = 256};
    struct answer_terms terms = {.options = &o, .table = "", .precision = PRODUCTS_F32};
    struct answer_model model;
    struct questions q;
    struct answers x;
    struct comm self = comm_self();
    const real nan = (real)NAN;
    parse(TURNED("fever", "gout", "cough", "A"), &q);
    assert_int_equal(answer_model_open(&model, &device, &terms, &q), STATUS_OK);
    device_upload_reals(&device, model.llama.norm.gain->value, &nan, 1);
    assert_int_equal(answers_make(&x, &self, &model, 0), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "question q: the score of option A is no finite number"));
    answers_free(&x);
    answer_model_close(&model);
    questions_free(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_has_one_vector_whatever_the_other_questions_are),
        cmocka_unit_test(a_picked_table_has_its_codes_as_the_whole_one_has_them),
        cmocka_unit_test(shuffled_vectors_stay_in_their_system),
        cmocka_unit_test(rows_are_the_same_in_training_and_testing_and_null_without_a_vector),
        cmocka_unit_test(scores_over_all_orders_follow_their_options),
        cmocka_unit_test(each_order_is_scored_as_a_file_with_that_order),
        cmocka_unit_test(weights_that_are_no_numbers_are_no_answer),
    };
    if (device_open_cpu(&device, 1)) return 1;
    int failed = cmocka_run_group_tests(tests, make_table, remove_table);
    device_close(&device);
    return failed;
}
