/* A walk over the rows of a table in blocks, for who looks at all of them:
 *
 *   TRY(table_walk_begin(&walk, &table, TABLE_TOKENS | TABLE_WEIGHTS, 0, table.shape.n_codes));
 *   while ((status = table_walk_next(&walk)) == STATUS_OK && walk.count > 0)
 *       for (int64_t i = 0; i < walk.count; i++) ... row walk.first + i ...
 *   table_walk_end(&walk);
 */
#ifndef MEDTOK_STORE_TABLE_WALK_H
#define MEDTOK_STORE_TABLE_WALK_H

#include "store/table.h"

enum table_part { TABLE_TOKENS = 1, TABLE_WEIGHTS = 2, TABLE_EMBEDDING = 4 };
enum { TABLE_WALK_ROWS = 4096 }; /* of a block */

struct table_walk {
    struct table *table;  /* borrowed */
    int64_t first, count; /* the rows in hand; count 0: the walk is over */
    int64_t end;          /* of the walk */
    int32_t *tokens;      /* [count, 4, K], as table_read; those not asked for are NULL. Owned; may be overwritten */
    float *weights;       /* [count, 4, K] */
    float *embedding;     /* [count, 4, d] */
};

/* Walks rows first .. end-1; parts: a sum of enum table_part. Borrows the table. Call table_walk_end in any case. */
int table_walk_begin(struct table_walk *walk, struct table *table, unsigned parts, int64_t first, int64_t end);
/* Reads the next block, or none at the end. */
int table_walk_next(struct table_walk *walk);
void table_walk_end(struct table_walk *walk);

#endif
