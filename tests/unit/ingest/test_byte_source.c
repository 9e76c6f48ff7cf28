/* Bytes of gzip files, whatever their members are, and none of damaged ones without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/status.h"
#include "ingest/byte_source.h"

enum { MOST_TEXT = 4 << 20, MOST_MEMBERS = 4000 };
static char path[] = "/tmp/medtok-bytes-XXXXXX";
static unsigned char text[MOST_TEXT], file[2 * MOST_TEXT];
static int64_t text_size, file_size, member_text[MOST_MEMBERS + 1], member_file[MOST_MEMBERS + 1];
static int n_members;

static uint64_t random_state = 1;
static unsigned draw(unsigned n) { /* 0 .. n - 1; Knuth's MMIX generator */
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static int make_file(void **state) {
    (void)state;
    strcpy(path, "/tmp/medtok-bytes-XXXXXX");
    int made = mkstemp(path);
    return made < 0 ? -1 : close(made);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void write_bytes(const unsigned char *bytes, int64_t n) {
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, (size_t)n, out), n);
    fclose(out);
}

/* Adds a member of `size` bytes that compress well, a little or not at all. */
static void add_member(int64_t size) {
    unsigned letters = 1 + draw(3) * draw(120);
    z_stream z = {0};
    for (int64_t i = 0; i < size; i++) text[text_size + i] = (unsigned char)('a' + draw(letters));
    assert_int_equal(deflateInit2(&z, (int)draw(10), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = text + text_size;
    z.avail_in = (uInt)size;
    z.next_out = file + file_size;
    z.avail_out = (uInt)((int64_t)sizeof file - file_size);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    member_text[n_members] = text_size;
    member_file[n_members++] = file_size;
    text_size += size;
    file_size = z.next_out - file;
    deflateEnd(&z);
    member_text[n_members] = text_size;
    member_file[n_members] = file_size;
}

/* Reads to the end, in pieces of at most `most` bytes, and compares; returns the status. */
static int read_all(struct byte_source *source, int most, int64_t from, int64_t *got) {
    static char bytes[1 << 17];
    int n = 1;
    for (*got = 0;; *got += n) {
        int status = byte_source_read(source, bytes, 1 + (int)draw((unsigned)most), &n);
        if (status != STATUS_OK || n == 0) return status;
        assert_true(from + *got + n <= text_size);
        assert_memory_equal(bytes, text + from + *got, (size_t)n);
    }
}

static void members_of_any_size_give_their_bytes(void **state) {
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct byte_source *source = NULL;
        int64_t got;
        unsigned largest = 1u << (1 + draw(20));
        text_size = file_size = n_members = 0;
        while (n_members < MOST_MEMBERS && text_size + largest < MOST_TEXT && file_size + largest < MOST_TEXT)
            add_member(draw(20) ? draw(largest) : 0);
        write_bytes(file, file_size);
        assert_int_equal(byte_source_open(&source, path), STATUS_OK);
        assert_int_equal(read_all(source, round % 2 ? 100 : 1 << 17, 0, &got), STATUS_OK);
        assert_int_equal(got, text_size);
        assert_int_equal(byte_source_offset(source), file_size);
        int first = (int)draw((unsigned)n_members), behind = first + (int)draw((unsigned)(n_members - first));
        assert_int_equal(byte_source_seek(source, member_file[first]), STATUS_OK);
        byte_source_limit(source, member_file[behind]);
        assert_int_equal(read_all(source, 1 << 17, member_text[first], &got), STATUS_OK);
        assert_int_equal(got, member_text[behind] - member_text[first]);
        assert_int_equal(byte_source_offset(source), member_file[behind]);
        byte_source_limit(source, INT64_MAX);
        assert_int_equal(read_all(source, 1 << 17, member_text[behind], &got), STATUS_OK);
        assert_int_equal(got, text_size - member_text[behind]);
        byte_source_close(source);
    }
}

static int read_file(void) {
    struct byte_source *source = NULL;
    int64_t got;
    int status = byte_source_open(&source, path);
    if (status == STATUS_OK) status = read_all(source, 1 << 17, 0, &got);
    byte_source_close(source);
    return status;
}

static void a_file_cut_anywhere_but_between_members_is_truncated(void **state) {
    (void)state;
    text_size = file_size = n_members = 0;
    for (int i = 0; i < 3; i++) add_member(150);
    for (int64_t cut = 2; cut <= file_size; cut++) {
        int whole = 0;
        for (int i = 1; i <= n_members; i++) whole |= cut == member_file[i];
        write_bytes(file, cut);
        int status = read_file();
        assert_int_equal(status, whole ? STATUS_OK : STATUS_FAILED);
        if (!whole) assert_non_null(strstr(status_message(), "is a truncated gzip file"));
    }
}

/* Some bits mean nothing: the time in a member's head, the length of a symbol that is not used. */
static void a_flipped_bit_is_found_or_means_nothing(void **state) {
    (void)state;
    text_size = file_size = n_members = 0;
    for (int i = 0; i < 2; i++) add_member(150);
    int64_t n_found = 0, n_bits = 0;
    for (int64_t bit = 8 * 2; bit < 8 * file_size; bit++, n_bits++) {
        struct byte_source *source = NULL;
        char bytes[1000];
        int n = 1, got = 0;
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
        write_bytes(file, file_size);
        int status = byte_source_open(&source, path);
        while (status == STATUS_OK && n > 0 && got < 500) {
            status = byte_source_read(source, bytes + got, 500, &n);
            got += n;
        }
        byte_source_close(source);
        n_found += status == STATUS_FAILED;
        if (status == STATUS_OK && (got != text_size || memcmp(bytes, text, (size_t)got) != 0))
            fail_msg("bit %lld is flipped, and other bytes come without a word", (long long)bit);
        file[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_true(n_found > n_bits / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_any_size_give_their_bytes),
        cmocka_unit_test(a_file_cut_anywhere_but_between_members_is_truncated),
        cmocka_unit_test(a_flipped_bit_is_found_or_means_nothing),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
