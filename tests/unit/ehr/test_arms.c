/* The arms: which codes have a vector, tokens or a path, and what rows of codes are made of them, by hand and in plain loops. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "ehr/arms.h"
#include "ehr/vector_space.h"
#include "store/table.h"

/* ---- a token table, and the codes of a cohort ---- */
enum { TABLE_CODES = 5, DIM = 2, WIDTH = TABLE_GROUPS * DIM, TOP_K = 2, BOOK = 6, ITEMS = TABLE_GROUPS * TOP_K };
static const float BOOK_ROWS[BOOK][DIM] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {0.6f, 0.8f}, {0.8f, -0.6f}};
/* of each row of the table: text-specific, graph-specific, shared; row 4 has no graph side. Row 5 of the codebook is nobody's. */
static const int32_t TOKENS[TABLE_CODES][ITEMS] = {{0, 1, 2, 3, 4, 2, 2, 4},
                                                   {1, 0, 3, 2, 2, 4, 4, 2},
                                                   {0, 1, 3, 2, 4, 2, 4, 2},
                                                   {1, 0, 2, 3, 4, 2, 2, 4},
                                                   {0, 1, -1, -1, 4, 2, -1, -1}};
static float table_weights[TABLE_CODES][ITEMS], table_vectors[TABLE_CODES][WIDTH];
static const float GROUP_WEIGHTS[TABLE_GROUPS] = {1, 0.7f, 1, 0.7f}; /* in embeddings: the graph's times graph_weight */

static void fill_table(void) {
    for (int i = 0; i < TABLE_CODES; i++) {
        for (int p = 0; p < ITEMS; p++)
            table_weights[i][p] = TOKENS[i][p] < 0 ? 0 : p % TOP_K ? 0.4f - 0.05f * (float)i : 0.6f + 0.05f * (float)i;
        for (int j = 0; j < WIDTH; j++) table_vectors[i][j] = 0;
        for (int p = 0; p < ITEMS; p++)
            for (int k = 0; k < DIM && TOKENS[i][p] >= 0; k++)
                table_vectors[i][p / TOP_K * DIM + k] +=
                    GROUP_WEIGHTS[p / TOP_K] * table_weights[i][p] * BOOK_ROWS[TOKENS[i][p]][k];
    }
}

static char table_path[PATH_MAX];

static int write_table(void **state) {
    static const char code[TABLE_CODES][8] = {"E11", "428.0", "E11", "J45.9", "J45.90"};
    static const char system[TABLE_CODES][8] = {"ICD9CM", "ICD9CM", "ICD10CM", "ICD10CM", "ICD10CM"};
    struct comm comm = comm_self();
    struct provenance provenance = {.job = "tokenize", .config = "", .inputs = strdup("")};
    struct table_shape shape = {.n_codes = TABLE_CODES,
                                .graph_weight = 0.7,
                                .top_k = TOP_K,
                                .dim = DIM,
                                .codebook_size = BOOK,
                                .vocabulary_rows = TABLE_CODES - 1,
                                .region = {{0, 2}, {2, 4}, {2, 6}, {2, 6}}};
    struct table_head head = {.code = code[0],
                              .system = system[0],
                              .code_bytes = sizeof code[0],
                              .system_bytes = sizeof system[0],
                              .codebook = BOOK_ROWS[0]};
    struct table_writer *writer;
    (void)state;
    fill_table();
    snprintf(table_path, sizeof table_path, "/tmp/test_arms.%d.h5", (int)getpid());
    provenance_finish(&provenance, KIND_TABLE);
    assert_int_equal(table_create(&writer, &comm, table_path, &shape, &head, &provenance, STATUS_OK), STATUS_OK);
    assert_int_equal(table_write(writer, 0, TABLE_CODES, TOKENS[0], table_weights[0], table_vectors[0]), STATUS_OK);
    assert_int_equal(table_commit(writer, STATUS_OK), STATUS_OK);
    provenance_free(&provenance);
    return 0;
}

static int remove_table(void **state) {
    (void)state;
    return unlink(table_path);
}

enum { COHORT_CODES = 8 };
enum { E11, E1165, E1169, E12, HEART, J45902, SEX, STRANGE };
static char cohort_codes[COHORT_CODES][28] = {
    "ICD10CM/E11", "DIAGNOSIS//ICD//10//E1165",  "ICD10CM/E1169", "ICD10CM/E12",
    "ICD9CM/4280", "DIAGNOSIS//ICD//10//J45902", "SEX//F",        "ICD10CM/E11//x"};

static void find_codes(struct vector_source *source, const int64_t *in_train, int64_t *row) {
    uint8_t wanted[COHORT_CODES];
    struct cohort c = {.n_codes = COHORT_CODES, .code_bytes = sizeof cohort_codes[0], .code = cohort_codes[0]};
    for (int i = 0; i < COHORT_CODES; i++) wanted[i] = i != STRANGE;
    assert_int_equal(source->find(source->self, &c, in_train, wanted, row), STATUS_OK);
}

/* ---- which codes are found ---- */
static void codes_find_their_vectors_or_those_of_an_ancestor(void **state) {
    (void)state;
    static const int64_t NONE[COHORT_CODES] = {0};
    const int64_t expected[COHORT_CODES] = {2, 2, 2, VECTOR_MISSING, 1, 4, VECTOR_OWN_ROW, VECTOR_MISSING};
    struct medtok_vectors v;
    int64_t row[COHORT_CODES];
    medtok_vectors_make(&v, table_path, 0, 0);
    find_codes(&v.source, NONE, row);
    for (int i = 0; i < COHORT_CODES; i++) assert_int_equal(row[i], expected[i]);
    assert_int_equal(v.n_exact, 2);
    assert_int_equal(v.n_ancestor, 3);
    medtok_vectors_make(&v, table_path, 1, 0); /* without the codes that are new to the vocabulary, J45.90 */
    find_codes(&v.source, NONE, row);
    assert_int_equal(row[J45902], 3);
}

/* E11.65 is in 3 samples of train, 428.0 in 1: E11.69 has their ancestors E11.6 and E11, E11 its own row, E12 none. */
static const int64_t IN_TRAIN[COHORT_CODES] = {[E1165] = 3, [HEART] = 1, [SEX] = 9};

static void a_code_that_train_never_saw_has_a_path_if_train_has_an_ancestor(void **state) {
    (void)state;
    struct code_paths paths;
    int64_t row[COHORT_CODES];
    code_paths_make(&paths, 1);
    find_codes(&paths.source, IN_TRAIN, row);
    const int64_t expected[COHORT_CODES] = {E11,   E1165,          E1169,          VECTOR_MISSING,
                                            HEART, VECTOR_MISSING, VECTOR_OWN_ROW, VECTOR_MISSING};
    for (int i = 0; i < COHORT_CODES; i++) assert_int_equal(row[i], expected[i]);
    code_paths_make(&paths, 2); /* one sample is too few for 428.0 and 428 */
    find_codes(&paths.source, IN_TRAIN, row);
    assert_int_equal(row[HEART], VECTOR_MISSING);
    assert_int_equal(row[E1169], E1169);
}

/* What ehr_data_make makes of those codes with paths: first those of train. */
static struct ehr_data path_data(int64_t *vector) {
    const int64_t order[] = {E1165, HEART, E11, E1169};
    memcpy(vector, order, sizeof order);
    return (struct ehr_data){.n_vectors = 4,
                             .n_train_vectors = 2,
                             .vector = vector,
                             .n_cohort_codes = COHORT_CODES,
                             .code_bytes = sizeof cohort_codes[0],
                             .code = cohort_codes[0],
                             .in_train = (int64_t *)IN_TRAIN};
}

static void a_path_is_the_code_and_those_of_its_ancestors_that_train_has(void **state) {
    (void)state;
    struct code_bags b;
    int64_t vector[4];
    struct ehr_data d = path_data(vector);
    assert_int_equal(code_paths_bags(&d, 1, &b), STATUS_OK);
    /* nodes in the order in which they are met: E1165, E116, E11; 4280, 428. Bags of E1165, 4280, E11, E1169 */
    const int64_t offsets[] = {0, 3, 5, 6, 8};
    const int32_t rows[] = {0, 1, 2, 3, 4, 2, 1, 2};
    assert_int_equal(b.n_rows, 5);
    assert_memory_equal(b.offsets, offsets, sizeof offsets);
    assert_memory_equal(b.row, rows, sizeof rows);
    for (int64_t p = 0; p < b.n_items; p++) assert_true(b.weight[p] == 1);
    assert_true(fabs(b.std - EHR_INIT / sqrt(2.5)) < 1e-12); /* 3 and 2 rows */
    code_bags_free(&b);
}

/* ---- what is read ---- */
/* By hand: the first two give mean and scale. */
static void vectors_are_standardised_over_the_first_rows(void **state) {
    (void)state;
    float x[3][2] = {{1, 10}, {3, 30}, {0, 0}};
    double scale = 1 / sqrt(1 + 100); /* off the mean (2, 20): (-1, -10), (1, 10), (-2, -20) */
    vectors_standardise(3, 2, 2, x[0]);
    const double expected[3][2] = {{-1, -10}, {1, 10}, {-2, -20}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) assert_true(fabs(x[i][j] - scale * expected[i][j]) < 1e-6);
}

static void the_vectors_of_one_group_are_its_columns(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct medtok_vectors v;
    const int64_t rows[] = {3, 0, 3};
    int64_t width;
    float *x;
    medtok_vectors_make(&v, table_path, 0, 0);
    assert_int_equal(medtok_vectors_width(&v, &comm, &width), STATUS_OK);
    assert_int_equal(width, WIDTH);
    assert_int_equal(medtok_vectors_read(&v, &comm, 3, rows, 1, 1, &width, &x), STATUS_OK);
    assert_int_equal(width, DIM);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < DIM; k++) assert_true(x[i * DIM + k] == table_vectors[rows[i]][DIM + k]);
    free(x);
}

/* As many rows as codes use, and sums that are those of the four groups of the table's own vectors. */
static void a_bag_of_tokens_is_the_sum_of_the_vectors_of_groups(void **state) {
    (void)state;
    struct comm comm = comm_self();
    struct medtok_vectors v;
    struct code_bags b;
    const int64_t rows[] = {4, 2, 0};
    medtok_vectors_make(&v, table_path, 0, 0);
    assert_int_equal(medtok_tokens_read(&v, &comm, 3, rows, &b), STATUS_OK);
    assert_int_equal(b.n_rows, BOOK - 1); /* 0, 1, 2, 3, 4 */
    assert_int_equal(b.n_items, 2 * ITEMS + ITEMS / 2);
    assert_int_equal(b.top_k, TOP_K);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < DIM; k++) {
            double sum = 0, of_groups = 0;
            for (int64_t p = b.offsets[i]; p < b.offsets[i + 1]; p++)
                sum += (double)b.weight[p] * b.vectors[b.row[p] * DIM + k];
            for (int g = 0; g < TABLE_GROUPS; g++) of_groups += table_vectors[rows[i]][g * DIM + k];
            assert_true(fabs(sum - of_groups) < 1e-6);
        }
    code_bags_free(&b);
}

/* The columns of a map to more values are orthonormal, its rows are in one to fewer: S^T S = 1, S S^T = 1. */
static void another_width_keeps_angles_or_projects(void **state) {
    (void)state;
    enum { FEW = 5, MANY = 12 };
    for (int wider = 0; wider < 2; wider++) {
        int64_t from = wider ? FEW : MANY, to = wider ? MANY : FEW;
        float unit[MANY * MANY] = {0}, *images; /* images[i][j] = S[j][i] */
        for (int64_t i = 0; i < from; i++) unit[i * from + i] = 1;
        assert_int_equal(vectors_change_width(from, from, to, unit, &images), STATUS_OK);
        for (int64_t a = 0; a < FEW; a++)
            for (int64_t b = 0; b < FEW; b++) {
                double dot = 0;
                for (int64_t k = 0; k < MANY; k++)
                    dot += wider ? (double)images[a * to + k] * images[b * to + k]
                                 : (double)images[k * to + a] * images[k * to + b];
                assert_true(fabs(dot - (a == b)) < 1e-6);
            }
        free(images);
    }
}

/* ---- rows ---- */
enum { ROWS = 200, OWN = 4, VECTOR = 16, MODEL_DIM = 8, BAG_ROWS = 30, BAG_ITEMS = 3 };

struct made_arm {
    struct device device;
    struct parameter_set set;
    struct code_rows codes;
    struct pack pack;
    struct code_list list;
    float vectors[ROWS * VECTOR], weight[ROWS * BAG_ITEMS], bag_vectors[BAG_ROWS * VECTOR];
    int32_t system[ROWS], row[ROWS * BAG_ITEMS];
    int64_t offsets[ROWS + 1];
    struct code_bags bags;
};

static void make_bags(struct made_arm *a, enum ehr_arm kind) {
    a->bags = (struct code_bags){.n_rows = BAG_ROWS,
                                 .n_items = (int64_t)ROWS * BAG_ITEMS,
                                 .offsets = a->offsets,
                                 .row = a->row,
                                 .weight = a->weight,
                                 .width = VECTOR};
    for (int i = 0; i <= ROWS; i++) a->offsets[i] = (int64_t)i * BAG_ITEMS;
    for (int p = 0; p < ROWS * BAG_ITEMS; p++) {
        a->row[p] = (int32_t)(rng_uniform(5, 1, 0, (uint64_t)p) * BAG_ROWS);
        a->weight[p] = kind == ARM_HIERARCHY ? 1 : 0.2f + 0.3f * (float)(p % BAG_ITEMS);
    }
    a->bags.std = EHR_INIT / sqrt(BAG_ITEMS);
    if (kind != ARM_MEDTOK_TOKENS) return;
    double square = 0.2 * 0.2 + 0.5 * 0.5 + 0.8 * 0.8; /* so that sums have length 1, nearly */
    for (int i = 0; i < BAG_ROWS * VECTOR; i++)
        a->bag_vectors[i] = (float)(rng_normal(5, 2, 0, (uint64_t)i) / sqrt(VECTOR * square));
    a->bags.vectors = a->bag_vectors;
}

static void make_arm(struct made_arm *a, enum ehr_arm kind, uint64_t seed) {
    *a = (struct made_arm){0};
    for (int i = 0; i < ROWS * VECTOR; i++) a->vectors[i] = (float)(rng_normal(5, 3, 0, (uint64_t)i) / sqrt(VECTOR));
    for (int i = 0; i < ROWS; i++) a->system[i] = i % 3;
    make_bags(a, kind);
    int is_base = kind == ARM_BASE, is_read = !is_base && kind != ARM_RANDOM_FROZEN;
    a->codes.source = (struct code_rows_source){.arm = kind,
                                                .n_own = is_base ? OWN + ROWS : OWN,
                                                .n_vectors = is_base ? 0 : ROWS,
                                                .width = VECTOR,
                                                .vectors = is_read ? a->vectors : NULL,
                                                .system = a->system,
                                                .bags = &a->bags};
    assert_int_equal(device_open_cpu(&a->device, 1), 0);
    pack_make(&a->pack, &a->device);
    code_rows_add(&a->codes, &a->set, MODEL_DIM);
    assert_int_equal(parameter_set_allocate(&a->set, &a->device, 0, 1, 1), STATUS_OK);
    assert_int_equal(parameter_set_initialize(&a->set, seed), STATUS_OK);
    assert_int_equal(code_rows_start(&a->codes, &a->device, seed), STATUS_OK);
}

static struct var *rows_of(struct made_arm *a, struct tape *tape, int64_t n, const int32_t *token) {
    pack_begin(&a->pack);
    assert_int_equal(code_list_pack(&a->list, &a->pack, &a->codes, n, token), STATUS_OK);
    assert_int_equal(pack_send(&a->pack), STATUS_OK);
    struct var *x = code_rows_look_up(&a->codes, tape, &a->list);
    assert_int_equal(tape_status(tape), STATUS_OK);
    return x;
}

static void free_arm(struct made_arm *a) {
    pack_free(&a->pack);
    parameter_set_free(&a->set);
    device_close(&a->device);
}

/* The row of a token in plain loops. */
static double plain_row(const struct made_arm *a, int32_t token, int j) {
    const struct code_rows *r = &a->codes;
    int64_t vector = token - TOKEN_FIRST_CODE - OWN;
    double sum = 0;
    if (token < 0) return 0;
    if (vector < 0 || (!r->bag && !r->vectors)) return (double)r->table->value.at[token * MODEL_DIM + j];
    for (int64_t p = vector * BAG_ITEMS; r->bag && p < (vector + 1) * BAG_ITEMS; p++)
        sum += (double)a->weight[p] * r->bag->value.at[a->row[p] * MODEL_DIM + j];
    if (r->bag) return sum;
    for (int k = 0; k < VECTOR; k++)
        sum += (double)r->map.weight->value.at[j * VECTOR + k] * r->vectors->value.at[vector * VECTOR + k];
    return sum + (double)r->map.bias->value.at[j];
}

/* A list as models have them: special tokens, codes without a vector, codes twice, and none. */
enum { LISTED = 9, FIRST = TOKEN_FIRST_CODE + OWN };
static const int32_t LIST[LISTED] = {TOKEN_CLS, FIRST + 150,   FIRST - 1,       -1, FIRST + 3, FIRST + 150,
                                     TOKEN_SEP, TOKEN_MISSING, FIRST + ROWS - 1};

static void rows_are_their_formula_in_each_arm(void **state) {
    (void)state;
    static struct made_arm a; /* the device is the CPU: its memory is the host's */
    for (enum ehr_arm kind = ARM_BASE; kind < N_EHR_ARMS; kind++) {
        struct tape tape;
        make_arm(&a, kind, 3);
        if (a.codes.map.bias)
            for (int j = 0; j < MODEL_DIM; j++) a.codes.map.bias->value.at[j] = (real)j;
        tape_init(&tape, &a.device);
        tape_reset(&tape, 1);
        struct var *x = rows_of(&a, &tape, LISTED, LIST);
        assert_true(x->rows == LISTED && x->cols == MODEL_DIM);
        for (int i = 0; i < LISTED; i++)
            for (int j = 0; j < MODEL_DIM; j++)
                assert_true(fabs(x->value.at[i * MODEL_DIM + j] - plain_row(&a, LIST[i], j)) < 1e-5);
        tape_free(&tape);
        free_arm(&a);
    }
}

/* The loss sum_ij log(1 + exp(x_ij)) has the derivative 1 / (1 + exp(-x_ij)), from which that of each parameter follows in plain loops. */
static void gradients_reach_what_is_learned_in_each_arm(void **state) {
    (void)state;
    static struct made_arm a;
    static int32_t no_label[LISTED * MODEL_DIM];
    for (enum ehr_arm kind = ARM_BASE; kind < N_EHR_ARMS; kind++) {
        struct tape tape;
        static double table[(TOKEN_FIRST_CODE + OWN + ROWS) * MODEL_DIM], bag[BAG_ROWS * MODEL_DIM];
        static double weight[MODEL_DIM * VECTOR], bias[MODEL_DIM];
        make_arm(&a, kind, 3);
        const struct code_rows *r = &a.codes;
        memset(table, 0, sizeof table), memset(bag, 0, sizeof bag);
        memset(weight, 0, sizeof weight), memset(bias, 0, sizeof bias);
        for (int i = 0; i < LISTED; i++)
            for (int j = 0; j < MODEL_DIM && LIST[i] >= 0; j++) {
                double slope = 1 / (1 + exp(-plain_row(&a, LIST[i], j)));
                int64_t vector = LIST[i] - FIRST;
                if (vector < 0 || (!r->bag && !r->vectors)) {
                    table[LIST[i] * MODEL_DIM + j] += slope;
                    continue;
                }
                for (int64_t p = vector * BAG_ITEMS; p < (vector + 1) * BAG_ITEMS; p++)
                    bag[a.row[p] * MODEL_DIM + j] += slope * (double)a.weight[p];
                for (int k = 0; k < VECTOR && r->vectors; k++)
                    weight[j * VECTOR + k] += slope * (double)r->vectors->value.at[vector * VECTOR + k];
                bias[j] += slope;
            }
        tape_init(&tape, &a.device);
        tape_reset(&tape, 0);
        dev_real nothing = {NULL};
        nn_bce(&tape, rows_of(&a, &tape, LISTED, LIST), (struct bce){.y = {no_label}, .weight = 1}, nothing);
        tape_backward(&tape);
        assert_int_equal(tape_status(&tape), STATUS_OK);
        for (int64_t i = 0; i < r->table->rows * MODEL_DIM; i++)
            assert_true(fabs((double)r->table->grad.at[i] - table[i]) < 1e-5);
        for (int i = 0; i < BAG_ROWS * MODEL_DIM && r->bag; i++)
            assert_true(fabs((double)r->bag->grad.at[i] - bag[i]) < 1e-5);
        for (int i = 0; i < MODEL_DIM * VECTOR && r->vectors; i++)
            assert_true(fabs((double)r->map.weight->grad.at[i] - weight[i]) < 1e-5);
        for (int j = 0; j < MODEL_DIM && r->vectors; j++)
            assert_true(fabs((double)r->map.bias->grad.at[j] - bias[j]) < 1e-5);
        assert_true(!r->vectors || !r->vectors->grad.at);
        tape_free(&tape);
        free_arm(&a);
    }
}

/* 1 in the mean; bounds are 5 standard deviations of what has least values, the 128 of a map, and the 240 of a bag's table. */
static void rows_of_all_arms_are_as_large_at_first(void **state) {
    (void)state;
    static struct made_arm a;
    int32_t token[ROWS];
    for (int i = 0; i < ROWS; i++) token[i] = FIRST + i;
    for (enum ehr_arm kind = ARM_BASE; kind < N_EHR_ARMS; kind++) {
        struct tape tape;
        double square = 0;
        make_arm(&a, kind, 3);
        tape_init(&tape, &a.device);
        tape_reset(&tape, 1);
        struct var *x = rows_of(&a, &tape, ROWS, token);
        for (int i = 0; i < ROWS * MODEL_DIM; i++) square += (double)x->value.at[i] * x->value.at[i];
        double size = sqrt(square / (ROWS * MODEL_DIM)) / EHR_INIT;
        assert_true(size > 0.7 && size < 1.3);
        tape_free(&tape);
        free_arm(&a);
    }
}

static int64_t learned_in(enum ehr_arm kind) {
    static struct made_arm a;
    make_arm(&a, kind, 3);
    int64_t n = code_rows_learned(&a.codes);
    assert_int_equal(n, parameter_set_size(&a.set)); /* frozen vectors do not count */
    free_arm(&a);
    return n;
}

static void arms_with_a_map_learn_as_many_values(void **state) {
    (void)state;
    const int64_t rows = TOKEN_FIRST_CODE + OWN;
    for (enum ehr_arm kind = ARM_BASE; kind < N_EHR_ARMS; kind++) {
        enum rows_shape shape = arm_rows_shape(kind);
        int64_t codes = shape == ROWS_OF_TABLE ? ROWS : shape == ROWS_OF_BAGS ? BAG_ROWS : VECTOR + 1;
        assert_int_equal(learned_in(kind), (rows + codes) * MODEL_DIM);
    }
}

/* medtok-init: rows of codes with a vector begin behind those without, which are as in base. */
static void only_rows_of_codes_with_a_vector_start_as_vectors(void **state) {
    (void)state;
    static struct made_arm with, without;
    make_arm(&with, ARM_MEDTOK_INIT, 3);
    make_arm(&without, ARM_BASE, 3);
    const real *x = with.codes.table->value.at, *y = without.codes.table->value.at;
    assert_int_equal(with.codes.table->rows, FIRST + ROWS);
    for (int i = 0; i < FIRST * MODEL_DIM; i++) assert_true(x[i] == y[i]);
    int same = 0;
    for (int i = FIRST * MODEL_DIM; i < (FIRST + ROWS) * MODEL_DIM; i++) same += x[i] == y[i];
    assert_int_equal(same, 0);
    free_arm(&with);
    free_arm(&without);
}

/* Whose vector code i has: they differ from each other. */
static int owner(const struct made_arm *a, int i) {
    for (int k = 0; k < ROWS; k++)
        if (memcmp(a->codes.vectors->value.at + i * VECTOR, a->vectors + k * VECTOR, VECTOR * sizeof(real)) == 0)
            return k;
    return -1;
}

static void shuffled_vectors_stay_in_their_system_and_each_is_there_once(void **state) {
    (void)state;
    static struct made_arm a, other;
    int seen[ROWS] = {0}, at_home = 0, differ = 0;
    make_arm(&a, ARM_SHUFFLED, 3);
    make_arm(&other, ARM_SHUFFLED, 4);
    for (int i = 0; i < ROWS; i++) {
        int k = owner(&a, i);
        assert_true(k >= 0 && !seen[k]);
        seen[k] = 1;
        assert_int_equal(a.system[k], a.system[i]);
        at_home += k == i;
        differ += k != owner(&other, i);
    }
    assert_true(at_home < 12); /* 3 in the mean: one a system, whatever its size */
    assert_true(differ > ROWS / 2);
    free_arm(&a);
    free_arm(&other);
    make_arm(&a, ARM_MEDTOK_FROZEN, 3);
    for (int i = 0; i < ROWS; i++) assert_int_equal(owner(&a, i), i);
    free_arm(&a);
}

/* Outputs are tied to a table that has a row for each token, or not at all. */
static void only_arms_with_a_row_for_each_token_have_a_table(void **state) {
    (void)state;
    static struct made_arm a;
    for (enum ehr_arm kind = ARM_BASE; kind < N_EHR_ARMS; kind++) {
        make_arm(&a, kind, 3);
        const struct parameter *table = code_rows_table(&a.codes);
        assert_int_equal(table != NULL, kind == ARM_BASE || kind == ARM_MEDTOK_INIT);
        if (table) assert_int_equal(table->rows, FIRST + ROWS);
        free_arm(&a);
    }
}

/* ---- what train knows of a history ---- */
static void the_codes_of_a_sample_are_counted_once_each(void **state) {
    (void)state;
    enum { N = 9 };
    const uint8_t kinds[COHORT_CODES] = {
        [E11] = CODE_KIND_DIAGNOSIS, [E1165] = CODE_KIND_DIAGNOSIS, [E1169] = CODE_KIND_DIAGNOSIS,
        [E12] = CODE_KIND_DIAGNOSIS, [HEART] = CODE_KIND_DIAGNOSIS, [J45902] = CODE_KIND_DIAGNOSIS,
        [SEX] = CODE_KIND_FACT,      [STRANGE] = CODE_KIND_VISIT};
    const int32_t codes[N] = {SEX, HEART, E1165, E1169, HEART, STRANGE, E1165, E12, E12};
    struct sample_event events[N] = {{0}};
    int64_t offsets[3] = {0, N, N}, visits[3] = {0}, n_static[2] = {1, 0}, zero[2] = {0};
    for (int i = 0; i < N; i++) events[i].code = codes[i];
    struct ehr_data d = {.code_kind = (uint8_t *)kinds, .in_train = (int64_t *)IN_TRAIN};
    struct sample_set set = {.n = 2, .offsets = offsets, .visit_offsets = visits, .n_static = n_static};
    struct sample_codes found;
    set.birth = set.time = zero;
    set.events = events;
    assert_int_equal(ehr_sample_codes(&d, &set, 0, &found), STATUS_OK);
    assert_int_equal(found.n, 4); /* 428.0 (1), E11.65 (3), E11.69, E12 */
    assert_int_equal(found.unseen, 2);
    assert_int_equal(found.frequency, 0); /* 0, 0, 1, 3 */
    assert_int_equal(ehr_sample_codes(&d, &set, 1, &found), STATUS_OK);
    assert_true(found.n == 0 && found.unseen == 0 && found.frequency == -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_find_their_vectors_or_those_of_an_ancestor),
        cmocka_unit_test(a_code_that_train_never_saw_has_a_path_if_train_has_an_ancestor),
        cmocka_unit_test(a_path_is_the_code_and_those_of_its_ancestors_that_train_has),
        cmocka_unit_test(vectors_are_standardised_over_the_first_rows),
        cmocka_unit_test(the_vectors_of_one_group_are_its_columns),
        cmocka_unit_test(a_bag_of_tokens_is_the_sum_of_the_vectors_of_groups),
        cmocka_unit_test(another_width_keeps_angles_or_projects),
        cmocka_unit_test(rows_are_their_formula_in_each_arm),
        cmocka_unit_test(gradients_reach_what_is_learned_in_each_arm),
        cmocka_unit_test(rows_of_all_arms_are_as_large_at_first),
        cmocka_unit_test(arms_with_a_map_learn_as_many_values),
        cmocka_unit_test(only_rows_of_codes_with_a_vector_start_as_vectors),
        cmocka_unit_test(shuffled_vectors_stay_in_their_system_and_each_is_there_once),
        cmocka_unit_test(only_arms_with_a_row_for_each_token_have_a_table),
        cmocka_unit_test(the_codes_of_a_sample_are_counted_once_each),
    };
    return cmocka_run_group_tests(tests, write_table, remove_table);
}
