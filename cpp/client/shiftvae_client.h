/* libshiftvae_client: frames from an acquisition program to a running service (`shiftvae serve`), and its maps back.
 *
 * C99. Opaque handles, numbers and pointers only, so that LabVIEW, Python, Rust, Go and others can call it.
 *
 * - A producer or a reader has a thread of its own for the network. No call but svc_producer_wait, svc_producer_end,
 *   the two that close, and svc_reader_next with a time limit waits for anything: a call takes a lock and copies.
 * - Functions that return int give SVC_OK, SVC_LATE, SVC_NONE or an error code; svc_producer_error and svc_reader_error
 *   tell what was expected, what came, what to do.
 * - The library keeps no pointer of the caller's after a call, and the caller frees nothing but handles.
 * - Text is UTF-8 and ends with a zero byte. A null pointer for a handle is SVC_ARGUMENT, 0 or "".
 */
#ifndef SHIFTVAE_CLIENT_H
#define SHIFTVAE_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(SHIFTVAE_CLIENT_BUILDS_DLL)
#define SVC_API __declspec(dllexport)
#elif defined(_WIN32)
#define SVC_API __declspec(dllimport)
#else
#define SVC_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Rises when a program that was built with an older header would not run with the library. */
#define SVC_ABI_VERSION 1

/* The endpoints of `shiftvae serve`, if it is given no others. */
#define SVC_INGEST "tcp://127.0.0.1:5701"
#define SVC_RESULTS "tcp://127.0.0.1:5702"

typedef struct svc_producer svc_producer;
typedef struct svc_reader svc_reader;

enum {
    SVC_OK = 0,
    SVC_ARGUMENT = 1, /* a null pointer, an invalid endpoint, name, format or context, a damaged key file */
    SVC_LINES = 2,    /* lines that do not fit their frame, or earlier ones are missing */
    SVC_MEMORY = 3,   /* the machine gives no more memory */
    SVC_SYSTEM = 4,   /* the machine gives no socket or no thread */
    SVC_LATE = 5,     /* no error: the frame is over, or its line 0 was never offered; ignored and counted */
    SVC_NONE = 6      /* no error: there is none yet */
};

/* Types of pixels, in the byte order of the machine; the same numbers as in shiftvae.h. */
enum { SVC_UINT8 = 0, SVC_UINT16 = 1, SVC_INT16 = 2, SVC_UINT32 = 3, SVC_INT32 = 4, SVC_FLOAT32 = 5, SVC_FLOAT64 = 6 };

/* Outcomes of frames, and places in an array of counters. At any time,
 * offered = processed + dropped_producer + dropped_stale + rejected + quarantined + those that have no outcome yet;
 * after svc_producer_end every frame has one. */
enum {
    SVC_OFFERED = 0,
    SVC_PROCESSED = 1,        /* has a map */
    SVC_DROPPED_PRODUCER = 2, /* given up for a newer frame, aborted, or on its way when contact was lost */
    SVC_DROPPED_STALE = 3,    /* too old when its turn came */
    SVC_REJECTED = 4,         /* cannot be encoded, with the reason: NaN, blank, wrong size, wrong pixel size */
    SVC_QUARANTINED = 5,      /* its encoding failed, with the reason */
    SVC_LATE_CALLS = 6,       /* calls that gave SVC_LATE: in no other counter */
    SVC_UNREAD = 7,           /* outcomes that svc_producer_outcome can give no more: it keeps the last 1024 */
    SVC_COUNTERS = 8
};

/* The SVC_ABI_VERSION that the library was built with. */
SVC_API int svc_abi_version(void);

/* ---- Producer: the frames of one stream. Any thread may offer, abort and ask, several at a time; svc_producer_outcome
 * and the texts belong to one thread at a time; svc_producer_close comes after all other calls. ---- */

/* Makes a producer. It connects by itself, now or once a service is there, and again after a loss. stream: 1 to 64
 * printable characters, no blank at either end. key_file: of `shiftvae keys add`, null if the service needs none. On an
 * error *out is a handle too: it serves svc_producer_error and svc_producer_close alone (null: no memory for it). */
SVC_API int svc_producer_open(const char* endpoint, const char* stream, const char* key_file, svc_producer** out);

/* Format of the frames that begin from now on, to be set before the first; a frame that has begun keeps its own. A line
 * signal has height 1. Channels 1 to 64, at most 67108864 px a frame. pixel_size_y_nm, pixel_size_x_nm: edges of a
 * pixel, both 0 if they are unknown. */
SVC_API int svc_producer_format(svc_producer* producer, int pixel_type, int channels, int height, int width,
                                double pixel_size_y_nm, double pixel_size_x_nm);

/* Offers a whole frame (channels, height, width) in raw detector units: copies it into a place for one frame and
 * returns. A frame that still waits there is dropped and counted. number: yours, 0 to 2^53. line_stride and
 * channel_stride: bytes from line to line (negative for images stored bottom up) and from channel to channel, 0 for
 * lines and channels that follow each other. context: at most 1024 bytes of text that come back with results and
 * outcome, may be null. *seq (may be null): number of the frame in its stream, 1, 2, 3, ... */
SVC_API int svc_producer_offer(svc_producer* producer, uint64_t number, const void* pixels, ptrdiff_t line_stride,
                               ptrdiff_t channel_stride, const char* context, uint64_t* seq);

/* Offers the lines from first_line on of frame `number`, (channels, count, width). Lines come in order. Line 0 begins a
 * frame, with its context, and gives up an incomplete one before it. *seq is 0 after SVC_LATE. */
SVC_API int svc_producer_offer_lines(svc_producer* producer, uint64_t number, int first_line, int count,
                                     const void* lines, ptrdiff_t line_stride, ptrdiff_t channel_stride,
                                     const char* context, uint64_t* seq);

/* Gives up frame `number`, which was offered in part; it counts as dropped. SVC_LATE: it is over already. */
SVC_API int svc_producer_abort(svc_producer* producer, uint64_t number);

/* Takes the next outcome: *number and *seq of the frame, *outcome from SVC_PROCESSED to SVC_QUARANTINED (each may be
 * null). Every frame has one. SVC_NONE: no frame has a new one. */
SVC_API int svc_producer_outcome(svc_producer* producer, uint64_t* number, uint64_t* seq, int* outcome);

/* Context of the frame whose outcome was taken last, and why it was rejected or quarantined, else "". The text lives
 * until the next svc_producer_outcome. */
SVC_API const char* svc_producer_context(const svc_producer* producer);
SVC_API const char* svc_producer_reason(const svc_producer* producer);

/* counters: SVC_COUNTERS numbers, the caller's. */
SVC_API int svc_producer_counters(svc_producer* producer, uint64_t* counters);

/* 1 while there is a session with the service, else 0. */
SVC_API int svc_producer_connected(svc_producer* producer);

/* Waits for a session with the service, at most timeout_s seconds; SVC_NONE if there is none in time, and
 * svc_producer_status tells why. Not for a thread that acquires. */
SVC_API int svc_producer_wait(svc_producer* producer, double timeout_s);

/* Why the service refused a frame or the stream, or why contact was lost; "" once a later frame was processed. The text
 * lives until the next call. */
SVC_API const char* svc_producer_status(svc_producer* producer);

/* Text on the last call that failed, "" if none did. The text lives until the next call. */
SVC_API const char* svc_producer_error(svc_producer* producer);

/* Ends the stream: waits at most about timeout_s seconds for the outcome of the last frame, and for the service's word
 * that it counted the same. A frame without an outcome by then counts as dropped; SVC_NONE if the service did not
 * confirm. Outcomes and counters can be read afterwards; frames are late from now on. */
SVC_API int svc_producer_end(svc_producer* producer, double timeout_s);

/* Frees a producer; without svc_producer_end before, ends the stream without waiting. Null is allowed. */
SVC_API void svc_producer_close(svc_producer* producer);

/* ---- Reader: latent maps. One thread at a time, but for svc_reader_counters and svc_reader_connected. ---- */

/* Whole numbers of a result. */
enum {
    SVC_FRAME_NUMBER = 0, /* the producer's number of the frame */
    SVC_FRAME_SEQ = 1,    /* number of the frame in its stream; a gap is a frame that was dropped or refused */
    SVC_SERIES = 2,       /* the producer's number of the acquisition */
    SVC_COMPLETE = 3,     /* 1: the whole map of a frame. 0: the rows that just became complete */
    SVC_LATENTS = 4,
    SVC_ROWS = 5,
    SVC_COLS = 6,
    SVC_FIRST_ROW = 7, /* row of the map that is row 0 of this result */
    SVC_FRAME_HEIGHT = 8,
    SVC_FRAME_WIDTH = 9,
    SVC_VALID_LINES = 10, /* lines of the frame that had arrived */
    SVC_WINDOW_HEIGHT = 11,
    SVC_WINDOW_WIDTH = 12,
    SVC_STRIDE = 13,     /* px between neighbouring windows */
    SVC_RESULT_SEQ = 14, /* number of the result since the service started */
    SVC_UTC_NS = 15      /* UTC of the newest line by the producer's clock, ns since 1970; 0 if unknown */
};

/* Numbers of a result; NaN where there is none. */
enum {
    SVC_CENTRE_Y_PX = 0, /* centre of the windows in row 0 of this result; the next row is SVC_STRIDE px further */
    SVC_CENTRE_X_PX = 1,
    SVC_PIXEL_SIZE_Y_NM = 2,
    SVC_PIXEL_SIZE_X_NM = 3,
    SVC_AGE_MS = 4,     /* from the newest line's time to the publication of the result */
    SVC_SCORE = 5,      /* above 1 the frame, as far as it came, is unlike the training data; NaN: no verdict */
    SVC_WINDOWS_OUT = 6 /* share of the windows that are unlike those of the training data, 0 to 1 */
};

/* Texts of a result. */
enum {
    SVC_STREAM = 0,
    SVC_CHANNEL = 1, /* name of the detector channel */
    SVC_CONTEXT = 2, /* what the producer gave with the frame */
    SVC_REASON = 3,  /* why the frame is unlike the training data; "" if it is not */
    SVC_MODEL_SHA256 = 4,
    SVC_EPOCH = 5, /* name of this start of the service */
    SVC_HEADER = 6 /* the whole header, JSON: docs/reference/protocol.md, section 2.3 */
};

/* Places in the counters of a reader. */
enum {
    SVC_GIVEN = 0,   /* results that svc_reader_next gave */
    SVC_SKIPPED = 1, /* results that `latest` left out for a newer one */
    SVC_MISSED = 2,  /* results that were published meanwhile and did not arrive, of all streams */
    SVC_INVALID = 3, /* messages that are no results; svc_reader_error tells what was wrong with the last one */
    SVC_READER_COUNTERS = 4
};

/* Makes a reader. It connects by itself, now or once a service is there, and again after a loss. stream: the only
 * stream that it gives; null for all. latest 1: for a display, the newest band and the newest whole map of each stream.
 * latest 0: all in their order; 64 results, or 64 MiB, wait in the reader, some more in the service, then results are
 * missed. key_file and errors as for svc_producer_open. */
SVC_API int svc_reader_open(const char* endpoint, const char* stream, int latest, const char* key_file,
                            svc_reader** out);

/* Makes the next result the one that the functions below are about. Waits at most timeout_s seconds; 0: not at all.
 * SVC_NONE: there is none, and the previous result stays. */
SVC_API int svc_reader_next(svc_reader* reader, double timeout_s);

/* Mean and standard deviation, (latents, rows, cols) each. They live until the next svc_reader_next that gives
 * SVC_OK; null before the first. */
SVC_API const float* svc_reader_mean(const svc_reader* reader);
SVC_API const float* svc_reader_std(const svc_reader* reader);

/* What the result is: SVC_FRAME_NUMBER and the others of each list above. Text lives as the maps do. */
SVC_API int64_t svc_reader_integer(const svc_reader* reader, int which);
SVC_API double svc_reader_number(const svc_reader* reader, int which);
SVC_API const char* svc_reader_text(const svc_reader* reader, int which);

/* Name and unit of a latent, from 0 on; null beyond the last one. svc_reader_varies: 0 if training did not use the
 * latent, and its map is noise. */
SVC_API const char* svc_reader_latent_name(const svc_reader* reader, int latent);
SVC_API const char* svc_reader_latent_unit(const svc_reader* reader, int latent);
SVC_API int svc_reader_varies(const svc_reader* reader, int latent);

/* Outcomes of the frames of the result's stream so far: SVC_OFFERED to SVC_QUARANTINED, 6 numbers, the caller's. */
SVC_API int svc_reader_outcomes(const svc_reader* reader, uint64_t* counters);

/* counters: SVC_READER_COUNTERS numbers, the caller's. */
SVC_API int svc_reader_counters(svc_reader* reader, uint64_t* counters);

/* 1 while there is a connection to a service, else 0. */
SVC_API int svc_reader_connected(svc_reader* reader);

/* Text on the last call that failed, the last message that is no result, or the service's refusal of our key; "" if
 * there was none. The text lives until the next call. */
SVC_API const char* svc_reader_error(svc_reader* reader);

/* Frees a reader; null is allowed. */
SVC_API void svc_reader_close(svc_reader* reader);

#ifdef __cplusplus
}
#endif

#endif
