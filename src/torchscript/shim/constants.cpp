#include "constants.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

namespace repsim {

using namespace torch::jit;

namespace {

// A number, a flag, a text, None: what a decision is made of.
bool is_scalar(const c10::Type& type) {
  switch (type.kind()) {
    case TypeKind::NoneType: case TypeKind::NumberType: case TypeKind::IntType:
    case TypeKind::FloatType: case TypeKind::BoolType: case TypeKind::StringType: return true;
    case TypeKind::OptionalType: return is_scalar(*type.castRaw<OptionalType>()->getElementType());
    default: return false;
  }
}

bool is_known(const IValue& argument) {
  return argument.isNone() || argument.isScalar() || argument.isString() || argument.isObject();
}

// Whether a list that the graph makes is None, which it never is: functions with an optional list ask.
bool is_question_of_none(const Node* node) {
  if (node->kind() != aten::__is__ && node->kind() != aten::__isnot__) return false;
  return node->input(0)->node()->kind() == prim::ListConstruct && node->input(1)->mustBeNone();
}

// What no operator makes a long text of.
bool is_short_text(const IValue& argument) {
  return argument.isString() && argument.toStringRef().size() <= 1000;
}

}  // namespace

std::optional<IValue> Constants::of(const Value* value) {
  const auto found = known_.find(value);
  if (found != known_.end()) return found->second;
  known_[value] = std::nullopt;
  return known_[value] = find(value);
}

std::optional<IValue> Constants::find(const Value* value) {
  if (auto constant = toIValue(value)) return constant;
  const Node* node = value->node();
  if (node->kind() == prim::Param) {
    const size_t place = value->offset();
    const bool of_graph = !node->owningBlock()->owningNode();
    if (!of_graph || place >= arguments_.size()) return std::nullopt;
    return is_known(arguments_[place]) ? std::optional(arguments_[place]) : std::nullopt;
  }
  if (node->kind() == prim::GetAttr) {
    const auto object = of(node->input());
    if (!object || !object->isObject()) return std::nullopt;
    return object->toObjectRef().getAttr(node->s(attr::name));
  }
  if (node->kind() == prim::If) {
    const auto block = taken(node);
    return block ? of(node->blocks().at(*block)->outputs().at(value->offset())) : std::nullopt;
  }
  if (node->kind() == prim::unchecked_cast) return of(node->input());
  if (is_question_of_none(node)) return node->kind() == aten::__isnot__;
  return computed(node);
}

// What an operator without effects makes of known values.
std::optional<IValue> Constants::computed(const Node* node) {
  const bool plain = node->blocks().empty() && node->outputs().size() == 1 && node->maybeOperator();
  if (!plain || !is_scalar(*node->output()->type())) return std::nullopt;
  if (node->hasSideEffects() || node->isNondeterministic()) return std::nullopt;
  const bool makes_text = node->output()->type()->kind() == TypeKind::StringType;
  Stack stack;
  for (const Value* input : node->inputs()) {
    const auto known = of(input);
    if (!known || (makes_text && !is_short_text(*known))) return std::nullopt;
    stack.push_back(*known);
  }
  try {
    node->getOperation()(stack);
    return stack.size() == 1 ? std::optional(stack[0]) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<size_t> Constants::taken(const Node* branch) {
  const auto condition = of(branch->input());
  if (!condition || !condition->isBool()) return std::nullopt;
  return condition->toBool() ? 0 : 1;
}

std::optional<IValue> Constants::argument(const Node* node, const char* name) {
  const auto* schema = node->maybeSchema();
  const auto place = schema ? schema->argumentIndexWithName(name) : std::nullopt;
  if (!place || static_cast<size_t>(*place) >= node->inputs().size()) return std::nullopt;
  return of(node->input(*place));
}

bool Constants::is_flag(const Node* node, const char* name, bool expected) {
  const auto value = argument(node, name);
  return value && value->isBool() && value->toBool() == expected;
}

bool Constants::is_zero(const Node* node, const char* name) {
  const auto value = argument(node, name);
  return value && (value->isDouble() || value->isInt()) && value->toScalar().toDouble() == 0;
}

}  // namespace repsim
