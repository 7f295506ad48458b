// What values of a graph have the same value in every run.
#pragma once
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <unordered_map>

namespace repsim {

// Numbers, flags and modules that are known before a graph runs: constants, attributes of the model
// (it is in evaluation mode, so that `training` is false), defaults of `forward`, and what operators
// make of these.
class Constants {
 public:
  // `arguments` are those `forward` is called with; the tensors among them differ from run to run.
  explicit Constants(const torch::jit::Stack& arguments) : arguments_(arguments) {}

  std::optional<c10::IValue> of(const torch::jit::Value* value);

  // The number of the block that a branch always takes.
  std::optional<size_t> taken(const torch::jit::Node* branch);

  // Whether the argument of this name is there and known to be the flag `expected`, or zero.
  bool is_flag(const torch::jit::Node* node, const char* argument, bool expected);
  bool is_zero(const torch::jit::Node* node, const char* argument);

 private:
  std::optional<c10::IValue> find(const torch::jit::Value* value);
  std::optional<c10::IValue> computed(const torch::jit::Node* node);
  std::optional<c10::IValue> argument(const torch::jit::Node* node, const char* name);

  const torch::jit::Stack& arguments_;
  std::unordered_map<const torch::jit::Value*, std::optional<c10::IValue>> known_;
};

}  // namespace repsim
