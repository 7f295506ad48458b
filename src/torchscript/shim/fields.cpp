#include "fields.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "calls.h"
#include "model.h"
#include "shim.h"

namespace repsim {

namespace {

thread_local FieldTracker* current = nullptr;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

struct Frame : at::ObserverContext {
  std::unique_ptr<at::ObserverContext> arguments;
  bool known = false;
};

bool same_place(const at::Tensor& a, const at::Tensor& b) {
  return a.data_ptr() == b.data_ptr() && a.sizes() == b.sizes() && a.strides() == b.strides();
}

bool same_place(const Bounds& a, const Bounds& b) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](const at::Tensor& one, const at::Tensor& other) { return same_place(one, other); });
}

// Whether a call writes into this argument of its own.
bool writes(const Step& step, const at::Tensor& output) {
  for (size_t i = 0; i < step.arguments.size(); i++) {
    const auto* alias = step.schema.arguments()[i].alias_info();
    if (alias && alias->isWrite() && step.arguments[i].isTensor() && step.arguments[i].toTensor().is_same(output))
      return true;
  }
  return false;
}

}  // namespace

FieldTracker::FieldTracker(const at::Tensor& input) : previous_(current) {
  const auto line = [&](int64_t axis) {
    std::vector<int64_t> shape(input.dim(), 1);
    shape[axis] = input.size(axis);
    return at::arange(input.size(axis), at::kFloat).view(shape).expand(input.sizes());
  };
  set(input, {-line(2), line(2), -line(3), line(3)});
  current = this;
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&begin, &end)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

FieldTracker::~FieldTracker() {
  at::removeCallback(handle_);
  current = previous_;
}

std::unique_ptr<at::ObserverContext> FieldTracker::begin(const at::RecordFunction& function) {
  if (!current || current->inside_ || !function.operator_schema()) return nullptr;
  auto frame = std::make_unique<Frame>();
  frame->arguments = arguments_of(function);
  frame->known = has_spread(*function.operator_schema());
  current->inside_ = frame->known;
  return frame;
}

// Nothing that goes wrong here may stop the model.
void FieldTracker::end(const at::RecordFunction& function, at::ObserverContext* context) try {
  if (!current || !context) return;
  const auto& frame = *static_cast<Frame*>(context);
  if (frame.known) current->inside_ = false;
  const auto schema = function.operator_schema();
  const auto& values = static_cast<Arguments*>(frame.arguments.get())->values;
  if (!schema || values.size() != schema->arguments().size()) return;
  at::RecordFunctionGuard unseen(/*is_enabled=*/false);
  const Step step{operator_name(*schema), *schema, values,
                  [](const at::Tensor& tensor) { return current->find(tensor); }};
  const auto& stack = function.outputs();
  const auto count = std::min(stack.size(), schema->returns().size());
  std::vector<at::Tensor> outputs;
  for (size_t place = stack.size() - count; place < stack.size(); place++)
    for (const auto& output : tensors_of(stack[place])) outputs.push_back(output);
  current->take(step, frame.known, outputs);
} catch (...) {
}

void FieldTracker::take(const Step& step, bool known, const std::vector<at::Tensor>& outputs) {
  bool depends = false;
  for (const auto& value : step.arguments)
    for (const auto& tensor : tensors_of(value)) depends |= tensor.defined() && find(tensor);
  if (!depends) return;
  if (reads_numbers(step.name)) {
    if (!read_) unknown_.push_back(step.schema.name());
    read_ = true;
  }
  for (size_t place = 0; place < outputs.size(); place++) {
    const auto& output = outputs[place];
    if (!output.defined()) continue;
    const bool written = writes(step, output);
    if (!known) {
      if (written || !find(output)) lose(step, output);
      continue;
    }
    auto bounds = found(step, output, place);
    if (!bounds) continue;
    if (read_) bounds = bounds_of(output.sizes(), kUnknown);
    if (written) write(output, std::move(*bounds));
    else if (!find(output) || step.name != "tap") set(output, std::move(*bounds));
  }
}

std::optional<Bounds> FieldTracker::found(const Step& step, const at::Tensor& output, size_t place) try {
  return spread(step, output, place);
} catch (...) {
  unknown_.push_back(step.schema.name());
  return bounds_of(output.sizes(), kUnknown);
}

void FieldTracker::lose(const Step& step, const at::Tensor& output) {
  unknown_.push_back(step.schema.name());
  write(output, bounds_of(output.sizes(), kUnknown));
}

const Bounds* FieldTracker::find(const at::Tensor& tensor) const {
  const auto found = bounds_.find(tensor.unsafeGetTensorImpl());
  if (found != bounds_.end()) return &found->second.second;
  if (parted_.empty() || !tensor.has_storage()) return nullptr;
  for (const auto& storage : parted_)
    if (tensor.storage().is_alias_of(storage))
      return &doubtful_.insert_or_assign(tensor.unsafeGetTensorImpl(), bounds_of(tensor.sizes(), kUnknown))
                  .first->second;
  return nullptr;
}

void FieldTracker::set(const at::Tensor& tensor, Bounds bounds) {
  if (++sets_ % 32 == 0) std::erase_if(bounds_, [](const auto& entry) { return entry.second.first.expired(); });
  bounds_.insert_or_assign(tensor.unsafeGetTensorImpl(),
                           std::make_pair(Weak(tensor.getIntrusivePtr()), std::move(bounds)));
}

// Other tensors in the same memory changed, too: those that lie there alike in the same way, and of others
// nothing is known any more.
void FieldTracker::write(const at::Tensor& tensor, Bounds bounds) {
  const auto* before = find(tensor);
  const bool same = before && same_place(*before, bounds);
  if (same) return;
  if (tensor.has_storage()) {
    for (auto& [impl, entry] : bounds_) {
      const auto other = entry.first.lock();
      if (!other || impl == tensor.unsafeGetTensorImpl() || !other->has_storage()) continue;
      const at::Tensor beside(other);
      if (!beside.storage().is_alias_of(tensor.storage())) continue;
      const bool alike = beside.data_ptr() == tensor.data_ptr() && beside.sizes() == tensor.sizes() &&
                         beside.strides() == tensor.strides();
      entry.second = alike ? bounds : bounds_of(beside.sizes(), kUnknown);
    }
    if (tensor.storage().nbytes() > tensor.numel() * tensor.itemsize()) parted_.push_back(tensor.storage());
  }
  set(tensor, std::move(bounds));
}

}  // namespace repsim

struct repsim_fields {
  repsim::FieldTracker tracker;
};

extern "C" {

repsim_fields* repsim_follow_fields(const void* input, char** error) {
  return repsim::guarded<repsim_fields*>(error, nullptr, [&] {
    return new repsim_fields{repsim::FieldTracker(*static_cast<const at::Tensor*>(input))};
  });
}

void repsim_drop_fields(repsim_fields* fields) { delete fields; }

void* repsim_field(const repsim_fields* fields, const void* output, int bound, char** error) {
  return repsim::guarded<void*>(error, nullptr, [&]() -> void* {
    at::RecordFunctionGuard unseen(/*is_enabled=*/false);
    const auto& tensor = *static_cast<const at::Tensor*>(output);
    const auto* found = fields->tracker.find(tensor);
    if (found) return new at::Tensor(found->at(bound).contiguous());
    return new at::Tensor(at::full(tensor.sizes(), -std::numeric_limits<double>::infinity(), at::kFloat));
  });
}

char* repsim_fields_unknown(const repsim_fields* fields) {
  std::string text;
  for (const auto& name : fields->tracker.unknown()) text += name + "\n";
  return repsim::copy_text(text);
}

}  // extern "C"
