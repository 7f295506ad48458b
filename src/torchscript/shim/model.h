// A loaded model, however its graph came about.
#pragma once
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/script.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "axes.h"
#include "dependence.h"
#include "graph.h"
#include "shim.h"
#include "state.h"

namespace repsim {

// An argument of `forward` that takes so many of the tensors of a run.
struct Feed {
  size_t place;
  size_t count;
};

}  // namespace repsim

struct repsim_model {
  torch::jit::Module module;
  std::shared_ptr<torch::jit::Graph> tapped;    // every layer tapped, `self` as input 0
  std::unique_ptr<torch::jit::GraphFunction> function;  // the one that runs
  std::vector<repsim::Layer> layers;
  std::vector<std::string> merged;              // names and what they count as
  repsim::Owners owners;                        // of the nodes of `tapped`
  repsim::Dependence dependence;                // as it was probed last
  bool apart = false;                           // its samples, as it was probed last
  std::vector<int64_t> same;                    // of the calls of the hook in the last probe
  bool overwrites_input = false;                // it was seen to
  std::vector<std::string> written;             // attributes that a run was seen to change
  repsim::State state;                          // what they were, where runs set them back
  bool keep_state = false;
  bool flat = false;
  std::vector<repsim::Feed> fed = {{1, 1}};     // what the tensors of a run go into
  std::map<size_t, at::IValue> fixed;           // other arguments of `forward` that were given
  int64_t output = -1;                          // element of what is returned; -1: all of it
  std::string output_type;
  std::vector<repsim::Axes> probed;             // the axes of what the last probe's taps gave
  std::vector<bool> sigmoids;                   // what it returned in the last probe that did
};

namespace repsim {

inline char* copy_text(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// Runs `body`; what it throws becomes a message and `failure`.
template <typename Result, typename Body>
Result guarded(char** error, Result failure, Body body) {
  try {
    return body();
  } catch (const c10::Error& e) {
    *error = copy_text(e.what_without_backtrace());
  } catch (const std::exception& e) {
    *error = copy_text(e.what());
  } catch (...) {
    *error = copy_text("unknown error in libtorch");
  }
  return failure;
}

}  // namespace repsim
