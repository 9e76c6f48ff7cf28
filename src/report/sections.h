/* The sections of a report, each of all runs. A section of which no run has the file is left out. */
#ifndef MEDTOK_REPORT_SECTIONS_H
#define MEDTOK_REPORT_SECTIONS_H

#include "report/plot.h"
#include "report/report.h"

struct report {
    const struct report_options *options;
    const struct comm *comm;
    uint64_t seed;
    int n_runs;
    const struct report_run *runs; /* [n_runs] */
    struct page page;
};

int report_files_section(struct report *report);      /* which files, when and by what they were made, their settings */
int report_stages_section(struct report *report);     /* where the time went */
int report_training_section(struct report *report);   /* losses, usage, perplexity over steps */
int report_quality_section(struct report *report);    /* measures of tokens with intervals */
int report_probes_section(struct report *report);     /* what the table knows, beside baselines */
int report_evaluation_section(struct report *report); /* scores of models of health records */
int report_map_section(struct report *report);        /* the codes in two dimensions, and nearest codes */

/* Whether some run has the file. */
int report_any(const struct report *report, enum report_file file);

/* Around what is of one run: its name as a heading where there are several. They stand side by side where there is room. */
void report_runs_begin(struct report *report);
void report_run_begin(struct report *report, int run);
void report_run_end(struct report *report);

/* A section of the runs whose `file` is there, each written by write_run(report, run); none, if no run has it. write_run's status. */
int report_section_of(struct report *report, enum report_file file, const char *id, const char *title,
                      int (*write_run)(struct report *report, int run));
void report_runs_end(struct report *report);

/* A name for the CSV of a run: STEM, or STEM.RUN where there are several. */
const char *report_csv_name(const struct report *report, int run, const char *stem, char name[160]);

#endif
