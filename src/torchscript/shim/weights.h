// Parameters and buffers of a model by name: which there are, and other values for them.
#pragma once
#include "shim.h"

extern "C" {

// All parameters and buffers, a line each: name, 1 for a buffer, number of PyTorch's type, number of the
// tensor (names with one number are one tensor), and the sizes apart by commas; apart by tabs. To be freed
// by `repsim_free`. Null on an error.
char* repsim_weights(repsim_model* model, char** error);

// Copies a tensor of the same shape into the parameter or buffer of a name. Returns 0 if it was done. To be
// called before the model is prepared.
int repsim_set_weight(repsim_model* model, const char* name, const void* tensor, char** error);

}  // extern "C"
