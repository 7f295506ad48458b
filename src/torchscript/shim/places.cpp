#include "places.h"

#include <optional>
#include <set>

namespace repsim {

using namespace torch::jit;

namespace {

// Operators that only arrange values anew, and the mean over the heads of an attention.
const std::set<std::string> kSameValues = {
    "_unsafe_view", "alias", "clone",   "contiguous", "detach",    "dropout",   "index_select", "mean",
    "permute",      "reshape", "squeeze", "to",         "transpose", "unsqueeze", "view",         "t"};

bool is_cell(const std::string& name) { return name == "lstm_cell"; }

// A recurrent layer: of sequences of one length, those of several are tuples themselves.
bool is_layer(const Node* node, const std::string& name) {
  static const std::set<std::string> names = {"lstm",     "gru",           "rnn_tanh",
                                              "rnn_relu", "quantized_lstm", "quantized_gru"};
  if (!names.count(name)) return false;
  const auto& arguments = node->schema().arguments();
  return arguments.size() > 1 && arguments[1].name() == "hx";
}

bool is_made_by(const Value* value, const std::string& name) {
  const std::string made = value->node()->kind().toUnqualString();
  return made == name || made == name + "_";
}

// A trace has a cell's operators one by one: c' = f * c + i * g and h' = o * tanh(c').
std::optional<size_t> place_in_cell(const Value* value) {
  const auto inputs = value->node()->inputs();
  if (inputs.size() < 2) return std::nullopt;
  const auto both = [&](const char* a, const char* b) {
    return is_made_by(inputs[0], a) && is_made_by(inputs[1], b);
  };
  if (is_made_by(value, "mul") && both("sigmoid", "tanh")) return 0;
  if (is_made_by(value, "add") && both("mul", "mul")) return 1;
  return std::nullopt;
}

std::optional<Placed> placed_one(Value* given) {
  for (Value* value = given; value->node()->kind().is_aten();) {
    Node* node = value->node();
    const std::string name = node->kind().toUnqualString();
    if (const auto place = place_in_cell(value)) return Placed{given, *place, nullptr};
    if (is_cell(name) || is_layer(node, name)) return Placed{given, value->offset(), node};
    if (name == "_native_multi_head_attention") return Placed{given, value->offset(), nullptr};
    if (name == "linear" || name == "addmm" || name == "mm") return Placed{given, 0, nullptr};
    if (name.find("softmax") != std::string::npos) return Placed{given, 1, nullptr};
    if (!kSameValues.count(name)) return std::nullopt;
    value = node->input(0);
  }
  return std::nullopt;
}

}  // namespace

bool is_quantized(const Module& module) {
  const auto name = module.type()->name();
  return name && name->qualifiedName().find(".torch.ao.nn.quantized.") != std::string::npos;
}

bool gives_tuple(const Module& module) {
  static const std::set<std::string> names = {"LSTM", "GRU", "RNN", "LSTMCell", "MultiheadAttention"};
  const auto name = module.type()->name();
  if (!name || !names.count(name->name())) return false;
  const auto& path = name->qualifiedName();
  return path.find(".torch.nn.modules.") != std::string::npos || is_quantized(module);
}

std::vector<Placed> placed(Value* given) {
  Node* node = given->node();
  const bool is_tuple = node->kind() == prim::TupleConstruct;
  std::vector<Value*> values{given};
  if (is_tuple) values = node->inputs().vec();
  std::set<size_t> places;
  std::vector<Placed> all;
  for (Value* value : values) {
    const auto one = placed_one(value);
    if (!one || !places.insert(one->place).second) return {};
    all.push_back(*one);
  }
  return all;
}

}  // namespace repsim
