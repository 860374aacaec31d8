/* Scans a frame of 16-bit counts until its map is there: example INGEST RESULTS FRAME.raw HEIGHT WIDTH MAP.raw
 *
 *     cc example.c $(pkg-config --cflags --libs shiftvae_client)
 *
 * The frame goes to `shiftvae serve` in bands of 16 lines, as from a scan. MAP.raw: the mean of each latent. */
#include <shiftvae_client.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    svc_producer *producer = NULL;
    svc_reader *reader = NULL;
    uint64_t scan = 0, counts[SVC_COUNTERS];
    if (argc != 7) return fprintf(stderr, "example INGEST RESULTS FRAME.raw HEIGHT WIDTH MAP.raw\n"), 2;
    const int height = atoi(argv[4]), width = atoi(argv[5]);
    if (svc_producer_open(argv[1], "example", NULL, &producer) ||
        svc_producer_format(producer, SVC_UINT16, 1, height, width, 0, 0))
        return fprintf(stderr, "%s\n", svc_producer_error(producer)), 1;
    if (svc_reader_open(argv[2], "example", 1, NULL, &reader))
        return fprintf(stderr, "%s\n", svc_reader_error(reader)), 1;

    const size_t pixels = (size_t)height * (size_t)width;
    uint16_t *frame = malloc(pixels * sizeof *frame);
    FILE *file = fopen(argv[3], "rb");
    if (!frame || !file || fread(frame, sizeof *frame, pixels, file) != pixels)
        return fprintf(stderr, "cannot read %zu pixels from %s\n", pixels, argv[3]), 1;
    fclose(file);
    if (svc_producer_wait(producer, 10))
        return fprintf(stderr, "no service at %s: %s\n", argv[1], svc_producer_status(producer)), 1;

    while (!svc_reader_integer(reader, SVC_COMPLETE)) { /* a microscope scans on, whatever comes back */
        ++scan;
        for (int y = 0; y < height; y += 16)
            svc_producer_offer_lines(producer, scan, y, height - y < 16 ? height - y : 16,
                                     frame + (size_t)y * (size_t)width, 0, 0, "any text of yours", NULL);
        while (svc_reader_next(reader, 0.5) == SVC_OK && !svc_reader_integer(reader, SVC_COMPLETE))
            printf("%d of %d lines\n", (int)svc_reader_integer(reader, SVC_VALID_LINES), height);
        if (*svc_producer_status(producer)) return fprintf(stderr, "%s\n", svc_producer_status(producer)), 1;
    }

    const float *mean = svc_reader_mean(reader);
    const size_t windows = (size_t)(svc_reader_integer(reader, SVC_ROWS) * svc_reader_integer(reader, SVC_COLS));
    const int latents = (int)svc_reader_integer(reader, SVC_LATENTS);
    for (int i = 0; i < latents; ++i)
        printf("%s of the first window: %g %s\n", svc_reader_latent_name(reader, i), mean[(size_t)i * windows],
               svc_reader_latent_unit(reader, i));
    printf("score %g, %s\n", svc_reader_number(reader, SVC_SCORE), svc_reader_text(reader, SVC_CONTEXT));
    file = fopen(argv[6], "wb");
    if (!file || fwrite(mean, sizeof *mean, (size_t)latents * windows, file) != (size_t)latents * windows)
        return fprintf(stderr, "cannot write %s\n", argv[6]), 1;
    fclose(file);
    svc_producer_end(producer, 5);
    svc_producer_counters(producer, counts);
    printf("scans %d, processed %d\n", (int)counts[SVC_OFFERED], (int)counts[SVC_PROCESSED]);
    svc_producer_close(producer), svc_reader_close(reader), free(frame);
    return 0;
}
