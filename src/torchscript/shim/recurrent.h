// Recurrent operators that are given their first states.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace repsim {

// Holds the states that recurrent operators begin with against the number of samples in their input, when
// they run. libtorch's operators do not, and would read and write beyond the states.
void hold_states(torch::jit::Block* block);

}  // namespace repsim
