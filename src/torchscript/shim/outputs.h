// What `forward` returns: taking a part of it for the whole.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <string>

namespace repsim {

// Makes a graph return a part of what it returns: the value of a dictionary by its key, of a named
// tuple by its field, of a tuple or list by its place, and of what that is again behind a dot:
// `logits`, `state.0`. Throws where there is no such part.
void return_part(torch::jit::Graph& graph, const std::string& key);

// A value in lines, as repsim_returned gives them.
std::string described(const c10::IValue& value);

}  // namespace repsim
