/* Linked into sanitized builds only. Plugins of MPI that are unloaded before the leak report have no name in it, so that
 * their leaks could not be told from ours (lsan.supp goes by name): keep them. */
int dlclose(void *handle);
int dlclose(void *handle) { return handle ? 0 : -1; }
