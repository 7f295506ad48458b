#include "inputs.h"

#include <algorithm>
#include <set>

#include "constants.h"

using namespace torch::jit;
using repsim::copy_text;
using repsim::guarded;

namespace repsim {

namespace {

// The value of an argument of this type made of the next tensors: one, or a tuple or list of them.
IValue value_of(const c10::Type& type, const at::Tensor*& next, const at::Tensor* end) {
  if (type.kind() == TypeKind::OptionalType)
    return value_of(*type.castRaw<OptionalType>()->getElementType(), next, end);
  if (type.kind() == TypeKind::TupleType) {
    std::vector<IValue> elements;
    for (const auto& element : type.castRaw<TupleType>()->elements())
      elements.push_back(value_of(*element, next, end));
    return c10::ivalue::Tuple::create(std::move(elements));
  }
  if (type.kind() == TypeKind::ListType) {
    const std::vector<at::Tensor> elements(next, end);
    next = end;
    return elements;
  }
  TORCH_CHECK(next != end, "there are fewer tensors than the argument takes");
  return *next++;
}

// Operators that change the form of whole numbers and not what they are.
bool keeps_values(const Node* node) {
  static const std::set<std::string> names = {
      "view", "reshape", "to", "_to_copy", "contiguous", "unsqueeze", "squeeze", "expand", "clone",
      "detach", "permute", "transpose", "flatten", "long", "int", "alias"};
  return node->kind().is_aten() && names.count(node->kind().toUnqualString()) > 0;
}

class Embeddings {
 public:
  explicit Embeddings(const repsim_model& model)
      : model_(model), arguments_{model.module._ivalue()}, constants_(arguments_) {}

  std::string run() {
    visit(model_.tapped->block());
    return text_;
  }

 private:
  // What a value is made of by a node that changes its form alone; null where it is not.
  const Value* unchanged(const Value* value) {
    const Node* node = value->node();
    if (keeps_values(node) || node->kind() == prim::unchecked_cast) return node->input(0);
    if (node->kind() != prim::If) return nullptr;
    const auto block = constants_.taken(node);
    return block ? node->blocks().at(*block)->outputs().at(value->offset()) : nullptr;
  }

  // The argument of `forward` that the values looked up are; 0: others.
  size_t looked_up(const Value* index) {
    while (const Value* before = unchanged(index)) index = before;
    const Node* node = index->node();
    const bool is_argument = node->kind() == prim::Param && !node->owningBlock()->owningNode();
    return is_argument ? index->offset() : 0;
  }

  void visit(const Block* block) {
    for (const Node* node : block->nodes()) {
      for (const Block* inner : node->blocks()) visit(inner);
      if (node->kind() != aten::embedding) continue;
      const auto weight = constants_.of(node->input(0));
      if (!weight || !weight->isTensor() || weight->toTensor().dim() != 2) continue;
      const auto owner = model_.owners.find(node);
      text_ += std::to_string(weight->toTensor().size(0)) + "\t" +
               (owner == model_.owners.end() ? "" : owner->second) + "\t" +
               std::to_string(looked_up(node->input(1))) + "\n";
    }
  }

  const repsim_model& model_;
  const Stack arguments_;
  Constants constants_;
  std::string text_;
};

}  // namespace

const c10::FunctionSchema& forward_schema(const repsim_model& model) {
  return model.module.get_method("forward").function().getSchema();
}

std::vector<at::Tensor> tensors(const void* const* inputs, size_t count, bool copied) {
  std::vector<at::Tensor> found;
  for (size_t i = 0; i < count; i++) {
    const auto& tensor = *static_cast<const at::Tensor*>(inputs[i]);
    found.push_back(copied ? tensor.clone() : tensor);
  }
  return found;
}

std::vector<size_t> fed_places(const repsim_model& model) {
  std::vector<size_t> places;
  for (const auto& feed : model.fed) places.push_back(feed.place);
  return places;
}

Stack arguments(const repsim_model& model, const std::vector<at::Tensor>& tensors) {
  const auto& schema = forward_schema(model);
  const auto& all = schema.arguments();
  auto given = model.fixed;
  const at::Tensor* next = tensors.data();
  for (const auto& feed : model.fed) {
    TORCH_CHECK(feed.place < all.size(), "forward() takes no input");
    const at::Tensor* end = next + feed.count;
    given[feed.place] = value_of(*all[feed.place].type(), next, end);
    TORCH_CHECK(next == end, "there are more tensors than argument '", all[feed.place].name(), "' takes");
  }
  Stack stack{model.module._ivalue()};
  for (size_t place = 1; place < all.size(); place++) {
    const auto found = given.find(place);
    const bool is_known = found != given.end() || all[place].default_value();
    TORCH_CHECK(is_known, "forward() is missing value for argument '", all[place].name(), "'");
    stack.push_back(found != given.end() ? found->second : *all[place].default_value());
  }
  schema.checkAndNormalizeInputs(stack, {});
  return stack;
}

Stack arguments_of_every_run(const repsim_model& model) {
  size_t count = 0;
  for (const auto& feed : model.fed) count += feed.count;
  const Stack all = arguments(model, std::vector<at::Tensor>(count, at::empty({0})));
  const auto fed = fed_places(model);
  Stack stack;
  for (size_t place = 0; place < all.size(); place++)
    if (std::find(fed.begin(), fed.end(), place) == fed.end()) stack.push_back(all[place]);
  return stack;
}

}  // namespace repsim

extern "C" {

char* repsim_arguments(const repsim_model* model, char** error) {
  return guarded<char*>(error, nullptr, [&] {
    std::string text;
    const auto& all = repsim::forward_schema(*model).arguments();
    for (size_t place = 1; place < all.size(); place++)
      text += all[place].name() + "\t" + all[place].type()->annotation_str() + "\t" +
              (all[place].default_value() ? "1" : "0") + "\n";
    return copy_text(text);
  });
}

int repsim_feed(repsim_model* model, const int64_t* places, const int64_t* counts, size_t count,
                char** error) {
  return guarded(error, 1, [&] {
    model->fed.clear();
    for (size_t i = 0; i < count; i++)
      model->fed.push_back({static_cast<size_t>(places[i]), static_cast<size_t>(counts[i])});
    return 0;
  });
}

int repsim_fix(repsim_model* model, int64_t place, int kind, double number, char** error) {
  return guarded(error, 1, [&] {
    IValue value;
    switch (kind) {
      case REPSIM_FIX_NONE: break;
      case REPSIM_FIX_BOOL: value = number != 0; break;
      case REPSIM_FIX_INT: value = static_cast<int64_t>(number); break;
      default: value = number;
    }
    model->fixed[static_cast<size_t>(place)] = value;
    return 0;
  });
}

char* repsim_embeddings(const repsim_model* model, char** error) {
  return guarded<char*>(error, nullptr, [&] { return copy_text(repsim::Embeddings(*model).run()); });
}

}  // extern "C"
