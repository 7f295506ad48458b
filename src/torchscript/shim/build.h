// C interface that builds a model node by node: a graph over a tree of modules that hold its weights,
// with taps behind the layers. Values are numbered from 0 in the order in which they were made.
// Functions that can fail return −1 and leave a message in `error`, to be freed with repsim_free.
#pragma once
#include <cstddef>
#include <cstdint>

#include "shim.h"

extern "C" {

typedef struct repsim_builder repsim_builder;

// What a value is. Numbers are given by `integer` or `number`, texts and devices by `text`.
enum {
  REPSIM_NONE = 0,
  REPSIM_BOOL = 1,
  REPSIM_INT = 2,
  REPSIM_FLOAT = 3,
  REPSIM_TEXT = 4,
  REPSIM_DEVICE = 5,
  REPSIM_TENSOR = 6,
};

repsim_builder* repsim_build_begin(char** error);
void repsim_build_drop(repsim_builder* builder);

// A tensor under a dotted name: an attribute `weight` of the module `layer1.0.conv1`.
int64_t repsim_build_weight(repsim_builder* builder, const char* name, const void* tensor,
                            int is_parameter, char** error);

// The next input of the graph; `kind` as above.
int64_t repsim_build_input(repsim_builder* builder, const char* name, int kind, char** error);

int64_t repsim_build_constant(repsim_builder* builder, int kind, int64_t integer, double number,
                              const char* text, char** error);

// An operator by name and overload, its arguments by the names of its schema; what is not given has
// the schema's default. `counts` says of each argument whether it is one value (−1) or a list of so
// many; `values` holds them one after another. `outputs` receives the values it returns, at most
// `capacity`. Returns how many.
int64_t repsim_build_call(repsim_builder* builder, const char* name, const char* overload,
                          const char* const* arguments, const int64_t* counts, size_t count,
                          const int64_t* values, int64_t* outputs, size_t capacity, char** error);

// An operator on numbers, its overload chosen by what the values are.
int64_t repsim_build_scalar(repsim_builder* builder, const char* name, const int64_t* values,
                            size_t count, char** error);

// Takes a list of tensors apart. Returns 0.
int64_t repsim_build_unpack(repsim_builder* builder, int64_t list, int64_t* outputs, size_t count,
                            char** error);

// Nodes made from now on belong to the module of a dotted name.
int64_t repsim_build_owner(repsim_builder* builder, const char* path, char** error);

// A layer to tap; returns its identifier. `gives_tensor` as for repsim_layer_gives_tensor.
int64_t repsim_build_layer(repsim_builder* builder, const char* path, const char* type,
                           const char* result, int64_t parameters, int gives_tensor, char** error);

// Puts a tap of a layer on a value: nodes made from now on take what the tap gives. Returns 0.
int64_t repsim_build_tap(repsim_builder* builder, int64_t value, int64_t layer, char** error);

// The model that returns the given values: one by itself, several as a tuple. The builder is used up,
// but still to be dropped.
repsim_model* repsim_build_finish(repsim_builder* builder, const int64_t* values, size_t count,
                                  char** error);

}  // extern "C"
