/* Rows of text become a Parquet file, whole or not at all; where there is Python with pyarrow it is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "store/parquet_file.h"

static const struct parquet_column COLUMNS[] = {
    {"subject_id", "int64"}, {"prediction_time", "timestamp[us]"}, {"value", "bool"}, {"score", "float32"}};
enum { N_COLUMNS = 4, MANY = 200000 };

static char folder[64], path[128], fake[128];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_parquet.%d", (int)getpid());
    snprintf(path, sizeof path, "%s/rows.parquet", folder);
    snprintf(fake, sizeof fake, "%s/fake", folder);
    return mkdir(folder, 0700);
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    unlink(fake);
    return rmdir(folder); /* it fails if anything else was left */
}

static void write_text(const char *file, const char *text) {
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    chmod(file, 0700);
}

static int write_rows(const char *interpreter, int n) {
    struct parquet_file *file;
    TRY(parquet_file_open(&file, path, interpreter, "a.setting", N_COLUMNS, COLUMNS));
    for (int i = 0; i < n; i++)
        fprintf(parquet_file_rows(file), "%d\t%lld\t%s\t%s\n", i, i * 86400000000LL + 1, i % 3 ? "false" : "true",
                i % 5 ? "0.25" : "");
    return parquet_file_close(file, STATUS_OK);
}

static void an_interpreter_that_fails_leaves_the_old_file(void **state) {
    (void)state;
    char text[16];
    write_text(path, "old");
    assert_int_equal(write_rows("./nopython", 0), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "./nopython cannot be started"));
    assert_non_null(strstr(status_message(), "by a.setting, or by PYTHON"));
    write_text(fake, "#!/bin/sh\nexec <&-; echo '!the moon is full'\n"); /* reads nothing of what is sent */
    assert_int_equal(write_rows(fake, MANY), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "rows.parquet: the moon is full"));
    write_text(fake, "#!/bin/sh\ncat >/dev/null; exit 3\n");
    assert_int_equal(write_rows(fake, 10), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "ended with code 3"));
    write_text(fake, "#!/bin/sh\ncat >/dev/null\n");
    assert_int_equal(write_rows(fake, 10), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "ended too early"));
    FILE *in = fopen(path, "r");
    assert_true(in && fgets(text, sizeof text, in) && strcmp(text, "old") == 0);
    fclose(in);
}

static void what_is_given_up_leaves_nothing(void **state) {
    (void)state;
    struct parquet_file *file;
    write_text(fake, "#!/bin/sh\nexec sleep 100\n");
    unlink(path);
    assert_int_equal(parquet_file_open(&file, path, fake, "a.setting", N_COLUMNS, COLUMNS), STATUS_OK);
    fputs("1\t2\ttrue\t0.5\n", parquet_file_rows(file));
    assert_int_equal(parquet_file_close(file, STATUS_USAGE), STATUS_USAGE);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(parquet_file_close(NULL, STATUS_USAGE), STATUS_USAGE);
}

static int has_pyarrow(void) {
    return system("exec \"${PYTHON:-python3}\" -c 'import pyarrow' 2>/dev/null") == 0; /* NOLINT(bugprone-*,cert-*) */
}

static void rows_are_read_back_by_pyarrow(void **state) {
    (void)state;
    char command[4096];
    if (!has_pyarrow()) skip();
    assert_int_equal(write_rows("", MANY), STATUS_OK);
    snprintf(command, sizeof command,
             "exec \"${PYTHON:-python3}\" -c '\n"
             "import pyarrow as pa, pyarrow.parquet as pq, pyarrow.compute as pc\n"
             "t = pq.read_table(\"%s\")\n"
             "assert t.schema.types == [pa.int64(), pa.timestamp(\"us\"), pa.bool_(), pa.float32()], t.schema\n"
             "n = %d\n"
             "assert t[\"subject_id\"].to_pylist() == list(range(n))\n"
             "assert t[\"prediction_time\"].cast(pa.int64()).to_pylist() == [i * 86400000000 + 1 for i in range(n)]\n"
             "assert t[\"value\"].to_pylist() == [i %% 3 == 0 for i in range(n)]\n"
             "assert t[\"score\"].to_pylist() == [0.25 if i %% 5 else None for i in range(n)]\n'",
             path, MANY);
    assert_int_equal(system(command), 0);           /* NOLINT(bugprone-*,cert-*) */
    assert_int_equal(write_rows("", 0), STATUS_OK); /* no rows: a file of none */
    struct parquet_file *file;
    assert_int_equal(parquet_file_open(&file, path, "", "a.setting", N_COLUMNS, COLUMNS), STATUS_OK);
    fputs("1\t2\tperhaps\t0.5\n", parquet_file_rows(file));
    assert_int_equal(parquet_file_close(file, STATUS_OK), STATUS_FAILED);
    assert_non_null(strstr(status_message(), "perhaps"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interpreter_that_fails_leaves_the_old_file),
        cmocka_unit_test(what_is_given_up_leaves_nothing),
        cmocka_unit_test(rows_are_read_back_by_pyarrow),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
