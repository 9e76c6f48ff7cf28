/* A hospital or a vocabulary that is made up: settings synth.*. */
#ifndef MEDTOK_SYNTH_OPTIONS_H
#define MEDTOK_SYNTH_OPTIONS_H

#include "config/options.h"

#define SYNTH_CODE_SOURCES(CHOICE)                                                                                     \
    CHOICE(SYNTH_MADE, "made") CHOICE(SYNTH_VOCABULARY, "vocabulary") CHOICE(SYNTH_TABLES, "tables")
enum synth_code_source { SYNTH_CODE_SOURCES(OPTION_CHOICE_NUMBER) };

#define SYNTH_VERSIONS(CHOICE) CHOICE(SYNTH_BY_DATE, "date") CHOICE(SYNTH_ICD9, "9") CHOICE(SYNTH_ICD10, "10")
enum synth_version { SYNTH_VERSIONS(OPTION_CHOICE_NUMBER) };

#define SYNTH_PARQUETS(CHOICE) CHOICE(SYNTH_NO_PARQUET, "no") CHOICE(SYNTH_PARQUET, "yes")
enum synth_parquet { SYNTH_PARQUETS(OPTION_CHOICE_NUMBER) };

#define SYNTH_MAKES(CHOICE) CHOICE(SYNTH_MAKE_HOSPITAL, "hospital") CHOICE(SYNTH_MAKE_VOCABULARY, "vocabulary")
enum synth_make { SYNTH_MAKES(OPTION_CHOICE_NUMBER) };

#define SYNTH_OPTIONS(KEY, in)                                                                                         \
    KEY(in, CHOICE, "synth.make", make, synth_make, SYNTH_MAKES, "hospital", JOB_SYNTH, SHAPES,                        \
        "what is made: a hospital, or a vocabulary, which synth.folder, synth.scale, synth.gzip and run.seed "         \
        "describe; "                                                                                                   \
        "the other settings are a hospital's")                                                                         \
    KEY(in, PATH, "synth.folder", folder, "", 0, JOB_SYNTH, "hospital",                                                \
        "folder for the data sets, one folder each, or for the files of a vocabulary; new, empty, or of an earlier "   \
        "run, whose files are replaced; empty: results/hospital, or results/made-vocabulary")                          \
    KEY(in, REAL, "synth.scale", scale, "1", 0.01, 10, JOB_SYNTH, SHAPES,                                              \
        "size of a vocabulary; 1: as published, 617490 codes and a graph of 8.1 million rows")                         \
    KEY(in, LIST, "synth.formats", formats, "names", JOB_SYNTH, NULL,                                                  \
        "mimic3, mimic4, ehrshot, omop, meds; empty: all")                                                             \
    KEY(in, INTEGER, "synth.gzip", gzip, "1", 0, 9, "", JOB_SYNTH, SHAPES, "level of compression; 0: plain files")     \
    KEY(in, CHOICE, "synth.parquet", parquet, synth_parquet, SYNTH_PARQUETS, "no", JOB_SYNTH, SHAPES,                  \
        "MEDS as Parquet too, in meds_parquet/, made from the CSV files by Python with pyarrow")                       \
    KEY(in, PATH, "synth.python", python, "", JOB_SYNTH, 0, "python",                                                  \
        "that Python; empty: what PYTHON in the environment names, or python3")                                        \
    KEY(in, INTEGER, "synth.patients", patients, "1000", 1, 1e9, "patients", JOB_SYNTH, SHAPES,                        \
        "patients; MIMIC-IV 3.1 has 364627")                                                                           \
    KEY(in, REAL, "synth.admissions", admissions, "1.4975", 0.01, 50, JOB_SYNTH, SHAPES,                               \
        "mean number of admissions of a patient")                                                                      \
    KEY(in, REAL, "synth.without_admission", without_admission, "0.387", 0, 0.99, JOB_SYNTH, SHAPES,                   \
        "share of patients who have none, as those of MIMIC-IV who were seen in the emergency department alone")       \
    KEY(in, CHOICE, "synth.codes", codes, synth_code_source, SYNTH_CODE_SOURCES, "made", JOB_SYNTH, SHAPES,            \
        "where codes come from: made up, well-formed; files.vocabulary; the code tables files.codes")                  \
    KEY(in, CHOICE, "synth.icd", icd, synth_version, SYNTH_VERSIONS, "date", JOB_SYNTH, SHAPES,                        \
        "version of ICD: by the date of admission, 9 before October 2015; or one alone (MIMIC-III always has 9)")      \
    KEY(in, INTEGER, "synth.diseases", diseases, "200", 4, 20000, "diseases", JOB_SYNTH, SHAPES,                       \
        "latent diseases, each a group of codes")                                                                      \
    KEY(in, REAL, "synth.graph_share", graph_share, "0.3", 0, 1, JOB_SYNTH, SHAPES,                                    \
        "share of them whose codes are those of one node of the knowledge graph, where codes have nodes")              \
    KEY(in, REAL, "synth.rare", rare, "0.3", 0, 1, JOB_SYNTH, SHAPES,                                                  \
        "share of a disease's codes drawn evenly from its group; the others by Zipf's law")                            \
    KEY(in, REAL, "synth.diagnoses", diagnoses, "11.7", 1, 1000, JOB_SYNTH, SHAPES,                                    \
        "mean number of diagnoses of an admission")                                                                    \
    KEY(in, REAL, "synth.procedures", procedures, "1.57", 0, 1000, JOB_SYNTH, SHAPES,                                  \
        "mean number of procedures of an admission")                                                                   \
    KEY(in, REAL, "synth.drugs", drugs, "37", 0, 1000, JOB_SYNTH, SHAPES,                                              \
        "mean number of prescriptions of an admission")                                                                \
    KEY(in, INTEGER, "synth.lab_days", lab_days, "2", 0, 1000, "days", JOB_SYNTH, SHAPES,                              \
        "days of an admission on which blood is drawn, from the first; five tests each")                               \
    KEY(in, REAL, "synth.death", death, "0.02", 0.0001, 0.5, JOB_SYNTH, SHAPES,                                        \
        "share of admissions that end in death")                                                                       \
    KEY(in, REAL, "synth.readmission", readmission, "0.2", 0.001, 0.9, JOB_SYNTH, SHAPES,                              \
        "share of discharges alive with another admission within 30 days")                                             \
    KEY(in, REAL, "synth.stay", stay, "2.8", 0.1, 100, JOB_SYNTH, SHAPES, "median length of stay in days")             \
    KEY(in, REAL, "synth.effect_share", effect_share, "0.3", 0, 1, JOB_SYNTH, SHAPES,                                  \
        "share of diseases with an effect on death, and of those with one on return and on the length of stay")        \
    KEY(in, REAL, "synth.effect", effect, "1", 0, 4, JOB_SYNTH, SHAPES,                                                \
        "size of the effects: the largest log odds are 2 times this (synth/model.h)")                                  \
    KEY(in, INTEGER, "synth.faults", faults, "0", 0, 100000, "rows", JOB_SYNTH, SHAPES,                                \
        "faulty rows of each kind that are planted, for tests of readers; faults.csv lists them")
struct synth_options {
    SYNTH_OPTIONS(OPTION_MEMBER, )
};

#endif
