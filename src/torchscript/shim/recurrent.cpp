#include "recurrent.h"

#include <torch/library.h>

#include <set>

namespace repsim {

using namespace torch::jit;

namespace {

// A state as it is, of as many samples as the input has: layers × samples × features.
at::Tensor fitting(const at::Tensor& state, const at::Tensor& input, bool batch_first) {
  if (input.dim() != 3) return state;
  const auto samples = input.size(batch_first ? 0 : 1);
  TORCH_CHECK(state.dim() == 3 && state.size(1) == samples, "a recurrent layer begins with a state of ",
              state.dim() == 3 ? state.size(1) : 0, " samples, and its input has ", samples);
  return state;
}

TORCH_LIBRARY_FRAGMENT(repsim, library) {
  library.def("fitting(Tensor(a) state, Tensor input, bool batch_first) -> Tensor(a)");
  library.impl("fitting", c10::DispatchKey::CompositeImplicitAutograd, TORCH_FN(fitting));
}

// `lstm(input, hx, params, …, batch_first)`, not that of packed sequences.
bool takes_states(const Node* node) {
  static const std::set<std::string> names = {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu",
                                              "aten::quantized_lstm", "aten::quantized_gru"};
  return names.count(node->kind().toQualString()) && node->inputs().size() >= 9 &&
         node->input(2)->type()->kind() == TypeKind::ListType;
}

Value* held(Node* node, Value* state) {
  const auto& inputs = node->schema().arguments();
  size_t place = 0;
  while (place < inputs.size() && inputs[place].name() != "batch_first") place++;
  if (place == inputs.size()) return state;
  auto* check = node->owningGraph()->create(Symbol::fromQualString("repsim::fitting"),
                                            {state, node->input(0), node->input(place)});
  check->output()->setType(TensorType::get());
  check->insertBefore(node);
  return check->output();
}

void hold(Node* node) {
  auto* states = node->input(1);
  if (states->type()->kind() == TypeKind::TensorType) {
    node->replaceInput(1, held(node, states));
    return;
  }
  if (states->node()->kind() != prim::ListConstruct) return;
  std::vector<Value*> all;
  for (auto* state : states->node()->inputs()) all.push_back(held(node, state));
  auto* list = node->owningGraph()->createList(TensorType::get(), all);
  list->insertBefore(node);
  node->replaceInput(1, list->output());
}

}  // namespace

void hold_states(Block* block) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) hold_states(inner);
    if (takes_states(node)) hold(node);
  }
}

}  // namespace repsim
