/* Being asked to stop: SIGTERM, and SIGUSR1 (SLURM's warning before the time limit). The job looks between two pieces of
 * work, saves, and ends with STATUS_INTERRUPTED. */
#ifndef MEDTOK_BASE_INTERRUPT_H
#define MEDTOK_BASE_INTERRUPT_H

/* From now on the signals are remembered instead of ending the process. */
void interrupt_catch(void);

/* From now on they end the process again. */
void interrupt_release(void);

/* Whether one has come. */
int interrupt_asked(void);

#endif
