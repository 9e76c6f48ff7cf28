/* Settings link.* (questions and their codes) and qa_cosine.*. */
#ifndef MEDTOK_QA_OPTIONS_H
#define MEDTOK_QA_OPTIONS_H

#include "config/options.h"

enum { SPAN_MOST_CODES = 8 };

#define LINK_OPTIONS(KEY, in)                                                                                          \
    KEY(in, PATH, "link.questions", questions, "", JOB_QA_LINK, 0, "questions",                                        \
        "questions whose diseases, drugs and procedures are looked up: as released with MedTok, or JSON lines")        \
    KEY(in, LIST, "link.synonyms", synonyms, "", JOB_QA_LINK, "synonyms",                                              \
        "further names of codes of the vocabulary, TSV or CSV, plain or gzip; columns system, code, description "      \
        "(code "                                                                                                       \
        "tables), or drug, atc_code, or code_start, code_end, chapter_desc")                                           \
    KEY(in, PATH, "link.terms", terms, "", JOB_QA_LINK, 0, "terms",                                                    \
        "further abbreviations and other ways to say a thing: what is written, a tab, what it means; empty: ours "     \
        "alone")                                                                                                       \
    KEY(in, PATH, "link.table", table, "", JOB_QA_LINK, 0, "table",                                                    \
        "table of the vocabulary, whose vectors rank the codes of a span by the other spans of the stem; empty: not "  \
        "ranked so")                                                                                                   \
    KEY(in, INTEGER, "link.codes", codes, "2", 1, SPAN_MOST_CODES, "codes", JOB_QA_LINK, SHAPES,                       \
        "most codes of a span, each of another system")                                                                \
    KEY(in, PATH, "link.links", links, "results/links.jsonl", 0, JOB_QA_LINK, "links",                                 \
        "what was found, an object a question: texts of diseases, medications, procedures; rows of the vocabulary; "   \
        "spans with codes and scores")                                                                                 \
    KEY(in, PATH, "link.linked", linked, "results/questions.jsonl", 0, JOB_QA_LINK, "linked",                          \
        "the questions with their codes, as the jobs on questions read them")
struct link_options {
    LINK_OPTIONS(OPTION_MEMBER, )
};

#define QA_COSINE_OPTIONS(KEY, in)                                                                                     \
    KEY(in, PATH, "qa_cosine.questions", questions, "", JOB_QA_COSINE, 0, "linked",                                    \
        "questions with codes of stems and options, as qa-link writes them")                                           \
    KEY(in, PATH, "qa_cosine.report", report, "results/qa_cosine.json", 0, JOB_QA_COSINE, "qa-cosine",                 \
        "accuracy of groups of questions with intervals, and each question's scores, as JSON")
struct qa_cosine_options {
    QA_COSINE_OPTIONS(OPTION_MEMBER, )
};

#endif
