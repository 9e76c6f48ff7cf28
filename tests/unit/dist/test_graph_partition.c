/* Pieces of made-up things whose clusters are known, and a program without METIS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dist/graph_partition.h"

/* The file as it is compiled where METIS is not installed, under other names. */
#undef MEDTOK_METIS
#define graph_partition          partition_without_metis
#define graph_partition_check    check_without_metis
#define graph_partition_version  version_without_metis
#define graph_partition_is_there is_there_without_metis
#include "../../../src/dist/graph_partition.c"
#undef graph_partition
#undef graph_partition_check
#undef graph_partition_version
#undef graph_partition_is_there

/* Thing i is of cluster i mod CLUSTERS and has HAS of the parts that its cluster alone has, and part 0, which all have. */
enum { CLUSTERS = 4, THINGS = 4000, PARTS = 400, HAS = 6 };

struct made {
    struct sharing sharing;
    int64_t offsets[THINGS + 1], links[THINGS];
    int32_t parts[THINGS * (HAS + 1)];
    double weight[THINGS];
};

static struct made *make(double (*weight)(int thing)) {
    struct made *m = calloc(1, sizeof *m);
    for (int i = 0; i < THINGS; i++) {
        int32_t *parts = m->parts + m->offsets[i];
        int first = (int)(rng_uniform(1, 0, 0, (uint64_t)i) * PARTS);
        int stride = 1 + (int)(rng_uniform(1, 0, 1, (uint64_t)i) * (PARTS / HAS - 1));
        for (int k = 0; k < HAS; k++) parts[k] = 1 + i % CLUSTERS * PARTS + (first + k * stride) % PARTS;
        parts[HAS] = 0;
        m->offsets[i + 1] = m->offsets[i] + HAS + 1;
        m->links[i] = 1;
        m->weight[i] = weight(i);
    }
    m->sharing = (struct sharing){THINGS, 1 + CLUSTERS * PARTS, m->offsets, m->parts, m->weight, m->links};
    return m;
}

static double one(int thing) { return thing >= 0; }
static double uneven(int thing) { return 1 + thing / CLUSTERS % 10; }

static void needs_metis(void) {
    if (!graph_partition_is_there()) skip();
}

static void things_that_share_parts_are_of_one_piece(void **state) {
    (void)state;
    needs_metis();
    static int32_t piece[THINGS], again[THINGS];
    struct made *m = make(one);
    int n[CLUSTERS][CLUSTERS] = {{0}}, all = 0;
    assert_int_equal(graph_partition(&m->sharing, CLUSTERS, piece), STATUS_OK);
    assert_int_equal(graph_partition(&m->sharing, CLUSTERS, again), STATUS_OK);
    assert_memory_equal(piece, again, sizeof piece);
    for (int i = 0; i < THINGS; i++) {
        assert_in_range(piece[i], 0, CLUSTERS - 1);
        n[piece[i]][i % CLUSTERS]++;
    }
    for (int p = 0; p < CLUSTERS; p++) {
        int most = 0;
        for (int c = 0; c < CLUSTERS; c++) most = n[p][c] > most ? n[p][c] : most;
        all += most;
    }
    assert_in_range(all, THINGS * 99 / 100, THINGS);
    free(m);
}

static void pieces_weigh_alike(void **state) {
    (void)state;
    needs_metis();
    enum { PIECES = 16 };
    static int32_t piece[THINGS];
    struct made *m = make(uneven);
    double weight[PIECES] = {0}, all = 0;
    assert_int_equal(graph_partition(&m->sharing, PIECES, piece), STATUS_OK);
    for (int i = 0; i < THINGS; i++) weight[piece[i]] += m->weight[i], all += m->weight[i];
    for (int p = 0; p < PIECES; p++) assert_true(weight[p] > 0.9 * all / PIECES && weight[p] < 1.1 * all / PIECES);
    free(m);
}

static void a_thing_that_weighs_more_than_a_piece_leaves_room_for_the_others(void **state) {
    (void)state;
    needs_metis();
    enum { PIECES = 8 };
    static int32_t piece[THINGS];
    struct made *m = make(one);
    int seen[PIECES] = {0};
    m->weight[17] = 10 * THINGS;
    assert_int_equal(graph_partition(&m->sharing, PIECES, piece), STATUS_OK);
    for (int i = 0; i < THINGS; i++) seen[piece[i]]++;
    for (int p = 0; p < PIECES; p++) assert_true(seen[p] > 0);
    free(m);
}

static void few_things_are_one_piece(void **state) {
    (void)state;
    needs_metis();
    int32_t piece[9] = {0};
    struct made *m = make(one);
    for (m->sharing.n = 0; m->sharing.n < 9; m->sharing.n++) {
        memset(piece, 1, sizeof piece);
        assert_int_equal(graph_partition(&m->sharing, 128, piece), STATUS_OK);
        for (int i = 0; i < m->sharing.n; i++) assert_int_equal(piece[i], 0);
    }
    free(m);
}

static void without_metis_one_message_says_what_is_missing(void **state) {
    (void)state;
    struct made *m = make(one);
    int32_t piece[THINGS];
    assert_false(is_there_without_metis());
    assert_int_equal(check_without_metis("train.partition: graph"), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "train.partition: graph needs METIS"));
    assert_non_null(strstr(status_message(), "libmetis-dev"));
    assert_int_equal(partition_without_metis(&m->sharing, 4, piece), STATUS_USAGE);
    assert_string_equal(version_without_metis(), "none");
    free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_that_share_parts_are_of_one_piece),
        cmocka_unit_test(pieces_weigh_alike),
        cmocka_unit_test(a_thing_that_weighs_more_than_a_piece_leaves_room_for_the_others),
        cmocka_unit_test(few_things_are_one_piece),
        cmocka_unit_test(without_metis_one_message_says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
