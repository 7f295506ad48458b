/* Decodes a JPEG file in memory through libjpeg-turbo, with the settings and the judgement of
   Pillow: slow integer DCT, fancy upsampling, damaged data read as far as the library can, a file
   that ends before its last row refused. */

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { COMPLETE = 0, CUT_SHORT = 1, DAMAGED = 2 };

/* More scans than any encoder writes: each is a pass over the whole picture. */
enum { MOST_SCANS = 500 };

struct repsim_jpeg {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf failed;
  char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr info) {
  struct repsim_jpeg *jpeg = info->client_data;
  info->err->format_message(info, jpeg->message);
  longjmp(jpeg->failed, 1);
}

static void on_message(j_common_ptr info) {
  (void)info;
}

static void on_progress(j_common_ptr info) {
  struct repsim_jpeg *jpeg = info->client_data;
  if (jpeg->info.input_scan_number > MOST_SCANS) {
    snprintf(jpeg->message, sizeof jpeg->message, "more than %d scans", MOST_SCANS);
    longjmp(jpeg->failed, 1);
  }
}

static void on_source(j_decompress_ptr info) {
  (void)info;
}

/* All bytes were given at the start: asking for more suspends the library. */
static boolean on_end_of_data(j_decompress_ptr info) {
  (void)info;
  return FALSE;
}

static void on_skip(j_decompress_ptr info, long count) {
  struct jpeg_source_mgr *source = info->src;
  size_t skipped = count < 0 ? 0 : (size_t)count;
  if (skipped > source->bytes_in_buffer) skipped = source->bytes_in_buffer;
  source->next_input_byte += skipped;
  source->bytes_in_buffer -= skipped;
}

/* Readies a decoder for bytes that outlive it; NULL where there is no memory. */
struct repsim_jpeg *repsim_jpeg_open(const uint8_t *bytes, size_t count) {
  struct repsim_jpeg *jpeg = calloc(1, sizeof *jpeg);
  if (jpeg == NULL) return NULL;
  jpeg->info.err = jpeg_std_error(&jpeg->errors);
  jpeg->errors.error_exit = on_error;
  jpeg->errors.output_message = on_message;
  jpeg->info.client_data = jpeg;
  jpeg->progress.progress_monitor = on_progress;
  jpeg->source.next_input_byte = bytes;
  jpeg->source.bytes_in_buffer = count;
  jpeg->source.init_source = on_source;
  jpeg->source.fill_input_buffer = on_end_of_data;
  jpeg->source.skip_input_data = on_skip;
  jpeg->source.resync_to_restart = jpeg_resync_to_restart;
  jpeg->source.term_source = on_source;
  return jpeg;
}

/* Reads up to the first scan: the size, and the components (1 grey, 3 colour, 4 CMYK). */
int repsim_jpeg_header(struct repsim_jpeg *jpeg, uint32_t *width, uint32_t *height,
                       int *components, int *bits) {
  if (setjmp(jpeg->failed)) return DAMAGED;
  jpeg_create_decompress(&jpeg->info);
  jpeg->info.client_data = jpeg;
  jpeg->info.src = &jpeg->source;
  jpeg->info.progress = &jpeg->progress;
  int found;
  do found = jpeg_read_header(&jpeg->info, FALSE);
  while (found == JPEG_HEADER_TABLES_ONLY);
  if (found != JPEG_HEADER_OK) return CUT_SHORT;
  *width = jpeg->info.image_width;
  *height = jpeg->info.image_height;
  *components = jpeg->info.num_components;
  *bits = jpeg->info.data_precision;
  return COMPLETE;
}

static J_COLOR_SPACE colours_of(int components) {
  switch (components) {
    case 1: return JCS_GRAYSCALE;
    case 3: return JCS_RGB;
    default: return JCS_CMYK;
  }
}

/* Decodes to height x width x components bytes. A missing end marker after the last row is no
   error. */
int repsim_jpeg_pixels(struct repsim_jpeg *jpeg, uint8_t *pixels) {
  if (setjmp(jpeg->failed)) return DAMAGED;
  jpeg->info.out_color_space = colours_of(jpeg->info.num_components);
  if (!jpeg_start_decompress(&jpeg->info)) return CUT_SHORT;
  size_t stride = (size_t)jpeg->info.output_width * jpeg->info.output_components;
  while (jpeg->info.output_scanline < jpeg->info.output_height) {
    JSAMPROW row = pixels + jpeg->info.output_scanline * stride;
    if (jpeg_read_scanlines(&jpeg->info, &row, 1) != 1) return CUT_SHORT;
  }
  jpeg_finish_decompress(&jpeg->info);
  return COMPLETE;
}

/* What was wrong, after DAMAGED. */
const char *repsim_jpeg_message(const struct repsim_jpeg *jpeg) {
  return jpeg->message;
}

void repsim_jpeg_close(struct repsim_jpeg *jpeg) {
  if (!setjmp(jpeg->failed)) jpeg_destroy_decompress(&jpeg->info);
  free(jpeg);
}
