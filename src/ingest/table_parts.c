/* Files that are cut into parts: every rank has one part a round. A round's ranks tell each other how many lines and quotes their parts have;
 * then each knows where its first row begins. A rank reads on behind its part to the end of its last row.
 */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "ingest/byte_source.h"
#include "ingest/table_reading.h"

enum { PLAIN_BYTES = 8 << 20, BLOCKS_BYTES = 2 << 20, READ_BYTES = 1 << 18 };
static const int64_t LARGEST_PART =
    256LL << 20; /* of text: bgzip's blocks of text are at most as large as compressed a thousandth */

/* What the ranks tell of their parts; int64 alone, as they travel. */
struct part_facts {
    int64_t failed;
    int64_t size, n_lines, n_quotes, ends_line; /* of the text; ends_line: its last byte is a line break */
    int64_t first, next; /* where in the file what was read begins and ends; -1: no block begins in the part */
};

/* What is in front of a part, the same on every rank. */
struct part_start {
    int table;
    int64_t line, n_quotes, next;
    int begins_row;
};

struct part_reader {
    struct table_reading *reading;
    int table; /* of the part in hand, -1: none */
    int64_t begin, end;
    struct byte_source *source;
    char *bytes;
    long long capacity;
    int64_t size;
    int at_end;
};

/* ---- which parts there are ---- */
static int64_t part_bytes(const struct table_shape *shape) {
    return shape->form == TABLE_PLAIN ? PLAIN_BYTES : BLOCKS_BYTES;
}

static int64_t n_parts(const struct table_shape *shape) {
    return shape->form == TABLE_STREAM ? 0 : (shape->size + part_bytes(shape) - 1) / part_bytes(shape);
}

/* The table of part `part` of all tables, and where in its file the part lies; or -1. */
static int find_part(const struct table_reading *r, int64_t part, int64_t *begin, int64_t *end) {
    for (int t = 0; t < r->n; t++) {
        int64_t n = n_parts(&r->shapes[t]);
        if (part < n) {
            *begin = part * part_bytes(&r->shapes[t]);
            *end = *begin + part_bytes(&r->shapes[t]);
            if (*end > r->shapes[t].size) *end = r->shapes[t].size;
            return t;
        }
        part -= n;
    }
    return -1;
}

/* ---- text of a part ---- */
/* Reads up to `most` bytes more. */
static int read_more(struct part_reader *p, int64_t most) {
    int n;
    TRY(mem_grow(&p->bytes, &p->capacity, p->size + most, 1));
    TRY(byte_source_read(p->source, p->bytes + p->size, (int)most, &n));
    p->size += n;
    p->at_end = n == 0;
    return STATUS_OK;
}

/* Reads the part: its bytes of a plain file, the blocks that begin in it of another. */
static int read_part(struct part_reader *p, int64_t begin) {
    TRY(byte_source_seek(p->source, begin));
    byte_source_limit(p->source, p->end);
    while (!p->at_end) {
        if (p->size > LARGEST_PART)
            return status_set(
                STATUS_FAILED,
                "%s begins as a file of bgzip and goes on as another: make it anew: gzip -dc FILE | gzip > NEW",
                p->reading->tables[p->table].path);
        TRY(read_more(p, READ_BYTES));
    }
    p->at_end = 0; /* that was the part's end */
    byte_source_limit(p->source, INT64_MAX);
    return STATUS_OK;
}

static int load_part(struct part_reader *p, int64_t part, struct part_facts *facts) {
    struct table_reading *r = p->reading;
    int table = find_part(r, part, &p->begin, &p->end);
    p->size = p->at_end = 0;
    facts->first = facts->next = -1;
    if (table != p->table) {
        byte_source_close(p->source);
        p->source = NULL;
        p->table = table;
        if (table >= 0) TRY(byte_source_open(&p->source, r->tables[table].path));
    }
    if (table < 0) return STATUS_OK;
    const char *path = r->tables[table].path;
    facts->first = p->begin;
    if (r->shapes[table].form == TABLE_BLOCKS) TRY(table_find_block(path, p->begin, p->end, &facts->first));
    if (facts->first >= 0) {
        TRY(read_part(p, facts->first));
        facts->next = byte_source_offset(p->source);
    }
    facts->size = p->size;
    row_scan_count(p->bytes, p->size, &facts->n_lines, &facts->n_quotes);
    facts->ends_line = p->size > 0 && p->bytes[p->size - 1] == '\n';
    return STATUS_OK;
}

/* ---- where its rows begin ---- */
/* Goes from a part to the next one, `table` its table. */
static void pass_part(struct part_start *start, int quoting, const struct part_facts *facts) {
    start->line += facts->n_lines;
    if (quoting) start->n_quotes += facts->n_quotes;
    if (facts->size > 0) start->begins_row = facts->ends_line && start->n_quotes % 2 == 0;
    if (facts->first >= 0) start->next = facts->next;
}

static void enter_table(struct part_start *start, int table) {
    if (start->table == table) return;
    *start = (struct part_start){.table = table, .line = 1, .begins_row = 1};
}

/* Blocks must follow one another: what looks like the head of one may be chance within another. */
static int check_blocks(const struct part_reader *p, const struct part_start *start, const struct part_facts *facts) {
    if (facts->first < 0 || facts->first == start->next) return STATUS_OK;
    return status_set(STATUS_FAILED,
                      "%s: the blocks of bgzip do not follow one another at byte %lld: bring the file again, or make "
                      "it anew: gzip -dc FILE | gzip > NEW",
                      p->reading->tables[p->table].path, (long long)start->next);
}

static int parse_part(struct part_reader *p, const struct part_start *start) {
    struct table_reading *r = p->reading;
    struct row_scan s = table_scan(r, p->table);
    int64_t n_lines = 0;
    if (p->size == 0) return STATUS_OK;
    s.stop = p->size;
    if (!start->begins_row)
        s.at = row_scan_first(p->bytes, p->size, s.separator == ',', start->n_quotes % 2 != 0, &n_lines);
    if (s.at < 0) return STATUS_OK;
    if (p->begin == 0 && p->size >= 3 && memcmp(p->bytes, "\xef\xbb\xbf", 3) == 0) s.at = 3;
    s.line = start->line + n_lines;
    while (s.at < s.stop) {
        s.bytes = p->bytes;
        s.size = p->size;
        s.last = p->at_end;
        row_scan_move(&s);
        TRY(table_rows(r, p->table, &s));
        if (s.at >= s.stop || p->at_end) break;
        if (s.size - s.at > ROW_LONGEST) {
            r->at = (struct row_position){p->table, s.line};
            return table_row_too_long(r->tables[p->table].path, s.line);
        }
        for (int64_t more = (s.size - s.at) / 2 + 1, old = p->size; p->size - old < more && !p->at_end;)
            TRY(read_more(p, READ_BYTES / 4));
    }
    return STATUS_OK;
}

/* ---- rounds ---- */
/* Takes part in a round with the status so far; *status is that of this rank behind it, *stop whether a rank has failed. */
static int read_round(struct part_reader *p, int64_t first, struct part_start *start, struct part_facts *all,
                      int *status, int *stop) {
    const struct comm *comm = p->reading->comm;
    struct part_facts facts = {0};
    enum { N = sizeof facts / sizeof(int64_t) };
    if (*status == STATUS_OK) *status = load_part(p, first + comm->rank, &facts);
    facts.failed = *status != STATUS_OK;
    int code = MPI_SUCCESS;
    if (comm->size == 1)
        *all = facts; /* without MPI, which need not have started */
    else
        code =
            COMM_COUNTED(comm, sizeof facts, MPI_Allgather(&facts, N, MPI_INT64_T, all, N, MPI_INT64_T, comm->handle));
    TRY(comm_status(code, "telling of parts of a table"));
    for (int rank = 0; rank < comm->size; rank++) *stop |= all[rank].failed != 0;
    if (*stop) return STATUS_OK;
    for (int rank = 0; rank < comm->size; rank++) {
        int64_t begin, end;
        int table = find_part(p->reading, first + rank, &begin, &end);
        if (table < 0) break;
        enter_table(start, table);
        if (rank == comm->rank) {
            *status = check_blocks(p, start, &facts);
            if (*status == STATUS_OK) *status = parse_part(p, start);
        }
        pass_part(start, p->reading->shapes[table].separator == ',', &all[rank]);
    }
    return STATUS_OK;
}

int table_parts_read(struct table_reading *r) {
    struct part_reader p = {.reading = r, .table = -1};
    struct part_start start = {.table = -1};
    struct part_facts *all = NULL;
    int64_t n = 0;
    int stop = 0, together = STATUS_OK; /* together: of what all ranks do alike */
    int status = comm_agree(r->comm, mem_alloc(&all, r->comm->size, sizeof *all));
    if (status != STATUS_OK) n = -1;
    for (int t = 0; t < r->n && n >= 0; t++) n += n_parts(&r->shapes[t]);
    for (int64_t first = 0; first < n && !stop && together == STATUS_OK; first += r->comm->size)
        together = read_round(&p, first, &start, all, &status, &stop);
    byte_source_close(p.source);
    free(p.bytes);
    free(all);
    return together == STATUS_OK ? status : status_alone(together);
}
