// Values that stand in the code of an archive as defaults of arguments and as constants of classes: libtorch
// computes them while it compiles.
#pragma once
#include <torch/csrc/jit/frontend/source_range.h>

#include <memory>
#include <stdexcept>

namespace repsim {

// A default that is computed by code.
struct CodeInDefault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws where a default or a constant of a class is anything but a plain value.
void refuse_code_in_defaults(const std::shared_ptr<torch::jit::Source>& source);

}  // namespace repsim
