/* Names and columns of the site, and rows of means. */
#include "ehr/leaderboard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/status.h"

static const int SHOTS[] = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128};
enum { N_SHOTS = sizeof SHOTS / sizeof *SHOTS };

/* In the site's order. The 14 findings of chexpert are tasks of their own there, and have no other name. */
static const struct {
    const char *site, *benchmark;
} TASKS[] = {{"ICU Admission", "guo_icu"},
             {"Long LOS", "guo_los"},
             {"30-day Readmission", "guo_readmission"},
             {"Anemia", "lab_anemia"},
             {"Hyponatremia", "lab_hyponatremia"},
             {"Thrombocytopenia", "lab_thrombocytopenia"},
             {"Hyperkalemia", "lab_hyperkalemia"},
             {"Hypoglycemia", "lab_hypoglycemia"},
             {"Acute MI", "new_acutemi"},
             {"Lupus", "new_lupus"},
             {"Hyperlipidemia", "new_hyperlipidemia"},
             {"Hypertension", "new_hypertension"},
             {"Celiac", "new_celiac"},
             {"Pancreatic Cancer", "new_pancan"},
             {"Lung Opacity", NULL},
             {"Pleural Effusion", NULL},
             {"Consolidation", NULL},
             {"Pleural Other", NULL},
             {"Pneumothorax", NULL},
             {"Edema", NULL},
             {"Enlarged Cardiomediastinum", NULL},
             {"Cardiomegaly", NULL},
             {"Support Devices", NULL},
             {"Fracture", NULL},
             {"Pneumonia", NULL},
             {"Lung Lesion", NULL},
             {"Atelectasis", NULL},
             {"No Finding", NULL}};
enum { N_TASKS = sizeof TASKS / sizeof *TASKS };

static int task_index(const char *name) {
    for (int i = 0; i < N_TASKS; i++)
        if (strcmp(name, TASKS[i].site) == 0 || (TASKS[i].benchmark && strcmp(name, TASKS[i].benchmark) == 0)) return i;
    return -1;
}

const char *leaderboard_task(const char *name) {
    int task = task_index(name);
    return task < 0 ? NULL : TASKS[task].site;
}

int leaderboard_has_shots(int64_t shots) {
    for (int i = 0; i < N_SHOTS; i++)
        if (SHOTS[i] == shots) return 1;
    return shots == SHOTS_ALL;
}

/* ---- checks ---- */
static int unknown_task(const char *name) {
    char text[1024];
    size_t used = 0;
    for (int i = 0; i < N_TASKS && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s%s", i ? ", " : "", TASKS[i].site,
                                 TASKS[i].benchmark ? " = " : "", TASKS[i].benchmark ? TASKS[i].benchmark : "");
    return status_set(STATUS_USAGE, "%s is no task of EHRSHOT's leaderboard, which has: %s", name, text);
}

static int check_results(int64_t n, const struct leaderboard_result *results) {
    for (int64_t i = 0; i < n; i++) {
        if (task_index(results[i].task) < 0) return unknown_task(results[i].task);
        if (!leaderboard_has_shots(results[i].shots))
            return status_set(STATUS_USAGE,
                              "EHRSHOT's leaderboard has no column for %lld shots: 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, "
                              "128, or all",
                              (long long)results[i].shots);
    }
    return STATUS_OK;
}

/* ---- rows ---- */
struct cell {
    int64_t n;
    double mean, sd; /* sd: NaN of one */
    const struct estimate *only;
};

static struct cell cell_of(int64_t n, const struct leaderboard_result *results, int task, int64_t shots, int measure) {
    struct cell cell = {.sd = NAN};
    double square = 0;
    for (int64_t i = 0; i < n; i++) {
        const struct estimate *e = &results[i].estimates[measure];
        if (results[i].shots != shots || task_index(results[i].task) != task || e->n == 0) continue;
        double off = e->value - cell.mean;
        cell.only = cell.n++ ? NULL : e;
        cell.mean += off / (double)cell.n;
        square += off * (e->value - cell.mean);
    }
    if (cell.n > 1) cell.sd = sqrt(square / (double)(cell.n - 1));
    return cell;
}

static void print_cell(FILE *out, int is_there, double value) {
    fputc(',', out);
    if (is_there && !isnan(value)) fprintf(out, "%.6f", value);
}

/* Of a text that may hold commas and quotes. */
static void print_text(FILE *out, const char *text) {
    if (!text[strcspn(text, ",\"\n\r")]) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', out);
}

static void print_row(FILE *out, const char *model, const char *metric, int64_t n,
                      const struct leaderboard_result *results, int task, int measure) {
    struct cell all = cell_of(n, results, task, SHOTS_ALL, measure), cells[N_SHOTS];
    print_text(out, model);
    fprintf(out, ",%s,%s", metric, TASKS[task].site);
    print_cell(out, all.n > 0, all.mean);
    print_cell(out, all.only != NULL, all.only ? all.only->low : 0);
    print_cell(out, all.only != NULL, all.only ? all.only->high : 0);
    print_cell(out, all.n > 1, all.sd);
    for (int k = 0; k < N_SHOTS; k++) cells[k] = cell_of(n, results, task, SHOTS[k], measure);
    for (int k = 0; k < N_SHOTS; k++) print_cell(out, cells[k].n > 0, cells[k].mean);
    for (int k = 0; k < N_SHOTS; k++) print_cell(out, cells[k].n > 1, cells[k].sd);
    fputc('\n', out);
}

int leaderboard_write(const char *path, const char *model, int64_t n, const struct leaderboard_result *results) {
    static const struct {
        const char *name;
        int measure;
    } METRICS[] = {{"auroc", ESTIMATE_AUROC}, {"auprc", ESTIMATE_AVERAGE_PRECISION}};
    struct atomic_file file;
    TRY(check_results(n, results));
    TRY(atomic_file_open(&file, path));
    fputs("model,metric,task,all,all_ci_low,all_ci_high,all_std", file.stream);
    for (int k = 0; k < N_SHOTS; k++) fprintf(file.stream, ",k_%d", SHOTS[k]);
    for (int k = 0; k < N_SHOTS; k++) fprintf(file.stream, ",k_%d_std", SHOTS[k]);
    fputc('\n', file.stream);
    for (int m = 0; m < 2; m++)
        for (int task = 0; task < N_TASKS; task++) {
            int there = 0;
            for (int64_t i = 0; i < n; i++) there |= task_index(results[i].task) == task;
            if (there) print_row(file.stream, model, METRICS[m].name, n, results, task, METRICS[m].measure);
        }
    return atomic_file_close(&file, STATUS_OK);
}
