// Whether a graph can be seen to keep the samples of a batch apart, before it runs.
#pragma once
#include <ATen/core/stack.h>
#include <torch/csrc/jit/ir/ir.h>

namespace repsim {

// Whether every operator that runs is one that computes each sample (axis 0) from that sample and the
// parameters alone, draws nothing, writes to no attribute, and takes its input in any memory layout: the
// operators of plain convolutional networks. `arguments` are those `forward` is called with. It errs on the side of no.
bool keeps_samples_apart(const torch::jit::Graph& graph, const torch::jit::Stack& arguments);

}  // namespace repsim
