#include "axes.h"

#include <algorithm>

#include "calls.h"
#include "rules.h"

namespace repsim {

namespace {

thread_local AxisTracker* current = nullptr;

}  // namespace

AxisTracker::AxisTracker(const std::vector<at::Tensor>& inputs) : previous_(current) {
  current = this;
  for (const auto& input : inputs) set(input, layout_of_input(input.sizes()));
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&begin, &end)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

AxisTracker::~AxisTracker() {
  at::removeCallback(handle_);
  current = previous_;
}

void AxisTracker::note(const at::Tensor& output) { noted_.push_back(find(output)); }

std::vector<Axes> AxisTracker::axes() const {
  std::vector<Axes> found;
  for (const auto& layout : noted_) {
    if (!layout) found.push_back({-1, -1, -1});
    else found.push_back({sample_axis(*layout), channel_axis(*layout), class_tokens(*layout)});
  }
  return found;
}

std::unique_ptr<at::ObserverContext> AxisTracker::begin(const at::RecordFunction& function) {
  return current ? arguments_of(function) : nullptr;
}

// Nothing that goes wrong here may stop the model: an output without a layout is one of which
// nothing is known.
void AxisTracker::end(const at::RecordFunction& function, at::ObserverContext* context) try {
  const auto schema = function.operator_schema();
  if (!current || !schema || !context) return;
  const auto& values = static_cast<Arguments*>(context)->values;
  if (values.size() != schema->arguments().size()) return;
  const Call call{operator_name(*schema), *schema, values,
                  [](const at::Tensor& tensor) { return current->find(tensor); }};
  const auto given = call.tensors();
  const auto& stack = function.outputs();
  const auto count = std::min(stack.size(), schema->returns().size());
  for (size_t place = 0; place < count; place++) {
    for (const auto& output : tensors_of(stack[stack.size() - count + place])) {
      if (!output.defined()) continue;
      const bool is_argument = std::any_of(given.begin(), given.end(),
                                           [&](const auto& tensor) { return tensor.is_same(output); });
      if (auto layout = by_rule(call, output, place)) current->set(output, std::move(layout));
      else if (is_argument || !current->find(output)) current->set(output, by_elements(call, output));
    }
  }
} catch (...) {
}

LayoutPtr AxisTracker::find(const at::Tensor& tensor) const {
  const auto found = layouts_.find(tensor.unsafeGetTensorImpl());
  return found == layouts_.end() ? nullptr : found->second.second;
}

void AxisTracker::set(const at::Tensor& tensor, LayoutPtr layout) {
  if (!layout) return;
  layouts_.insert_or_assign(tensor.unsafeGetTensorImpl(),
                            std::make_pair(Weak(tensor.getIntrusivePtr()), std::move(layout)));
}

}  // namespace repsim
