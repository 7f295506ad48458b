#include "graph.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/library.h>

#include <algorithm>
#include <set>

#include "names.h"
#include "places.h"

namespace repsim {

using namespace torch::jit;

namespace {

thread_local const Hook* current_hook = nullptr;

const Symbol& tap_kind() {
  static const Symbol kind = Symbol::fromQualString("repsim::tap");
  return kind;
}

at::Tensor tap_kernel(const at::Tensor& output, int64_t layer) {
  return current_hook ? (*current_hook)(layer, output) : output;
}

// `detach` by another name: libtorch's passes take that out of frozen graphs.
at::Tensor stop_gradient(const at::Tensor& value) { return value.detach(); }

// CONSERVATIVE: no pass may move or remove it. Composite: gradients go through what it returns.
TORCH_LIBRARY(repsim, library) {
  library.def(
      torch::schema("tap(Tensor output, int layer) -> Tensor", c10::AliasAnalysisKind::CONSERVATIVE));
  library.impl("tap", c10::DispatchKey::CompositeImplicitAutograd, TORCH_FN(tap_kernel));
  library.def("stop_gradient(Tensor(a) value) -> Tensor(a)");
  library.impl("stop_gradient", c10::DispatchKey::CompositeImplicitAutograd, TORCH_FN(stop_gradient));
}

// `forward`, `forward1` and so on (how tracing names the second call of a module), or `forward__0`
// (how scripting names an overload).
bool is_forward(const std::string& method) {
  static const std::string name = "forward";
  static const std::string overload = "forward__";
  if (method.rfind(name, 0) != 0) return false;
  const auto start = method.rfind(overload, 0) == 0 ? overload.size() : name.size();
  return method.find_first_not_of("0123456789", start) == std::string::npos;
}

// What a script calls of a recurrent layer that is quantised, in the place of its `forward`.
bool is_overload(const std::string& method) {
  return method == "forward_tensor" || method == "forward_packed";
}

bool is_tensor(const Value* value) { return value->type()->isSubtypeOf(*TensorType::get()); }

// Whether a type is a tuple, a nested one included, with a tensor in it.
bool is_tensor_tuple(const c10::Type& type) {
  if (type.kind() != TypeKind::TupleType) return false;
  for (const auto& element : type.expectRef<TupleType>().elements())
    if (element->isSubtypeOf(*TensorType::get()) || is_tensor_tuple(*element)) return true;
  return false;
}

int64_t count_parameters(const Module& module) {
  std::set<std::pair<const void*, int64_t>> distinct;
  for (const auto& parameter : module.parameters())
    if (parameter.numel() > 0) distinct.emplace(parameter.data_ptr(), parameter.numel());
  int64_t count = 0;
  for (const auto& [place, values] : distinct) count += values;
  return count;
}

// `aten::relu_` is the operator `relu`: in place or not makes no other layer.
std::string operator_name(const Node* node) {
  std::string name = node->kind().toUnqualString();
  while (name.size() > 1 && name.front() == '_') name.erase(0, 1);
  while (name.size() > 1 && name.back() == '_') name.pop_back();
  return name;
}

}  // namespace

void join_forks(std::shared_ptr<Graph> graph) {
  static const Symbol fork = Symbol::fromQualString("prim::fork");
  const std::function<bool(Block*)> holds = [&](Block* block) {
    for (Node* node : block->nodes()) {
      if (node->kind() == fork) return true;
      for (Block* inner : node->blocks())
        if (holds(inner)) return true;
    }
    return false;
  };
  if (holds(graph->block())) InlineForkWait(graph);
}

HookScope::HookScope(const Hook* hook) : previous_(current_hook) { current_hook = hook; }
HookScope::~HookScope() { current_hook = previous_; }

Tapper::Tapper(Graph& graph, const Module& root) : graph_(graph), root_(root), names_(root) {
  submodules_.emplace(graph.inputs().at(0), Submodule{"", root, ""});
}

// Which module's code calls which module, seen in a copy of the graph.
void Tapper::scout() {
  const auto copy = graph_.copy();
  Tapper scout(*copy, root_);
  scout.scouting_ = true;
  scout.walk(copy->block());
  sites_ = std::move(scout.sites_);
  places_ = std::move(scout.places_);
}

void Tapper::run() {
  scout();
  sites_.begin("", root_);
  walk(graph_.block());
  if (!layers.empty()) return;
  flat = true;
  walk_operators(graph_.block());
}

void Tapper::walk(Block* block) {
  for (Node* node = *block->nodes().begin(); node != block->return_node();) {
    if (node->kind() == prim::GetAttr && submodules_.count(node->input())) {
      note_submodule(node);
    } else if (node->kind() == prim::CallMethod && submodules_.count(node->input(0))) {
      node = inline_method(node);
      continue;
    } else if (node->kind() == prim::CallFunction) {
      if (Node* first = inline_function(node)) {
        node = first;
        continue;
      }
    }
    for (Block* inner : node->blocks()) walk(inner);
    node = node->next();
  }
}

void Tapper::note_submodule(Node* attribute) {
  const Submodule parent = submodules_.at(attribute->input());
  const std::string& name = attribute->s(attr::name);
  const auto value = parent.module.attr(name);
  if (!value.isModule()) return;
  const auto path = parent.path.empty() ? name : parent.path + "." + name;
  const Module module(value.toModule());
  submodules_.emplace(attribute->output(), Submodule{names_.of(module, path), module, path});
}

const std::string& Tapper::owner_of(const Node* node) const {
  static const std::string none;
  const auto owner = owners.find(node);
  return owner == owners.end() ? none : owner->second;
}

// What the callee of a call is called there.
std::string Tapper::name_of(const Node* call, const Submodule& callee) {
  const auto& caller = owner_of(call);
  if (scouting_) sites_.saw(callee.module, caller);
  if (scouting_ || names_.holds_tensors(callee.module)) return callee.path;
  return sites_.name(caller, callee.module, callee.path);
}

// Returns the node to go on from: the first one inlined, so that nested calls expand too.
Node* Tapper::inline_method(Node* call) {
  Submodule callee = submodules_.at(call->input(0));
  if (callee.path != callee.written && names_.may_be_several(callee.module))
    merged.emplace(callee.written, callee.path);
  callee.path = name_of(call, callee);
  sites_.begin(callee.path, callee.module);
  const std::string method = call->s(attr::name);
  const bool stands_for_forward = is_overload(method) && is_quantized(callee.module) &&
                                  owner_of(call) != callee.path;
  auto& function = toGraphFunction(callee.module.get_method(method).function());
  function.ensure_defined();
  join_forks(function.graph());
  Node* previous = call->prev();
  Node* next = call->next();
  const auto results = inlineCallTo(call, &function, /*use_graph=*/false);
  own(callee.path, previous->next(), next);
  if ((is_forward(method) || stands_for_forward) && results.size() == 1 && !callee.path.empty())
    tap_result(callee, results[0], next);
  return previous->next();
}

void Tapper::tap_result(const Submodule& submodule, Value* result, Node* before) {
  const bool in_tuple = gives_tuple(submodule.module);
  const auto known = in_tuple ? placed(result) : std::vector<Placed>();
  if (!known.empty()) {
    tap_placed(submodule, known, result, before);
  } else if (is_tensor_tuple(*result->type())) {
    tap_elements(submodule, result, before);
  } else {
    const bool is_part = in_tuple && is_tensor(result);
    const int64_t layer = layer_of(submodule, submodule.path + (is_part ? ":made0" : ""), result);
    if (is_tensor(result)) tap(result, before, layer);
  }
}

// Taps what is used of a tuple, by the places in it: by those that any call of the module uses.
void Tapper::tap_placed(const Submodule& submodule, const std::vector<Placed>& known, Value* result,
                        Node* before) {
  auto& places = places_[submodule.path];
  for (const auto& one : known)
    if (scouting_) places.insert(one.place);
  if (scouting_) return;
  const bool is_tuple = result->node()->kind() == prim::TupleConstruct;
  Node* given = is_tuple ? result->node() : before;
  for (const size_t place : places) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const Placed& one) { return one.place == place; });
    if (found == known.end() && !known[0].layer) continue;
    Value* value = found == known.end() ? known[0].layer->outputs()[place] : found->value;
    const bool is_plain = *places.rbegin() == 0;
    const auto path = submodule.path + (is_plain ? "" : ":" + std::to_string(place));
    const int64_t layer = layer_of(submodule, path, value);
    layers[layer].is_placed = true;
    tap(value, given, layer);
  }
}

Node* Tapper::inline_function(Node* call) {
  const auto type = call->input(0)->type()->cast<FunctionType>();
  auto* function = type ? tryToGraphFunction(*type->function()) : nullptr;
  if (!function) return nullptr;
  function->ensure_defined();
  join_forks(function->graph());
  Node* previous = call->prev();
  Node* next = call->next();
  const std::string path = owner_of(call);
  call->removeInput(0);
  inlineCallTo(call, function, /*use_graph=*/false);
  own(path, previous->next(), next);
  return previous->next();
}

void Tapper::own(const std::string& path, Node* first, const Node* end) {
  for (Node* node = first; node != end; node = node->next()) {
    owners[node] = path;
    for (Block* inner : node->blocks())
      own(path, *inner->nodes().begin(), inner->return_node());
  }
}

void Tapper::walk_operators(Block* block) {
  for (Node* node = *block->nodes().begin(); node != block->return_node();) {
    Node* next = node->next();
    for (Block* inner : node->blocks()) walk_operators(inner);
    if (node->kind().is_aten() && node->outputs().size() == 1 && is_tensor(node->output())) {
      const auto name = operator_name(node);
      const auto path = name + "." + std::to_string(++operators_[name]);
      layers.push_back({path, node->kind().toQualString(), node->output()->type()->str(), 0, true, true});
      tap(node->output(), next, static_cast<int64_t>(layers.size()) - 1);
    }
    node = next;
  }
}

// Takes a tuple apart behind the call that gave it, taps its tensors, and puts it together again.
void Tapper::tap_elements(const Submodule& submodule, Value* tuple, Node* before) {
  WithInsertPoint here(before);
  int64_t element = 0;
  Node* whole = nullptr;
  const std::function<Value*(Value*)> rebuilt = [&](Value* value) -> Value* {
    if (is_tensor(value)) {
      const auto path = submodule.path + ":" + std::to_string(element++);
      return insert_tap(graph_, value, layer_of(submodule, path, value))->output();
    }
    if (value->type()->kind() != TypeKind::TupleType) return value;
    Node* parts = graph_.insertNode(graph_.createTupleUnpack(value));
    std::vector<Value*> elements;
    for (Value* part : parts->outputs()) elements.push_back(rebuilt(part));
    const auto type = value->type()->expect<TupleType>();
    whole = graph_.insertNode(graph_.createTuple(elements, type->schema() ? type : nullptr));
    return whole->output();
  };
  Value* again = rebuilt(tuple);
  tuple->replaceAllUsesAfterNodeWith(whole, again);
}

int64_t Tapper::layer_of(const Submodule& submodule, const std::string& path, const Value* result) {
  const auto [found, is_new] = by_path_.emplace(path, static_cast<int64_t>(layers.size()));
  if (is_new) {
    const auto name = submodule.module.type()->name();
    layers.push_back({path, name ? name->name() : "Module", result->type()->annotation_str(),
                      count_parameters(submodule.module), is_tensor(result), false});
  }
  layers[found->second].gives_tensor |= is_tensor(result);
  return found->second;
}

void Tapper::tap(Value* value, Node* before, int64_t layer) {
  WithInsertPoint here(before);
  Node* node = insert_tap(graph_, value, layer);
  value->replaceAllUsesAfterNodeWith(node, node->output());
}

namespace {

// The place of the features among the inputs of an operator that multiplies them with a weight.
std::optional<size_t> features_input(const Node* node) {
  static const Symbol linear = Symbol::fromQualString("aten::linear");
  static const Symbol addmm = Symbol::fromQualString("aten::addmm");
  if (node->kind() == linear) return 0;
  if (node->kind() == addmm) return 1;
  return std::nullopt;
}

// The last linear layer in the order in which they run, and how many there are.
void find_last_linear(Block* block, Node*& last, int64_t& count) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) find_last_linear(inner, last, count);
    if (!features_input(node)) continue;
    last = node;
    count++;
  }
}

// The dotted name of the module that a weight is an attribute of; empty for a constant.
std::string owner_of(const Value* weight) {
  static const Symbol transpose = Symbol::fromQualString("aten::t");
  const Node* node = weight->node();
  if (node->kind() == transpose) node = node->input(0)->node();
  if (node->kind() != prim::GetAttr) return "";
  std::string path;
  for (node = node->input()->node(); node->kind() == prim::GetAttr; node = node->input()->node()) {
    path = path.empty() ? node->s(attr::name) : node->s(attr::name) + "." + path;
  }
  return path;
}

}  // namespace

std::optional<Layer> tap_last_linear(Graph& graph, int64_t layer) {
  Node* last = nullptr;
  int64_t count = 0;
  find_last_linear(graph.block(), last, count);
  if (!last) return std::nullopt;
  const size_t place = *features_input(last);
  auto path = owner_of(last->input(place + 1));
  if (path.empty()) path = operator_name(last) + "." + std::to_string(count);
  WithInsertPoint here(last);
  Node* node = insert_tap(graph, last->input(place), layer);
  last->replaceInput(place, node->output());
  return Layer{path + ":input", "input of a linear layer", "Tensor", 0, true, true};
}

Node* insert_tap(Graph& graph, Value* value, int64_t layer) {
  Node* node = graph.create(tap_kind(), {value, graph.insertConstant(layer)});
  graph.insertNode(node);
  node->output()->setType(TensorType::get());
  return node;
}

bool is_tap(const Node* node) { return node->kind() == tap_kind(); }

int64_t tapped_layer(const Node* tap) { return toIValue(tap->input(1))->toInt(); }

void keep_taps(Block* block, const std::vector<bool>& wanted) {
  for (Node* node = *block->nodes().begin(); node != block->return_node();) {
    Node* next = node->next();
    for (Block* inner : node->blocks()) keep_taps(inner, wanted);
    if (is_tap(node) && !wanted.at(tapped_layer(node))) {
      pass_name_on(node->output(), node->input(0));
      node->output()->replaceAllUsesWith(node->input(0));
      node->destroy();
    }
    node = next;
  }
}

namespace {

// Calls `visit` with each node that holds the constant four-dimensional weight of a convolution.
void each_weight(Block* block, const std::function<void(Node* weight)>& visit) {
  static const Symbol conv2d = Symbol::fromQualString("aten::conv2d");
  static const Symbol convolution = Symbol::fromQualString("aten::_convolution");
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) each_weight(inner, visit);
    if (node->kind() != conv2d && node->kind() != convolution) continue;
    Node* weight = node->input(1)->node();
    if (weight->kind() != prim::Constant || !weight->hasAttribute(attr::value)) continue;
    if (weight->kindOf(attr::value) != AttributeKind::t) continue;
    if (weight->t(attr::value).dim() == 4) visit(weight);
  }
}

}  // namespace

void weights_to_channels_last(Block* block) {
  each_weight(block, [](Node* weight) {
    weight->t_(attr::value, weight->t(attr::value).contiguous(at::MemoryFormat::ChannelsLast));
  });
}

bool has_channels_last_weights(Block* block) {
  bool found = false;
  each_weight(block, [&](Node* weight) {
    found |= weight->t(attr::value).is_contiguous(at::MemoryFormat::ChannelsLast);
  });
  return found;
}

}  // namespace repsim
