// What a module remembers from one run to the next.
#pragma once
#include <torch/script.h>

#include <string>
#include <vector>

namespace repsim {

// The attributes of a module that are not parameters and no modules, as they were at one time.
class State {
 public:
  State() = default;
  explicit State(const torch::jit::Module& module);

  // The dotted names of the attributes that are no longer as they were.
  std::vector<std::string> changed() const;

  // Makes them what they were.
  void restore() const;

 private:
  struct Attribute {
    torch::jit::Module owner;
    std::string path;
    std::string name;
    c10::IValue value;    // the very value that was there
    c10::IValue copy;     // and what was in it
    int64_t version = 0;  // of a tensor
  };

  std::vector<Attribute> attributes_;
};

}  // namespace repsim
