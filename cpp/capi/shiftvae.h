/* libshiftvae: latent maps in any program. A model file (.svae) and raw pixels in; a map for each latent out.
 *
 * C99. Opaque handles, numbers and pointers only, so that LabVIEW, Python, Rust, Go and others can call it.
 *
 * - Functions that return int give SV_OK or an error code; sv_error tells what was expected, what came, what to do.
 * - A handle is used by one thread at a time. Scans of one model may run in as many threads as there are scans.
 * - The library keeps no pointer of the caller's after a call, and the caller frees nothing but handles.
 * - Text is UTF-8, ends with a zero byte, and lives as long as its handle.
 */
#ifndef SHIFTVAE_H
#define SHIFTVAE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(SHIFTVAE_BUILDS_DLL)
#define SV_API __declspec(dllexport)
#elif defined(_WIN32)
#define SV_API __declspec(dllimport)
#else
#define SV_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Rises when a program that was built with an older header would not run with the library. */
#define SV_ABI_VERSION 1

typedef struct sv_model sv_model;
typedef struct sv_scan sv_scan;

enum {
    SV_OK = 0,
    SV_ARGUMENT = 1,    /* a null pointer, an unknown pixel type, pixels that are not aligned */
    SV_FILE = 2,        /* the model file is missing, damaged, foreign, or fails its own test frame */
    SV_FRAME = 3,       /* NaN, a constant frame, too many lines */
    SV_WINDOW = 4,      /* a frame smaller than the window, a stride that the model does not have */
    SV_UNSUPPORTED = 5, /* the model needs what this library lacks */
    SV_MEMORY = 6       /* the machine gives no more memory */
};

/* Types of pixels, in the byte order of the machine. */
enum { SV_UINT8 = 0, SV_UINT16 = 1, SV_INT16 = 2, SV_UINT32 = 3, SV_INT32 = 4, SV_FLOAT32 = 5, SV_FLOAT64 = 6 };

/* Fields of sv_fields, in their order: displacement in px, strain in %, rotation in degrees from x towards y. */
enum { SV_UY = 0, SV_UX = 1, SV_EXX = 2, SV_EYY = 3, SV_EXY = 4, SV_ROTATION = 5, SV_FIELDS = 6 };

/* The SV_ABI_VERSION that the library was built with. */
SV_API int sv_abi_version(void);

/* Reads a model file and checks it: records, hashes, layers, and its own test frame. stride: px between windows, one of
 * the strides in the manifest or a multiple of one. On an error *out is a handle too: it serves sv_error and sv_close
 * alone (null if there was no memory for it). path is as fopen takes it. */
SV_API int sv_open(const char* path, int stride, sv_model** out);

/* The same for the content of a model file; `data` is not needed afterwards. */
SV_API int sv_open_bytes(const void* data, size_t size, int stride, sv_model** out);

/* Scans of the model may still be in use; null is allowed. */
SV_API void sv_close(sv_model* model);

/* Text on the last error of a model or of a scan; "" if its last call succeeded. */
SV_API const char* sv_error(const void* handle);

/* The manifest of the model file, JSON. */
SV_API const char* sv_manifest(const sv_model* model);

SV_API int sv_latents(const sv_model* model);
SV_API int sv_channels(const sv_model* model);

/* Name and unit of a latent, from 0 on; null beyond the last one. */
SV_API const char* sv_latent_name(const sv_model* model, int latent);
SV_API const char* sv_latent_unit(const sv_model* model, int latent);

/* Size of a window in px. The centre of the window in row r is at y = r * stride + (height - 1) / 2, and so for x. */
SV_API int sv_window(sv_model* model, int* height, int* width);

/* Rows and columns of the map of a frame. */
SV_API int sv_grid(sv_model* model, int height, int width, int* rows, int* cols);

/* Number of threads of sv_map, 1 to 256; 1 until it is set. The bits are the same with any number. */
SV_API int sv_set_threads(sv_model* model, int threads);

/* Encodes a frame (channels, height, width) in raw detector units; a line signal has height 1. line_stride and
 * channel_stride: bytes from line to line (negative for images stored bottom up) and from channel to channel, 0 for
 * lines and channels that follow each other. mean, std: (latents, rows, cols) each, the caller's. */
SV_API int sv_map(sv_model* model, const void* pixels, int pixel_type, int height, int width, ptrdiff_t line_stride,
                  ptrdiff_t channel_stride, float* mean, float* std);

/* Begins a frame whose lines come in parts. On an error *out is null, and sv_error(model) tells why. */
SV_API int sv_scan_begin(sv_model* model, int height, int width, int pixel_type, sv_scan** out);

/* Takes the next `count` lines (channels, count, width). mean, std: (latents, rows, cols) of the whole frame, where the
 * rows of the map that become complete are written at their place, with the same bits as by sv_map. *first_row, *rows
 * (both may be null): which these are. An error of SV_ARGUMENT or SV_FRAME that comes before the encoding leaves the
 * scan as it was. */
SV_API int sv_scan_push(sv_scan* scan, const void* lines, int count, ptrdiff_t line_stride, ptrdiff_t channel_stride,
                        float* mean, float* std, int* first_row, int* rows);

/* Is the frame like the training data? Of the rows so far of the map that sv_scan_push wrote into mean and std. *score:
 * above 1 it is not, and sv_reason tells why; *windows_out (may be null): share of the windows that are unlike those of
 * the training data, 0 to 1. SV_UNSUPPORTED for a model of several grains, or that does not know its
 * domain. */
SV_API int sv_domain(sv_scan* scan, const float* mean, const float* std, double* score, double* windows_out);

/* Why the frame of the last sv_domain is unlike the training data; "" if it is not. */
SV_API const char* sv_reason(const sv_scan* scan);

/* Ends a scan, complete or not; null is allowed. */
SV_API void sv_scan_end(sv_scan* scan);

/* Displacement, strain and rotation of the lattice from the map of a frame, `mean` and `std` as by sv_map; pixels have
 * the shape of those of the training data. fields, fields_std: (SV_FIELDS, rows, cols) each, the caller's.
 * SV_UNSUPPORTED for a model without a lattice of two vectors. */
SV_API int sv_fields(sv_model* model, int height, int width, const float* mean, const float* std, float* fields,
                     float* fields_std);

/* Draws windows from latents (count, latents), in the units of the maps. windows: (count, channels, height, width), the
 * caller's, in units of a window's standard deviation; count at most 65536. */
SV_API int sv_decode(sv_model* model, int count, const float* latents, float* windows);

/* Number of superlattice vectors whose order the model has latents of; 0 for most models. */
SV_API int sv_orders(const sv_model* model);

/* Degree of order and antiphase of each superlattice vector from the map of a frame, as by sv_fields. order, order_std:
 * (2 * sv_orders, rows, cols) each, the caller's: degree of order of the first vector, its antiphase in degrees, those
 * of the second, ... SV_UNSUPPORTED for a model without. */
SV_API int sv_order(sv_model* model, int height, int width, const float* mean, const float* std, float* order,
                    float* order_std);

#ifdef __cplusplus
}
#endif

#endif
