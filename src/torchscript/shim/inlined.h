// How large a function grows when the code of all that it calls stands in its place.
#pragma once
#include <torch/csrc/jit/api/function_impl.h>

#include <cstdint>
#include <unordered_map>

namespace repsim {

class InlinedSizes {
 public:
  // The nodes of a function with those of all that it calls, each as often as it is called there.
  uint64_t of(torch::jit::Function& function);

 private:
  uint64_t of(const torch::jit::Block& block);

  std::unordered_map<const torch::jit::Function*, uint64_t> known_;
};

}  // namespace repsim
