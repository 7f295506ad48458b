// What `forward` is called with: the tensors of a run, and what is the same in every run.
#pragma once
#include <ATen/core/function_schema.h>
#include <ATen/core/stack.h>

#include <vector>

#include "model.h"

namespace repsim {

const c10::FunctionSchema& forward_schema(const repsim_model& model);

// The tensors behind the pointers; copies where a graph may write into them and the caller's are to stay
// as they are.
std::vector<at::Tensor> tensors(const void* const* inputs, size_t count, bool copied);

// The arguments that the tensors of a run go into.
std::vector<size_t> fed_places(const repsim_model& model);

// `self`, and every argument: what was given for it, or its default.
torch::jit::Stack arguments(const repsim_model& model, const std::vector<at::Tensor>& tensors);

// The same without those that take the tensors of a run.
torch::jit::Stack arguments_of_every_run(const repsim_model& model);

}  // namespace repsim
