// Names of layers on the values of a graph, so that a message can speak of layers.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <string>
#include <vector>

#include "graph.h"

namespace repsim {

// Names the output of every tap after its layer: `relu` the first time, `relu:2` the second.
void name_outputs(torch::jit::Block* block, const std::vector<Layer>& layers);

// Adds the names of a value that goes away to those of the one that takes its place.
void pass_name_on(const torch::jit::Value* from, torch::jit::Value* to);

// The layer that a value is the output of, the outermost of several; empty where there is none.
std::string layer_of(const torch::jit::Value* value);

// The layer that a node's result leads to: the innermost module around the layer `from`, or else
// the first that has a name; empty where there is none.
std::string leads_to(const torch::jit::Node* node, const std::string& from);

// A value in words: "the output of layer1", "the size of the model's input". Where it has no name,
// it is told by the first of its producer's inputs that is itself `missing`.
std::string describe(const torch::jit::Value* value,
                     const std::function<bool(const torch::jit::Value*)>& missing);

// What takes a value, in words: the operator, for a list the operator it is made for.
std::string operation(const torch::jit::Node* node);

}  // namespace repsim
