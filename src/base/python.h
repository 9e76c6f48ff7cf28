/* A Python text of this program in a child process: how formats go in and out that C has no small library for (Parquet). The text is
 * handed to the interpreter by `python3 -c`. Its standard input and output are the two directions of one socket. */
#ifndef MEDTOK_BASE_PYTHON_H
#define MEDTOK_BASE_PYTHON_H

#include <sys/types.h>

struct string_list;

struct python {
    char *interpreter; /* its name, owned; NULL: not started, or ended */
    pid_t process;     /* 0: none */
    int socket;        /* read here what it writes, write here (with send and MSG_NOSIGNAL) what it reads; -1: closed */
};

/* Starts `interpreter` ("": what PYTHON in the environment names, else python3) with the text and the arguments. An error says how
 * another interpreter is named: by the setting `setting`, or by PYTHON. After a failure there is nothing to end. */
int python_start(struct python *python, const char *interpreter, const char *setting, const char *text,
                 const struct string_list *arguments);

/* Waits until there is something to read, or the end, and looks for signals meanwhile (base/interrupt.h). */
int python_wait_readable(const struct python *python);

/* Closes the socket and waits for the interpreter to end. Fails if it ended with an error or by a signal. */
int python_finish(struct python *python);

/* Ends the interpreter, whatever it does; one that was not started too. */
void python_abandon(struct python *python);

#endif
