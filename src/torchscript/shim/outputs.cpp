#include "outputs.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace repsim {

using namespace torch::jit;

namespace {

std::optional<size_t> place_of(const std::string& key) {
  const bool digits = !key.empty() && key.find_first_not_of("0123456789") == std::string::npos;
  return digits && key.size() < 10 ? std::optional<size_t>(std::stoul(key)) : std::nullopt;
}

// The names of a dictionary's values as far as the graph shows them, of a tuple's elements.
std::vector<std::string> keys_of(const Value* value) {
  std::vector<std::string> keys;
  const Node* node = value->node();
  if (const auto tuple = value->type()->cast<TupleType>()) {
    for (size_t i = 0; i < tuple->elements().size(); i++)
      keys.push_back(tuple->schema() ? tuple->schema()->arguments()[i].name() : std::to_string(i));
  } else if (node->kind() == prim::DictConstruct) {
    for (size_t i = 0; i < node->inputs().size(); i += 2) {
      const auto key = toIValue(node->input(i));
      keys.push_back(key && key->isString() ? key->toStringRef() : "");
    }
  }
  return keys;
}

Value* inserted(Graph& graph, Node* node, const c10::TypePtr& type) {
  graph.insertNode(node);
  node->output()->setType(type);
  return node->output();
}

Value* element(Graph& graph, Value* value, size_t place, const c10::TypePtr& type) {
  Node* node = value->node();
  if (node->kind() == prim::TupleConstruct) return node->inputs()[place];
  Value* index = graph.insertConstant(static_cast<int64_t>(place));
  return inserted(graph, graph.createTupleIndex(value, index, type), type);
}

Value* item(Graph& graph, Value* value, const c10::IValue& key, const c10::TypePtr& type) {
  static const Symbol getitem = Symbol::fromQualString("aten::__getitem__");
  return inserted(graph, graph.create(getitem, {value, graph.insertConstant(key)}, 1), type);
}

// The part of a value that a key names; null where it has none.
Value* part(Graph& graph, Value* value, const std::string& key) {
  const auto place = place_of(key);
  const auto keys = keys_of(value);
  const auto found = std::find(keys.begin(), keys.end(), key) - keys.begin();
  const bool named = static_cast<size_t>(found) < keys.size();
  if (const auto tuple = value->type()->cast<TupleType>()) {
    const size_t at = named ? found : place.value_or(tuple->elements().size());
    return at < tuple->elements().size() ? element(graph, value, at, tuple->elements()[at]) : nullptr;
  }
  if (const auto dict = value->type()->cast<DictType>()) {
    if (named) return value->node()->inputs()[2 * found + 1];
    const bool by_text = dict->getKeyType()->kind() == TypeKind::StringType;
    const bool open = value->node()->kind() != prim::DictConstruct;
    return by_text && open ? item(graph, value, key, dict->getValueType()) : nullptr;
  }
  const auto list = value->type()->cast<ListType>();
  return list && place ? item(graph, value, static_cast<int64_t>(*place), list->getElementType()) : nullptr;
}

std::string listed(const std::vector<std::string>& keys) {
  std::string text;
  for (const auto& key : keys) text += (text.empty() ? "" : ", ") + key;
  return text.empty() ? "no parts" : text;
}

std::string shape(const IValue& value) {
  if (!value.isTensor()) return "none";
  std::string text;
  for (const auto size : value.toTensor().sizes())
    text += (text.empty() ? "" : "×") + std::to_string(size);
  return text;
}

std::string line(const std::string& name, const IValue& value) {
  std::string shown = name;
  for (auto& c : shown)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return "\n" + shown + "\t" + shape(value);
}

std::string name_of(const IValue& key) {
  if (key.isString()) return "'" + key.toStringRef() + "'";
  return key.isInt() ? std::to_string(key.toInt()) : "a key";
}

}  // namespace

void return_part(Graph& graph, const std::string& key) {
  WithInsertPoint here(graph.return_node());
  Value* value = graph.outputs().at(0);
  for (std::string rest = key; !rest.empty();) {
    Value* whole = part(graph, value, rest);  // a key may hold a dot
    const auto dot = whole ? std::string::npos : rest.find('.');
    Value* next = whole ? whole : part(graph, value, rest.substr(0, dot));
    if (!next) throw std::runtime_error(listed(keys_of(value)));
    value = next;
    rest = dot == std::string::npos ? "" : rest.substr(dot + 1);
  }
  graph.block()->replaceOutput(0, value);
}

std::string described(const IValue& value) {
  if (value.isTensor()) return "tensor" + line("", value);
  std::string text = "other";
  if (value.isTuple()) {
    text = "elements";
    for (const auto& element : value.toTupleRef().elements()) text += line("", element);
  } else if (value.isList()) {
    text = "elements";
    for (const IValue& element : value.toList()) text += line("", element);
  } else if (value.isGenericDict()) {
    text = "dictionary";
    for (const auto& pair : value.toGenericDict()) text += line(name_of(pair.key()), pair.value());
  }
  return text;
}

}  // namespace repsim
