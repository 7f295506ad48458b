#include "apart.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "constants.h"
#include "graph.h"

namespace repsim {

using namespace torch::jit;

namespace {

using Names = std::set<std::string>;

// What gives each number another one, whatever the others are.
bool is_by_element(const std::string& name) {
  static const Names names = {"relu", "relu6", "hardtanh", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid",
                              "gelu", "elu", "selu", "leaky_relu", "mish", "softplus", "clamp", "detach", "clone"};
  return names.count(name) > 0;
}

bool is_sum_or_product(const std::string& name) {
  static const Names names = {"add", "sub", "mul", "div"};
  return names.count(name) > 0;
}

bool is_dropout(const std::string& name) {
  static const Names names = {"dropout", "feature_dropout", "alpha_dropout"};
  return names.count(name) > 0;
}

// Operators over positions, with the number of axes of what they take for several samples; with one axis fewer
// they would take the samples for something else.
int64_t axes_of_images(const std::string& name) {
  static const std::map<std::string, int64_t> axes = {
      {"conv1d", 3},     {"conv2d", 4},     {"conv3d", 5},     {"max_pool1d", 3}, {"max_pool2d", 4},
      {"max_pool3d", 5}, {"avg_pool1d", 3}, {"avg_pool2d", 4}, {"avg_pool3d", 5}, {"adaptive_avg_pool1d", 3},
      {"adaptive_avg_pool2d", 4}, {"adaptive_avg_pool3d", 5}};
  const auto found = axes.find(name);
  return found == axes.end() ? 0 : found->second;
}

// `relu` of `relu_`.
std::string without_underscore(std::string name) {
  if (name.size() > 1 && name.back() == '_') name.pop_back();
  return name;
}

bool holds_tensors(const Type& type) {
  switch (type.kind()) {
    case TypeKind::NoneType: case TypeKind::NumberType: case TypeKind::IntType: case TypeKind::FloatType:
    case TypeKind::BoolType: case TypeKind::StringType: case TypeKind::DeviceObjType: return false;
    case TypeKind::OptionalType: return holds_tensors(*type.castRaw<OptionalType>()->getElementType());
    case TypeKind::ListType: return holds_tensors(*type.castRaw<ListType>()->getElementType());
    default: return true;
  }
}

bool holds_tensor(const Value* value) { return holds_tensors(*value->type()); }

class Judge {
 public:
  explicit Judge(const Stack& arguments) : arguments_(arguments), constants_(arguments) {}

  bool holds(const Graph& graph) {
    for (size_t place = 1; place < graph.inputs().size() && place < arguments_.size(); place++) {
      const auto& given = arguments_[place];
      if (!given.isTensor()) continue;
      if (given.toTensor().dim() < 2) return false;
      axes_[graph.inputs()[place]] = given.toTensor().dim();
    }
    return holds(graph.block());
  }

 private:
  bool holds(const Block* block) {
    const auto& nodes = block->nodes();
    return std::all_of(nodes.begin(), nodes.end(), [&](const Node* node) { return holds(node); });
  }

  bool holds(const Node* node) {
    if (node->kind() == prim::If && constants_.taken(node)) return holds_branch(node);
    if (!node->blocks().empty()) return holds_around(node);
    if (is_tap(node)) return note(node, axes(node->input(0)));
    if (node->kind() == prim::Constant || node->kind() == prim::GetAttr) return true;
    if (node->kind() == prim::unchecked_cast) return true;
    if (node->kind() == prim::ListConstruct) return holds_list(node);
    if (node->kind() == prim::RaiseException) return true;
    const auto& outputs = node->outputs();
    if (std::any_of(outputs.begin(), outputs.end(), holds_tensor))
      return node->kind().is_aten() && outputs.size() == 1 && note(node, axes_given_by(node));
    // Numbers that are the same in every run are known where they are used.
    return !node->hasSideEffects();
  }

  bool holds_branch(const Node* node) {
    const Block* block = taken_block(node);
    if (!holds(block)) return false;
    for (size_t place = 0; place < node->outputs().size(); place++)
      if (const auto known = axes(block->outputs()[place])) axes_[node->output(place)] = known;
    return true;
  }

  const Block* taken_block(const Node* node) { return node->blocks()[*constants_.taken(node)]; }

  // Branches and loops that decide on numbers and errors alone.
  bool holds_around(const Node* node) {
    const auto& outputs = node->outputs();
    const auto& blocks = node->blocks();
    return std::none_of(outputs.begin(), outputs.end(), holds_tensor) &&
           std::all_of(blocks.begin(), blocks.end(), [&](const Block* block) { return holds(block); });
  }

  // A list of numbers, or one of outputs with the same number of axes.
  bool holds_list(const Node* node) {
    const auto& inputs = node->inputs();
    if (std::none_of(inputs.begin(), inputs.end(), holds_tensor)) return true;
    const int64_t first = axes(inputs[0]);
    return std::all_of(inputs.begin(), inputs.end(), [&](const Value* v) { return axes(v) == first; }) &&
           note(node, first);
  }

  // How many axes an output of the network has, the samples' the first; 0: not known to be one.
  int64_t axes(const Value* value) const {
    while (value->node()->kind() == prim::unchecked_cast) value = value->node()->input();
    const auto found = axes_.find(value);
    return found == axes_.end() ? 0 : found->second;
  }

  bool note(const Node* node, int64_t count) {
    for (const Value* output : node->outputs()) axes_[output] = count;
    return count > 0;
  }

  // How many axes an operator gives that keeps samples apart; 0: it is none, or not for what it is given.
  int64_t axes_given_by(const Node* node) {
    const std::string name = without_underscore(node->kind().toUnqualString());
    const int64_t given = node->inputs().empty() ? 0 : axes(node->input(0));
    if (given < 2) return 0;
    if (is_sum_or_product(name)) return holds_sum(node, given) ? given : 0;
    if (!rest_is_known(node)) return 0;
    if (is_by_element(name)) return takes_no_parameter(node) ? given : 0;
    if (const int64_t wanted = axes_of_images(name)) return given == wanted ? given : 0;
    if (name == "_convolution" || name == "convolution") return parameter_axes(node->input(1)) == given ? given : 0;
    if (name == "linear") return given;
    if (name == "batch_norm") return constants_.is_flag(node, "training", false) ? given : 0;
    if (is_dropout(name))
      return constants_.is_flag(node, "train", false) || constants_.is_zero(node, "p") ? given : 0;
    if (name == "cat") return axis(node, "dim", given) > 0 ? given : 0;
    if (name == "flatten") return axis(node, "start_dim", given) == 1 && axis(node, "end_dim", given) == given - 1 ? 2 : 0;
    return 0;
  }

  // Of two outputs with as many axes, or with a number or a parameter of fewer: samples meet themselves alone.
  bool holds_sum(const Node* node, int64_t given) {
    if (node->inputs().size() < 2 || !rest_is_known(node, 2)) return false;
    const Value* other = node->input(1);
    if (axes(other) > 0) return axes(other) == given;
    const auto known = constants_.of(other);
    if (!known) return false;
    return known->isTensor() ? known->toTensor().dim() < given : known->isScalar();
  }

  // Whether all arguments but the first are parameters, numbers, or lists of these.
  bool rest_is_known(const Node* node, size_t from = 1) {
    const auto& inputs = node->inputs();
    return std::all_of(inputs.begin() + from, inputs.end(), [&](const Value* value) { return is_known(value); });
  }

  bool is_known(const Value* value) {
    if (constants_.of(value)) return true;
    const Node* node = value->node();
    if (node->kind() == prim::unchecked_cast) return is_known(node->input());
    if (node->kind() == prim::If && constants_.taken(node)) return is_known(taken_block(node)->outputs()[value->offset()]);
    // What is None in the list of sizes becomes what the map has.
    if (node->kind().toQualString() == std::string("aten::list_with_default")) return is_known(node->input(0));
    if (node->kind() != prim::ListConstruct) return false;
    const auto& parts = node->inputs();
    return std::all_of(parts.begin(), parts.end(), [&](const Value* part) { return constants_.of(part).has_value(); });
  }

  // A parameter with as many axes as what it meets could hold one value a sample.
  bool takes_no_parameter(const Node* node) {
    const auto& inputs = node->inputs();
    return std::none_of(inputs.begin() + 1, inputs.end(), [&](const Value* value) {
      const auto known = constants_.of(value);
      return known && known->isTensor();
    });
  }

  int64_t parameter_axes(const Value* value) {
    const auto known = constants_.of(value);
    return known && known->isTensor() ? known->toTensor().dim() : 0;
  }

  // The axis that an argument names, counted from the front; -1 where it is not known.
  int64_t axis(const Node* node, const char* argument, int64_t count) {
    const auto* schema = node->maybeSchema();
    const auto place = schema ? schema->argumentIndexWithName(argument) : std::nullopt;
    if (!place || static_cast<size_t>(*place) >= node->inputs().size()) return -1;
    const auto value = constants_.of(node->input(*place));
    if (!value || !value->isInt()) return -1;
    return value->toInt() < 0 ? value->toInt() + count : value->toInt();
  }

  const Stack& arguments_;
  Constants constants_;
  std::unordered_map<const Value*, int64_t> axes_;
};

}  // namespace

bool keeps_samples_apart(const Graph& graph, const Stack& arguments) { return Judge(arguments).holds(graph); }

}  // namespace repsim
