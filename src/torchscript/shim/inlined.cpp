#include "inlined.h"

#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>

namespace repsim {

using namespace torch::jit;

namespace {

constexpr uint64_t kMost = uint64_t{1} << 40;

// The function that a node calls; null where it calls none, or it is not known which.
Function* callee(const Node& node) {
  const auto type = node.inputs().empty() ? nullptr : node.input(0)->type();
  if (node.kind() == prim::CallFunction) {
    const auto function = type->cast<c10::FunctionType>();
    return function ? function->function() : nullptr;
  }
  if (node.kind() != prim::CallMethod) return nullptr;
  const auto owner = type->cast<c10::ClassType>();
  return owner ? owner->findMethod(node.s(attr::name)) : nullptr;
}

}  // namespace

uint64_t InlinedSizes::of(Function& function) {
  auto* graph_function = tryToGraphFunction(function);
  if (!graph_function) return 1;
  const auto [it, is_new] = known_.emplace(&function, 1);
  if (!is_new) return it->second;
  graph_function->ensure_defined();
  const auto size = of(*graph_function->graph()->block());
  known_[&function] = size;
  return size;
}

uint64_t InlinedSizes::of(const Block& block) {
  uint64_t size = 0;
  for (const Node* node : block.nodes()) {
    size += 1;
    for (const Block* inner : node->blocks()) size += of(*inner);
    if (auto* called = callee(*node)) size += of(*called);
    if (node->hasAttribute(attr::Subgraph)) size += of(*node->g(attr::Subgraph)->block());
    size = std::min(size, kMost);
  }
  return size;
}

}  // namespace repsim
