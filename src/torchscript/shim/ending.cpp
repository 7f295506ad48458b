#include "ending.h"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "calls.h"

namespace repsim {

namespace {

thread_local SigmoidTracker* current = nullptr;

using Names = std::unordered_set<std::string>;

bool gives_probabilities(const std::string& name) {
  static const Names names{"sigmoid", "hardsigmoid", "special_expit", "softmax", "_softmax",
                           "special_softmax", "_safe_softmax"};
  return names.count(name) > 0;
}

// Operators behind which values are still those probabilities, or made of them element by element.
bool goes_on(const std::string& name) {
  static const Names names{
      "tap",         "view",       "_unsafe_view", "reshape",   "_reshape_alias", "flatten",
      "unflatten",   "squeeze",    "unsqueeze",    "expand",    "expand_as",      "contiguous",
      "to",          "_to_copy",   "float",        "double",    "type_as",        "detach",
      "clone",       "alias",      "slice",        "select",    "narrow",         "permute",
      "transpose",   "t",          "numpy_T",      "movedim",   "cat",            "concat",
      "stack",       "hstack",     "chunk",        "split",     "unbind",         "index_select",
      "index",       "gather",     "mul",          "div",       "add",            "sub",
      "rsub",        "clamp",      "clamp_min",    "clamp_max", "clip",           "max",
      "min",         "maximum",    "minimum",      "amax",      "amin",           "mean",
      "where",       "pow",        "square",       "sqrt",      "nan_to_num",     "copy",
      "masked_fill", "dropout",    "adaptive_avg_pool2d",       "avg_pool2d",     "max_pool2d"};
  return names.count(name) > 0;
}

}  // namespace

SigmoidTracker::SigmoidTracker() : previous_(current) {
  current = this;
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&begin, &end)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

SigmoidTracker::~SigmoidTracker() {
  at::removeCallback(handle_);
  current = previous_;
}

std::vector<bool> SigmoidTracker::endings(const c10::IValue& returned) const {
  std::vector<c10::IValue> elements{returned};
  if (returned.isTuple()) elements = returned.toTupleRef().elements().vec();
  if (returned.isList()) elements = returned.toListRef().vec();
  std::vector<bool> endings;
  for (const auto& element : elements)
    endings.push_back(element.isTensor() && find(element.toTensor()));
  return endings;
}

// Arguments are gone when a call ends.
std::unique_ptr<at::ObserverContext> SigmoidTracker::begin(const at::RecordFunction& function) {
  return current ? arguments_of(function) : nullptr;
}

void SigmoidTracker::end(const at::RecordFunction& function, at::ObserverContext* context) try {
  const auto schema = function.operator_schema();
  if (!current || !schema || !context) return;
  const auto name = operator_name(*schema);
  bool holds = gives_probabilities(name);
  if (!holds && goes_on(name)) {
    for (const auto& value : static_cast<Arguments*>(context)->values)
      for (const auto& tensor : tensors_of(value)) holds |= current->find(tensor);
  }
  const auto& stack = function.outputs();
  const auto count = std::min(stack.size(), schema->returns().size());
  for (size_t place = stack.size() - count; place < stack.size(); place++) {
    for (const auto& output : tensors_of(stack[place])) {
      if (!output.defined()) continue;
      const auto* impl = output.unsafeGetTensorImpl();
      if (holds) current->found_.insert_or_assign(impl, Weak(output.getIntrusivePtr()));
      else current->found_.erase(impl);
    }
  }
} catch (...) {
}

bool SigmoidTracker::find(const at::Tensor& tensor) const {
  return tensor.defined() && found_.count(tensor.unsafeGetTensorImpl()) > 0;
}

}  // namespace repsim
