// Layers of a TorchScript graph: finding them by inlining, tapping them, thinning the taps out.
#pragma once
#include <torch/script.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "places.h"
#include "shared.h"

namespace repsim {

// Looks at a layer's output; what it returns takes the output's place.
using Hook = std::function<at::Tensor(int64_t layer, const at::Tensor& output)>;

// Sets the hook of this thread's taps for as long as it lives.
class HookScope {
 public:
  explicit HookScope(const Hook* hook);
  ~HookScope();
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;

 private:
  const Hook* previous_;
};

struct Layer {
  std::string path;      // dotted name of the module, with `:0`, `:1` and so on for the tensors of a
                         // tuple; or kind and order of an operator
  std::string type;      // the module's class, or the operator
  std::string result;    // TorchScript type of what it returns
  int64_t parameters;    // with those of its children
  bool gives_tensor;
  bool is_placed;        // the number is known to be that in the tuple
};

// The dotted path of the module whose code holds a node; the model's own code is not in it.
using Owners = std::unordered_map<const torch::jit::Node*, std::string>;

// Puts a tap behind every layer of a graph by inlining the calls of modules.
class Tapper {
 public:
  Tapper(torch::jit::Graph& graph, const torch::jit::Module& root);

  // Taps the modules; where there are none, the operator nodes.
  void run();

  std::vector<Layer> layers;
  Owners owners;
  std::map<std::string, std::string> merged;  // names of modules that may be others, and what they count as
  bool flat = false;

 private:
  struct Submodule {
    std::string path;
    torch::jit::Module module;
    std::string written;  // the path that the code has
  };

  void scout();
  void walk(torch::jit::Block* block);
  void note_submodule(torch::jit::Node* attribute);
  torch::jit::Node* inline_method(torch::jit::Node* call);
  torch::jit::Node* inline_function(torch::jit::Node* call);
  void own(const std::string& path, torch::jit::Node* first, const torch::jit::Node* end);
  void walk_operators(torch::jit::Block* block);
  int64_t layer_of(const Submodule& submodule, const std::string& path,
                   const torch::jit::Value* result);
  void tap_result(const Submodule& submodule, torch::jit::Value* result, torch::jit::Node* before);
  void tap_placed(const Submodule& submodule, const std::vector<Placed>& known,
                  torch::jit::Value* result, torch::jit::Node* before);
  void tap_elements(const Submodule& submodule, torch::jit::Value* tuple, torch::jit::Node* before);
  void tap(torch::jit::Value* value, torch::jit::Node* before, int64_t layer);

  torch::jit::Graph& graph_;
  const std::string& owner_of(const torch::jit::Node* node) const;
  std::string name_of(const torch::jit::Node* call, const Submodule& callee);

  torch::jit::Module root_;
  SharedNames names_;
  CallSites sites_;
  std::map<std::string, std::set<size_t>> places_;  // that calls use of a module's tuple
  bool scouting_ = false;
  std::unordered_map<torch::jit::Value*, Submodule> submodules_;
  std::unordered_map<std::string, int64_t> by_path_;
  std::unordered_map<std::string, int64_t> operators_;
};

// Puts what a graph forks in its place: on another thread it would be behind no tap.
void join_forks(std::shared_ptr<torch::jit::Graph> graph);

// Taps what goes into the last linear layer as layer number `layer`; nothing where there is none.
std::optional<Layer> tap_last_linear(torch::jit::Graph& graph, int64_t layer);

// Puts a tap of a layer on a value, at the graph's insertion point.
torch::jit::Node* insert_tap(torch::jit::Graph& graph, torch::jit::Value* value, int64_t layer);

// Whether a node is a tap, and of which layer.
bool is_tap(const torch::jit::Node* node);
int64_t tapped_layer(const torch::jit::Node* tap);

// Removes the taps of all layers but those wanted. The names of their outputs stay.
void keep_taps(torch::jit::Block* block, const std::vector<bool>& wanted);

// Lays the weights of the convolutions in a frozen graph out channels-last.
void weights_to_channels_last(torch::jit::Block* block);

// Whether a convolution of a graph has such a weight.
bool has_channels_last_weights(torch::jit::Block* block);

}  // namespace repsim
