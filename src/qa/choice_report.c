#include "qa/choice_report.h"

void choice_report_proportion(struct json *j, const char *name, const struct proportion *p) {
    json_object(j, name);
    json_real(j, "value", p->value, 6);
    json_real(j, "low", p->low, 6);
    json_real(j, "high", p->high, 6);
    json_end(j);
}

static void write_letters(struct json *j, const char *name, const int64_t letters[QUESTION_OPTIONS]) {
    json_object(j, name);
    for (int k = 0; k < QUESTION_OPTIONS; k++) {
        const char letter[2] = {question_letter(k), 0};
        if (letters[k]) json_integer(j, letter, letters[k]);
    }
    json_end(j);
}

void choice_report_group(struct json *j, const char *name, const struct choice_summary *s) {
    const char letter[2] = {question_letter(s->majority_letter), 0};
    json_object(j, name);
    json_integer(j, "questions", s->n);
    json_integer(j, "answered", s->n_answered);
    json_integer(j, "right", s->n_right);
    choice_report_proportion(j, "accuracy_of_answered", &s->accuracy);
    json_real(j, "guess_among_scored_options", s->guess_of_scored, 6);
    json_real(j, "accuracy_with_guesses", s->with_guesses, 6);
    json_real(j, "chance", s->chance, 6);
    json_text(j, "majority_letter", letter);
    choice_report_proportion(j, "majority", &s->majority);
    write_letters(j, "right_letters", s->right_letters);
    write_letters(j, "chosen_letters", s->chosen_letters);
    json_end(j);
}

void choice_report_question(struct json *j, const struct question *q, const struct option_scores *s) {
    const char right[2] = {question_letter(q->answer), 0}, chosen[2] = {question_letter(s->chosen), 0};
    json_text(j, "id", q->id);
    if (q->set) json_text(j, "set", q->set);
    json_text(j, "answer", right);
    json_text(j, "chosen", s->chosen < 0 ? NULL : chosen);
    json_array(j, "scores");
    for (int i = 0; i < q->n_options; i++) json_real(j, NULL, s->scores[i], 6);
    json_end(j);
    json_integer(j, "with_codes", s->with_codes);
}
