/* `mpirun -n 2 message_times`, on two nodes of a cluster, or two cores that do nothing else: how long a message takes from one rank to the other by its size, the least of many times, as lines `bytes
 * <tab> seconds`: for the alpha-beta model of scaling.py. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 1 << 22, TIMES = 200 };

/* Half of there and back. */
static double time_of(int rank, char *bytes, int n) {
    double least = 1e9;
    for (int i = 0; i < TIMES; i++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double since = MPI_Wtime();
        for (int turn = 0; turn < 2; turn++) {
            if (rank == turn)
                MPI_Send(bytes, n, MPI_BYTE, 1 - turn, 0, MPI_COMM_WORLD);
            else
                MPI_Recv(bytes, n, MPI_BYTE, 1 - turn, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        double took = (MPI_Wtime() - since) / 2;
        if (took < least) least = took;
    }
    return least;
}

int main(int argc, char **argv) {
    int rank, size;
    char *bytes = calloc(MOST, 1);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    for (int n = 8; bytes && size == 2 && n <= MOST; n *= 4) {
        double seconds = time_of(rank, bytes, n);
        if (rank == 0) printf("%d\t%.9f\n", n, seconds);
    }
    free(bytes);
    MPI_Finalize();
    return size != 2;
}
