// What of a network depends on random numbers, or on which samples share a batch.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

#include "graph.h"

namespace repsim {

// Bits: what values depend on beside the sample and the parameters.
enum : int { kDraw = 1, kBatch = 2 };

// An operator that brings this in, or that computes a module in one piece, `kind` 0.
struct Cause {
  int kind;
  std::string module;      // whose code holds it; empty for the model's own
  std::string operation;
};

struct Dependence {
  std::vector<int> layers;  // bits of each layer, all its calls together
  int output = 0;           // bits of what the model returns
  std::vector<Cause> causes;
};

// Follows values through a tapped graph, from operators that draw random numbers (dropout that is
// active, `randn_like`, …) and batch norms that use the statistics of the batch to the taps.
// Operators with a constant that switches them off, and branches that are never taken in evaluation
// mode, do not count. It errs on the side of one layer too many.
Dependence find_dependence(const torch::jit::Graph& graph, const torch::jit::Stack& arguments,
                           const Owners& owners, const std::vector<Layer>& layers);

}  // namespace repsim
