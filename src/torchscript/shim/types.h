// The element type and the device that a loaded model computes in.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include "shim.h"

namespace repsim {

// Makes every device that is written into a graph this one.
void place_devices(torch::jit::Block* block, const at::Device& device);

}  // namespace repsim

extern "C" {

// The at::ScalarType of the first parameter or buffer that holds floats; −1 where there is none.
int repsim_float_type(const repsim_model* model);

// Casts all parameters, buffers and constants that hold floats. To be called before the model is
// probed. Returns 0, or 1 on an error.
int repsim_cast(repsim_model* model, int type, char** error);

}  // extern "C"
