#include "build.h"

#include <torch/csrc/jit/frontend/schema_matching.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <map>

#include "allowed.h"
#include "model.h"
#include "recurrent.h"

using namespace torch::jit;
using repsim::guarded;

namespace {

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t dot; (dot = name.find('.', start)) != std::string::npos; start = dot + 1)
    parts.push_back(name.substr(start, dot - start));
  parts.push_back(name.substr(start));
  for (const auto& part : parts)
    if (part.empty()) throw std::runtime_error("the name \"" + name + "\" has an empty part");
  return parts;
}

[[noreturn]] void taken_twice(const std::string& name) {
  throw std::runtime_error("the name \"" + name + "\" is taken twice");
}

c10::TypePtr type_of(int kind) {
  switch (kind) {
    case REPSIM_BOOL: return BoolType::get();
    case REPSIM_INT: return IntType::get();
    case REPSIM_FLOAT: return FloatType::get();
    case REPSIM_TEXT: return StringType::get();
    case REPSIM_TENSOR: return TensorType::get();
    default: throw std::runtime_error("an input is neither a tensor nor a number");
  }
}

c10::TypePtr without_optional(c10::TypePtr type) {
  while (auto optional = type->cast<OptionalType>()) type = optional->getElementType();
  return type;
}

}  // namespace

struct repsim_builder {
  size_t made = 0;  // modules
  std::shared_ptr<CompilationUnit> unit = std::make_shared<CompilationUnit>();
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  Module root = make_module();
  Value* self = nullptr;
  std::vector<Value*> values;
  std::map<std::string, Value*> modules;  // by dotted name
  std::vector<repsim::Layer> layers;
  repsim::Owners owners;
  std::string owner;

  repsim_builder() {
    self = graph->addInput("self");
    self->setType(root.type());
  }

  Module make_module() {
    Module module(c10::QualifiedName("__torch__.repsim.Module" + std::to_string(made++)), unit);
    module.register_attribute("training", BoolType::get(), false);
    return module;
  }

  int64_t keep(Value* value) {
    values.push_back(value);
    return static_cast<int64_t>(values.size()) - 1;
  }

  Value* insert(Node* node) {
    graph->insertNode(node);
    owners[node] = owner;
    return node->outputs().empty() ? nullptr : node->output();
  }

  Value* attribute(Value* object, const std::string& name, const c10::TypePtr& type) {
    Value* value = insert(graph->createGetAttr(object, name));
    value->setType(type);
    return value;
  }

  int64_t weight(const std::string& name, const at::Tensor& tensor, bool is_parameter) {
    auto parts = parts_of(name);
    const auto last = parts.back();
    parts.pop_back();
    auto [module, object] = module_of(parts);
    if (module.hasattr(last)) taken_twice(name);
    if (is_parameter) module.register_parameter(last, tensor, /*is_buffer=*/false);
    else module.register_buffer(last, tensor);
    return keep(attribute(object, last, TensorType::get()));
  }

  // A module below the root and the value that reads it; made where there is none yet.
  std::pair<Module, Value*> module_of(const std::vector<std::string>& parts) {
    Module module = root;
    Value* object = self;
    std::string path;
    for (const auto& part : parts) {
      path += "." + part;
      auto [found, is_new] = modules.emplace(path, nullptr);
      if (is_new && module.hasattr(part)) taken_twice(path.substr(1));
      if (is_new) {
        const auto child = make_module();
        module.register_module(part, child);
        found->second = attribute(object, part, child.type());
      }
      module = Module(module.attr(part).toModule());
      object = found->second;
    }
    return {module, object};
  }

  Value* constant(int kind, int64_t integer, double number, const char* text) {
    IValue value;
    switch (kind) {
      case REPSIM_NONE: break;
      case REPSIM_BOOL: value = integer != 0; break;
      case REPSIM_INT: value = integer; break;
      case REPSIM_FLOAT: value = number; break;
      case REPSIM_TEXT: value = std::string(text); break;
      case REPSIM_DEVICE: value = at::Device(std::string(text)); break;
      default: throw std::runtime_error("a constant of an unknown kind");
    }
    return graph->insertConstant(value);
  }

  // The values of an argument, and whether they are a list.
  using Given = std::pair<std::vector<Value*>, bool>;

  const c10::FunctionSchema& schema(const Symbol& kind, const std::string& overload) {
    for (const auto& candidate : getAllOperatorsFor(kind))
      if (candidate->schema().overload_name() == overload) return candidate->schema();
    const auto name = std::string(kind.toQualString()) + (overload.empty() ? "" : "." + overload);
    throw std::runtime_error("unknown operator " + name);
  }

  Value* list(const std::vector<Value*>& elements, const c10::TypePtr& wanted) {
    const auto type = without_optional(wanted)->cast<ListType>();
    if (!type) throw std::runtime_error("a list is given where " + wanted->str() + " is wanted");
    std::vector<Value*> fitting;
    for (Value* element : elements) fitting.push_back(fitted(element, type->getElementType()));
    return insert(graph->createList(type->getElementType(), fitting));
  }

  // A number where a number of another kind is wanted, or a list of one.
  Value* fitted(Value* value, const c10::TypePtr& wanted) {
    const auto type = without_optional(wanted);
    const bool is_int = value->type()->kind() == TypeKind::IntType;
    if (is_int && type->kind() == TypeKind::ListType) return list({value}, type);
    if (!is_int || type->kind() != TypeKind::FloatType) return value;
    const auto known = toIValue(value);
    if (known) return graph->insertConstant(static_cast<double>(known->toInt()));
    return insert_call(Symbol::fromQualString("aten::Float"), {value});
  }

  Value* insert_call(const Symbol& kind, const std::vector<Value*>& inputs) {
    std::vector<NamedValue> named(inputs.begin(), inputs.end());
    Value* value = graph->insert(kind, named);
    owners[value->node()] = owner;
    return value;
  }

  // The arguments in the order of a schema, with its defaults for those not given.
  std::vector<Value*> inputs_of(const c10::FunctionSchema& schema, std::map<std::string, Given> given) {
    std::vector<Value*> inputs;
    for (const auto& argument : schema.arguments()) {
      const auto found = given.find(argument.name());
      if (found != given.end()) {
        const auto& [values, is_list] = found->second;
        inputs.push_back(is_list ? list(values, argument.type()) : fitted(values[0], argument.type()));
        given.erase(found);
      } else if (argument.default_value()) {
        inputs.push_back(graph->insertConstant(*argument.default_value()));
      } else {
        throw std::runtime_error("the argument " + argument.name() + " is missing");
      }
    }
    if (!given.empty()) throw std::runtime_error("it has no argument " + given.begin()->first);
    return inputs;
  }

  Node* call(const Symbol& kind, const std::string& overload, std::map<std::string, Given> given) {
    const auto& wanted = schema(kind, overload);
    const bool is_own = std::string(kind.toQualString()) == "repsim::stop_gradient";
    if (!is_own && !repsim::is_allowed(kind, &wanted))
      throw std::runtime_error(std::string("untrusted operator ") + kind.toQualString());
    Node* node = graph->create(kind, inputs_of(wanted, std::move(given)), wanted.returns().size());
    graph->insertNode(node);
    owners[node] = owner;
    if (!matched(node, wanted) && !(numbers_to_tensors(node, wanted), matched(node, wanted)))
      throw std::runtime_error("it does not take what it is given");
    const auto& returns = node->schema().returns();
    for (size_t i = 0; i < returns.size(); i++) node->outputs()[i]->setType(returns[i].type());
    return node;
  }

  // Whether a node is the operator wanted, or the one that takes numbers where a number is given for a
  // tensor: PyTorch takes `x * 2` for a product of tensors, TorchScript for one with a number.
  static bool matched(Node* node, const c10::FunctionSchema& wanted) {
    const auto* found = node->maybeSchema();
    if (!found || found->returns().size() != wanted.returns().size()) return false;
    if (found->overload_name() == wanted.overload_name()) return true;
    for (size_t i = 0; i < wanted.arguments().size(); i++)
      if (is_number_for_tensor(node->input(i), wanted.arguments()[i])) return true;
    return false;
  }

  static bool is_number_for_tensor(const Value* value, const c10::Argument& wanted) {
    return without_optional(wanted.type())->kind() == TypeKind::TensorType &&
           value->type()->isSubtypeOf(*NumberType::get());
  }

  void numbers_to_tensors(Node* node, const c10::FunctionSchema& wanted) {
    WithInsertPoint before(node);
    for (size_t i = 0; i < wanted.arguments().size(); i++)
      if (is_number_for_tensor(node->input(i), wanted.arguments()[i]))
        node->replaceInput(i, insert_call(prim::NumToTensor, {node->input(i)}));
  }

  Value* at(int64_t value) { return values.at(static_cast<size_t>(value)); }
};

namespace {

// What `body` gives, a value's number; −1 with a message where it fails.
template <typename Body>
int64_t numbered(char** error, Body body) {
  return guarded<int64_t>(error, -1, body);
}

std::string output_type(const Graph& graph) {
  return graph.outputs().at(0)->type()->annotation_str();
}

}  // namespace

extern "C" {

repsim_builder* repsim_build_begin(char** error) {
  return guarded<repsim_builder*>(error, nullptr, [] { return new repsim_builder; });
}

void repsim_build_drop(repsim_builder* builder) { delete builder; }

int64_t repsim_build_weight(repsim_builder* builder, const char* name, const void* tensor,
                            int is_parameter, char** error) {
  return numbered(error, [&] {
    return builder->weight(name, *static_cast<const at::Tensor*>(tensor), is_parameter);
  });
}

int64_t repsim_build_input(repsim_builder* builder, const char* name, int kind, char** error) {
  return numbered(error, [&] {
    Value* value = builder->graph->addInput(name);
    value->setType(type_of(kind));
    return builder->keep(value);
  });
}

int64_t repsim_build_constant(repsim_builder* builder, int kind, int64_t integer, double number,
                              const char* text, char** error) {
  return numbered(error, [&] {
    return builder->keep(builder->constant(kind, integer, number, text));
  });
}

int64_t repsim_build_call(repsim_builder* builder, const char* name, const char* overload,
                          const char* const* arguments, const int64_t* counts, size_t count,
                          const int64_t* values, int64_t* outputs, size_t capacity, char** error) {
  return numbered(error, [&] {
    std::map<std::string, repsim_builder::Given> given;
    for (size_t i = 0; i < count; i++) {
      const bool is_list = counts[i] >= 0;
      auto& argument = given[arguments[i]];
      argument.second = is_list;
      for (int64_t k = 0; k < (is_list ? counts[i] : 1); k++)
        argument.first.push_back(builder->at(*values++));
    }
    Node* node = builder->call(Symbol::fromQualString(name), overload, std::move(given));
    const size_t returned = std::min(capacity, node->outputs().size());
    for (size_t i = 0; i < returned; i++) outputs[i] = builder->keep(node->outputs()[i]);
    return static_cast<int64_t>(node->outputs().size());
  });
}

int64_t repsim_build_scalar(repsim_builder* builder, const char* name, const int64_t* values,
                            size_t count, char** error) {
  return numbered(error, [&] {
    std::vector<Value*> inputs;
    for (size_t i = 0; i < count; i++) inputs.push_back(builder->at(values[i]));
    return builder->keep(builder->insert_call(Symbol::fromQualString(name), inputs));
  });
}

int64_t repsim_build_unpack(repsim_builder* builder, int64_t list, int64_t* outputs, size_t count,
                            char** error) {
  return numbered(error, [&]() -> int64_t {
    Node* node = builder->graph->createListUnpack(builder->at(list), count);
    builder->graph->insertNode(node);
    builder->owners[node] = builder->owner;
    for (size_t i = 0; i < count; i++) outputs[i] = builder->keep(node->outputs()[i]);
    return 0;
  });
}

int64_t repsim_build_owner(repsim_builder* builder, const char* path, char** error) {
  return numbered(error, [&]() -> int64_t {
    builder->owner = path;
    return 0;
  });
}

int64_t repsim_build_layer(repsim_builder* builder, const char* path, const char* type,
                           const char* result, int64_t parameters, int gives_tensor, char** error) {
  return numbered(error, [&] {
    builder->layers.push_back({path, type, result, parameters, gives_tensor != 0, true});
    return static_cast<int64_t>(builder->layers.size()) - 1;
  });
}

int64_t repsim_build_tap(repsim_builder* builder, int64_t value, int64_t layer, char** error) {
  return numbered(error, [&]() -> int64_t {
    Value*& tapped = builder->values.at(value);
    if (!tapped->type()->isSubtypeOf(*TensorType::get()))
      throw std::runtime_error("a layer gives no tensor");
    tapped = repsim::insert_tap(*builder->graph, tapped, layer)->output();
    return 0;
  });
}

repsim_model* repsim_build_finish(repsim_builder* builder, const int64_t* values, size_t count,
                                  char** error) {
  return guarded<repsim_model*>(error, nullptr, [&] {
    auto& graph = builder->graph;
    std::vector<Value*> outputs;
    for (size_t i = 0; i < count; i++) outputs.push_back(builder->at(values[i]));
    graph->registerOutput(count == 1 ? outputs[0] : builder->insert(graph->createTuple(outputs)));
    repsim::hold_states(graph->block());
    graph->lint();
    const c10::QualifiedName name(*builder->root.type()->name(), "forward");
    builder->root.type()->addMethod(builder->unit->create_function(name, graph));
    auto model = std::make_unique<repsim_model>();
    model->module = builder->root;
    model->tapped = graph;
    model->layers = std::move(builder->layers);
    model->owners = std::move(builder->owners);
    model->output_type = output_type(*graph);
    return model.release();
  });
}

}  // extern "C"
