// The tail of a network: what is left to run behind a layer, as a graph of its own.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <string>
#include <vector>

namespace repsim {

struct CutRequest {
  int64_t layer;               // the layer to cut behind
  int64_t call;                // which call of it, from 1
  std::vector<int64_t> calls;  // how often each layer runs in a forward pass; 0: unknown
  int64_t output;              // element of what is returned that counts; -1: all of it
  std::vector<size_t> fed;     // the inputs of the graph that differ from run to run
  int64_t samples;             // the axis of the samples of the layer's output
  bool same_type;              // it is of the type of the inputs
};

struct Cut {
  // Inputs: `self`, the layer's output, and those of `forward` that are the same in every run. Null
  // where the graph cannot be cut.
  std::shared_ptr<torch::jit::Graph> graph;
  std::string refusal;               // why not: what the sentence "the layer …" goes on with
  int64_t output;                    // the element that counts of what this graph returns
  std::vector<int64_t> first_calls;  // the call of each layer that its first tap here is; 0: none
};

// Cuts a graph, which stays as it is.
//
// The tail holds every node that the output needs and that is not needed for the layer's output
// alone. It is refused where one of them takes a value that can be computed neither from the
// layer's output nor from `self` and constants. Beside these it holds
//   * what has an effect of its own behind the layer (taps, exceptions, warnings), unless it takes
//     such a value: then it belongs to a path that goes around the layer;
//   * what overwrites memory that a node of the tail may use, although nobody uses its result. Where
//     that cannot be part of the tail the cut is refused, because the tail would see other values
//     than in a whole run.
// How many samples a batch has, the device and the type are read off the layer's output where the network
// reads them off its input.
// The layer's output is copied first if the tail overwrites it: the tensor given stays as it is.
// A branch with a constant condition, and the branch the layer lies in, become part of the tail
// without their condition. Random numbers drawn before the layer are not drawn again.
Cut cut_behind(const torch::jit::Graph& graph, const CutRequest& request);

}  // namespace repsim
