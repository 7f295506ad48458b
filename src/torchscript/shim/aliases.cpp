#include "aliases.h"

#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>

#include "graph.h"

namespace repsim {

using namespace torch::jit;

namespace {

// How far the schema of a node's operator can be relied on to tell what it shares and overwrites.
enum class Trust { kSchema, kWritesOnly, kNothing };

// They may return what they are given, which their schemas do not tell.
bool may_return_its_input(const Node* node) {
  static const std::set<std::string> names = {"type_as",    "atleast_1d",        "atleast_2d",
                                              "atleast_3d", "broadcast_tensors", "einsum",
                                              "meshgrid",   "to_dense"};
  const std::string name = node->kind().toUnqualString();
  // Dropout does in evaluation.
  return name.find("dropout") != std::string::npos || names.count(name) > 0;
}

Trust trust(const Node* node) {
  if (is_tap(node)) return Trust::kWritesOnly;
  // Code that could not be inlined.
  if (node->kind() == prim::CallMethod || node->kind() == prim::CallFunction ||
      node->kind() == prim::fork)
    return Trust::kNothing;
  const Operator* op = node->maybeOperator();
  if (!op) return Trust::kWritesOnly;
  switch (op->aliasAnalysisKind()) {
    case c10::AliasAnalysisKind::CONSERVATIVE: return Trust::kNothing;
    case c10::AliasAnalysisKind::INTERNAL_SPECIAL_CASE: return Trust::kWritesOnly;
    default: break;
  }
  return may_return_its_input(node) ? Trust::kWritesOnly : Trust::kSchema;
}

// Whether there is memory to share: not for numbers, texts, and tuples of them.
bool has_memory(const c10::Type& type) {
  switch (type.kind()) {
    case TypeKind::NoneType: case TypeKind::NumberType: case TypeKind::IntType:
    case TypeKind::FloatType: case TypeKind::ComplexType: case TypeKind::BoolType:
    case TypeKind::StringType: case TypeKind::DeviceObjType: case TypeKind::FunctionType:
      return false;
    case TypeKind::OptionalType: case TypeKind::TupleType: case TypeKind::UnionType:
      for (const auto& contained : type.containedTypes())
        if (has_memory(*contained)) return true;
      return false;
    default: return true;
  }
}

}  // namespace

Aliases::Aliases(const Graph& graph) { visit(graph.block()); }

Aliases::Group Aliases::group(Group value) const {
  for (auto it = parents_.find(value); it != parents_.end(); it = parents_.find(value))
    value = it->second;
  return value;
}

Aliases::Groups Aliases::overwritten(const Node* node) const {
  Groups found;
  for (const Block* block : node->blocks())
    for (const Node* inner : block->nodes()) found.merge(overwritten(inner));
  if (node->kind() == prim::SetAttr) found.insert(group(node->input(0)));
  const bool everything = trust(node) == Trust::kNothing;
  const auto* schema = node->maybeSchema();
  for (size_t i = 0; i < node->inputs().size(); i++) {
    const auto* info = schema && i < schema->arguments().size()
                           ? schema->arguments()[i].alias_info() : nullptr;
    if (everything || (info && info->isWrite())) found.insert(group(node->input(i)));
  }
  return found;
}

void Aliases::visit(const Block* block) {
  for (const Node* node : block->nodes()) {
    for (const Block* inner : node->blocks()) visit(inner);
    relate(node);
  }
}

void Aliases::relate(const Node* node) {
  if (node->kind() == prim::If) {
    for (const Block* block : node->blocks())
      for (size_t i = 0; i < node->outputs().size(); i++)
        join(node->output(i), block->outputs()[i]);
  } else if (node->kind() == prim::Loop) {
    const Block* body = node->blocks().at(0);
    for (size_t i = 0; i < node->outputs().size(); i++) {
      join(node->output(i), node->input(i + 2));
      join(node->output(i), body->inputs()[i + 1]);
      join(node->output(i), body->outputs()[i + 1]);
    }
  } else if (node->kind() != prim::Constant) {
    trust(node) == Trust::kSchema ? relate_by_schema(node) : join_all(node);
  }
}

// An output marked as shared goes with all inputs marked so, or with all inputs where none is.
void Aliases::relate_by_schema(const Node* node) {
  const auto& schema = node->schema();
  std::vector<Group> shared;
  for (size_t i = 0; i < node->inputs().size() && i < schema.arguments().size(); i++)
    if (schema.arguments()[i].alias_info()) shared.push_back(node->input(i));
  for (size_t i = 0; i < node->outputs().size() && i < schema.returns().size(); i++) {
    if (!schema.returns()[i].alias_info()) continue;
    if (shared.empty()) return join_all(node);
    for (Group input : shared) join(node->output(i), input);
  }
  // What is put into a list or a dictionary.
  for (size_t i = 1; i < shared.size(); i++) join(shared[0], shared[i]);
}

void Aliases::join_all(const Node* node) {
  Group first = nullptr;
  for (const auto& values : {node->inputs(), node->outputs()}) {
    for (Group value : values) {
      if (!has_memory(*value->type())) continue;
      if (first) join(first, value);
      first = value;
    }
  }
}

void Aliases::join(Group a, Group b) {
  if (!has_memory(*a->type()) || !has_memory(*b->type())) return;
  a = group(a);
  b = group(b);
  if (a != b) parents_[a] = b;
}

bool writes_into(const Graph& graph, const Value* value) {
  const Aliases aliases(graph);
  const auto group = aliases.group(value);
  const auto nodes = graph.block()->nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node* node) {
    return !is_tap(node) && aliases.overwritten(node).count(group) > 0;
  });
}

}  // namespace repsim
