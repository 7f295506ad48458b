// Which places what a module gives has in its tuple, where a trace gives only what is used of it.
#pragma once
#include <torch/script.h>

#include <vector>

namespace repsim {

// A tensor that a call gives, and its place in the tuple of the module.
struct Placed {
  torch::jit::Value* value;
  size_t place;
  torch::jit::Node* layer;  // the recurrent operator whose outputs are those of the module; null: another
};

// Whether a module is one of PyTorch's quantised layers.
bool is_quantized(const torch::jit::Module& module);

// Whether a module is a recurrent layer or an attention of torch.nn, which give tuples.
bool gives_tuple(const torch::jit::Module& module);

// The places of what a call of such a module gives, as the operators that make it tell; none where one of
// them does not.
std::vector<Placed> placed(torch::jit::Value* given);

}  // namespace repsim
