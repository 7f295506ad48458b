// A TorchScript archive is a program. This compiles all of its code that can be reached, runs none of it,
// and says what it would do beyond computing.
#pragma once
#include <caffe2/serialize/inline_container.h>
#include <torch/script.h>

#include <string>
#include <vector>

namespace repsim {

// The operators, classes and kinds of code in an archive that are not known to compute only. `names` are the
// classes and functions of Python that its pickles name.
std::vector<std::string> judge(caffe2::serialize::PyTorchStreamReader& reader,
                               const std::vector<std::string>& names);

// The same of a module that was loaded.
std::vector<std::string> judge(const torch::jit::Module& module);

}  // namespace repsim
