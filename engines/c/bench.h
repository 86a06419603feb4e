/* Ratios of calls: the guest calls a generated stub and one by hand, in turns; the median of the quotients counts. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15

/* Has the guest do many calls. */
typedef void bench_run(const char *name);

static double bench_seconds(bench_run *run, const char *name) {
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    run(name);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
}

static int bench_order(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void bench(bench_run *run, const char *engine, const char *name, const char *generated, const char *by_hand) {
    double ratios[ROUNDS];
    int i;
    run(generated);
    run(by_hand);
    for (i = 0; i < ROUNDS; i++) {
        double first = bench_seconds(run, i % 2 ? generated : by_hand);
        double second = bench_seconds(run, i % 2 ? by_hand : generated);
        ratios[i] = i % 2 ? first / second : second / first;
    }
    qsort(ratios, ROUNDS, sizeof ratios[0], bench_order);
    printf("%s %s: generated / by hand = %.2f (%.2f to %.2f)\n", engine, name, ratios[ROUNDS / 2], ratios[ROUNDS / 4], ratios[ROUNDS - 1 - ROUNDS / 4]);
}

#endif
