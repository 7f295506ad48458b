#include "names.h"

#include <sstream>
#include <unordered_map>

namespace repsim {

using namespace torch::jit;

namespace {

// A debug name that holds layers, each with kEnd behind it, from the innermost to the outermost;
// libtorch appends a number where two values have the same.
const std::string kMark = "layers of repsim: ";
constexpr char kEnd = ';';

// How many operators without a name are told of one another.
constexpr int kDepth = 3;

// The part of a value's name that holds layers.
std::string marked(const Value* value) {
  const std::string name = value->hasDebugName() ? value->debugName() : "";
  if (name.rfind(kMark, 0) != 0) return "";
  return name.substr(kMark.size(), name.rfind(kEnd) + 1 - kMark.size());
}

std::vector<std::string> layers_of(const Value* value) {
  std::vector<std::string> names;
  std::istringstream text(marked(value));
  for (std::string name; std::getline(text, name, kEnd);) names.push_back(name);
  return names;
}

void name_outputs(Block* block, const std::vector<Layer>& layers,
                  std::unordered_map<int64_t, int>& calls) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) name_outputs(inner, layers, calls);
    if (!is_tap(node)) continue;
    const int64_t layer = tapped_layer(node);
    const int call = ++calls[layer];
    const auto suffix = call == 1 ? std::string() : ":" + std::to_string(call);
    node->output()->setDebugName(kMark + layers.at(layer).path + suffix + kEnd);
  }
}

bool is_container(const Node* node) {
  return node->kind() == prim::ListConstruct || node->kind() == prim::TupleConstruct;
}

bool is_size(const Node* node) {
  const std::string name = node->kind().toUnqualString();
  return name == "size" || name == "len" || name == "dim" || name == "numel";
}

bool is_tensor(const Value* value) { return value->type()->isSubtypeOf(*TensorType::get()); }

using Missing = std::function<bool(const Value*)>;

std::string describe(const Value* value, const Missing& missing, int depth) {
  static const std::string input = ":input";
  const std::string name = layer_of(value);
  const Node* node = value->node();
  if (node->kind() == prim::Param) return "the model's input";
  if (name.size() > input.size() && name.substr(name.size() - input.size()) == input)
    return "the input of " + name.substr(0, name.size() - input.size());
  if (!name.empty()) return "the output of " + name;
  for (const Value* source : node->inputs()) {
    if (!missing(source)) continue;
    if (is_size(node)) return "the size of " + describe(source, missing, depth);
    if (is_container(node) || is_tap(node) || !is_tensor(value) || node->kind() == prim::NumToTensor)
      return describe(source, missing, depth);
    if (depth == 0) break;
    return operation(node) + " of " + describe(source, missing, depth - 1);
  }
  return "what " + operation(node) + " gave before it";
}

}  // namespace

void name_outputs(Block* block, const std::vector<Layer>& layers) {
  std::unordered_map<int64_t, int> calls;
  name_outputs(block, layers, calls);
}

void pass_name_on(const Value* from, Value* to) {
  const auto names = marked(from);
  if (!names.empty() && to->node()->kind() != prim::Param)
    to->setDebugName(kMark + marked(to) + names);
}

std::string layer_of(const Value* value) {
  const auto names = layers_of(value);
  return names.empty() ? "" : names.back();
}

std::string leads_to(const Node* node, const std::string& from) {
  std::string first;
  while (node && !node->outputs().empty()) {
    const Value* value = node->outputs()[0];
    for (const auto& name : layers_of(value)) {
      if (from.rfind(name + ".", 0) == 0) return name;
      if (first.empty()) first = name;
    }
    if (value->uses().empty()) break;
    node = value->uses()[0].user;
    if (node->kind() == prim::Return) node = node->owningBlock()->owningNode();
  }
  return first;
}

std::string describe(const Value* value, const Missing& missing) {
  return describe(value, missing, kDepth);
}

std::string operation(const Node* node) {
  while (is_container(node) && node->output()->uses().size() == 1 &&
         node->output()->uses()[0].user->kind() != prim::Return)
    node = node->output()->uses()[0].user;
  if (node->kind() == prim::If) return "a branch";
  if (node->kind() == prim::Loop) return "a loop";
  return std::string("`") + node->kind().toQualString() + "`";
}

}  // namespace repsim
