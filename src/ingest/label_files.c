/* Words for true and false. */
#include "ingest/label_files.h"

#include "ingest/field_values.h"

int field_truth(struct field field, int32_t *value) {
    int yes = field_is(field, "true") || field_is(field, "t"), no = field_is(field, "false") || field_is(field, "f");
    if (yes || no) *value = yes;
    return yes || no;
}
