/* Linked into sanitized builds only, so that the leak report can tell MPI's leaks from ours by the names in their stacks (lsan.supp)
 * although stacks are taken by frame pointers, which Open MPI and libc have not: what called a function of ours is known, what
 * called a function of theirs is not. Without frame pointers a stack takes longer than all else that a test does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int dlclose(void *handle);
int vasprintf(char **text, const char *format, va_list arguments);
int __vasprintf_chk(char **text, int flag, const char *format, va_list arguments);
int asprintf(char **text, const char *format, ...);
int __asprintf_chk(char **text, int flag, const char *format, ...);

/* Plugins of MPI that are unloaded before the report have no name in it: keep them. */
int dlclose(void *handle) { return handle ? 0 : -1; }

/* Memory that libc's would take belongs to whoever calls these. __NAME_chk is what hardened libraries call; FLAG asks for checks of the
 * format. */
int vasprintf(char **text, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    *text = length < 0 ? NULL : malloc((size_t)length + 1);
    return *text ? vsnprintf(*text, (size_t)length + 1, format, arguments) : -1;
}
int __vasprintf_chk(char **text, int flag, const char *format, va_list arguments) {
    (void)flag;
    return vasprintf(text, format, arguments);
}
int asprintf(char **text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}
int __asprintf_chk(char **text, int flag, const char *format, ...) {
    va_list arguments;
    (void)flag;
    va_start(arguments, format);
    int length = vasprintf(text, format, arguments);
    va_end(arguments);
    return length;
}
