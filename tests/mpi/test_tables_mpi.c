/* Tables over several ranks: `mpirun -n RANKS test_tables_mpi`. Every row of every form of file is found once, at its line, by whichever
 * rank; and what is wrong ends all ranks alike. */
#include <sys/stat.h>
#include <zlib.h>

#include "ingest/field_values.h"
#include "ingest/table_reader.h"
#include "mpi_check.h"

/* ---- what files hold ---- */
/* Row i of a table has the fields id = i, text = text_of(i), other. */
enum { MOST_ROWS = 400000, LONG_ROW = 199000, LONG_FIELD = 6 << 20 };
static int64_t line_of[MOST_ROWS]; /* on every rank the same */
static int64_t seen[MOST_ROWS], n_wrong, n_faults, fault_line;

static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

/* The text of a row as it stands in the field, without its quotes; some have line breaks, commas and quotes, one is long. */
static int64_t text_of(int64_t i, char *text) {
    static const char *const PIECES[] = {"x", "word ", ",", "\n", "\"", "\xc3\xa9", "\r\n", "a longer piece of text"};
    int64_t n = 0;
    if (i == LONG_ROW) { /* parts of files end within it, of compressed ones too */
        for (; n < LONG_FIELD; n++) text[n] = n % 100 ? (char)('a' + mix((uint64_t)n) % 26) : '\n';
        return n;
    }
    int plain = mix((uint64_t)i) % 4 != 0;
    for (uint64_t k = mix((uint64_t)i + 7) % 6; k > 0; k--) {
        const char *piece = PIECES[mix((uint64_t)i * 8 + k) % (plain ? 2 : 8)];
        memcpy(text + n, piece, strlen(piece));
        n += (int64_t)strlen(piece);
    }
    return n;
}

struct text {
    char *bytes;
    long long size, capacity;
    int64_t line;
};

static void put(struct text *t, const char *bytes, int64_t n) {
    if (mem_grow(&t->bytes, &t->capacity, t->size + n, 1) != STATUS_OK) abort();
    memcpy(t->bytes + t->size, bytes, (size_t)n);
    t->size += n;
    for (int64_t i = 0; i < n; i++) t->line += bytes[i] == '\n';
}

/* A table of n rows; notes their lines. tail: whether the last line has its end. */
static struct text make_text(int64_t n, char separator, const char *ends, int tail) {
    static char text[LONG_FIELD + 64], field[2 * LONG_FIELD];
    struct text t = {.line = 1};
    put(&t, "\xef\xbb\xbfother", 8);
    put(&t, &separator, 1);
    put(&t, "ID", 2);
    put(&t, &separator, 1);
    put(&t, "Text", 4);
    for (int64_t i = 0; i < n; i++) {
        put(&t, ends, (int64_t)strlen(ends));
        if (i % 97 == 5) put(&t, ends, (int64_t)strlen(ends)); /* a blank line */
        line_of[i] = t.line;
        char number[32];
        snprintf(number, sizeof number, "-%c%lld%c", separator, (long long)i, separator);
        put(&t, number, (int64_t)strlen(number));
        if (separator == '\t') continue;
        int64_t size = text_of(i, text), to = 0;
        int quoted = i % 5 == 0;
        for (int64_t k = 0; k < size; k++) {
            quoted |= strchr(",\n\r\"", text[k]) != NULL;
            if (text[k] == '"') field[to++] = '"';
            field[to++] = text[k];
        }
        if (quoted) put(&t, "\"", 1);
        put(&t, field, to);
        if (quoted) put(&t, "\"", 1);
    }
    if (tail) put(&t, ends, (int64_t)strlen(ends));
    return t;
}

/* ---- forms of files ---- */
static void write_file(const char *path, const void *bytes, int64_t n, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file || fwrite(bytes, 1, (size_t)n, file) != (size_t)n || fclose(file) != 0) abort();
}

/* Appends a gzip member; `block`: with the head that bgzip gives it. */
static void write_member(const char *path, const char *bytes, int64_t n, int block) {
    z_stream z = {0};
    int64_t most = n + n / 100 + 1000;
    unsigned char *to = malloc((size_t)most);
    static const unsigned char HEAD[18] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C', 2, 0};
    if (!to || deflateInit2(&z, 1, Z_DEFLATED, block ? -15 : 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = to + (block ? sizeof HEAD : 0);
    z.avail_out = (uInt)(most - 100);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
    int64_t size = z.next_out - to;
    deflateEnd(&z);
    if (block) {
        uint32_t tail[2] = {(uint32_t)crc32(0, (const unsigned char *)bytes, (uInt)n), (uint32_t)n};
        memcpy(to, HEAD, sizeof HEAD);
        memcpy(to + size, tail, sizeof tail); /* this machine's order of bytes is gzip's */
        size += (int64_t)sizeof tail;
        to[16] = (unsigned char)((size - 1) & 0xff);
        to[17] = (unsigned char)((size - 1) >> 8);
    }
    write_file(path, to, size, "ab");
    free(to);
}

/* Pieces of at most `piece` bytes, each a member. */
static void write_members(const char *path, const struct text *t, int64_t piece, int block) {
    remove(path);
    for (int64_t at = 0; at < t->size; at += piece)
        write_member(path, t->bytes + at, t->size - at < piece ? t->size - at : piece, block);
    if (block) write_member(path, "", 0, 1); /* bgzip's end of file */
}

/* ---- the sink ---- */
static int64_t n_row_error = -1; /* the row whose function fails */

static int found(const void *state, const struct field *fields, struct row_position at,
                 const struct record_sink *sink) {
    (void)sink;
    static char text[LONG_FIELD + 64];
    int64_t id;
    if (!field_integer(fields[1], 0, MOST_ROWS - 1, &id)) return field_fault(sink, at, "id", fields[1], "a number");
    if (id == n_row_error) return status_set(STATUS_FAILED, "row %lld is no good", (long long)id);
    int64_t size = state ? 0 : text_of(id, text);
    seen[id]++;
    n_wrong += at.line != line_of[id] || fields[0].size != size || memcmp(fields[0].text, text, (size_t)size) != 0;
    n_wrong += fields[2].size != 0; /* a column that is not there */
    return STATUS_OK;
}

static int count_fault(void *self, struct row_position at, const char *format, ...) {
    (void)self, (void)format;
    n_faults++;
    fault_line = at.line;
    return STATUS_OK;
}

static const struct table_kind KIND = {.name = "t", .columns = {"text", "id"}, .optional = {"missing"}, .row = found};
static const struct record_sink SINK = {.fault = count_fault};

static int read_table(const struct comm *comm, char *path, const void *state, int64_t *n_rows) {
    struct source_table table = {&KIND, path};
    memset(seen, 0, sizeof seen);
    n_wrong = n_faults = 0;
    return source_tables_read(comm, &table, 1, state, &SINK, n_rows);
}

/* Whether all ranks together have found each row once, where it stands. */
static void check_rows(const struct comm *comm, char *path, int64_t n, const void *state) {
    int64_t n_rows = -1;
    CHECK(read_table(comm, path, state, &n_rows) == STATUS_OK);
    CHECK(n_rows == n);
    CHECK(comm_sum_int64(comm, seen, n + 1) == STATUS_OK);
    CHECK(n_wrong == 0 && n_faults == 0);
    int64_t once = 0;
    for (int64_t i = 0; i < n; i++) once += seen[i] == 1;
    CHECK(once == n && seen[n] == 0);
}

static char folder[PATH_MAX], path[PATH_MAX + 16];

static void wait_for_all(const struct comm *comm) { CHECK(comm_agree(comm, STATUS_OK) == STATUS_OK); }

/* Each form of file of the same table. */
static void check_forms(const struct comm *comm, int64_t n, const char *ends, int tail) {
    struct text t = make_text(n, ',', ends, tail);
    for (int form = 0; form < 4; form++) {
        wait_for_all(comm);
        if (comm->rank == 0) {
            if (form == 0) write_file(path, t.bytes, t.size, "wb");
            if (form == 1) write_members(path, &t, t.size, 0);
            if (form == 2) write_members(path, &t, 1 + t.size / 7, 0);
            if (form == 3) write_members(path, &t, 30011, 1);
        }
        wait_for_all(comm);
        check_rows(comm, path, n, NULL);
    }
    free(t.bytes);
}

static void rows_of_every_form_of_file_are_found_once(const struct comm *comm) {
    check_forms(comm, 0, "\n", 1);
    check_forms(comm, 1, "\r\n", 0);
    check_forms(comm, 900, "\r\n", 1);
    check_forms(comm, 200000, "\n", 0); /* with the long row; several parts and blocks */
}

static void several_parts_of_a_plain_file_are_found_once(const struct comm *comm) {
    check_forms(comm, MOST_ROWS - 1, "\r\n", 1);
}

static void tabs_have_no_quotes(const struct comm *comm) {
    struct text t = make_text(1000, '\t', "\n", 1);
    if (comm->rank == 0) write_file(path, t.bytes, t.size, "wb");
    wait_for_all(comm);
    check_rows(comm, path, 1000, &KIND); /* any state: the text is empty */
    free(t.bytes);
}

/* Row 500 gets two fields too many. */
static void a_bad_row_is_a_fault_at_its_line(const struct comm *comm) {
    for (int form = 0; form < 2; form++) {
        struct text t = make_text(5000, ',', "\n", 1);
        char *row = strstr(t.bytes, "\n-,4999,") + 1;
        row[2] = ',', row[3] = ','; /* -,,,99, */
        wait_for_all(comm);
        if (comm->rank == 0 && form == 0) write_file(path, t.bytes, t.size, "wb");
        if (comm->rank == 0 && form == 1) write_members(path, &t, t.size, 0);
        wait_for_all(comm);
        int64_t n_rows = 0;
        fault_line = 0;
        CHECK(read_table(comm, path, NULL, &n_rows) == STATUS_OK);
        CHECK(n_rows == 5000);
        int64_t all[2] = {n_faults, fault_line};
        CHECK(comm_sum_int64(comm, all, 2) == STATUS_OK);
        CHECK(all[0] == 1 && all[1] == line_of[4999]);
        free(t.bytes);
    }
}

/* ---- errors ---- */
static void check_error(const struct comm *comm, const char *says) {
    int64_t n_rows;
    wait_for_all(comm);
    CHECK(read_table(comm, path, NULL, &n_rows) == STATUS_FAILED);
    if (!strstr(status_message(), says)) {
        fprintf(stderr, "does not say \"%s\": %s\n", says, status_message());
        faults++;
    }
    wait_for_all(comm);
}

static void damage_ends_all_ranks_alike(const struct comm *comm) {
    struct text t = make_text(200000, ',', "\n", 1);
    int here = comm->rank == 0;
    char *row = strstr(t.bytes, "\n-,150000,");
    if (here) write_members(path, &t, t.size, 0);
    if (here && truncate(path, 500000) != 0) abort();
    check_error(comm, "is a truncated gzip file");
    if (here) write_members(path, &t, 30011, 1);
    if (here && truncate(path, 500000) != 0) abort();
    check_error(comm, "is a truncated gzip file");
    row[4] = 0;
    if (here) write_file(path, t.bytes, t.size, "wb");
    check_error(comm, ": a zero byte");
    if (here) write_members(path, &t, t.size, 0);
    check_error(comm, ": a zero byte");
    row[4] = '"';
    if (here) write_file(path, t.bytes, t.size, "wb");
    check_error(comm, "is never closed");
    if (here) write_members(path, &t, t.size, 0);
    check_error(comm, "is never closed");
    if (here) write_file(path, "id,texts\n1,2\n", 13, "wb");
    check_error(comm, "the column text is missing");
    if (here) write_file(path, "", 0, "wb");
    check_error(comm, "is empty");
    if (here) remove(path);
    check_error(comm, path);
    free(t.bytes);
}

static void an_error_of_the_sink_ends_all_ranks(const struct comm *comm) {
    struct text t = make_text(200000, ',', "\n", 1);
    n_row_error = 123456;
    for (int form = 0; form < 3; form++) {
        wait_for_all(comm);
        if (comm->rank == 0 && form == 0) write_file(path, t.bytes, t.size, "wb");
        if (comm->rank == 0 && form > 0) write_members(path, &t, form == 1 ? t.size : 30011, form == 2);
        check_error(comm, "row 123456 is no good");
    }
    n_row_error = -1;
    free(t.bytes);
}

/* ---- finding ---- */
static void tables_are_found_in_any_case_and_in_one_place(const struct comm *comm) {
    static const struct table_kind NEEDED = {.name = "hosp/admissions", .required = 1},
                                   WANTED = {.name = "hosp/labs", .kinds = 1u << CODE_KIND_MEASUREMENT},
                                   OTHER = {.name = "hosp/drugs", .kinds = 1u << CODE_KIND_DRUG};
    static const struct table_kind *const KINDS[] = {&NEEDED, &WANTED, &OTHER, NULL};
    struct source_files files;
    char inner[PATH_MAX + 16], file[PATH_MAX + 64];
    if (comm->rank > 0) return;
    CHECK(source_tables_find(folder, KINDS, 1u << CODE_KIND_DRUG, &files) == STATUS_FAILED);
    CHECK(strstr(status_message(), "has no table hosp/admissions") != NULL);
    source_files_free(&files);
    snprintf(inner, sizeof inner, "%s/Hosp", folder);
    CHECK(mkdir(inner, 0700) == 0);
    snprintf(file, sizeof file, "%s/ADMISSIONS.CSV.GZ", inner);
    write_file(file, "", 0, "wb");
    snprintf(file, sizeof file, "%s/labs.csv", folder);
    write_file(file, "", 0, "wb");
    CHECK(source_tables_find(folder, KINDS, 1u << CODE_KIND_DRUG, &files) == STATUS_OK);
    CHECK(files.n_tables == 1 && files.tables[0].kind == &NEEDED &&
          strstr(files.paths.items[0], "Hosp/ADMISSIONS.CSV.GZ"));
    source_files_free(&files);
    CHECK(source_tables_find(folder, KINDS, 1u << CODE_KIND_MEASUREMENT, &files) == STATUS_OK);
    CHECK(files.n_tables == 2 && files.tables[1].kind == &WANTED);
    source_files_free(&files);
    snprintf(file, sizeof file, "%s/admissions.csv", folder);
    write_file(file, "", 0, "wb");
    CHECK(source_tables_find(folder, KINDS, 0, &files) == STATUS_FAILED);
    CHECK(strstr(status_message(), "2 times") != NULL);
    source_files_free(&files);
    remove_folder(inner);
}

int main(int argc, char **argv) {
    struct comm comm;
    int failed = 0;
    if (comm_start(&comm, &argc, &argv) != STATUS_OK || make_folder(&comm, "tables", folder) != STATUS_OK) return 1;
    snprintf(path, sizeof path, "%s/t.csv", folder);
#define RUN(behaviour)                                                                                                 \
    do {                                                                                                               \
        behaviour(&comm);                                                                                              \
        failed |= behaviour_failed(&comm, #behaviour);                                                                 \
    } while (0)
    RUN(rows_of_every_form_of_file_are_found_once);
    RUN(several_parts_of_a_plain_file_are_found_once);
    RUN(tabs_have_no_quotes);
    RUN(a_bad_row_is_a_fault_at_its_line);
    RUN(damage_ends_all_ranks_alike);
    RUN(an_error_of_the_sink_ends_all_ranks);
    RUN(tables_are_found_in_any_case_and_in_one_place);
    if (comm.rank == 0) remove_folder(folder);
    comm_stop(&comm);
    return failed;
}
