/* Runs a plan file (export_network --format plan, or prune) in a program in C: target
 * serpette::runtime.
 *
 * Functions that can fail return NULL or −1, and serpette_error() says why in one line: of a handle that is NULL, too.
 * Nothing is thrown. One call at a time for each handle. */
#ifndef SERPETTE_RUNTIME_H
#define SERPETTE_RUNTIME_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct serpette_runtime serpette_runtime;

/* One object, in pixels of the picture. */
typedef struct serpette_detection {
  double x, y, width, height; /* top-left corner and size */
  double score;               /* in [0, 1] */
  int class_index;            /* from 0 */
} serpette_detection;

/* What the last call on this thread failed of; "" if none did. Good until the next call. */
const char* serpette_error(void);

/* Opens a plan. threads: that an image is computed on, at most 1024; 0: as many as OpenMP says. NULL: it failed. */
serpette_runtime* serpette_open(const char* plan, int threads);
/* NULL is allowed. */
void serpette_close(serpette_runtime* runtime);

/* Pixels of the canvas that pictures are scaled onto, and the number of classes. */
int serpette_width(const serpette_runtime* runtime);
int serpette_height(const serpette_runtime* runtime);
int serpette_classes(const serpette_runtime* runtime);
/* Good as long as the handle; NULL: there is no such class. */
const char* serpette_class_name(const serpette_runtime* runtime, int class_index);

/* What is in a picture, best first: fills at most `room` detections whose score exceeds `confidence`, at most 100, and
 * returns their number; −1: it failed. */
int serpette_detect_file(serpette_runtime* runtime, const char* picture, double confidence,
                         serpette_detection* detections, int room);
/* The same of decoded pixels [height][width][3], rows from the top. */
int serpette_detect_rgb(serpette_runtime* runtime, const unsigned char* rgb, int width, int height,
                        double confidence, serpette_detection* detections, int room);

#ifdef __cplusplus
}
#endif

#endif
