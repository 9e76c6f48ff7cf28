/* Codes of questions, ranked, written, and used to answer without a language model: a vocabulary of few codes with vectors by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "qa/cosine_scores.h"
#include "qa/link_file.h"
#include "qa/prefix_file.h"
#include "qa/question_rows.h"

enum { BYTES = 16, DIM = 1, WIDTH = TABLE_GROUPS * DIM };
static char vocabulary_path[] = "/tmp/medtok-link-v-XXXXXX", table_path[] = "/tmp/medtok-link-t-XXXXXX";

/* "Chill" is a disease of the nose and one of the skin; what stands beside it tells which. */
static const struct {
    const char *system, *code, *description;
    float vector[WIDTH];
} CODES[] = {
    {"ICD10CM", "J00", "Chill", {1, 0, 0, 0}},                     /* 0 */
    {"ICD10CM", "T69.1", "Chill", {0, 1, 0, 0}},                   /* 1 */
    {"ICD10CM", "J01", "Catarrh", {2, .5F, 0, 0}},                 /* 2 */
    {"ICD10CM", "L30", "Frostbite", {0, 3, 0, 0}},                 /* 3 */
    {"ICD9CM", "460", "Catarrh", {0, 0, 1, 0}},                    /* 4 */
    {"ICD10CM", "E11", "Lipid gout", {0, 0, 0, 1}},                /* 5 */
    {"ICD10CM", "E11.9", "Lipid gout, unspecified", {0, 0, 0, 0}}, /* 6: below 5, and without a vector */
    {"ATC", "A01AB02", "gelatum", {1, 0, 0, 1}},                   /* 7: for the mouth */
    {"ATC", "C01AB02", "gelatum", {1, 0, 0, 1}},                   /* 8 */
    {"NDC", "00001000101", "Gelatum", {1, 0, 0, 1}},               /* 9 */
    {"RxNorm", "77", "Gelatum", {1, 1, 0, 1}},                     /* 10 */
    {"RxNorm", "T077", "Organism", {1, 1, 0, 1}},                  /* 11: a type, not a code */
    {"ICD9CM", "640", "Hazards of pregnancy", {0, 0, 0, 0}},       /* 12 */
    {"ICD9CM", "640.1", "Frostbite", {1, 0, 0, 0}},                /* 13: says something only below its heading */
};
enum { N = sizeof CODES / sizeof *CODES };

static char code[N][BYTES], system_name[N][BYTES];

static void write_vocabulary(void) {
    struct comm self = comm_self();
    char relation[] = "", text[1024] = "";
    int64_t offsets[N + 1] = {0}, none[N + 1] = {0};
    int32_t listed[N] = {0};
    for (int i = 0; i < N; i++) {
        snprintf(code[i], BYTES, "%s", CODES[i].code);
        snprintf(system_name[i], BYTES, "%s", CODES[i].system);
        strcat(text, CODES[i].description);
        offsets[i + 1] = (int64_t)strlen(text);
    }
    struct vocabulary v = {.n_codes = N,
                           .code_bytes = BYTES,
                           .system_bytes = BYTES,
                           .relation_bytes = 1,
                           .code = code[0],
                           .system = system_name[0],
                           .relation = relation,
                           .description_offsets = offsets,
                           .description = text,
                           .n_listed = listed,
                           .node_offsets = none,
                           .edge_offsets = none};
    struct provenance provenance = {.job = "prepare"};
    assert_int_equal(vocabulary_write(&self, vocabulary_path, &v, &provenance), STATUS_OK);
}

static void write_table(void) {
    struct comm self = comm_self();
    struct provenance provenance = {.job = "tokenize"};
    struct table_shape shape = {.n_codes = N,
                                .graph_weight = 1,
                                .top_k = 1,
                                .dim = DIM,
                                .codebook_size = 8,
                                .vocabulary_rows = N,
                                .table_version = 1,
                                .region = {{0, 1}, {1, 2}, {2, 3}, {3, 4}}};
    struct table_writer *writer;
    float codebook[8] = {1, 1, 1, 1, 1, 1, 1, 1}, embedding[N][WIDTH], weights[N][TABLE_GROUPS];
    int32_t tokens[N][TABLE_GROUPS];
    struct table_head head = {.code = code[0],
                              .system = system_name[0],
                              .code_bytes = BYTES,
                              .system_bytes = BYTES,
                              .codebook = codebook,
                              .vocabulary_id = "v",
                              .checkpoint_id = "c",
                              .step = 1};
    for (int i = 0; i < N; i++)
        for (int g = 0; g < TABLE_GROUPS; g++) {
            embedding[i][g] = CODES[i].vector[g];
            weights[i][g] = 1;
            tokens[i][g] = g;
        }
    assert_int_equal(table_create(&writer, &self, table_path, &shape, &head, &provenance, STATUS_OK), STATUS_OK);
    assert_int_equal(table_write(writer, 0, N, tokens[0], weights[0], embedding[0]), STATUS_OK);
    assert_int_equal(table_commit(writer, STATUS_OK), STATUS_OK);
}

static int make_files(void **state) {
    (void)state;
    close(mkstemp(vocabulary_path));
    close(mkstemp(table_path));
    write_vocabulary();
    write_table();
    return 0;
}

static int remove_files(void **state) {
    (void)state;
    return unlink(vocabulary_path) || unlink(table_path);
}

/* ---- one question ---- */
static void open_names(struct code_names *names) {
    struct string_list none = {0};
    assert_int_equal(code_names_open(names, vocabulary_path, &none, ""), STATUS_OK);
}

static void parse(const char *stem, const char *first, const char *second, struct questions *q) {
    char text[1024];
    snprintf(text, sizeof text, "{\"id\": \"q\", \"stem\": \"%s\", \"options\": [\"%s\", \"%s\"], \"answer\": \"B\"}",
             stem, first, second);
    assert_int_equal(questions_parse("q", text, (int64_t)strlen(text), q), STATUS_OK);
}

/* The codes of the spans of a stem: "J00 460/E11". */
static void codes_of(const char *stem, int with_table, int n_codes, char out[256]) {
    struct code_names names;
    struct table table = {0};
    struct questions q;
    struct question_links links = {0};
    size_t n = 0;
    open_names(&names);
    if (with_table) assert_int_equal(table_open(&table, table_path), STATUS_OK);
    parse(stem, "x", "y", &q);
    assert_int_equal(link_questions(&names, with_table ? &table : NULL, &q, 0, 1, n_codes, &links), STATUS_OK);
    out[0] = 0;
    for (int64_t s = 0; s < links.stem.n; s++)
        for (int c = 0; c < links.stem.spans[s].n_codes; c++)
            n += (size_t)snprintf(out + n, 256 - n, "%s%s",
                                  c   ? " "
                                  : s ? "/"
                                      : "",
                                  code[links.stem.spans[s].codes[c].row]);
    question_links_free(&links);
    questions_free(&q);
    if (with_table) table_close(&table);
    code_names_free(&names);
}

static void ambiguous_spans_are_ranked_by_the_vectors_of_the_others(void **state) {
    (void)state;
    char out[256];
    codes_of("a chill", 1, 1, out);
    assert_string_equal(out, "J00"); /* nothing else: the shorter code */
    codes_of("chill with frostbite", 1, 1, out);
    assert_string_equal(out, "T69.1/L30");
    codes_of("chill with frostbite", 0, 1, out);
    assert_string_equal(out, "J00/L30");
    codes_of("no frostbite, but catarrh and a chill", 1, 1, out);
    assert_string_equal(out, "L30/J01/J00"); /* what is negated is no context: else T69.1 */
}

static void scores_are_fit_by_cosine(void **state) {
    (void)state;
    struct code_names names;
    struct table table;
    struct questions q;
    struct question_links links = {0};
    open_names(&names);
    assert_int_equal(table_open(&table, table_path), STATUS_OK);
    parse("chill and catarrh", "x", "y", &q);
    assert_int_equal(link_questions(&names, &table, &q, 0, 1, 2, &links), STATUS_OK);
    /* the context of "chill" is the mean of (2, .5, 0, 0) / |.| and (0, 0, 1, 0), and J00 is (1, 0, 0, 0) */
    double length = sqrt(4.25), a = 2 / length, b = .5 / length, norm = sqrt(a * a + b * b + 1);
    assert_int_equal(links.stem.spans[0].codes[0].row, 0);
    assert_true(fabs(links.stem.spans[0].codes[0].score - (1 + a / norm) / 2) < 1e-6); /* float vectors */
    question_links_free(&links);
    questions_free(&q);
    table_close(&table);
    code_names_free(&names);
}

static void a_span_has_one_code_a_system_of_one_topic_without_descendants_and_packages(void **state) {
    (void)state;
    char out[256];
    codes_of("catarrh", 0, 4, out);
    assert_string_equal(out, "J01 460");
    codes_of("catarrh", 0, 1, out);
    assert_string_equal(out, "J01");
    codes_of("lipid gout", 0, 4, out);
    assert_string_equal(out, "E11");
    codes_of("gelatum", 0, 4, out);
    assert_string_equal(out, "C01AB02 77"); /* not the one for the mouth; no package */
    codes_of("organism", 0, 4, out);
    assert_string_equal(out, "");
    codes_of("frostbite", 0, 4, out);
    assert_string_equal(out, "L30");
}

static void both_files_have_a_line_a_question(void **state) {
    (void)state;
    struct code_names names;
    struct questions q, again;
    struct question_links links = {0};
    char *text = NULL;
    size_t size;
    open_names(&names);
    parse("catarrh, catarrh; no frostbite; gelatum", "chill", "none", &q);
    assert_int_equal(link_questions(&names, NULL, &q, 0, 1, 1, &links), STATUS_OK);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(links_write(out, &names, &q.items[0], &links), STATUS_OK);
    fclose(out);
    const char *begins =
        "{\"question\": \"q\", \"diseases\": [\"catarrh\"], \"medications\": [\"gelatum\"], \"procedures\": [], "
        "\"rows\": [2, 8], "
        "\"spans\": [{\"text\": \"catarrh\", \"begin\": 0, \"end\": 7, \"negated\": 0, \"candidates\": 2, \"codes\": "
        "[{\"system\": \"ICD10CM\", \"code\": \"J01\", \"row\": 2, \"score\": 1}]}, ";
    assert_int_equal(strncmp(text, begins, strlen(begins)), 0);
    assert_non_null(strstr(text, "{\"text\": \"frostbite\", \"begin\": 21, \"end\": 30, \"negated\": 1"));
    free(text);
    out = open_memstream(&text, &size);
    assert_int_equal(linked_question_write(out, &names, &q.items[0], &links), STATUS_OK);
    fclose(out);
    assert_int_equal(questions_parse("again", text, (int64_t)size, &again), STATUS_OK);
    assert_int_equal(again.items[0].n_codes, 2);
    assert_string_equal(again.items[0].codes[1].code, "C01AB02");
    assert_int_equal(again.items[0].option_codes[0].n, 1);
    assert_string_equal(again.items[0].option_codes[0].items[0].code, "J00");
    assert_int_equal(again.items[0].option_codes[1].n, 0);
    assert_int_equal(again.items[0].answer, 1);
    free(text);
    question_links_free(&links);
    questions_free(&q);
    questions_free(&again);
    code_names_free(&names);
}

/* ---- without a language model ---- */
#define QUESTION(id, answer, codes, first, second)                                                                     \
    "{\"id\": \"" id "\", \"stem\": \"s\", \"options\": [\"a\", \"b\"], \"answer\": \"" answer                         \
    "\", \"codes\": [" codes "], \"option_codes\": [[" first "], [" second "]]}\n"

static void options_are_scored_by_the_cosine_of_mean_vectors(void **state) {
    (void)state;
    struct table table;
    struct questions q;
    struct option_scores s[4];
    struct choice_summary all, scored;
    const char *text = QUESTION("both", "B", "[\"ICD10CM\", \"J00\"]", "[\"ICD10CM\", \"L30\"]",
                                "[\"ICD10CM\", \"J01\"], [\"ICD10CM\", \"L30\"]")
        QUESTION("one", "A", "[\"icd10\", \"J00\"]", "[\"ICD10CM\", \"E11.9\"]", "[\"ICD10CM\", \"E11\"]")
            QUESTION("none", "A", "", "[\"ICD10CM\", \"J00\"]", "[\"ICD10CM\", \"J01\"]")
                QUESTION("unknown", "B", "[\"ICD10CM\", \"Z99\"]", "[\"ICD10CM\", \"J00\"]", "[\"ICD10CM\", \"J01\"]");
    assert_int_equal(questions_parse("q", text, (int64_t)strlen(text), &q), STATUS_OK);
    assert_int_equal(table_open(&table, table_path), STATUS_OK);
    assert_int_equal(cosine_scores(&q, "q", &table, s), STATUS_OK);
    double length = sqrt(4.25), x = 2 / length, y = .5 / length + 1;
    assert_int_equal(s[0].chosen, 1);
    assert_true(fabs(s[0].scores[0]) < 1e-6);
    assert_true(fabs(s[0].scores[1] - x / sqrt(x * x + y * y)) < 1e-6);
    assert_int_equal(s[1].chosen, 1); /* the other has a code without a vector */
    assert_true(isnan(s[1].scores[0]) && s[1].scores[1] == 0);
    assert_int_equal(s[2].chosen, -1);
    assert_int_equal(s[3].chosen, -1);
    choices_summarize(&q, s, SCORE_ALL, &all);
    assert_int_equal(all.n, 4);
    assert_int_equal(all.n_answered, 2);
    assert_int_equal(all.n_right, 1);
    assert_true(fabs(all.with_guesses - (1 + .5 + .5) / 4) < 1e-12);
    assert_true(fabs(all.chance - .5) < 1e-12);
    assert_true(fabs(all.guess_of_scored - .5 / 2) < 1e-12); /* of "one" the right option is not scored */
    assert_int_equal(all.right_letters[0], 2);
    assert_int_equal(all.chosen_letters[1], 2);
    choices_summarize(&q, s, SCORE_ALL_OPTIONS, &scored);
    assert_int_equal(scored.n, 1);
    assert_true(scored.accuracy.value == 1);
    table_close(&table);
    questions_free(&q);
}

/* The bytes of a file of the folder. */
static long read_file(const char *folder, const char *name, char bytes[1024]) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    long n = (long)fread(bytes, 1, 1024, file);
    fclose(file);
    unlink(path);
    return n;
}

static void prefixes_are_the_first_vectors_of_a_stem_and_0_behind_them(void **state) {
    (void)state;
    struct table table;
    struct questions q;
    char folder[] = "/tmp/medtok-prefix-XXXXXX", bytes[1024];
    const char *text = QUESTION(
        "x", "B", "[\"ICD10CM\", \"E11.9\"], [\"ICD10CM\", \"L30\"], [\"ICD10CM\", \"J00\"], [\"ICD9CM\", \"460\"]", "",
        "") QUESTION("y", "A", "", "", "") QUESTION("z", "A", "[\"ATC\", \"C01AB02\"]", "", "");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(questions_parse("q", text, (int64_t)strlen(text), &q), STATUS_OK);
    assert_int_equal(table_open(&table, table_path), STATUS_OK);
    assert_int_equal(prefix_files_write(folder, &q, "q", &table, 2), STATUS_OK);
    long n = read_file(folder, "vectors.npy", bytes);
    const float half = (float)sqrt(.5), expected[3 * 2 * WIDTH] = {0, 1, 0, 0, 1, 0, 0, 0, [16] = half, [19] = half};
    assert_non_null(strstr(bytes + 10, "'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 4), }"));
    assert_int_equal(n, 128 + (long)sizeof expected);
    for (int i = 0; i < 3 * 2 * WIDTH; i++) {
        float value;
        memcpy(&value, bytes + 128 + i * sizeof value, sizeof value);
        assert_true(fabsf(value - expected[i]) < 1e-6F);
    }
    const int32_t counts[3] = {2, 0, 1};
    n = read_file(folder, "counts.npy", bytes);
    assert_memory_equal(bytes + n - (long)sizeof counts, counts, sizeof counts);
    n = read_file(folder, "questions.tsv", bytes);
    assert_int_equal(n, 9);
    assert_memory_equal(bytes, "id\nx\ny\nz\n", 9);
    rmdir(folder);
    table_close(&table);
    questions_free(&q);
}

static void row_numbers_of_another_table_are_refused(void **state) {
    (void)state;
    struct table table;
    struct code_index index;
    int64_t row;
    struct question_code numbered = {.row = 3};
    assert_int_equal(table_open(&table, table_path), STATUS_OK);
    assert_int_equal(question_rows_index(&index, &table), STATUS_OK);
    assert_int_equal(question_rows(&index, "q", 1, &numbered, &row), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "look its codes up with `medtok qa-link`"));
    code_index_free(&index);
    table_close(&table);
}

/* By hand: of 0 of n the upper end is z^2 / (n + z^2), and the ends of n - k mirror those of k; of a half they lie z / 2 / sqrt(n + z^2)
 * beside it. */
static void wilson_intervals_stay_within_0_and_1(void **state) {
    (void)state;
    const double z2 = 1.959963984540054 * 1.959963984540054;
    struct proportion p = proportion_wilson(0, 10);
    assert_true(p.low == 0 && fabs(p.high - z2 / (10 + z2)) < 1e-12);
    p = proportion_wilson(10, 10);
    assert_true(fabs(p.low - 10 / (10 + z2)) < 1e-12 && p.high <= 1 && p.high > 1 - 1e-12);
    p = proportion_wilson(5, 10);
    assert_true(p.value == .5 && fabs(p.high - .5 - sqrt(z2 / (10 + z2)) / 2) < 1e-12);
    assert_true(fabs(p.low + p.high - 1) < 1e-12);
    assert_true(isnan(proportion_wilson(0, 0).value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_spans_are_ranked_by_the_vectors_of_the_others),
        cmocka_unit_test(scores_are_fit_by_cosine),
        cmocka_unit_test(a_span_has_one_code_a_system_of_one_topic_without_descendants_and_packages),
        cmocka_unit_test(both_files_have_a_line_a_question),
        cmocka_unit_test(options_are_scored_by_the_cosine_of_mean_vectors),
        cmocka_unit_test(prefixes_are_the_first_vectors_of_a_stem_and_0_behind_them),
        cmocka_unit_test(row_numbers_of_another_table_are_refused),
        cmocka_unit_test(wilson_intervals_stay_within_0_and_1),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
