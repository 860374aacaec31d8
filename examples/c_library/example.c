/* Maps a frame of 16-bit counts: example MODEL.svae FRAME.raw HEIGHT WIDTH MAP.raw
 *
 *     cc example.c $(pkg-config --cflags --libs shiftvae)
 *
 * The frame comes in bands of 16 lines, as from a scan. MAP.raw: the mean of each latent (rows, cols), float32. */
#include <shiftvae.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, const void *handle) {
    fprintf(stderr, "%s: %s\n", what, sv_error(handle));
    return 1;
}

int main(int argc, char **argv) {
    sv_model *model = NULL;
    sv_scan *scan = NULL;
    int height, width, rows, cols, first, count, y;
    if (argc != 6) return fprintf(stderr, "example MODEL.svae FRAME.raw HEIGHT WIDTH MAP.raw\n"), 2;
    if (sv_open(argv[1], 4, &model)) return fail(argv[1], model);
    height = atoi(argv[3]), width = atoi(argv[4]);
    if (sv_grid(model, height, width, &rows, &cols)) return fail("the frame", model);

    const size_t pixels = (size_t)height * (size_t)width, windows = (size_t)rows * (size_t)cols;
    const int latents = sv_latents(model);
    uint16_t *frame = malloc(pixels * sizeof *frame);
    float *mean = malloc((size_t)latents * windows * sizeof *mean);
    float *std = malloc((size_t)latents * windows * sizeof *std);
    FILE *file = fopen(argv[2], "rb");
    if (!frame || !mean || !std || !file || fread(frame, sizeof *frame, pixels, file) != pixels)
        return fprintf(stderr, "cannot read %zu pixels from %s\n", pixels, argv[2]), 1;
    fclose(file);

    if (sv_scan_begin(model, height, width, SV_UINT16, &scan)) return fail("the scan", model);
    for (y = 0; y < height; y += 16) {
        const int more = height - y < 16 ? height - y : 16;
        if (sv_scan_push(scan, frame + (size_t)y * (size_t)width, more, 0, 0, mean, std, &first, &count))
            return fail("the scan", scan);
        if (count) printf("line %d: rows %d to %d of %d\n", y + more, first, first + count - 1, rows);
    }
    sv_scan_end(scan);

    for (int i = 0; i < latents; ++i) {
        double sum = 0;
        for (size_t k = 0; k < windows; ++k) sum += mean[(size_t)i * windows + k];
        printf("%s: mean %.6g %s\n", sv_latent_name(model, i), sum / (double)windows, sv_latent_unit(model, i));
    }
    file = fopen(argv[5], "wb");
    if (!file || fwrite(mean, sizeof *mean, (size_t)latents * windows, file) != (size_t)latents * windows)
        return fprintf(stderr, "cannot write %s\n", argv[5]), 1;
    fclose(file);
    sv_close(model);
    free(frame), free(mean), free(std);
    return 0;
}
