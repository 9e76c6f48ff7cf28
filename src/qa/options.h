/* Settings link.* (questions and their codes), qa_cosine.*, qa_prefix.*, qa.* (a language model that answers), and qa_compare.* (its arms beside each other). */
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

#define QA_PREFIX_OPTIONS(KEY, in)                                                                                     \
    KEY(in, PATH, "qa_prefix.questions", questions, "", JOB_QA_PREFIX, 0, "linked",                                    \
        "questions with codes, as qa-link writes them")                                                                \
    KEY(in, INTEGER, "qa_prefix.codes", codes, "8", 1, 1024, "vectors", JOB_QA_PREFIX, SHAPES,                         \
        "most vectors of a question")                                                                                  \
    KEY(in, PATH, "qa_prefix.folder", folder, "results/prefix", 0, JOB_QA_PREFIX, "prefix",                            \
        "folder for vectors.npy, counts.npy and questions.tsv")                                                        \
    KEY(in, PATH, "qa_prefix.table", table, "", 0, JOB_QA_PREFIX, "table",                                             \
        "table of these questions' codes alone, to be taken to a machine without the whole one; empty: none")
struct qa_prefix_options {
    QA_PREFIX_OPTIONS(OPTION_MEMBER, )
};

#define QA_PREFIXES(CHOICE)                                                                                            \
    CHOICE(QA_PREFIX_NONE, "none")                                                                                     \
    CHOICE(QA_PREFIX_DESCRIPTIONS, "descriptions")                                                                     \
    CHOICE(QA_PREFIX_NULL, "null")                                                                                     \
    CHOICE(QA_PREFIX_RANDOM, "random")                                                                                 \
    CHOICE(QA_PREFIX_SHUFFLED, "shuffled")                                                                             \
    CHOICE(QA_PREFIX_VECTORS, "vectors")
enum qa_prefix { QA_PREFIXES(OPTION_CHOICE_NUMBER) };

#define QA_OPTIONS(KEY, in)                                                                                            \
    KEY(in, PATH, "qa.model", model, "", JOB_QA_TRAIN | JOB_QA, 0, "model",                                            \
        "Hugging Face folder of a chat model: Llama 3.x, Qwen2.5, SmolLM2")                                            \
    KEY(in, PATH, "qa.questions", questions, "", JOB_QA_TRAIN | JOB_QA, 0, "questions",                                \
        "questions to learn from (qa-train) or to answer (qa), with their codes")                                      \
    KEY(in, LIST, "qa.tests", tests, "", JOB_QA_TRAIN, "questions",                                                    \
        "files of questions that will be answered: training on a question with a stem of theirs is an error")          \
    KEY(in, CHOICE, "qa.prefix", prefix, qa_prefix, QA_PREFIXES, "none", JOB_QA_TRAIN | JOB_QA, SHAPES,                \
        "what stands before a question: nothing; the descriptions of its codes (files.vocabulary) in words; a "        \
        "learned vector; for each of its codes a random vector, another code's, or its own of files.table")            \
    KEY(in, INTEGER, "qa.codes", codes, "8", 1, 64, "codes", JOB_QA_TRAIN | JOB_QA, SHAPES,                            \
        "at most so many codes of a question have a vector or a description before it")                                \
    KEY(in, INTEGER, "qa.mean", mean, "0", 0, 1, "", JOB_QA_TRAIN | JOB_QA, SHAPES,                                    \
        "1: their mean stands there, one vector")                                                                      \
    KEY(in, INTEGER, "qa.max_tokens", max_tokens, "512", 64, 65536, "tokens", JOB_QA_TRAIN | JOB_QA, SHAPES,           \
        "of a question; of a longer one the middle of the stem is left out")                                           \
    KEY(in, INTEGER, "qa.rank", rank, "16", 1, 1024, "", JOB_QA_TRAIN, SHAPES, "LoRA: rank of what is learned")        \
    KEY(in, REAL, "qa.alpha", alpha, "32", 0.001, 1e6, JOB_QA_TRAIN, SHAPES, "LoRA: its scale, times the rank")        \
    KEY(in, REAL, "qa.dropout", dropout, "0.01", 0, 0.9, JOB_QA_TRAIN, SHAPES, "LoRA: share of inputs dropped")        \
    KEY(in, LIST, "qa.targets", targets, "maps", JOB_QA_TRAIN, NULL,                                                   \
        "LoRA: maps of each layer: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; empty: q_proj and "  \
        "v_proj")                                                                                                      \
    KEY(in, INTEGER, "qa.batch", batch, "64", 1, 65536, "questions", JOB_QA_TRAIN, SHAPES,                             \
        "in a batch, over all ranks")                                                                                  \
    KEY(in, INTEGER, "qa.micro_batches", micro_batches, "1", 1, 65536, "batches", JOB_QA_TRAIN, SHAPES,                \
        "batches, one after the other, whose mean gradient makes one step")                                            \
    KEY(in, INTEGER, "qa.recompute", recompute, "1", 0, 1, "", JOB_QA_TRAIN, LEAVES,                                   \
        "1: the backward pass computes layers again; 0: all that they made is kept, which is faster where memory "     \
        "allows")                                                                                                      \
    KEY(in, INTEGER, "qa.steps", steps, "1000", 1, 1e9, "steps", JOB_QA_TRAIN, SHAPES, "length of training")           \
    KEY(in, REAL, "qa.rate", rate, "5e-5", 0, 1e6, JOB_QA_TRAIN, SHAPES, "Adam's learning rate")                       \
    KEY(in, INTEGER, "qa.warmup", warmup, "100", 0, 1e9, "steps", JOB_QA_TRAIN, SHAPES,                                \
        "the rate rises linearly so long")                                                                             \
    KEY(in, INTEGER, "qa.checkpoint_every", checkpoint_every, "100", 0, 1e9, "steps", JOB_QA_TRAIN, LEAVES,            \
        "0: only at the end")                                                                                          \
    KEY(in, INTEGER, "qa.log_every", log_every, "10", 1, 1e9, "steps", JOB_QA_TRAIN, LEAVES,                           \
        "steps between log lines")                                                                                     \
    KEY(in, PATH, "qa.checkpoint", checkpoint, "results/qa.h5", 0, JOB_QA_TRAIN, "checkpoint",                         \
        "what was learned, from which an interrupted training goes on")                                                \
    KEY(in, PATH, "qa.metrics", metrics, "results/qa.jsonl", 0, JOB_QA_TRAIN, "metrics", "loss of each step")          \
    KEY(in, PATH, "qa.adapter", adapter, "", JOB_QA, JOB_QA_TRAIN, "adapter",                                          \
        "folder of the LoRA adapter, as peft has it, of prefix.safetensors, and of medtok_adapter.json, which says "   \
        "what it "                                                                                                     \
        "was trained as; qa without: the model as it is")                                                              \
    KEY(in, INTEGER, "qa.rotations", rotations, "1", 0, 1, "", JOB_QA, SHAPES,                                         \
        "1: each question is answered with its options in all cyclic orders")                                          \
    KEY(in, TEXT, "qa.arm", arm, "", JOB_QA, LEAVES,                                                                   \
        "what the report calls this arm, for qa-compare; empty: as qa.prefix and qa.adapter have it")                  \
    KEY(in, PATH, "qa.against", against, "", JOB_QA, 0, "qa",                                                          \
        "report of another run of qa on the same questions, to compare with")                                          \
    KEY(in, INTEGER, "qa.resamples", resamples, "10000", 20, 1e6, "resamples", JOB_QA, LEAVES,                         \
        "of the bootstrap of the difference")                                                                          \
    KEY(in, PATH, "qa.report", report, "results/qa.json", 0, JOB_QA, "qa",                                             \
        "accuracy of groups of questions with intervals, letters, and each question's scores, as JSON")
struct qa_options {
    QA_OPTIONS(OPTION_MEMBER, )
};

#define QA_COMPARE_OPTIONS(KEY, in)                                                                                    \
    KEY(in, LIST, "qa_compare.reports", reports, "", JOB_QA_COMPARE, "qa",                                             \
        "reports of qa on the same questions: of several arms, and of several seeds of an arm")                        \
    KEY(in, TEXT, "qa_compare.arm", arm, "MedTok", JOB_QA_COMPARE, LEAVES,                                             \
        "the arm whose gain over each other one is told")                                                              \
    KEY(in, INTEGER, "qa_compare.resamples", resamples, "10000", 20, 1e6, "resamples", JOB_QA_COMPARE, LEAVES,         \
        "of the bootstrap of differences")                                                                             \
    KEY(in, PATH, "qa_compare.report", report, "results/qa_compare.json", 0, JOB_QA_COMPARE, "qa-compare",             \
        "accuracy of each arm and its difference from that arm, by groups of questions, as JSON")
struct qa_compare_options {
    QA_COMPARE_OPTIONS(OPTION_MEMBER, )
};

#endif
