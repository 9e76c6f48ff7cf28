#include "base/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

enum state { IDLE, BEGUN, DONE, TO_END };

struct worker {
    pthread_t thread;
    pthread_mutex_t guard;
    pthread_cond_t changed;
    enum state state;
    int (*work)(void *context);
    void *context;
    int status;
    char message[4096];
};

static void *serve(void *context) {
    struct worker *w = context;
    pthread_mutex_lock(&w->guard);
    while (w->state != TO_END) {
        if (w->state != BEGUN) {
            pthread_cond_wait(&w->changed, &w->guard);
            continue;
        }
        pthread_mutex_unlock(&w->guard);
        int status = w->work(w->context);
        pthread_mutex_lock(&w->guard);
        w->status = status;
        if (status != STATUS_OK) snprintf(w->message, sizeof w->message, "%s", status_message());
        w->state = DONE;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->guard);
    return NULL;
}

struct worker *worker_make(void) {
    struct worker *w = calloc(1, sizeof *w);
    if (w) {
        pthread_mutex_init(&w->guard, NULL);
        pthread_cond_init(&w->changed, NULL);
        if (pthread_create(&w->thread, NULL, serve, w) == 0) return w;
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->guard);
        free(w);
    }
    status_set(STATUS_FAILED, "no thread could be made beside the main one: out of memory, or too many processes");
    return NULL;
}

static void enter(struct worker *w, enum state state) {
    w->state = state;
    pthread_cond_broadcast(&w->changed);
}

void worker_begin(struct worker *w, int (*work)(void *context), void *context) {
    pthread_mutex_lock(&w->guard);
    w->work = work;
    w->context = context;
    enter(w, BEGUN);
    pthread_mutex_unlock(&w->guard);
}

int worker_finish(struct worker *w) {
    pthread_mutex_lock(&w->guard);
    while (w->state == BEGUN) pthread_cond_wait(&w->changed, &w->guard);
    int status = w->status;
    w->state = IDLE;
    pthread_mutex_unlock(&w->guard);
    return status == STATUS_OK ? STATUS_OK : status_set(status, "%s", w->message);
}

int worker_is_done(struct worker *w) {
    pthread_mutex_lock(&w->guard);
    int done = w->state != BEGUN;
    pthread_mutex_unlock(&w->guard);
    return done;
}

void worker_free(struct worker *w) {
    if (!w) return;
    pthread_mutex_lock(&w->guard);
    while (w->state == BEGUN) pthread_cond_wait(&w->changed, &w->guard);
    enter(w, TO_END);
    pthread_mutex_unlock(&w->guard);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->guard);
    free(w);
}
