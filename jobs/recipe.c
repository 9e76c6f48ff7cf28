#include "recipe.h"

#include <stdlib.h>

#include "base/status.h"
#include "outputs.h"

int recipe_run(const struct recipe *r, const struct comm *comm, const struct config *config, void *self) {
    struct provenance provenance = {.job = r->job->name};
    char *settings = NULL;
    int current = 0, status = comm_agree(comm, config_provenance(config, r->job->job, &settings));
    provenance.config = settings;
    if (status == STATUS_OK) status = r->add_inputs(comm, config, &provenance, self);
    if (status == STATUS_OK) {
        provenance_finish(&provenance, r->output);
        status = output_is_current(comm, config, r->path, r->output, provenance.key, &current);
    }
    if (status == STATUS_OK && !current) status = r->make(comm, config, &provenance, self);
    provenance_free(&provenance);
    free(settings);
    return status;
}
