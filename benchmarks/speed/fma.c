// What one core multiplies and adds at most: twelve independent chains of fused multiply-add on whole vectors.
#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
#define FLOATS 16
#elif defined(__AVX__)
#define FLOATS 8
#else
#define FLOATS 4
#endif
#define CHAINS 12

typedef float vector __attribute__((vector_size(FLOATS * 4)));

int main(void) {
    vector sum[CHAINS], a, b;
    for (int i = 0; i < FLOATS; ++i) a[i] = 0.999999f, b[i] = 1e-6f;
    for (int c = 0; c < CHAINS; ++c) sum[c] = b * (float)c;
    double best = 0;
    for (int round = 0; round < 9; ++round) {
        const long steps = 4000000;
        struct timespec start, end;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        for (long s = 0; s < steps; ++s)
            for (int c = 0; c < CHAINS; ++c) sum[c] = sum[c] * a + b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        const double seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
        const double rate = 2.0 * FLOATS * CHAINS * (double)steps / seconds * 1e-9;
        if (rate > best) best = rate;
    }
    float total = 0;
    for (int c = 0; c < CHAINS; ++c) total += sum[c][0];
    printf("%.1f %d\n", best, total > 1e30f);
    return 0;
}
