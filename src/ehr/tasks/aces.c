#include "ehr/tasks/aces.h"
#include "base/status.h"
int aces_task_make(struct aces_task **task, const char *path, const struct task_codes *codes) {
    (void)task;
    (void)codes;
    return status_set(STATUS_USAGE, "%s", path);
}
void aces_task_free(struct aces_task *task) { (void)task; }
const char *aces_task_name(const struct aces_task *task) {
    (void)task;
    return "";
}
int aces_task_label(const struct labelling *l) {
    (void)l;
    return 0;
}
